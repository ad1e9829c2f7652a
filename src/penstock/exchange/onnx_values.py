"""The constants of an ONNX graph: what is written in it, and what its nodes cut, turn and join of that, as exporters do
with weights. Nothing else is computed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.exchange.onnx_file import TYPES, OnnxSource

Array = NDArray[Any]
DEEPEST = 64
"""Nodes one after the other."""


class Graph:
    """A graph's nodes by what they give, and its constants."""

    def __init__(self, source: OnnxSource) -> None:
        self.source, graph = source, source.model.graph
        self.opset = max((one.version for one in source.model.opset_import if one.domain in ("", "ai.onnx")), default=1)
        self.nodes = list(graph.node)
        self.made_by = {name: node for node in self.nodes for name in node.output if name}
        self.inputs = {one.name for one in graph.input}
        self._written = {one.name: one for one in graph.initializer}
        self._known: dict[str, Array | None] = {}

    def is_known(self, node: Any) -> bool:
        """Whether it is a constant, or its outputs were found to be."""
        return node.op_type == "Constant" or any(self._known.get(name) is not None for name in node.output)

    def constant(self, name: str, deep: int = 0) -> Array | None:
        """The value of this name; None if it is not known before the graph runs.

        Raises:
            PenstockError: it is written, and cannot be read.
        """
        if name not in self._known:
            self._known[name] = self._found(name, deep)
        return self._known[name]

    def _found(self, name: str, deep: int) -> Array | None:
        if name in self._written:
            return self.source.tensor(self._written[name], name)
        node = self.made_by.get(name)
        if node is None or node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type == "Constant":
            values = [attribute for attribute in node.attribute if attribute.name == "value"]
            return self.source.tensor(values[0].t, name) if values else None
        if node.op_type not in OPERATORS:
            return None
        if deep > DEEPEST:
            raise self.source.error(f"{name}: expected a constant behind at most {DEEPEST} nodes")
        inputs = [self.constant(one, deep + 1) if one else None for one in node.input]
        if any(value is None and given for value, given in zip(inputs, node.input, strict=True)):
            return None
        attributes = {one.name: self.source.onnx.helper.get_attribute_value(one) for one in node.attribute}
        try:
            values = [value for value in inputs if value is not None]
            if node.op_type in (
                "Cast",
                "Concat",
                "Gather",
                "Reshape",
            ):  # which copy; the others look at the same numbers
                times = values[1].size if node.op_type == "Gather" else 4 if node.op_type == "Cast" else 1
                self.source.grow(times * sum(value.nbytes for value in values), name)
            parts = OPERATORS[node.op_type](inputs, attributes, len(node.output))
            found: Array = parts[list(node.output).index(name)]
            return found
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise self.source.error(f"{name}: {node.op_type} cannot be computed: {error}") from None


Inputs = Sequence[Any]
Attributes = dict[str, Any]


def _axes(inputs: Inputs, attributes: Attributes) -> Any:
    given = inputs[1] if len(inputs) > 1 else attributes.get("axes")
    return None if given is None else tuple(int(axis) for axis in given)


def _unsqueeze(inputs: Inputs, attributes: Attributes, _: int) -> list[Array]:
    axes = _axes(inputs, attributes)
    if inputs[0].ndim + len(axes) > 8:
        raise ValueError("expected at most 8 axes")
    return [np.expand_dims(inputs[0], axes)]


def _reshape(inputs: Inputs, attributes: Attributes, _: int) -> list[Array]:
    x, shape = inputs[0], [int(size) for size in inputs[1]]
    if not attributes.get("allowzero"):
        shape = [x.shape[k] if size == 0 else size for k, size in enumerate(shape)]
    return [x.reshape(shape)]


def _slice(inputs: Inputs, attributes: Attributes, _: int) -> list[Array]:
    given = dict(zip(("starts", "ends", "axes", "steps"), inputs[1:], strict=False))
    told = {**attributes, **{name: value for name, value in given.items() if value is not None}}
    axes = told.get("axes", range(len(told["starts"])))
    steps = told.get("steps", [1] * len(told["starts"]))
    cut = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes, told["starts"], told["ends"], steps, strict=True):
        size = inputs[0].shape[int(axis)]
        stop = None if step < 0 and end < -size else int(end)
        cut[int(axis)] = slice(int(start), stop, int(step))
    return [inputs[0][tuple(cut)]]


def _split(inputs: Inputs, attributes: Attributes, outputs: int) -> list[Array]:
    axis = attributes.get("axis", 0)
    sizes = inputs[1] if len(inputs) > 1 else attributes.get("split")
    if sizes is None:
        size = -(-inputs[0].shape[axis] // outputs)
        return np.split(inputs[0], [size * k for k in range(1, outputs)], axis)
    return np.split(inputs[0], np.cumsum([int(size) for size in sizes])[:-1], axis)


OPERATORS: dict[str, Callable[[Inputs, Attributes, int], list[Array]]] = {
    "Cast": lambda inputs, attributes, _: [inputs[0].astype(TYPES[attributes["to"]])],
    "Concat": lambda inputs, attributes, _: [np.concatenate(inputs, attributes["axis"])],
    "Gather": lambda inputs, attributes, _: [np.take(inputs[0], inputs[1], attributes.get("axis", 0))],
    "Identity": lambda inputs, _, __: [inputs[0]],
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": lambda inputs, attributes, _: [np.squeeze(inputs[0], _axes(inputs, attributes))],
    "Transpose": lambda inputs, attributes, _: [np.transpose(inputs[0], attributes.get("perm"))],
    "Unsqueeze": _unsqueeze,
}
"""Of each its inputs, attributes and number of outputs to the outputs."""
