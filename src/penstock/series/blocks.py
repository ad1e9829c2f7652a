"""Columns a block of rows at a time, so that they may be larger than memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from penstock.series.mapped import let_go
from penstock.series.series_set import SeriesSet

BLOCK = 1 << 20
"""Rows."""


def blocks(rows: int, size: int = BLOCK) -> Iterator[slice]:
    """So many rows, block by block."""
    return (slice(row, min(row + size, rows)) for row in range(0, rows, size))


def cells(series: SeriesSet, column: int, part: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.float32]]:
    """The values of a column, of all rows or of those of a part of a split, block by block; NaN where missing."""
    ranges = None if part is None else PartRows(series, part)
    for rows in blocks(len(series.values)):
        found = series.values[rows, column]
        yield np.ascontiguousarray(found if ranges is None else found[ranges.inside(rows)])
        let_go(series.values)


class PartRows:
    """The rows of a part of a split, ascending, without a list of them."""

    def __init__(self, series: SeriesSet, part: NDArray[np.int64]) -> None:
        bounds = (series.starts[:-1, None] + part)[part[:, 1] > part[:, 0]]
        apart = bounds[1:, 0] != bounds[:-1, 1]
        self.first = bounds[np.concatenate([[True], apart])[: len(bounds)], 0]
        """(R,) where each stretch of rows that follow each other begins."""
        self.end = bounds[np.concatenate([apart, [True]])[: len(bounds)], 1]
        self._before = np.concatenate([[0], np.cumsum(self.end - self.first)])

    def __len__(self) -> int:
        return int(self._before[-1])

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows at places among all of the part; 0 of an empty one."""
        if not len(self):
            return np.zeros_like(places)
        stretch = np.searchsorted(self._before, places, "right") - 1
        found: NDArray[np.int64] = places - self._before[stretch] + self.first[stretch]
        return found

    def begin(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether rows of the part are the first of a stretch."""
        return among(rows, self.first)

    def inside(self, rows: slice) -> NDArray[np.bool_]:
        """Of a block of all rows, which are of the part."""
        steps = np.zeros(rows.stop - rows.start + 1, np.int8)
        low, high = np.searchsorted(self.end, rows.start, "right"), np.searchsorted(self.first, rows.stop)
        steps[np.maximum(self.first[low:high], rows.start) - rows.start] = 1
        steps[np.minimum(self.end[low:high], rows.stop) - rows.start] -= 1  # never where another begins
        return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def among(rows: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some rows are among others."""
    if not len(ascending):
        return np.zeros(rows.shape, bool)
    place = np.minimum(np.searchsorted(ascending, rows), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[place] == rows
    return found
