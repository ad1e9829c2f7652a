"""ONNX: the layers of a GRU out of a model's file, and files of layers and of whole models.

No framework is needed, only the package ``onnx``.
"""

import collections
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.exchange.layers import Layers
from penstock.exchange.onnx_file import MOST, OnnxSource
from penstock.exchange.onnx_layers import to_onnx
from penstock.exchange.onnx_models import draw
from penstock.exchange.onnx_nodes import Node, adds_its_input, behind, is_gru, named, read
from penstock.exchange.onnx_values import Graph
from penstock.files import expect_place_for, write

__all__ = ["export", "from_onnx", "to_onnx"]

LAYOUT = ("Cast", "Concat", "Identity", "Reshape", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
"""Nodes that compute no number: they are of no account where it is said what is left out."""
SHOWN = 6
"""Names that a message lists."""


def from_onnx(source: Any, *, name: str | None = None) -> Layers:
    """The layers of a GRU in an ONNX model: its GRU node, or several that read one the other.

    Notes say what of the model is left out. Lengths, ``sequence_lens``, and the state, ``initial_h``, come with each
    call and are no part of layers.

    Args:
        source: a path, the bytes of a file, or an ``onnx.ModelProto``.
        name: which GRU node, where several could be meant: its name, or the name of its output.

    Raises:
        PenstockError: it is no whole model; or there is no GRU node, or several that do not read one the other; or one
            computes what no GRU of Penstock does.
    """
    graph = Graph(OnnxSource(source))
    protos = [node for node in graph.nodes if is_gru(node)]
    names = [named(node, k) for k, node in enumerate(protos)]
    if not protos:
        raise graph.source.error(f"holds no GRU node{_elsewhere(graph)}")
    if name is not None:
        meant = [k for k, proto in enumerate(protos) if name in (names[k], *proto.output)]
        if len(meant) != 1:
            which = "several GRU nodes" if meant else "no GRU node"
            raise graph.source.error(f"holds {which} named {name!r}, but {_listed(names)}")
        protos, names = [protos[meant[0]]], [names[meant[0]]]
    nodes = [read(graph, proto, one) for proto, one in zip(protos, names, strict=True)]
    chain, residual = _chained(graph, nodes)
    folds = dict.fromkeys(fold for node in chain for fold in node.folds)
    try:
        layers = tuple(node.directions for node in chain)
        return Layers(layers, chain[0].reset, residual, tuple(folds), tuple(_notes(graph, chain, residual)))
    except PenstockError as error:
        raise graph.source.error(str(error)) from None


def _chained(graph: Graph, nodes: list[Node]) -> tuple[list[Node], bool]:
    """The nodes in the order in which they read one the other, and whether each but the first adds what it reads."""
    if len(nodes) == 1:
        return nodes, False
    apart = graph.source.error(
        f"holds {len(nodes)} GRU nodes that are not layers of one GRU; name one by --name: "
        + _listed([node.name for node in nodes])
    )
    after: dict[str, tuple[Node, bool]] = {}
    first = []
    for node in nodes:
        before, added = behind(graph, nodes, node)
        if before is None:
            first.append(node)
        elif before.name in after:
            raise apart
        else:
            after[before.name] = node, added
    if len(first) != 1:
        raise apart
    chain, adds = first, []
    while chain[-1].name in after:
        node, added = after[chain[-1].name]
        adds.append(added)
        chain = [*chain, node]
    adds.append(adds_its_input(graph, chain[-1]))
    alike = len({(node.reset, bool(node.attributes.get("layout")), node.input("sequence_lens")) for node in chain}) == 1
    if len(chain) != len(nodes) or not alike or adds[0] or len(set(adds[1:])) > 1:
        raise apart
    return chain, adds[-1]


def _notes(graph: Graph, chain: list[Node], residual: bool) -> list[str]:
    notes = []
    if len(chain) > 1:
        notes.append(f"read one upon the other: {_listed([node.name for node in chain])}")
    used = {id(node.proto) for node in chain}
    others = collections.Counter(
        node.op_type
        for node in graph.nodes
        if id(node) not in used and not (node.op_type in LAYOUT or graph.is_known(node))
    )
    others["Add"] -= residual * (len(chain) - 1)
    others = +others
    if others:
        listed = _listed([f"{kind} × {count}" if count > 1 else kind for kind, count in others.most_common()])
        notes.append(f"the recurrent layers alone; left out of the graph: {listed}{_elsewhere(graph)}")
    if chain[0].attributes.get("layout"):
        notes.append("the node has layout=1, batch first: as batch_first=True of a module")
    for node in chain:
        initial = graph.constant(node.input("initial_h")) if node.input("initial_h") else None
        if initial is not None and np.any(initial):
            notes.append(f"{node.name} begins with a state that stands in the file, which is left out: give it as hx")
    return notes


def _elsewhere(graph: Graph) -> str:
    """What is said of GRU nodes that are not in the graph itself."""
    waiting = [(node.attribute, None) for node in graph.nodes]
    waiting += [(node.attribute, node) for function in graph.source.model.functions for node in function.node]
    inside = 0
    while waiting:
        attributes, inner = waiting.pop()
        inside += inner is not None and is_gru(inner)
        graphs = itertools.chain.from_iterable(
            (one.g, *one.graphs) for one in attributes if one.HasField("g") or one.graphs
        )
        waiting += [(node.attribute, node) for one in graphs for node in one.node]
    return f"; {inside} inside of other nodes or functions, which are not read" if inside else ""


def _listed(names: list[str]) -> str:
    shown = ", ".join(name if len(name) < 60 else f"{name[:57]}…" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the whole model of a folder as one ONNX file; what is to be said.

    Raises:
        PenstockError: the graph cannot say the model, or the file cannot be written.
    """
    if out.suffix != ".onnx":
        raise PenstockError(f"--out: expected a name that ends in .onnx, got {out}")
    expect_place_for(out)
    if out.exists() and not force:
        raise PenstockError(f"{out}: is there already; add --force to replace it, or choose another --out")
    model, said = draw(folder)
    if sum(len(one.raw_data) for one in model.graph.initializer) > MOST - (1 << 24):
        raise PenstockError(f"{folder}: onnx cannot say it in one file: a file of protobuf has {MOST:,} bytes at most")
    content = model.SerializeToString()
    write(out, content)
    return [f"wrote {out}: {len(content):,} bytes, operators of version {model.opset_import[0].version}", *said]
