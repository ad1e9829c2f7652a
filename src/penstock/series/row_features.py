"""The features and the targets of rows as they are asked for, from series that may be larger than memory.

What a row's features remember of the rows before is found again: each column's last value before the row, by an index
of blocks. The bits are those of ``Features.whole`` of its series.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.series.blocks import among, blocks
from penstock.series.features import Features
from penstock.series.mapped import let_go
from penstock.series.series_set import SeriesSet

BLOCK = 256
"""Rows between which the index says what was seen last."""
RESIDENT = 1 << 26
"""Bytes that are read before the pages of mapped files are given back."""


class RowFeatures:
    """(rows, D): indexed as the array of all features would be, by rows or by a slice of them."""

    def __init__(self, series: SeriesSet, features: Features) -> None:
        self._series, self._features = series, features
        self._columns = np.array([series.index(column.name) for column in features.columns], np.int64)
        numbers = [k for k, column in zip(self._columns, features.columns, strict=True) if column.categories is None]
        found = {int(k): _seen_before(series, int(k)) for k in numbers}
        self._seen = {k: index for k, index in found.items() if index is not None}
        self._read = 0

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """(…, D) of rows (…), of which those beside each other in the first axis best follow each other."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self._series.values)))
        flat = rows.T.ravel()
        if not len(flat):
            return np.zeros((*rows.shape, self._features.size), np.float32)
        first = among(flat, self._series.starts)
        runs = np.flatnonzero(first | (np.diff(flat, prepend=flat[0] - 2) != 1))
        inner = runs[~first[runs]]  # that begin within a series, and remember
        primers = self._primers(flat[inner])
        asked = np.insert(flat, np.repeat(inner, primers.shape[1]), primers.ravel())
        own = np.insert(np.ones(len(flat), bool), np.repeat(inner, primers.shape[1]), False)
        lengths = np.diff(runs, append=len(flat)) + np.where(first[runs], 0, primers.shape[1])
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
        values = self._series.values[asked[:, None], self._columns]
        moments = asked if self._features.step is None or self._series.times is None else self._series.times[asked]
        found = self._features.rows(values, moments.astype(np.float64), begins)[own]
        self._give_back(values.nbytes)
        shaped: NDArray[np.float32] = found.reshape(*rows.shape[::-1], -1)
        return np.ascontiguousarray(shaped.transpose(*range(rows.ndim)[::-1], rows.ndim))

    def _primers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(runs, P) ascending: before each of some rows, the first of its series, the one before, and each column's
        last that has a value."""
        starts = self._series.starts
        begin = starts[np.searchsorted(starts, rows, "right") - 1]
        found = [begin, rows - 1, *(_last_seen(self._series, k, index, rows) for k, index in self._seen.items())]
        return np.sort(np.maximum(np.stack(found, axis=1), begin[:, None]), axis=1)

    def _give_back(self, count: int) -> None:
        self._read += count
        if self._read > RESIDENT:
            self._read = 0
            let_go(self._series.values, self._series.times)


def _seen_before(series: SeriesSet, column: int) -> NDArray[np.int64] | None:
    """The last row before each block that has a value, −1 before the first; None of a column that misses none."""
    found, last, misses = [], -1, False
    for rows in blocks(len(series.values)):
        missing = np.isnan(series.values[rows, column])
        misses = misses or bool(missing.any())
        numbers = np.where(missing, -1, np.arange(rows.start, rows.stop))
        ends = np.maximum.reduceat(numbers, np.arange(0, len(numbers), BLOCK))
        before = np.maximum.accumulate(np.concatenate([[last], ends]))
        found.append(before[:-1])
        last = int(before[-1])
        let_go(series.values)
    return np.concatenate(found) if misses else None


def _last_seen(series: SeriesSet, column: int, index: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last row before each of some rows that has a value in a column; −1 where there is none."""
    near = (rows // BLOCK * BLOCK)[:, None] + np.arange(BLOCK)
    there = near < rows[:, None]
    there &= ~np.isnan(series.values[np.where(there, near, 0), column])
    found: NDArray[np.int64] = np.where(there, near, -1).max(axis=1, initial=-1)
    return np.maximum(found, index[rows // BLOCK])


class RowTargets:
    """(rows, T) float32: indexed by rows as the array of all targets would be; NaN where nothing is answered.

    Args:
        series: all of them.
        columns: the targets.
        next: a row's targets are those of the row after it in its series.
        last: of each series, the last of each target's values, at its last row.
        center: what is taken away, and then divided by ``spread``; nothing by default.
        spread: see ``center``.
    """

    def __init__(
        self,
        series: SeriesSet,
        columns: Sequence[int],
        next: bool,
        last: bool,
        center: Sequence[float] = (),
        spread: Sequence[float] = (),
    ) -> None:
        self._series, self._columns, self._next = series, np.array(columns, np.int64), next
        self._center, self._spread = np.array(center), np.array(spread)
        self._of_series = _last_values(series, self._columns) if last else None

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(…, T) of rows (…)."""
        starts, count = self._series.starts, len(self._series.values)
        if self._of_series is not None:
            ends = among(rows + 1, starts)
            own = self._of_series[np.where(ends, np.searchsorted(starts, rows, "right") - 1, 0)]
        else:
            at = rows + 1 if self._next else rows
            ends = ~among(at, starts) if self._next else np.ones(rows.shape, bool)
            own = self._series.values[np.minimum(at, count - 1)[..., None], self._columns]
        found = np.where(ends[..., None], own, np.float32(np.nan))
        if not len(self._center):
            return found
        scaled: NDArray[np.float32] = ((found - self._center) / self._spread).astype(np.float32)
        return scaled

    def answered(self, rows: Any, most: int) -> int:
        """At how many rows of a ``PartRows`` anything is answered; no more than ``most`` are counted."""
        count = 0
        for some in blocks(len(rows)):
            count += int((~np.isnan(self[rows.at(np.arange(some.start, some.stop))])).any(1).sum())
            let_go(self._series.values)
            if count >= most:
                break
        return count


def _last_values(series: SeriesSet, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """(S, T) the last value of each column in each series; NaN where it has none."""
    out = np.full((max(1, len(series)), len(columns)), np.nan, np.float32)
    for t, column in enumerate(columns.tolist()):
        ends = series.starts[1:]
        index = _seen_before(series, column)
        rows = ends - 1 if index is None else _before_ends(series, column, index, ends)
        there = (rows >= series.starts[:-1]) & (series.lengths > 0)
        out[: len(series), t][there] = series.values[rows[there], column]
    return out


def _before_ends(
    series: SeriesSet, column: int, index: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The last row before each series' end that has a value."""
    last = np.maximum(ends - 1, 0)
    own = ~np.isnan(series.values[last, column])
    found = [np.zeros(0, np.int64)]
    for some in blocks(len(ends), 1 << 12):
        found.append(_last_seen(series, column, index, last[some]))
    return np.where(own, last, np.concatenate(found))
