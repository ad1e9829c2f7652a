"""What Penstock and torch write as ONNX, computed by ONNX Runtime and OpenVINO, and what torch writes, read again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from export import made
from numpy.typing import NDArray
from onnx import reference
from torch import nn

import penstock
from penstock import GRU, GRUCell
from penstock.exchange import Layers, from_onnx, from_torch, to_onnx
from penstock.exchange.onnx import export

Array = NDArray[Any]
Inputs = dict[str, Array]
D, H = 3, 5
CLOSE = {"rtol": 1e-5, "atol": 2e-6}
"""Float32, whose sums and exponentials each runtime makes its own way."""


def by_onnxruntime(model: Any) -> Callable[[Inputs], list[Array]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)  # type: ignore[no-any-return]


def by_openvino(model: Any) -> Callable[[Inputs], list[Array]]:
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return lambda inputs: [np.array(compiled(inputs)[k]) for k in range(len(compiled.outputs))]


RUNTIMES = {"onnxruntime": by_onnxruntime, "openvino": by_openvino}


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Callable[[Any], Callable[[Inputs], list[Array]]]:
    return RUNTIMES[request.param]


@pytest.mark.parametrize("lengths", [None, [11, 0, 7, 1, 10]])
@pytest.mark.parametrize(("bidirectional", "layers"), [(False, 1), (False, 2), (True, 2)])
def test_layers(runtime: Any, reset: str, lengths: list[int] | None, bidirectional: bool, layers: int) -> None:
    torch.manual_seed(layers)
    module = GRU(D, H, layers, bidirectional=bidirectional, reset=reset)
    run = runtime(to_onnx(from_torch(module), lengths=lengths is not None))
    for L, N in ((11, 5), (12, 5)) if lengths else ((11, 5), (1, 1), (4, 3)):
        x, h_0 = torch.randn(L, N, D), torch.randn(len(module.all_weights), N, H)
        given = {} if lengths is None else {"lengths": np.array(lengths)}
        with torch.no_grad():
            expected = module(x, h_0, lengths=None if lengths is None else torch.tensor(lengths))
        found = run({"x": x.numpy(), "h_0": h_0.numpy(), **given})
        for got, tensor in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, tensor, **CLOSE)


def test_the_reverse_direction_alone_and_residual_layers(runtime: Any, reset: str) -> None:
    layers = from_torch(GRU(D, H, 2, bidirectional=True, reset=reset))
    alone = Layers(((layers.layers[0][1],),), reset)
    residual = from_torch(GRU(H, H, 3, reset=reset))
    for one in (alone, Layers(residual.layers, reset, residual=True)):
        x, h_0 = torch.randn(6, 4, one.input_size), torch.randn(len(one.layers), 4, H)
        expected, states = x, []
        for k, (direction,) in enumerate(one.layers):
            weights = [torch.from_numpy(value.copy()) for value in direction.arrays().values()]
            output, h_n = penstock.gru(expected, h_0[k], *weights, reset=reset, reverse=direction.reverse)
            expected = expected + output if one.residual and k else output
            states.append(h_n)
        output, after = runtime(to_onnx(one))({"x": x.numpy(), "h_0": h_0.numpy()})
        np.testing.assert_allclose(output, expected, **CLOSE)
        np.testing.assert_allclose(after, torch.stack(states), **CLOSE)


def test_double_is_refused_by_onnxruntime_in_words() -> None:
    model = to_onnx(from_torch(GRU(D, H, dtype=torch.float64)))
    run = by_onnxruntime(model)
    with pytest.raises(Exception, match="GRU operator does not support double yet"):
        run({"x": np.zeros((2, 1, D)), "h_0": np.zeros((1, 1, H))})


def test_a_language_model_step_by_step(runtime: Any, tmp_path: Path) -> None:
    ours = penstock.load(made.everything(tmp_path)["language-tied"])
    export(tmp_path / "language-tied", tmp_path / "m.onnx", force=False)
    run = runtime(onnx.load(tmp_path / "m.onnx"))
    ids = ours.vocabulary.encode("the cat sat")
    state, mine = np.zeros((3, 1, 33), np.float32), ours.initial_state()
    whole, end = run({"tokens": ids[:, None], "state": state})
    for t, token in enumerate(ids):
        expected, mine = ours.step(int(token), mine)
        found, state = run({"tokens": np.array([[token]]), "state": state})
        np.testing.assert_allclose(found[0, 0], expected, **CLOSE)
        np.testing.assert_allclose(whole[t, 0], expected, **CLOSE)
    np.testing.assert_allclose(state[:, 0], mine, **CLOSE)
    np.testing.assert_allclose(end[:, 0], mine, **CLOSE)


def test_models_of_numbers_and_of_texts(runtime: Any, tmp_path: Path) -> None:
    folders = made.everything(tmp_path)
    random, L, lengths = np.random.default_rng(2), 7, np.array([7, 1, 5])
    rows = (random.standard_normal((L, 3, 3)) * 6 + 20).astype(np.float32)
    rows[random.random((L, 3)) < 0.4, 0] = np.nan
    rows[..., 2] = random.integers(0, 5, (L, 3))
    elapsed = random.integers(1, 400, (L, 3)).astype(np.float64)
    elapsed[0] = 0
    tokens = random.integers(0, 10, (L, 3))
    for kind in ("rows", "rows-plain", "segments", "texts"):
        ours = penstock.load(folders[kind])
        export(folders[kind], tmp_path / "m.onnx", force=True)
        model = onnx.load(tmp_path / "m.onnx")
        C = 2 if kind == "rows-plain" else 3
        given: dict[str, Any] = {
            "rows": rows[..., -C:] if C == 3 else rows[..., [1, 1]],
            "elapsed": elapsed,
            "lengths": lengths,
            "tokens": tokens,
            "memory": np.zeros((2, 3, C)),
        }
        named = {one.name: one for one in model.graph.input}
        if "state" in named:
            sizes = [axis.dim_value for axis in named["state"].type.tensor_type.shape.dim]
            given["state"] = np.zeros((sizes[0], 3, sizes[2]), np.float32)
        found = runtime(model)({name: given[name] for name in named})
        answers = found[[one.name for one in model.graph.output].index("answers")]
        for n, length in enumerate(lengths):
            if kind == "texts":
                expected = ours.answers(ours._read([ours._embedding[tokens[:length, n]]])[0])[0]
            elif kind == "segments":
                expected = ours.predict(given["rows"][:length, n])
            else:
                expected = ours.predict(given["rows"][:, n], elapsed[:, n].cumsum() if kind == "rows" else None)
            np.testing.assert_allclose(
                answers[n] if answers.ndim == 2 else answers[:, n], expected, rtol=2e-5, atol=1e-5
            )


class Ragged(nn.Module):
    """What people build: layers before and after a GRU, lengths and a state given."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, D), nn.Linear(2 * H, 2)
        self.gru = GRU(D, H, 2, batch_first=True, bidirectional=True, reset="after")

    def forward(self, x: torch.Tensor, h: torch.Tensor, lengths: torch.Tensor) -> Any:
        output, h_n = self.gru(self.embed(x), h, lengths=lengths)
        return self.head(output), h_n


class Plain(nn.Module):
    """A wide one, whose weights torch does not put in order beforehand, both directions, and a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.cell = GRU(4, 300, bidirectional=True), GRUCell(600, H)

    def forward(self, x: torch.Tensor) -> Any:
        output, _ = self.gru(x)
        return output, self.cell(output[-1])


def by_torch(model: nn.Module, arguments: tuple[Any, ...], axes: tuple[dict[int, Any], ...]) -> Any:
    program = torch.onnx.export(model.eval(), arguments, dynamo=True, dynamic_shapes=axes, verbose=False)
    assert program is not None
    return program.model_proto


AUTO = torch.export.Dim.AUTO


def agree(model: nn.Module, proto: Any, arguments: tuple[Any, ...], runtimes: Any) -> None:
    with torch.no_grad():
        expected = model(*arguments)
    inputs = {one.name: value.numpy() for one, value in zip(proto.graph.input, arguments, strict=True)}
    for made_by in runtimes:
        for got, tensor in zip(made_by(proto)(inputs), expected, strict=True):
            np.testing.assert_allclose(got, tensor, **CLOSE)


def by_reference(model: Any) -> Callable[[Inputs], list[Array]]:
    return lambda inputs: reference.ReferenceEvaluator(model).run(None, inputs)  # type: ignore[no-any-return]


ALL = (by_onnxruntime, by_openvino, by_reference)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the exporter's own
def test_torch_exports_lengths_and_states() -> None:
    model = Ragged()
    arguments = torch.randn(2, 6, 4), torch.randn(4, 2, H), torch.tensor([6, 3])
    proto = by_torch(model, arguments, ({0: AUTO, 1: AUTO}, {1: AUTO}, {0: AUTO}))
    assert [node.domain for node in proto.graph.node if node.op_type == "GRU"] == [""] * 4
    agree(model, proto, (torch.randn(5, 11, 4), torch.randn(4, 5, H), torch.tensor([11, 0, 7, 1, 10])), ALL)
    agree(model, proto, (torch.randn(1, 1, 4), torch.randn(4, 1, H), torch.tensor([1])), ALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_torch_exports_both_directions_as_one_node_which_is_read_again() -> None:
    model = Plain()
    proto = by_torch(model, (torch.randn(6, 2, 4),), ({0: AUTO, 1: AUTO},))
    nodes = [node for node in proto.graph.node if node.op_type == "GRU"]
    ways = [next(one.s for one in node.attribute if one.name == "direction") for node in nodes]
    assert ways == [b"bidirectional", b"forward"]
    agree(model, proto, (torch.randn(9, 5, 4),), ALL)
    again = from_onnx(proto, name=nodes[0].output[0])
    expected = from_torch(model.gru)
    assert again.reset == "before"
    for one, other in zip(again.directions, expected.directions, strict=True):
        assert one.reverse == other.reverse
        for name, value in other.arrays().items():
            np.testing.assert_array_equal(one.arrays()[name], value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_torch_writes_of_its_own_gru_is_read() -> None:
    module = nn.GRU(D, H, 2, bidirectional=True)
    proto = by_torch(module, (torch.randn(6, 2, D),), ({0: AUTO, 1: AUTO},))
    layers = from_onnx(proto)
    assert (layers.reset, len(layers.layers)) == ("after", 2)
    for one, other in zip(layers.directions, from_torch(module).directions, strict=True):
        np.testing.assert_array_equal(one.weight_hh, other.weight_hh)
        np.testing.assert_array_equal(one.bias_ih, other.bias_ih)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_onnx_cannot_say_torch_refuses_in_our_words() -> None:
    class Episodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = GRU(D, H)

        def forward(self, x: torch.Tensor) -> Any:
            return self.gru(x, resets=x[..., 0] > 0)[0]

    with pytest.raises(Exception, match=r"torch.onnx.export: resets: ONNX's GRU has none; cut the sequences"):
        by_torch(Episodes(), (torch.randn(6, 2, D),), ({},))
