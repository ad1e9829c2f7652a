"""Where windows may stand in a part of a split, so that no target is in another part."""

import numpy as np
from numpy.typing import NDArray

from penstock.series.series_set import SeriesSet


def windows(
    series: SeriesSet, part: NDArray[np.int64], reads: int, answers: int, every: int = 1, reach_back: bool = False
) -> NDArray[np.int64]:
    """(W, 2): of each window, its series and the row of ``values`` where its answers begin.

    It reads the ``reads`` rows before and answers ``answers`` rows from there on, which lie in the part.

    Args:
        series: all of them.
        part: (S, 2) as in ``penstock.series.split.Split``.
        reads: rows before the answers.
        answers: rows.
        every: rows from one window to the next, counted back from the last, whose answers end the part.
        reach_back: whether what is read may be older than the part, as for validation; else it lies in the part too.
    """
    found = []
    for k, (first, last) in enumerate(part.tolist()):
        low = max(reads, first) if reach_back else first + reads
        at = np.arange(last - answers, low - 1, -every)[::-1]
        found.append(np.stack([np.full(len(at), k), at + series.starts[k]], axis=1))
    return np.concatenate(found).astype(np.int64) if found else np.zeros((0, 2), np.int64)
