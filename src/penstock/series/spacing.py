"""How far apart steps are: the usual distance, its unit, and where steps are missing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.series.series_set import SeriesSet

UNITS = (("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))
MONTHS = ((28, 31, "1 month"), (89, 92, "3 months"), (365, 366, "1 year"))
"""Of days, in the calendar's own steps."""
GAP = 1.5
"""Of usual distances: what is further apart has steps missing between."""
NEAR = 1e-3


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
    apart = distances(series)
    if not len(apart):
        return None
    step = float(np.median(apart))
    relative = apart / step
    longest = float(relative.max())
    if series.dated:
        days = apart / UNITS[0][1]
        for low, high, unit in MONTHS:
            if (low <= days).all() and (days <= high).all():
                return Spacing(step, unit, True, 0, longest)
    whole = bool((np.abs(relative - np.maximum(np.round(relative), 1)) < NEAR).all())
    return Spacing(step, in_words(step) if series.dated else f"{step:g}", whole, int((relative > GAP).sum()), longest)


def distances(series: SeriesSet) -> NDArray[np.float64]:
    """Of all steps from the one before in their series."""
    if series.times is None:
        return np.zeros(0)
    apart = np.diff(series.times).astype(np.float64)
    inside = np.ones(len(apart), bool)
    borders = series.starts[1:-1]
    inside[borders[(borders > 0) & (borders <= len(apart))] - 1] = False
    return apart[inside]


def in_words(microseconds: float) -> str:
    """A span of time in the largest unit that it is a whole number of, or nearly so."""
    for unit, size in UNITS:
        count = microseconds / size
        if count >= 1 and abs(count - round(count)) < NEAR:
            return f"{round(count):,} {unit}{'s' * (round(count) != 1)}"
    unit, size = next(((unit, size) for unit, size in UNITS if microseconds >= size), ("second", 1_000_000))
    return f"{microseconds / size:.4g} {unit}s"
