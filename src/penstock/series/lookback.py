"""What a forecast reads: the last steps of a series, gaps bridged, about their last value and by their spread.

Letters: M windows, W steps that are read, rows of all series.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.series.scaling import STILL
from penstock.series.series_set import SeriesSet
from penstock.series.windows import windows

Numbers = NDArray[np.float64]

PIECE = 1 << 15
"""Windows that are looked at together."""


class Places(NamedTuple):
    """Where windows stand: each is of one target and one series, and its answers begin at a row."""

    target: NDArray[np.int64]  # (M,)
    series: NDArray[np.int64]  # (M,)
    at: NDArray[np.int64]  # (M,)

    def only(self, which: NDArray[Any]) -> "Places":
        """Some of them."""
        return Places(*(one[which] for one in self))


class Lookback(NamedTuple):
    """Windows as a model reads them, and what takes its answers back to the column's own units."""

    values: NDArray[np.float32]  # (M, W) less the last one, by the spread; zeros where the window is constant
    last: Numbers  # (M,) NaN where a window holds no value at all
    spread: Numbers  # (M,) the standard deviation; 0 of a constant window


def carried(series: SeriesSet, column: int) -> Numbers:
    """(rows,) a column with missing values replaced by the one before, within each series; NaN before its first."""
    values = series.values[:, column].astype(np.float64)
    rows = np.where(np.isnan(values), -1, np.arange(len(values)))
    for first, last in zip(series.starts[:-1].tolist(), series.starts[1:].tolist(), strict=True):
        np.maximum.accumulate(rows[first:last], out=rows[first:last])
    return np.where(rows >= 0, values[rows], np.nan)


def lookback(values: Numbers, first: NDArray[np.int64], at: NDArray[np.int64], W: int) -> Lookback:
    """The W steps before each of some rows; before a series' first value stands that value.

    Args:
        values: (rows,) as ``carried`` gives them.
        first: (M,) the row where the window's series begins.
        at: (M,) the row after the window's last.
        W: steps.
    """
    rows = at[:, None] + np.arange(-W, 0)
    window = np.where(rows >= first[:, None], values[np.maximum(rows, 0)], np.nan)
    there = ~np.isnan(window)
    known = window[np.arange(len(window)), there.argmax(1)]
    window = np.where(there, window, known[:, None])
    last, spread = window[:, -1], window.std(axis=1)
    spread = np.where(spread > STILL * np.abs(window).max(axis=1), spread, 0.0)  # also of a window of NaN
    scaled = (window - last[:, None]) / np.where(spread > 0, spread, 1.0)[:, None]
    return Lookback(np.where(spread[:, None] > 0, scaled, 0.0).astype(np.float32), last, spread)


def varies(values: Numbers, first: NDArray[np.int64], at: NDArray[np.int64], W: int) -> NDArray[np.bool_]:
    """(M,) whether windows have a spread; arguments as of ``lookback``.

    Of most the last two values tell, without a look at the whole: a window's standard deviation is at least the
    difference of any two of its values by √(2 W).
    """
    before = np.maximum(at - min(2, W), first)
    largest = np.abs(values).max(initial=0.0, where=~np.isnan(values))
    found: NDArray[np.bool_] = np.abs(values[at - 1] - values[before]) > 2 * STILL * largest * np.sqrt(2 * W)
    rest = np.flatnonzero(~found)
    for start in range(0, len(rest), PIECE):
        some = rest[start : start + PIECE]
        found[some] = lookback(values, first[some], at[some], W).spread > 0
    return found


def places(
    series: SeriesSet, part: NDArray[np.int64], lookback: int, horizon: int, targets: int, reach_back: bool
) -> Places:
    """All windows whose answers lie in a part. A series that is too short for a whole window is read as far as it
    goes, from one step on."""
    before = part[:, 1] if reach_back else part[:, 1] - part[:, 0]
    whole = (before >= lookback + horizon)[:, None]
    found = [
        windows(series, np.where(whole, part, 0), lookback, horizon, 1, reach_back),
        windows(series, np.where(whole, 0, part), 1, horizon, 1, reach_back),
    ]
    both = np.concatenate(found)
    return Places(np.repeat(np.arange(targets), len(both)), *np.tile(both, (targets, 1)).T)


def as_read(values: Numbers, floor: float | None) -> Numbers:
    """Of a target that is forecast as its logarithm, that, of nothing less than ``floor``; without one as they are."""
    return values if floor is None else np.log(np.maximum(values, floor))


def as_written(values: Numbers, floor: float | None) -> Numbers:
    """``as_read`` undone."""
    return values if floor is None else np.exp(values)


def floor_of(series: SeriesSet, column: int, part: NDArray[np.int64], season: int | None) -> float | None:
    """A tenth of the least value of a column's rows in a part, if its changes are better told by their share than by
    their size: if all are positive, and sizes go with the level more than shares do (in the manner of Guerrero 1993,
    "Time-series analysis supported by power transformations"). None otherwise.
    """
    sizes: list[float] = []
    shares: list[float] = []
    lag, least = season or 1, np.inf
    for k, (first, last) in enumerate(part.tolist()):
        one = series.one(k).values[first:last, column].astype(np.float64)
        one = one[~np.isnan(one)]
        least = min(least, one.min(initial=np.inf))
        if least <= 0:
            return None
        if len(one) < 2 * lag + 8:
            continue
        level = np.log(one[lag:] * one[:-lag])
        changes = [np.abs(one[lag:] - one[:-lag]), np.abs(np.log(one[lag:] / one[:-lag]))]
        if level.std() > 0 and all(change.std() > 0 for change in changes):
            for found, change in zip((sizes, shares), changes, strict=True):
                found.append(float(np.corrcoef(_ranks(change), _ranks(level))[0, 1]))
    if not sizes or abs(np.median(shares)) >= abs(np.median(sizes)):
        return None
    return float(least) / 10


def _ranks(values: Numbers) -> Numbers:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)
