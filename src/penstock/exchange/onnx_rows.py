"""What ``penstock.series`` makes of rows before a GRU reads them, inside an ONNX graph, in float64 as there.

Numbers scaled, missing ones carried on and faded, categories as one of so many, times as gaps; and segments.

Letters: L steps, N batch, C columns, D features, P rows a segment, S segments.
"""

from typing import Any

import numpy as np

from penstock.exchange.onnx_graph import OnnxDrawing
from penstock.series import Features
from penstock.series.segments import CHANGE


def draw_rows(drawing: OnnxDrawing, features: Features, *, remembers: bool) -> tuple[str, list[str]]:
    """The features (L, N, D) of the graph's input rows (L, N, C), and what is to be said of its inputs.

    Where training rows missed values the graph also reads ``memory`` and, if it ``remembers`` from call to call, gives
    ``new_memory``; where steps have times it reads ``elapsed``.
    """
    C, node = len(features.columns), drawing.node
    rows = drawing.input("rows", np.float32, ["L", "N", C])
    notes = [f"rows hold {', '.join(column.name for column in features.columns)}"]
    scaling = features.scaling
    wide = drawing.cast(rows, np.float64)
    scaled = node("Sub", [wide, drawing.constant("center", scaling.center)])
    scaled = node("Div", [scaled, drawing.constant("spread", scaling.spread)])
    misses = any(column.misses for column in features.columns)
    apart = None
    if features.step is not None and (features.gap or misses):
        elapsed = drawing.input("elapsed", np.float64, ["L", "N"])
        notes.append("elapsed is the time since the row before, 0 at a series' first")
        apart = node("Div", [elapsed, drawing.constant("step", np.float64(features.step))])
        apart = node("Unsqueeze", [apart, drawing.constant("axis.2", np.array([2], np.int64))])
    values = since = scaled
    if misses:
        values, since = _carried(drawing, features, scaled, apart, remembers)
        notes.append("a missing number is NaN" + ("; memory begins as zeros" if remembers else ""))
    else:
        notes.append("training missed no number: an answer after NaN is NaN")
    if all(column.categories is None and not column.misses for column in features.columns) and not features.gap:
        return drawing.cast(values, np.float32), notes
    there = node("Not", [node("IsNaN", [wide])])
    parts = []
    for k, column in enumerate(features.columns):
        here = [
            drawing.constant(f"column.{k}.{name}", np.array([at], np.int64)) for name, at in (("at", k), ("end", k + 1))
        ]

        def only(value: str, here: list[str] = here) -> str:
            return str(node("Slice", [value, *here, drawing.constant("axis.2", np.array([2], np.int64))]))

        if column.categories is not None:
            parts.append(_one_of(drawing, column, k, only(wide), only(there)))
            continue
        parts.append(only(values))
        if column.misses:
            parts.append(drawing.cast(only(there), np.float64))
            parts.append(_log1p(drawing, only(since)))
    if features.gap:
        assert apart is not None
        parts.append(_log1p(drawing, apart))
    return drawing.cast(node("Concat", parts, axis=-1), np.float32), notes


def _log1p(drawing: OnnxDrawing, value: str) -> str:
    return str(drawing.node("Log", [drawing.node("Add", [value, drawing.constant("1.0", np.float64(1))])]))


def _one_of(drawing: OnnxDrawing, column: Any, k: int, codes: str, there: str) -> str:
    """(L, N, places) of a category's codes (L, N, 1): 1 at its place."""
    node, other = drawing.node, len(column.kept)
    table = [column.kept.index(name) if name in column.kept else other for name in column.categories]
    whole = drawing.cast(node("Where", [there, codes, drawing.constant("0.0", np.float64(0))]), np.int64)
    bounds = [drawing.constant(f"column.{k}.{name}", np.int64(at)) for name, at in (("least", 0), ("most", len(table)))]
    place = node(
        "Gather",
        [drawing.constant(f"column.{k}.places", np.array([*table, other], np.int64)), node("Clip", [whole, *bounds])],
    )
    is_one = node("Equal", [place, drawing.constant(f"column.{k}.all", np.arange(other + 1))])
    return drawing.cast(node("And", [is_one, there]), np.float64)


def _carried(
    drawing: OnnxDrawing, features: Features, scaled: str, apart: str | None, remembers: bool
) -> tuple[str, str]:
    """Each number or what the last one has faded to, and the steps since that was seen, (L, N, C) each.

    The memory, (2, N, C), is the last scaled values, and the steps since they were seen, to the next row where a row is
    a step.
    """
    node, C = drawing.node, len(features.columns)
    zero = drawing.constant("0.0", np.float64(0))
    if remembers:
        memory = drawing.input("memory", np.float64, [2, "N", C])
    else:
        shape = node("Shape", [scaled])
        ends = [drawing.constant(f"{at}", np.array([at], np.int64)) for at in (1, 3)]
        shape = node("Concat", [drawing.constant("2", np.array([2], np.int64)), node("Slice", [shape, *ends])], axis=0)
        memory = node("Expand", [zero, shape])
    axis = drawing.constant("axis.0", np.zeros(1, np.int64))
    last, since = (node("Squeeze", [part, axis]) for part in node("Split", [memory], 2, axis=0))
    body = OnnxDrawing("row.")
    inputs = [body.input(name, np.float64, ["N", C]) for name in ("last", "since", "value")]
    inputs += [body.input("apart", np.float64, ["N", 1])] if apart is not None else []
    missing = body.node("IsNaN", ["value"])
    rates = body.constant("rates", np.array([-column.rate for column in features.columns]))
    now = body.node("Add", ["since", "apart"]) if apart is not None else "since"
    faded = body.node("Mul", ["last", body.node("Exp", [body.node("Mul", [now, rates])])])
    value = body.node("Where", [missing, faded, "value"])
    after = body.node("Where", [missing, now, body.constant("zero", np.float64(0))])
    if apart is None:
        after = body.node("Add", [after, body.constant("one", np.float64(1))])
    kept = {
        "new_last": body.node("Where", [missing, "last", "value"]),
        "new_since": after,
        "values": value,
        "before": now,
    }
    for name, found in kept.items():
        body.output(name, found, np.float64, ["N", C])
    scanned = [scaled] if apart is None else [scaled, apart]
    last, since, values, before = node(
        "Scan", [last, since, *scanned], 4, body=body.graph("a row"), num_scan_inputs=len(scanned)
    )
    if remembers:
        new = node("Concat", [node("Unsqueeze", [part, axis]) for part in (last, since)], axis=0)
        drawing.output("new_memory", new, np.float64, [2, "N", C])
    return values, before


def draw_segments(drawing: OnnxDrawing, x: str, lengths: str, P: int) -> tuple[str, str]:
    """Of features (L, N, D) the segments (S, N, P · 2 D) of ``penstock.series.segments``; each series' number (N,)."""
    node = drawing.node
    one, zero, size = (drawing.constant(name, np.int64(value)) for name, value in (("one", 1), ("zero", 0), ("P", P)))
    L = node("Gather", [node("Shape", [x]), zero])
    S = node("Div", [node("Add", [L, drawing.constant("P - 1", np.int64(P - 1))]), size])
    t = node("Range", [zero, node("Mul", [S, size]), one])
    t = node("Unsqueeze", [t, drawing.constant("axis.1", np.array([1], np.int64))])  # (S · P, 1)
    last = node("Max", [node("Sub", [lengths, one]), zero])
    now = _at(drawing, x, node("Min", [t, last]))
    before = _at(drawing, x, node("Min", [node("Max", [node("Sub", [t, one]), zero]), last]))
    change = node("Mul", [node("Sub", [now, before]), drawing.constant("change", CHANGE)])
    both = node("Concat", [now, change], axis=-1)
    shape = node("Shape", [both])
    N, width = (
        node("Slice", [shape, *(drawing.constant(str(k), np.array([k], np.int64)) for k in (at, at + 1))])
        for at in (1, 2)
    )
    minus, whole = drawing.constant("-1", np.array([-1], np.int64)), drawing.constant("P.1", np.array([P], np.int64))
    cut = node("Reshape", [both, node("Concat", [minus, whole, N, width], axis=0)])
    cut = node("Transpose", [cut], perm=[0, 2, 1, 3])
    wide = node("Mul", [width, whole])
    segments = node("Reshape", [cut, node("Concat", [minus, N, wide], axis=0)])
    return segments, node("Div", [node("Add", [lengths, drawing.constant("P - 1", np.int64(P - 1))]), size])


def _at(drawing: OnnxDrawing, x: str, steps: str) -> str:
    """The steps (T, N) of x (L, N, D), which are (T, N, D)."""
    node = drawing.node
    steps = node("Unsqueeze", [steps, drawing.constant("axis.2", np.array([2], np.int64))])
    ends = [drawing.constant(str(k), np.array([k], np.int64)) for k in (2, 3)]
    width = node("Slice", [node("Shape", [x]), *ends])
    ones = node("Concat", [drawing.constant("1.1", np.array([1, 1], np.int64)), width], axis=0)
    return str(node("GatherElements", [x, node("Expand", [steps, ones])], axis=0))


def draw_steps_of(drawing: OnnxDrawing, top: str, steps: str) -> str:
    """(N, 2 H): of states (S, N, H) each sequence's last one and the mean of all its own, ``steps`` (N,) of them."""
    node = drawing.node
    zero, one = (drawing.constant(name, np.int64(value)) for name, value in (("zero", 0), ("one", 1)))
    axis = drawing.constant("axis.0", np.zeros(1, np.int64))
    last = node("Unsqueeze", [node("Max", [node("Sub", [steps, one]), zero]), axis])
    last = node("Squeeze", [_at(drawing, top, last), axis])
    t = node("Range", [zero, node("Gather", [node("Shape", [top]), zero]), one])
    t = node("Unsqueeze", [t, drawing.constant("axes.1.2", np.array([1, 2], np.int64))])
    count = node("Unsqueeze", [steps, drawing.constant("axis.1", np.array([1], np.int64))])  # (N, 1)
    own = node("Where", [node("Less", [t, count]), top, drawing.constant("none", np.float32(0))])
    total = node("ReduceSum", [own, axis], keepdims=0)
    return str(node("Concat", [last, node("Div", [total, drawing.cast(count, np.float32)])], axis=-1))
