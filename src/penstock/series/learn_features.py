"""How columns are read, learned from the training rows alone."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.series.blocks import PartRows, among, cells
from penstock.series.features import FeatureColumn, Features
from penstock.series.mapped import let_go
from penstock.series.scaling import learn_part_scaling
from penstock.series.series_set import SeriesSet
from penstock.series.spacing import spacing

RAREST = 10
"""Training rows of a category that has a place of its own."""
MOST = 64
"""Places of a column of categories, but the last."""
BLOCK, BLOCKS = 1 << 18, 4
"""Rows by which it is told how fast a column changes."""
FASTEST = 0.05
"""Least correlation that is believed; what changes faster fades as if it were this."""


def learn_features(series: SeriesSet, training: NDArray[np.int64], names: Sequence[str]) -> Features:
    """How columns are read, from the training rows alone.

    Args:
        series: all of them.
        training: (S, 2) the training rows of each; see ``penstock.series.split``.
        names: the columns that a model reads.
    """
    chosen = [series.index(name) for name in names]
    columns = []
    for place in chosen:
        column = series.columns[place]
        if column.categories is None:
            misses = any(bool(np.isnan(block).any()) for block in cells(series, place, training))
            columns.append(FeatureColumn(column.name, None, (), misses, _rate(series, place, training)))
        else:
            counts = np.zeros(len(column.categories), np.int64)
            for block in cells(series, place, training):
                codes = block[~np.isnan(block)].astype(np.int64)
                counts += np.bincount(codes, minlength=len(counts))[: len(counts)]
            often = [code for code in np.argsort(-counts, kind="stable")[:MOST] if counts[code] >= RAREST]
            columns.append(
                FeatureColumn(column.name, column.categories, tuple(column.categories[code] for code in sorted(often)))
            )
    found = spacing(series)
    irregular = found is not None and (not found.regular or found.gaps > 0)
    scaling = learn_part_scaling(series, training, chosen)
    return Features(tuple(columns), scaling, found.step if found else None, irregular)


def _rate(series: SeriesSet, place: int, training: NDArray[np.int64]) -> float:
    """−log of the correlation with the row before; a column that never changes does not fade. Of many rows, that of
    some blocks."""
    part = PartRows(series, training)
    count = -(-len(part) // BLOCK)
    befores, nows = [np.zeros(0)], [np.zeros(0)]
    for k in np.unique(np.linspace(0, count - 1, min(count, BLOCKS)).astype(np.int64)).tolist():
        rows = part.at(np.arange(k * BLOCK, min((k + 1) * BLOCK, len(part))))
        column = series.values[rows, place].astype(np.float64)
        follows = ~part.begin(rows) & ~among(rows, series.starts)
        both = follows[1:] & ~np.isnan(column[1:]) & ~np.isnan(column[:-1])
        nows.append(column[1:][both])
        befores.append(column[:-1][both])
        let_go(series.values)
    now, before = np.concatenate(nows), np.concatenate(befores)
    if len(now) < 3 or now.std() == 0 or before.std() == 0:
        return 0.0
    correlation = float(np.corrcoef(now, before)[0, 1])
    return -math.log(min(max(correlation, FASTEST), 1.0))
