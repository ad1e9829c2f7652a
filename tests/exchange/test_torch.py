"""PyTorch's weights as layers, and back."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock import PenstockError
from penstock.exchange import Direction, Layers, from_torch, to_module, to_torch
from penstock.exchange.files import read_file
from penstock.exchange.torch_file import read_torch_file

L, N, D, H = 7, 4, 3, 5


def given(K: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(L, N, D).double(), torch.randn(K, N, H).double(), torch.tensor([L, 3, 5, 1])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reset", ["before", "after"])
def test_there_and_back(reset: str, both: bool, bias: bool) -> None:
    module = penstock.GRU(D, H, 2, bias=bias, bidirectional=both, reset=reset).double()
    x, h_0, lengths = given(2 * (1 + both))
    back = to_module(from_torch(module))
    assert back.reset == reset
    assert back.state_dict().keys() == module.state_dict().keys()
    one, other = module(x, h_0, lengths=lengths), back(x, h_0, lengths=lengths)
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    if reset == "after":
        theirs = to_torch(from_torch(module))
        torch.testing.assert_close(theirs(x, h_0)[0], module(x, h_0)[0], rtol=0, atol=1e-14)
    else:
        with pytest.raises(PenstockError, match=r'pytorch cannot say reset="before".*keras, onnx, c and web can'):
            to_torch(from_torch(module))


def test_a_cell_is_a_layer() -> None:
    cell = torch.nn.GRUCell(D, H).double()
    x, h_0, _ = given(1)
    module = to_module(from_torch(cell))
    torch.testing.assert_close(module(x[:1], h_0)[1][0], cell(x[0], h_0[0]), rtol=0, atol=1e-14)


def test_cells_by_numbers_are_a_stack() -> None:
    layers = from_torch({"cells." + name: one for name, one in torch.nn.ModuleList(
        [torch.nn.GRUCell(D, H), torch.nn.GRUCell(H, 4), torch.nn.GRUCell(4, 4)]
    ).state_dict().items()})  # fmt: skip
    assert layers.said() == '3 layers, 3 → 5 → 4 → 4, reset="after", float32'
    assert layers.notes == ("read one upon the other, by their names: cells.0, cells.1, cells.2",)


def test_the_one_that_is_named() -> None:
    module = torch.nn.ModuleDict(
        {"encoder": torch.nn.GRU(D, H), "decoder": torch.nn.GRU(D, 4), "out": torch.nn.Linear(4, 2)}
    )
    with pytest.raises(PenstockError, match=r"name one by --name: decoder \(3 → 4\), encoder \(3 → 5\)"):
        from_torch(module)
    layers = from_torch(module, name="encoder")
    assert layers.output_size == H
    assert layers.notes == ("left out 2 other arrays: out.weight, out.bias",)
    with pytest.raises(PenstockError, match="holds no GRU named 'x', but decoder"):
        from_torch(module, name="x")


@pytest.mark.parametrize(
    ("module", "what"),
    [(torch.nn.LSTM(D, H), "an LSTM"), (torch.nn.RNN(D, H), "a plain RNN"), (torch.nn.Linear(D, H), "")],
)
def test_another_layer_is_none(module: torch.nn.Module, what: str) -> None:
    with pytest.raises(PenstockError, match=f"holds no weights of a GRU.*{what}"):
        from_torch(module)


def test_a_gate_that_takes_the_new_value_is_negated() -> None:
    module = penstock.GRU(D, H).double()
    state = {name: one.clone() for name, one in module.state_dict().items()}
    for name, one in state.items():
        if name != "reset_after":
            one[H : 2 * H] *= -1
    layers = from_torch(state, new_update=True)
    assert layers.folds == ("z took the new value: W_z, U_z and b_z negated",)
    x, h_0, _ = given(1)
    assert torch.equal(to_module(layers)(x, h_0)[0], module(x, h_0)[0])


class Odd:
    """Something else in a checkpoint."""


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_is_read_as_torch_reads_it(protocol: int, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.GRU(D, H, bidirectional=True), torch.nn.Linear(H, 2))
    optimizer = torch.optim.Adam(module.parameters())
    shared = torch.arange(1000.0)[10:940].view(93, 10).t()  # neither its beginning nor by rows
    content = {
        "model": module.state_dict() | {"0.weight_hh_l0": shared[:5, 3:48:3].t().clone()[:15]},
        "a parameter": module[0].weight_ih_l0,
        "view": shared,
        "steps": torch.tensor([1, 2]),
        "optimizer": optimizer.state_dict(),
        "of another kind": [Odd(), np.float64(3), {1: 2}, {"a", "b"}, b"bytes", 1 << 70, None, -1.5],
    }
    path = tmp_path / "m.pt"
    torch.save(content, path, pickle_protocol=protocol)
    layers = from_torch(path)
    for end, one in zip(("_l0", "_l0_reverse"), layers.directions, strict=True):
        for name, value in one.arrays().items():
            assert np.array_equal(value, content["model"][f"0.{name}{end}"].numpy()), name  # type: ignore[index]
    held = read_torch_file(path)
    assert np.array_equal(held["view"].read(), shared.numpy())
    assert "steps" not in held


def test_a_storage_of_half_numbers_is_widened(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        module = torch.nn.GRU(D, H).to(dtype)
        torch.save(module.state_dict(), tmp_path / "m.pt")
        (one,) = read_file(tmp_path / "m.pt").directions
        assert np.array_equal(one.weight_ih, module.weight_ih_l0.detach().float().numpy())
        assert np.array_equal(from_torch(module).directions[0].weight_hh, module.weight_hh_l0.detach().float().numpy())


def direction(D: int, H: int, reverse: bool = False, **wrong: Any) -> Direction:
    arrays = {"weight_ih": np.zeros((3 * H, D)), "weight_hh": np.zeros((3 * H, H)), **wrong}
    return Direction(**arrays, reverse=reverse)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: direction(3, 4, weight_hh=np.zeros((12, 5))), "weight_hh: expected (3H, H), got (12, 5)"),
        (lambda: direction(3, 4, weight_ih=np.zeros((11, 3))), "weight_ih: expected (12, D), got (11, 3)"),
        (lambda: direction(3, 4, bias_ih=np.zeros(4)), "bias_ih: expected (12,), got (4,)"),
        (
            lambda: direction(3, 4, bias_hh=np.zeros(12, np.float32)),
            "bias_hh: expected float32 or float64, the same of all",
        ),
        (lambda: direction(3, 4, bias_hh=np.full(12, np.inf)), "bias_hh: expected finite numbers, got inf"),
        (lambda: Layers((), "after"), "layers: expected one or more"),
        (lambda: Layers(((direction(3, 4),),), "both"), 'reset: expected "before" or "after"'),
        (
            lambda: Layers(((direction(3, 4),), (direction(3, 4),)), "after"),
            "layer 1: expected weights for 4 inputs, got 3",
        ),
        (lambda: Layers(((direction(3, 4, True), direction(3, 4)),), "after"), "layer 0: expected one direction"),
        (
            lambda: Layers(((direction(3, 4), direction(3, 5, True)),), "after"),
            "the same hidden size in both directions",
        ),
        (
            lambda: Layers(((direction(3, 4),), (direction(4, 5),)), "after", residual=True),
            "a residual layer gives what it reads",
        ),
        (lambda: Layers(((direction(3, 4, weight_ih=np.full((12, 3), 1e300)),),), "after").astype("float32"), "finite"),
    ],
)
def test_layers_that_do_not_fit(make: Any, message: str) -> None:
    with pytest.raises(PenstockError, match=re.escape(message)):
        make()


def test_layers_never_change() -> None:
    weight = np.ones((12, 3))
    layers = Layers(((direction(3, 4, weight_ih=weight),),), "after")
    weight[:] = 2
    assert layers.directions[0].weight_ih.max() == 1
    with pytest.raises(ValueError, match="read-only"):
        layers.directions[0].weight_ih[0] = 3


def test_a_file_object_is_no_source() -> None:
    with pytest.raises(TypeError, match="expected a module, a state dict or a path, got BytesIO"):
        from_torch(io.BytesIO())
