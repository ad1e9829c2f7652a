"""ONNX's own tests of its GRU, and files made here, read and computed by the equations; and the files that are written,
computed by ONNX's own reference."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import PenstockError, equations
from penstock.exchange import Direction, Layers, from_onnx, to_onnx

onnx = pytest.importorskip("onnx", reason="the package onnx reads and writes its files")
reference = pytest.importorskip("onnx.reference")
D, H, L, N = 3, 5, 6, 4
Array = NDArray[Any]
RNG = np.random.default_rng(11)


def compute(layers: Layers, x: Array, h_0: Any = None, lengths: Array | None = None) -> tuple[Array, list[Array]]:
    """Output (L, N, ·) and the states after it, K of (N, H), by the equations."""
    states, k = [], 0
    for number, layer in enumerate(layers.layers):
        outputs = []
        for one in layer:
            w = equations.by_gate(one.weight_ih, one.weight_hh, one.bias_ih, one.bias_hh)
            state = np.zeros((x.shape[1], one.hidden_size), x.dtype) if h_0 is None else h_0[k]
            found = equations.gru(x, state, w, reset=layers.reset, lengths=lengths, reverse=one.reverse)
            outputs.append(found.hidden)
            states.append(found.h_n)
            k += 1
        joined = np.concatenate(outputs, -1)
        x = x + joined if layers.residual and number else joined
    return x, states


def made(
    ways: str = "f",
    reset: str = "before",
    residual: bool = False,
    bias: bool = True,
    dtype: Any = np.float64,
    H: int = H,
) -> Layers:
    """A layer for each letter: f forward, r reverse, b both."""
    width, layers = D, []
    for way in ways:
        shapes = [(3 * H, width), (3 * H, H), *([(3 * H,)] * 2 if bias else [])]
        both = (False, True) if way == "b" else (way == "r",)
        weights = [[RNG.standard_normal(shape).astype(dtype) * 0.6 for shape in shapes] for _ in both]
        layers.append(tuple(Direction(*one, reverse=reverse) for one, reverse in zip(weights, both, strict=True)))
        width = H * len(both)
    return Layers(tuple(layers), reset, residual)


def arguments(layers: Layers, L: int = L, N: int = N) -> tuple[Array, Array]:
    K = len(layers.directions)
    shapes = (L, N, layers.input_size), (K, N, layers.directions[0].hidden_size)
    x, h_0 = (RNG.standard_normal(shape).astype(layers.dtype) for shape in shapes)
    return x, h_0


def node_tests() -> list[Any]:
    node = importlib.import_module("onnx.backend.test.case.node")
    importlib.import_module("onnx.backend.test.case.node.gru")
    return [case for case in node._NodeTestCases if case.model.graph.node[0].op_type == "GRU"]


CASES = node_tests()


def test_all_of_onnx_s_own_tests_are_here() -> None:
    assert {case.name for case in CASES} >= {
        "test_gru_defaults",
        "test_gru_with_initial_bias",
        "test_gru_seq_length",
        "test_gru_batchwise",
        "test_gru_reverse",
        "test_gru_bidirectional",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_onnx_s_own_tests_of_its_gru_pass(case: Any) -> None:
    """Its weights are inputs of the graph; they are written into it, since layers have weights."""
    model, (inputs, expected) = onnx.ModelProto(), case.data_sets[0]
    model.CopyFrom(case.model)
    node = model.graph.node[0]
    values = dict(zip([name for name in node.input if name], inputs, strict=True))
    for letter in node.input[1:4]:
        model.graph.initializer.append(onnx.numpy_helper.from_array(values[letter], letter))
    layers = from_onnx(model)
    layout = next((one.i for one in node.attribute if one.name == "layout"), 0)
    x = values["X"].swapaxes(0, 1) if layout else values["X"]
    output, h_n = compute(layers, x)
    K = len(layers.directions)
    Y = output.reshape(*output.shape[:2], K, -1)
    found = {"Y": Y.swapaxes(0, 1) if layout else Y.swapaxes(1, 2), "Y_h": np.stack(h_n, layout)}
    for name, value in zip([name for name in node.output if name], expected, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=2e-7)  # in float32 it is they that round


@pytest.mark.parametrize("case", CASES[:1])
def test_weights_that_are_no_constants_are_refused(case: Any) -> None:
    with pytest.raises(PenstockError, match="W: expected weights that stand in the file, got an input of the graph"):
        from_onnx(case.model)


def run(model: Any, **inputs: Array) -> list[Array]:
    """By ONNX's reference, which overlooks lengths."""
    found: list[Array] = reference.ReferenceEvaluator(model).run(None, inputs)
    return found


@pytest.mark.parametrize("ways", ["f", "r", "b", "ff", "fb", "bb"])
def test_layers_written_compute_the_same_and_are_read_again(ways: str, reset: str) -> None:
    layers = made(ways, reset)
    model = to_onnx(layers)
    onnx.checker.check_model(model, full_check=True)
    for length, batch in ((L, N), (1, 1), (L + 3, 2)):
        x, h_0 = arguments(layers, length, batch)
        for got, expected in zip(run(model, x=x, h_0=h_0), compute(layers, x, h_0), strict=True):
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)
    again = from_onnx(model.SerializeToString())
    assert (again.reset, again.residual, again.folds) == (reset, False, ())
    assert_same(layers, again)


def assert_same(layers: Layers, again: Layers) -> None:
    for one, other in zip(layers.directions, again.directions, strict=True):
        assert one.reverse == other.reverse
        for name, value in one.arrays().items():
            np.testing.assert_array_equal(other.arrays()[name], value)


@pytest.mark.parametrize("ways", ["f", "r", "bb"])
def test_lengths_hold_where_a_runtime_overlooks_them(ways: str, reset: str) -> None:
    layers = made(ways, reset)
    x, h_0 = arguments(layers, 7, 5)
    lengths = np.array([7, 0, 3, 1, 6])
    model = to_onnx(layers, lengths=True)
    onnx.checker.check_model(model, full_check=True)
    for got, expected in zip(run(model, x=x, h_0=h_0, lengths=lengths), compute(layers, x, h_0, lengths), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)
    told = [node.input[4] for node in model.graph.node if node.op_type == "GRU"]
    assert len(set(told)) == 1
    assert told[0]


@pytest.mark.parametrize("count", [2, 3])
def test_residual_layers_go_and_come(count: int) -> None:
    layers = made("f" * count, "after", residual=True)
    x, h_0 = arguments(layers)
    for got, expected in zip(run(to_onnx(layers), x=x, h_0=h_0), compute(layers, x, h_0), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)
    again = from_onnx(to_onnx(layers))
    assert again.residual
    assert_same(layers, again)


def test_sizes_that_differ_have_a_state_each() -> None:
    layers = Layers(
        (made(H=4).layers[0], (Direction(*(RNG.standard_normal(s) for s in ((21, 4), (21, 7)))),)), "before"
    )
    model = to_onnx(layers)
    states = [RNG.standard_normal((1, N, H)) for H in (4, 7)]
    x = RNG.standard_normal((L, N, D))
    output, *after = run(model, x=x, **{"h_0.0": states[0], "h_0.1": states[1]})
    expected, h_n = compute(layers, x, [state[0] for state in states])
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-14)
    for got, state in zip(after, h_n, strict=True):
        np.testing.assert_allclose(got[0], state, rtol=0, atol=1e-14)
    assert_same(layers, from_onnx(model))


def graph(nodes: list[Any], constants: dict[str, Array], opset: int = 17) -> Any:
    """A model of nodes that read X."""
    helper = onnx.helper
    value = helper.make_tensor_value_info("X", 1, ["L", "N", D])
    written = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "g", [value], [helper.make_tensor_value_info("Y", 1, None)], written)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])


def weights(K: int = 1, D: int = D, H: int = H, dtype: Any = np.float32, of: str = "") -> dict[str, Array]:
    shapes = {"W": (K, 3 * H, D), "R": (K, 3 * H, H), "B": (K, 6 * H)}
    return {name + of: RNG.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def gru(name: str = "gru", inputs: str = "X W R B", outputs: str = "Y", **attributes: Any) -> Any:
    return onnx.helper.make_node("GRU", inputs.split(), outputs.split(), name=name, **{"hidden_size": H, **attributes})


def test_gates_and_biases_are_put_in_our_order() -> None:
    constants = weights(2)
    layers = from_onnx(graph([gru(direction="bidirectional", activations=["Sigmoid", "TANH"] * 2)], constants))
    ((forward, reverse),) = layers.layers
    assert (forward.reverse, reverse.reverse, layers.reset) == (False, True, "before")
    z, r, n = np.split(constants["W"][1], 3)
    np.testing.assert_array_equal(reverse.weight_ih, np.concatenate([r, z, n]))
    z, r, n = np.split(constants["B"][1, 3 * H :], 3)
    np.testing.assert_array_equal(reverse.bias_hh, np.concatenate([r, z, n]))


def test_float16_is_widened_and_no_bias_is_none() -> None:
    constants = weights(dtype=np.float16)
    layers = from_onnx(graph([gru(inputs="X W R", linear_before_reset=1)], constants))
    assert (layers.reset, layers.dtype) == ("after", np.float32)
    assert layers.folds == ("weights widened from float16 to float32, exactly",)
    assert layers.directions[0].bias_ih is None
    np.testing.assert_array_equal(layers.directions[0].weight_hh[:H], constants["R"][0, H : 2 * H])


@pytest.mark.parametrize("kind", [1, 10, 11])
def test_typed_fields_and_constant_nodes(kind: int) -> None:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    constants = weights(dtype=dtype)
    nodes = []
    for name, value in constants.items():
        tensor = onnx.helper.make_tensor(name, kind, value.shape, value.ravel())
        assert not tensor.HasField("raw_data")
        nodes.append(onnx.helper.make_node("Constant", [], [name], value=tensor))
    one = from_onnx(graph([*nodes, gru()], {})).directions[0]
    np.testing.assert_array_equal(one.weight_ih[:H], constants["W"][0, H : 2 * H])


def test_weights_that_exporters_cut_turn_and_join_are_read() -> None:
    """As of torch.onnx.export: rows r, z, n put in order by nodes."""
    one = made(dtype=np.float32).directions[0]
    i64 = lambda *values: np.array(values, np.int64)  # noqa: E731
    constants = {**one.arrays(), "0": i64(0), "H": i64(H), "2H": i64(2 * H), "3H": i64(3 * H), "flat": i64(1, -1)}
    nodes = []
    node = lambda kind, inputs, output, **more: nodes.append(  # noqa: E731
        onnx.helper.make_node(kind, inputs, output if isinstance(output, list) else [output], **more)
    )
    for name in one.arrays():
        node("Slice", [name, "0", "H", "0"], f"{name} r")
        node("Slice", [name, "H", "2H"], f"{name} z")
        node("Slice", [name, "2H", "3H", "0"], f"{name} n")
        node("Concat", [f"{name} {gate}" for gate in "zrn"], f"{name} ordered", axis=0)
    node("Unsqueeze", ["weight_ih ordered", "0"], "W")
    node("Transpose", ["weight_hh ordered"], "turned", perm=[1, 0])
    node("Transpose", ["turned"], "back")
    node("Unsqueeze", ["back", "0"], "R")
    node("Concat", ["bias_ih ordered", "bias_hh ordered"], "biases", axis=0)
    node("Reshape", ["biases", "flat"], "B")
    assert_same(made_of(one), from_onnx(graph([*nodes, gru()], constants)))


def made_of(one: Direction) -> Layers:
    return Layers(((one,),), "before")


def test_among_other_nodes_it_is_said_what_is_left_out() -> None:
    nodes = [
        onnx.helper.make_node("Relu", ["X"], ["x"]),
        gru(inputs="x W R B", outputs="y"),
        onnx.helper.make_node("Softmax", ["y"], ["p"]),
        onnx.helper.make_node("Softmax", ["p"], ["Y"]),
    ]
    (note,) = from_onnx(graph(nodes, weights())).notes
    assert note == "the recurrent layers alone; left out of the graph: Softmax × 2, Relu"


def test_several_that_are_no_stack_are_asked_for() -> None:
    nodes = [gru("a", outputs="y"), gru("b", "X W R B", "z"), onnx.helper.make_node("Add", ["y", "z"], ["Y"])]
    model = graph(nodes, weights())
    with pytest.raises(PenstockError, match=r"2 GRU nodes that are not layers of one GRU; name one by --name: a, b$"):
        from_onnx(model)
    assert len(from_onnx(model, name="b").layers) == len(from_onnx(model, name="y").layers) == 1
    with pytest.raises(PenstockError, match=r"holds no GRU node named 'c', but a, b$"):
        from_onnx(model, name="c")


@pytest.mark.parametrize("wrong", ["turned", "forms", "relu"])
def test_what_only_looks_like_a_stack_is_none(wrong: str) -> None:
    between = {
        "turned": [("Squeeze", ["y", "one"], ["s"], {}), ("Transpose", ["s"], ["x"], {"perm": [1, 0, 2]})],
        "forms": [("Squeeze", ["y", "one"], ["x"], {})],
        "relu": [("Squeeze", ["y", "one"], ["s"], {}), ("Relu", ["s"], ["x"], {})],
    }[wrong]
    nodes = [
        gru("a", outputs="y"),
        *(onnx.helper.make_node(*one, **more) for *one, more in between),
        gru("b", "x W1 R1 B1", linear_before_reset=int(wrong == "forms")),
    ]
    constants = {**weights(), **weights(D=H, of="1"), "one": np.array([1])}
    with pytest.raises(PenstockError, match="2 GRU nodes that are not layers of one GRU"):
        from_onnx(graph(nodes, constants))


REFUSED = {
    "clip=3 bounds what goes into the gates": {"clip": 3.0},
    "activations: a GRU of Penstock has Sigmoid and Tanh, this node hardsigmoid, tanh": {
        "activations": ["HardSigmoid", "Tanh"]
    },
    "activations: a GRU of Penstock has Sigmoid and Tanh, this node sigmoid, relu": {
        "activations": ["Sigmoid", "Relu"]
    },
    "direction: expected forward, reverse, bidirectional, got 'up'": {"direction": "up"},
    r"W: expected \(2, 15, 3\), got \(1, 15, 3\)": {"direction": "bidirectional"},
    "hidden_size: expected 5, as the weights have, got 6": {"hidden_size": 6},
    "linear_before_reset: expected 0 or 1, got 2": {"linear_before_reset": 2},
    "layout: expected 0 or 1, got 7": {"layout": 7},
    "axis: expected attributes of ONNX's GRU, got others": {"axis": 1},
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_no_gru_of_penstock_computes_is_refused(says: str) -> None:
    with pytest.raises(PenstockError, match=rf"^model: gru: {says}"):
        from_onnx(graph([gru(**REFUSED[says])], weights()))


def test_alphas_that_sigmoid_and_tanh_do_not_use_are_nothing() -> None:
    from_onnx(graph([gru(activation_alpha=[0.5, 0.5], activation_beta=[0.1, 0.1])], weights()))


def test_a_state_in_the_file_and_batch_first_are_said() -> None:
    constants = {**weights(), "h": np.ones((1, 2, H), np.float32)}
    node = onnx.helper.make_node("GRU", ["X", "W", "R", "B", "", "h"], ["Y"], name="gru", hidden_size=H, layout=1)
    assert from_onnx(graph([node], constants)).notes == (
        "the node has layout=1, batch first: as batch_first=True of a module",
        "gru begins with a state that stands in the file, which is left out: give it as hx",
    )


def test_versions(tmp_path: Path) -> None:
    for opset, says in ((99, "got 99; a newer Penstock reads it"), (6, "got 6; onnx.version_converter makes")):
        with pytest.raises(PenstockError, match=rf"expected operators of version 7 to 28, {says}"):
            from_onnx(graph([gru()], weights(), opset))
