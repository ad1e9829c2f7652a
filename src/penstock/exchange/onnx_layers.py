"""The layers of a GRU as nodes of an ONNX graph, alone or inside of a whole model's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.exchange.layers import Direction, Layers
from penstock.exchange.onnx_graph import Array, OnnxDrawing


def to_onnx(layers: Layers, *, lengths: bool = False) -> Any:
    """An ``onnx.ModelProto`` of the layers, batch and time free; ``onnx.save`` writes it.

    Its inputs are x (L, N, D) and h_0 (K, N, H), K layers × directions, its outputs output (L, N, ·), the last layer's,
    and h_n (K, N, H): one graph for a sequence and, with L = 1, for one step. Where hidden sizes differ, each layer has
    its own h_0.0, h_0.1, … and h_n.0, h_n.1, …. Of float64 layers all is double, which ONNX Runtime's GRU does not
    compute.

    Args:
        layers: what to write.
        lengths: also read lengths (N,) int64, 0 … L: outputs are zero past a sequence's end, and h_n is the state
            there.
    """
    drawing, dtype = OnnxDrawing(), layers.dtype
    x = drawing.input("x", dtype, ["L", "N", layers.input_size])
    shapes = {f".{k}": (len(layer), layer[0].hidden_size) for k, layer in enumerate(layers.layers)}
    alike = len({H for _, H in shapes.values()}) == 1
    if alike:
        shapes = {"": (len(layers.directions), layers.directions[0].hidden_size)}
    states = [drawing.input(f"h_0{end}", dtype, [K, "N", H]) for end, (K, H) in shapes.items()]
    told = drawing.input("lengths", np.int64, ["N"]) if lengths else None
    if alike:
        output, h_n = draw_stack(drawing, layers, x, states[0], told)
        after = [h_n]
    else:
        output, after = draw_layers(drawing, layers, x, states, told)
    drawing.output("output", output, dtype, ["L", "N", layers.output_size])
    for (end, (K, H)), state in zip(shapes.items(), after, strict=True):
        drawing.output(f"h_n{end}", state, dtype, [K, "N", H])
    return drawing.model(layers.said(), {"penstock.format": "1", "penstock.holds": "layers"})


def draw_layers(
    drawing: OnnxDrawing, layers: Layers, x: str, states: Sequence[str], lengths: str | None = None
) -> tuple[str, list[str]]:
    """The layers over x (L, N, D): the last one's output (L, N, ·), and each layer's states after it.

    ``states`` are those before, of each layer (directions, N, H). ``lengths``, (N,) int64, are told to the nodes, and
    what these should make of them is made around each once more, as ``penstock.ops.onnx_node`` does: runtimes overlook
    them.
    """
    ragged = None if lengths is None else _Lengths(drawing, x, lengths, layers.dtype)
    after = []
    for k, (layer, state) in enumerate(zip(layers.layers, states, strict=True)):
        if ragged is None:
            output, h_n = _node(drawing, layers.reset, f"layers.{k}", layer, x, state)
        else:
            output, h_n = ragged.layer(layers.reset, f"layers.{k}", layer, x, state)
        x = drawing.node("Add", [x, output]) if layers.residual and k else output
        after.append(h_n)
    return x, after


def draw_stack(drawing: OnnxDrawing, layers: Layers, x: str, h_0: str, lengths: str | None = None) -> tuple[str, str]:
    """The same of layers of one hidden size, whose states stand in one value, before h_0 and after h_n (K, N, H)."""
    counts, states = [len(layer) for layer in layers.layers], [h_0]
    if len(counts) > 1:
        sizes = drawing.constant("layers.directions", np.array(counts, np.int64))
        states = drawing.node("Split", [h_0, sizes], len(counts), axis=0)
    output, after = draw_layers(drawing, layers, x, states, lengths)
    return output, after[0] if len(after) == 1 else drawing.node("Concat", after, axis=0)


def _node(
    drawing: OnnxDrawing, reset: str, name: str, layer: Sequence[Direction], x: str, h_0: str, lengths: str = ""
) -> tuple[str, str]:
    """One GRU node, and its output as (L, N, K × H)."""
    H = layer[0].hidden_size
    weights = {
        "W": np.stack([_in_order(one.weight_ih) for one in layer]),
        "R": np.stack([_in_order(one.weight_hh) for one in layer]),
        "B": np.stack([np.concatenate([_in_order(bias) for bias in one.biases]) for one in layer]),
    }
    constants = [drawing.constant(f"{name}.{letter}", value) for letter, value in weights.items()]
    direction = "bidirectional" if len(layer) > 1 else "reverse" if layer[0].reverse and not lengths else "forward"
    Y, Y_h = drawing.node(
        "GRU", [x, *constants, lengths, h_0], [f"{name}.Y", f"{name}.Y_h"], name=name, direction=direction,
        hidden_size=H, linear_before_reset=int(reset == "after"),
    )  # fmt: skip
    if len(layer) == 1:
        return drawing.node("Squeeze", [Y, drawing.constant("axis.1", np.array([1], np.int64))]), Y_h
    turned = drawing.node("Transpose", [Y], perm=[0, 2, 1, 3])
    shape = drawing.constant(f"{name}.shape", np.array([0, 0, 2 * H], np.int64))
    return drawing.node("Reshape", [turned, shape]), Y_h


class _Lengths:
    """What follows from the sequences' lengths, for all layers."""

    def __init__(self, drawing: OnnxDrawing, x: str, lengths: str, dtype: Any) -> None:
        self.drawing, self.told = drawing, drawing.cast(lengths, np.int32)
        one, axis = (drawing.constant(name, np.array(value, np.int64)) for name, value in (("one", 1), ("axis.1", [1])))
        zero, none = drawing.constant("zero", np.int64(0)), drawing.constant("none", np.array(0, dtype))
        self.none, shape = none, drawing.node("Shape", [x])
        at = drawing.node("Unsqueeze", [lengths, axis])  # (N, 1)
        steps = drawing.node("Range", [zero, drawing.node("Gather", [shape, zero]), one])
        steps = drawing.node("Unsqueeze", [steps, drawing.constant("axes.1.2", np.array([1, 2], np.int64))])
        self.alive = drawing.node("Less", [steps, at])  # (L, N, 1)
        self.some = drawing.node("Greater", [at, zero])
        self.last = drawing.node("Max", [drawing.node("Sub", [at, one]), zero])
        self.own = drawing.node("Max", [lengths, one])

    def layer(self, reset: str, name: str, layer: Sequence[Direction], x: str, h_0: str) -> tuple[str, str]:
        """A layer's output and h_n, a node for each direction."""
        states = self.drawing.node("Split", [h_0], len(layer), axis=0) if len(layer) > 1 else [h_0]
        found = [
            self._direction(reset, f"{name}.reverse" if one.reverse else name, one, x, state)
            for one, state in zip(layer, states, strict=True)
        ]
        outputs, after = zip(*found, strict=True)
        if len(found) == 1:
            return outputs[0], after[0]
        return self.drawing.node("Concat", outputs, axis=-1), self.drawing.node("Concat", after, axis=0)

    def _direction(self, reset: str, name: str, one: Direction, x: str, h_0: str) -> tuple[str, str]:
        node, H = self.drawing.node, one.hidden_size
        x = self._turned(x) if one.reverse else x
        output, _ = _node(self.drawing, reset, name, [one], x, h_0, self.told)
        across = self.drawing.constant(f"ones.{H}", np.ones(H, np.int64))
        at = node(
            "Unsqueeze", [node("Mul", [self.last, across]), self.drawing.constant("axis.0", np.zeros(1, np.int64))]
        )
        h_n = node("Where", [self.some, node("GatherElements", [output, at], axis=0), h_0])
        output = node("Where", [self.alive, output, self.none])
        return self._turned(output) if one.reverse else output, h_n

    def _turned(self, x: str) -> str:
        """Each sequence's own steps in the other order."""
        return str(self.drawing.node("ReverseSequence", [x, self.own], batch_axis=1, time_axis=0))


def _in_order(weight: Array) -> Array:
    """Rows z, r, h of rows r, z, n."""
    r, z, n = np.split(weight, 3)
    return np.concatenate([z, r, n])
