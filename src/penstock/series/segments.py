"""Several rows read at once, each beside its change: of many steps become few, which a GRU learns better.

The idea is that of SegRNN (Lin et al. 2023, arXiv:2308.11200), there for forecasts. Letters: L rows, D features, P rows
a segment.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEW = 48
"""Segments that a series of middle length is cut into, about."""
MOST = 16
"""Rows of a segment."""
CHANGE = np.float32(4.0)
"""By which changes are multiplied: from row to row they are small beside the values."""


def segment_size(lengths: NDArray[np.int64]) -> int:
    """P for series of these lengths."""
    return int(np.clip(round(float(np.median(lengths)) / FEW), 1, MOST)) if len(lengths) else 1


def with_change(row: Floats, before: Floats) -> Floats:
    """(…, 2 D): rows and their changes since the rows before."""
    return np.concatenate([row, (row - before) * CHANGE], axis=-1)


def in_segments(x: Floats, P: int) -> Floats:
    """(S, P · 2 D) of a series (L, D); the last segment is filled up with its last row, unchanged."""
    L, D = x.shape
    rows = np.zeros((-(-L // P) * P, 2 * D), np.float32)
    if L:
        rows[:L] = with_change(x, np.concatenate([x[:1], x[:-1]]))
        rows[L:, :D] = x[-1]
    return rows.reshape(-1, P * 2 * D)
