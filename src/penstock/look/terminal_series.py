"""A series in a terminal: what was answered, in words, and each column as a line of bars."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from penstock.layout import clipped, flow, wrap
from penstock.look.layer import Floats
from penstock.look.numeric import Numeric, Wide

BARS = " ▁▂▃▄▅▆▇█"
COLUMNS, LONGEST = 8, 14
"""Columns that are drawn, those that moved the answer most, and letters of their names."""


def series_lines(numeric: Numeric, strength: Floats, width: int) -> Iterator[str]:
    """The answer, the columns and the write strength (L,), each no wider than the terminal."""
    for said in _answer(numeric):
        yield from wrap(said, width)
    totals = numeric.account[:, : len(numeric.columns)].sum(0)
    order = np.argsort(-np.abs(totals), kind="stable")
    drawn = sorted(order[:COLUMNS].tolist())
    names = [clipped(numeric.columns[c], LONGEST) for c in drawn]
    margin = max(map(len, [*names, "written", "forecast"])) + 1
    room = max(min(width - margin, len(numeric.values)), 1)
    for name, values in zip(names, numeric.values[:, drawn].T, strict=True):
        yield f"{name:<{margin}}{bars(values, room)}"
    if len(numeric.columns) > COLUMNS:
        yield f"{'':<{margin}}and {len(numeric.columns) - COLUMNS:,} columns more"
    if numeric.asked == "forecast":
        yield f"{'forecast':<{margin}}{bars(numeric.answers[:, 1], max(min(width - margin, len(numeric.answers)), 1))}"
    yield f"{'written':<{margin}}{bars(np.repeat(strength, numeric.size)[: len(numeric.values)], room)}"
    moved = [f"{clipped(numeric.columns[c], LONGEST)} ({totals[c]:+.3g})" for c in order[:5]]
    yield from flow(f"moved {clipped(numeric.account_of, LONGEST)}, by gradient × value, not exact:", moved, width)


def bars(values: Wide, width: int) -> str:
    """Values as so many bars, each the mean of some, between the least and the largest; blank where all are missing."""
    parts = np.array_split(np.asarray(values, np.float64), width)
    means = [float(np.nanmean(part)) if (~np.isnan(part)).any() else math.nan for part in parts]
    known = [mean for mean in means if mean == mean]
    low, high = min(known, default=0.0), max(known, default=0.0)
    size = (high - low) or 1.0
    return "".join(" " if mean != mean else BARS[1 + round((mean - low) / size * 7)] for mean in means)


def _answer(numeric: Numeric) -> Iterator[str]:
    last = len(numeric.values) - 1
    if numeric.asked == "forecast":
        low, middle, high = numeric.answers[-1]
        yield (
            f"forecast of {numeric.names[0]}, {len(numeric.answers):,} steps after {_row(numeric, last)}; "
            f"the last {middle:.4g} ({low:.4g} … {high:.4g}, quantiles 0.1 to 0.9)"
        )
        return
    surprise = numeric.surprise()
    if surprise is not None and (~np.isnan(surprise)).any():
        most = int(np.nanargmax(surprise))
        unit = "standard deviations off" if numeric.asked == "numbers" else "bits"
        yield f"least expected: {_row(numeric, most)}, {surprise[most]:.2f} {unit}"
        return
    if numeric.asked == "class":
        yield f"answer: {numeric.told()} ({float(numeric.answers[-1].max()):.0%})"
        if numeric.whole:
            ends = f"{numeric.first:,} to {numeric.first + last:,}"
            yield f"decided at {_row(numeric, numeric.decided())} of {ends}: from there on no row changed it"
        return
    labels = numeric.asked == "labels"
    each = [
        f"{name} {value:.0%}" if labels else f"{name} {value:.4g}" for name, value in _last(numeric, numeric.answers)
    ]
    true = [f"{name} {value:.4g}" for name, value in _last(numeric, numeric.truths) if value == value]
    yield f"answer{'' if numeric.whole else f' at {_row(numeric, last)}'}: {', '.join(each)}"
    if true and not labels:
        yield f"true: {', '.join(true)}"


def _last(numeric: Numeric, values: Wide) -> list[tuple[str, float]]:
    """By name, of the last row."""
    return [*zip(numeric.names, values[-1].tolist(), strict=True)]


def _row(numeric: Numeric, row: int) -> str:
    when = numeric.when[row] if numeric.when is not None else ""
    said = f"{numeric.clock} {when}" if numeric.clock else when
    return f"row {numeric.first + row:,}" + (f" ({said})" if when else "")
