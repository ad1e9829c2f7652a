"""How columns are read, learned from the training rows alone."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.series.features import FeatureColumn, Features
from penstock.series.scaling import learn_scaling
from penstock.series.series_set import SeriesSet
from penstock.series.spacing import spacing
from penstock.series.split import rows_of

RAREST = 10
"""Training rows of a category that has a place of its own."""
MOST = 64
"""Places of a column of categories, but the last."""
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
    rows = rows_of(series, training)
    values = series.values[rows][:, chosen]
    follows = np.concatenate([[False], np.diff(rows) == 1])
    follows &= ~np.isin(rows, series.starts)
    columns = []
    for k, place in enumerate(chosen):
        column, own = series.columns[place], values[:, k]
        if column.categories is None:
            columns.append(FeatureColumn(column.name, None, (), bool(np.isnan(own).any()), _rate(own, follows)))
        else:
            codes = own[~np.isnan(own)].astype(np.int64)
            counts = np.bincount(codes, minlength=len(column.categories))[: len(column.categories)]
            often = [code for code in np.argsort(-counts, kind="stable")[:MOST] if counts[code] >= RAREST]
            columns.append(
                FeatureColumn(column.name, column.categories, tuple(column.categories[code] for code in sorted(often)))
            )
    found = spacing(series)
    irregular = found is not None and (not found.regular or found.gaps > 0)
    categories = [series.columns[place].categories is not None for place in chosen]
    return Features(tuple(columns), learn_scaling(values, categories), found.step if found else None, irregular)


def _rate(column: NDArray[np.floating], follows: NDArray[np.bool_]) -> float:
    """−log of the correlation with the row before; a column that never changes does not fade."""
    now, before = column[1:].astype(np.float64), column[:-1].astype(np.float64)
    both = follows[1:] & ~np.isnan(now) & ~np.isnan(before)
    now, before = now[both], before[both]
    if len(now) < 3 or now.std() == 0 or before.std() == 0:
        return 0.0
    correlation = float(np.corrcoef(now, before)[0, 1])
    return -math.log(min(max(correlation, FASTEST), 1.0))
