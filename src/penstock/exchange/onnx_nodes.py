"""ONNX's GRU nodes: their weights, and which of them stand one upon the other.

The gates' rows are in the order z, r, h; ``linear_before_reset`` 0 is reset="before", 1 is "after"; B is both biases
of a direction side by side (https://onnx.ai/onnx/operators/onnx__GRU.html).
"""

import dataclasses
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.exchange.layers import Direction, direction
from penstock.exchange.onnx_values import Array, Graph

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h")
WAYS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
UNHEARD = ("activation_alpha", "activation_beta")
"""Attributes that Sigmoid and Tanh do not use."""


@dataclasses.dataclass(frozen=True)
class Node:
    """A GRU node of a graph."""

    name: str
    proto: Any
    attributes: dict[str, Any]
    directions: tuple[Direction, ...]
    reset: str
    folds: tuple[str, ...]

    @property
    def output_size(self) -> int:
        """Features of a step of what it gives."""
        return sum(one.hidden_size for one in self.directions)

    def input(self, name: str) -> str:
        """The name of the value that comes in there, or nothing."""
        at = INPUTS.index(name)
        return str(self.proto.input[at]) if at < len(self.proto.input) else ""


def is_gru(node: Any) -> bool:
    """Whether it is ONNX's own operator."""
    return node.op_type == "GRU" and node.domain in ("", "ai.onnx")


def named(node: Any, k: int) -> str:
    """What a node is called; of one without a name its place among the GRU nodes."""
    return node.name or f"GRU {k}"


def read(graph: Graph, proto: Any, name: str) -> Node:
    """A GRU node's weights and attributes.

    Raises:
        PenstockError: it computes something else, or its weights are not constants.
    """
    error = graph.source.error
    attributes = {one.name: graph.source.onnx.helper.get_attribute_value(one) for one in proto.attribute}
    known = {"direction", "hidden_size", "linear_before_reset", "layout", "activations", "clip", *UNHEARD}
    if unknown := sorted(set(attributes) - known):
        raise error(f"{name}: {', '.join(unknown)}: expected attributes of ONNX's GRU, got others")
    if "clip" in attributes:
        raise error(
            f"{name}: clip={attributes['clip']:g} bounds what goes into the gates, which no GRU of Penstock does"
        )
    way = attributes.get("direction", b"forward").decode("utf-8", "replace")
    if way not in WAYS:
        raise error(f"{name}: direction: expected {', '.join(WAYS)}, got {way[:40]!r}")
    functions = [one.decode("utf-8", "replace").lower() for one in attributes.get("activations", [])]
    if functions and functions != ["sigmoid", "tanh"] * len(WAYS[way]):
        raise error(
            f"{name}: activations: a GRU of Penstock has Sigmoid and Tanh, this node {', '.join(functions)[:80]}"
        )
    for flag in ("linear_before_reset", "layout"):
        if attributes.get(flag, 0) not in (0, 1):
            raise error(f"{name}: {flag}: expected 0 or 1, got {attributes[flag]}")
    directions, folds = _directions(graph, proto, name, way, attributes.get("hidden_size"))
    reset = "after" if attributes.get("linear_before_reset") else "before"
    return Node(name, proto, attributes, directions, reset, folds)


def _directions(
    graph: Graph, proto: Any, name: str, way: str, hidden_size: int | None
) -> tuple[tuple[Direction, ...], tuple[str, ...]]:
    given = dict(zip(INPUTS, proto.input, strict=False))
    weights: dict[str, Array] = {}
    for letter in ("W", "R", "B"):
        if given.get(letter):
            value = graph.constant(given[letter])
            if value is None:
                what = "an input of the graph" if given[letter] in graph.inputs else "computed when the graph runs"
                raise graph.source.error(f"{name}: {letter}: expected weights that stand in the file, got {what}")
            weights[letter] = value
    error = graph.source.error
    if not {"W", "R"} <= set(weights):
        raise error(f"{name}: expected weights W and R, got {', '.join(weights) or 'none'}")
    K, (W, R) = len(WAYS[way]), (weights["W"], weights["R"])
    H = R.shape[-1] if R.ndim else 0
    expected = {"W": (K, 3 * H, W.shape[-1] if W.ndim else 0), "R": (K, 3 * H, H), "B": (K, 6 * H)}
    for letter, value in weights.items():
        if value.shape != expected[letter] or not value.size:
            raise error(f"{name}: {letter}: expected {expected[letter]}, got {value.shape}")
        if value.dtype.kind != "f" or value.dtype != W.dtype:
            raise error(f"{name}: {letter}: expected numbers of W's type, {W.dtype}, got {value.dtype}")
    if hidden_size not in (None, H):
        raise error(f"{name}: hidden_size: expected {H}, as the weights have, got {hidden_size}")
    half = W.dtype == np.float16
    wide = {letter: value.astype(np.float32) if half else value for letter, value in weights.items()}
    found = []
    for k, reverse in enumerate(WAYS[way]):
        biases = np.split(wide["B"][k], 2) if "B" in wide else []
        try:
            found.append(direction([_in_order(one) for one in (wide["W"][k], wide["R"][k], *biases)], reverse))
        except PenstockError as wrong:
            raise error(f"{name}: {wrong}") from None
    return tuple(found), ("weights widened from float16 to float32, exactly",) if half else ()


def _in_order(weight: Array) -> Array:
    """Rows r, z, n of rows z, r, h."""
    z, r, n = np.split(weight, 3)
    return np.concatenate([r, z, n])


def behind(graph: Graph, nodes: list[Node], node: Node) -> tuple[Node | None, bool]:
    """The one of the nodes whose outputs this node reads, as they are or with what that one reads added to them, and
    whether it is added; None if it reads anything else."""
    by_output = {one.proto.output[0]: one for one in nodes if one.proto.output and one.proto.output[0]}
    steps = _in_front(graph, by_output, node.input("X"))
    if steps is not None:
        return steps, False
    made = graph.made_by.get(node.input("X"))
    return (None, False) if made is None else (_added(graph, by_output, made), True)


def adds_its_input(graph: Graph, node: Node) -> bool:
    """Whether the graph adds what the node reads to what it gives."""
    by_output = {node.proto.output[0]: node} if node.proto.output and node.proto.output[0] else {}
    return any(_added(graph, by_output, made) is node for made in graph.nodes if made.op_type == "Add")


def _added(graph: Graph, by_output: dict[str, Node], made: Any) -> Node | None:
    """The node to whose outputs this Add adds what it reads."""
    if made.op_type != "Add" or len(made.input) != 2:
        return None
    for one, other in (tuple(made.input), tuple(made.input)[::-1]):
        steps = _in_front(graph, by_output, one)
        if steps is not None and steps.input("X") == other:
            return steps
    return None


def _in_front(graph: Graph, by_output: dict[str, Node], named_so: str) -> Node | None:
    """The node whose Y, (L, K, N, H) brought to (L, N, K × H), is the value of this name."""
    chain: list[Any] = []
    while named_so not in by_output:
        made = graph.made_by.get(named_so)
        if made is None or made.op_type not in ("Squeeze", "Transpose", "Reshape", "Identity") or len(chain) > 8:
            return None
        chain.append(made)
        named_so = made.input[0]
    node = by_output[named_so]
    K, H = len(node.directions), node.directions[0].hidden_size
    axes: list[str] = ["N", "L", "K", "H"] if node.attributes.get("layout") else ["L", "K", "N", "H"]
    goal = ["N", "L"] if node.attributes.get("layout") else ["L", "N"]
    for made in reversed(chain):
        attributes = {one.name: graph.source.onnx.helper.get_attribute_value(one) for one in made.attribute}
        told = [graph.constant(one) for one in made.input[1:2]]
        if made.op_type == "Transpose":
            perm = attributes.get("perm", [])
            if sorted(perm) != list(range(len(axes))):
                return None
            axes = [axes[k] for k in perm]
        elif made.op_type == "Squeeze":
            which = attributes.get("axes") if not told else told[0]
            if K > 1 or "K" not in axes or which is None or [int(k) % 4 for k in which] != [axes.index("K")]:
                return None
            axes.remove("K")
        elif made.op_type == "Reshape":
            if [axis for axis in axes if axis != "K" or K > 1] != [*goal, *(["K"] if K > 1 else []), "H"]:
                return None
            if told[0] is not None and [int(size) for size in told[0]][2:] not in ([-1], [K * H]):
                return None
            axes = [*goal, "H"]
    return node if axes == [*goal, "H"] else None
