"""The graph that torch.onnx.export draws, before it becomes a file: torch's part of it alone, and no package of ONNX's.

Its nodes are computed here as ONNX says; what runtimes make of the file is in tests/peers.
"""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

import penstock
from penstock import GRU, GRUCell
from penstock.native import core
from penstock.nn.graphs import onnx_decompositions

D, H, L, N = 3, 5, 6, 4
AUTO = torch.export.Dim.AUTO


class Model(nn.Module):
    def __init__(self, inner: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.inner, self.call = inner, call

    def forward(self, *arguments: Tensor) -> Any:
        return self.call(self.inner, *arguments)


def drawn(
    model: nn.Module, arguments: tuple[Tensor, ...], axes: tuple[dict[int, Any], ...]
) -> torch.export.ExportedProgram:
    """As torch.onnx.export does it first."""
    with mock.patch("torch.onnx.is_in_onnx_export", return_value=True):
        return torch.export.export(model, arguments, dynamic_shapes=(axes,), strict=False)


class Runtime(torch.fx.Interpreter):
    """Computes a drawn graph; the lengths may be obeyed or overlooked, as runtimes do."""

    def __init__(self, program: torch.export.ExportedProgram, obeys: bool) -> None:
        super().__init__(program.module())
        self.obeys = obeys
        self.nodes: list[tuple[str, dict[str, Any]]] = []

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if "_symbolic" not in str(target):
            return super().call_function(target, args, kwargs)
        found = torch.onnx.ops._symbolic_impl.EncodedAttrs(
            **{name: value for name, value in kwargs.items() if name.startswith("attr_")}
        )
        self.nodes.append((args[1], found.to_dict()))
        return (self._gru if args[1] == "GRU" else _turned)(*args[0], **found.to_dict())

    def _gru(
        self, x: Tensor, W: Tensor, R: Tensor, B: Any, lengths: Any, h_0: Any, *, direction: str, hidden_size: int,
        linear_before_reset: int,
    ) -> list[Tensor]:  # fmt: skip
        assert lengths is None or lengths.dtype == torch.int32
        reset, found = ("before", "after")[linear_before_reset], []
        for k, (w_ih, w_hh) in enumerate(zip(W, R, strict=True)):
            biases = (None, None) if B is None else map(_in_order, B[k].split(3 * hidden_size))
            state = None if h_0 is None else h_0[k]
            backwards = direction == "reverse" or k > 0
            options = {"reset": reset, "reverse": backwards, "lengths": lengths if self.obeys else None}
            found.append(penstock.gru(x, state, _in_order(w_ih), _in_order(w_hh), *biases, **options))
        assert direction != "bidirectional" or len(W) == 2
        outputs, states = zip(*found, strict=True)
        return [torch.stack(outputs, 1), torch.stack(states)]


def _in_order(weight: Tensor) -> Tensor:
    """From z, r, n to r, z, n."""
    z, r, n = weight.split(len(weight) // 3)
    return torch.cat([r, z, n])


def _turned(x: Tensor, lengths: Tensor, *, batch_axis: int, time_axis: int) -> Tensor:
    assert (batch_axis, time_axis) == (1, 0)
    assert int(lengths.min()) > 0  # of none some runtimes turn nothing, and some refuse
    out = x.clone()
    for n, length in enumerate(lengths.tolist()):
        out[:length, n] = x[:length, n].flip(0)
    return out


def agree(model: nn.Module, program: torch.export.ExportedProgram, *arguments: Tensor, obeys: bool = True) -> Runtime:
    runtime = Runtime(program, obeys)
    with torch.no_grad():
        torch.testing.assert_close(tuple(runtime.run(*arguments)), model(*arguments))
    return runtime


@pytest.mark.parametrize(("bidirectional", "batch_first"), [(False, False), (True, True)])
def test_layers_are_a_node_each_and_axes_are_free(reset: str, bidirectional: bool, batch_first: bool) -> None:
    gru = GRU(D, H, 2, reset=reset, bidirectional=bidirectional, batch_first=batch_first, bias=not batch_first)
    model, K = Model(gru, lambda gru, x, h: gru(x, h)), 4 if bidirectional else 2

    def made(L: int, N: int) -> tuple[Tensor, ...]:
        return torch.randn((N, L, D) if batch_first else (L, N, D)), torch.randn(K, N, H)

    program = drawn(model, made(L, N), ({0: AUTO, 1: AUTO}, {1: AUTO}))
    runtime = agree(model, program, *made(L + 3, N + 1))
    attributes = {
        "direction": "bidirectional" if bidirectional else "forward",
        "hidden_size": H,
        "linear_before_reset": int(reset == "after"),
    }
    assert runtime.nodes == [("GRU", attributes)] * 2


@pytest.mark.parametrize(("reset", "obeys", "given"), [("after", True, False), ("before", False, True)])
def test_lengths_hold_whether_a_runtime_obeys_them_or_not(reset: str, obeys: bool, given: bool) -> None:
    gru = GRU(D, H, 2, reset=reset, bidirectional=True)
    with_state = Model(gru, lambda gru, x, lengths, h: gru(x, h, lengths=lengths))
    model = with_state if given else Model(gru, lambda gru, x, lengths: gru(x, lengths=lengths))

    def made(L: int, lengths: list[int]) -> tuple[Tensor, ...]:
        N = len(lengths)
        return (torch.randn(L, N, D), torch.tensor(lengths), torch.randn(4, N, H))[: 3 if given else 2]

    axes: tuple[dict[int, Any], ...] = ({0: AUTO, 1: AUTO}, {0: AUTO}, {1: AUTO})
    program = drawn(model, made(L, [6, 2, 0, 5]), axes[: 3 if given else 2])
    runtime = agree(model, program, *made(L + 3, [9, 0, 3, 1, 8]), obeys=obeys)
    assert [name for name, _ in runtime.nodes] == ["GRU", "ReverseSequence", "GRU", "ReverseSequence"] * 2


def test_a_cell_the_function_and_an_unbatched_input(reset: str) -> None:
    cell = Model(GRUCell(D, H, reset=reset), lambda cell, x, h: (cell(x, h),))
    arguments = torch.randn(N, D), torch.randn(N, H)
    runtime = agree(cell, drawn(cell, arguments, ({0: AUTO}, {0: AUTO})), torch.randn(N + 2, D), torch.randn(N + 2, H))
    assert [name for name, _ in runtime.nodes] == ["GRU"]

    gru = GRU(D, H, reset=reset)
    weights = [weight.detach().clone() for weight in gru.parameters()]
    reverse = Model(nn.Identity(), lambda _, x, h: penstock.gru(x, h, *weights, reset=reset, reverse=True))
    arguments = torch.randn(L, N, D), torch.randn(N, H)
    runtime = agree(reverse, drawn(reverse, arguments, ({0: AUTO}, {})), torch.randn(L + 2, N, D), arguments[1])
    assert runtime.nodes[0][1]["direction"] == "reverse"

    alone = Model(gru, lambda gru, x: gru(x))
    agree(alone, drawn(alone, (torch.randn(L, D),), ({0: AUTO},)), torch.randn(L + 2, D))


REFUSED: dict[str, tuple[nn.Module, Callable[..., Any]]] = {
    r"resets: ONNX's GRU has none; cut the sequences": (GRU(D, H), lambda m, x: m(x, resets=x[..., 0] > 0)),
    r"decay: ONNX's GRU has none$": (GRU(D, H), lambda m, x: m(x, decay=x[..., :1].sigmoid())),
    r"return_gates: ONNX's GRU gives states alone": (GRU(D, H), lambda m, x: m(x, return_gates=True)[2].update),
    r"dropout: a graph is for inference; call eval\(\) first": (GRU(D, H, 2, dropout=0.5), lambda m, x: m(x)),
    r"expected float16, float32 or float64 weights, got torch.bfloat16": (
        GRU(D, H, dtype=torch.bfloat16),
        lambda m, x: m(x.bfloat16()),
    ),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_onnx_cannot_say_is_refused_in_a_sentence(says: str) -> None:
    module, call = REFUSED[says]
    with pytest.raises(NotImplementedError, match=f"^torch.onnx.export: {says}"):
        drawn(Model(module.train(), call), (torch.randn(L, N, D),), ({},))


def test_of_the_function_too() -> None:
    weights = [weight.detach() for weight in GRU(D, H).parameters()]
    model = Model(nn.Identity(), lambda _, x: penstock.gru(x, None, *weights, resets=x[..., 0] > 0))
    with pytest.raises(NotImplementedError, match=r"^torch.onnx.export: resets: ONNX's GRU has none"):
        drawn(model, (torch.randn(L, N, D),), ({},))


def test_in_eval_dropout_is_nothing() -> None:
    model = Model(GRU(D, H, 2, dropout=0.5), lambda m, x: m(x)).eval()
    agree(model, drawn(model, (torch.randn(L, N, D),), ({},)), torch.randn(L, N, D))


@pytest.mark.skipif(core.unavailable is not None, reason="without the compiled core there is no operator")
@pytest.mark.filterwarnings("ignore:.isinstance:FutureWarning")  # torch's own
def test_a_program_that_was_exported_before(reset: str) -> None:
    model = Model(GRU(D, H, 2, bidirectional=True, reset=reset), lambda m, x, h: m(x, h))
    arguments = torch.randn(L, N, D), torch.randn(4, N, H)
    program = torch.export.export(model, arguments, dynamic_shapes=(({0: AUTO}, {}),))
    again = program.run_decompositions(onnx_decompositions())
    runtime = agree(model, again, torch.randn(L + 2, N, D), arguments[1])
    assert [node["direction"] for _, node in runtime.nodes] == ["forward", "reverse"] * 2
