"""How far apart steps are: the usual distance, its unit, and where steps are missing."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.series.blocks import among, blocks
from penstock.series.mapped import let_go
from penstock.series.series_set import SeriesSet

UNITS = (("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))
MONTHS = ((28, 31, "1 month"), (89, 92, "3 months"), (365, 366, "1 year"))
"""Of days, in the calendar's own steps."""
GAP = 1.5
"""Of usual distances: what is further apart has steps missing between."""
NEAR = 1e-3
SAMPLE = 1 << 22
"""Rows by which the usual distance is told, at most."""


class Spacing(NamedTuple):
    """The distances between steps that follow each other in a series."""

    step: float
    """The usual one, their median: microseconds of dates, else in the column's own unit."""
    unit: str
    """The same in words, "1 hour"."""
    regular: bool
    """Whether each is a whole number of usual ones; calendar months are."""
    gaps: int
    """Places where steps are missing."""
    longest: float
    """Distance, in usual ones."""


def spacing(series: SeriesSet) -> Spacing | None:
    """None without times, or where no series has two steps."""
    if series.times is None or not (series.lengths > 1).any():
        return None
    every = max(1, -(-len(series.times) // SAMPLE))
    some = [apart[::every] for apart in distances(series)]
    step = float(np.median(np.concatenate(some)))
    longest, gaps, whole = 0.0, 0, True
    least, most = np.inf, 0.0
    for apart in distances(series):
        if not len(apart):
            continue
        relative = apart / step
        longest, gaps = max(longest, float(relative.max())), gaps + int((relative > GAP).sum())
        whole = whole and bool((np.abs(relative - np.maximum(np.round(relative), 1)) < NEAR).all())
        least, most = min(least, float(apart.min())), max(most, float(apart.max()))
    if series.dated:
        for low, high, unit in MONTHS:
            if low <= least / UNITS[0][1] and most / UNITS[0][1] <= high:
                return Spacing(step, unit, True, 0, longest)
    return Spacing(step, in_words(step) if series.dated else f"{step:g}", whole, gaps, longest)


def distances(series: SeriesSet) -> Iterator[NDArray[np.float64]]:
    """Of all steps from the one before in their series, block by block."""
    assert series.times is not None
    for rows in blocks(len(series.times)):
        low = max(rows.start - 1, 0)
        apart = np.diff(series.times[low : rows.stop]).astype(np.float64)
        yield apart[~among(np.arange(low + 1, rows.stop), series.starts)]
        let_go(series.times)


def in_words(microseconds: float) -> str:
    """A span of time in the largest unit that it is a whole number of, or nearly so."""
    for unit, size in UNITS:
        count = microseconds / size
        if count >= 1 and abs(count - round(count)) < NEAR:
            return f"{round(count):,} {unit}{'s' * (round(count) != 1)}"
    unit, size = next(((unit, size) for unit, size in UNITS if microseconds >= size), ("second", 1_000_000))
    return f"{microseconds / size:.4g} {unit}s"
