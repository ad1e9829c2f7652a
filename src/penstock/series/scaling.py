"""Scaling: numbers of about one size, learned on the training rows alone, and undone in what comes out."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.blocks import blocks, cells
from penstock.series.series_set import SeriesSet

WILD = 3.0
"""Times that the standard deviation may be what the middle half of the values says it is, IQR / 1.349; beyond, outliers
rule it, and median and IQR / 1.349 are taken instead of mean and standard deviation."""
SAMPLE = 1 << 20
"""Rows by which quantiles are told, at most."""
STILL = 1e-6
"""Of a column's size: one that varies less is constant, since float32 does not tell its values apart."""


@dataclasses.dataclass(frozen=True)
class Scaling:
    """Of each of C columns, what is taken away and then divided by."""

    center: NDArray[np.float64]  # (C,)
    spread: NDArray[np.float64]  # (C,) > 0
    statistic: tuple[str, ...]
    """Of each: "mean" and standard deviation, "median" and IQR / 1.349, "constant", or "none" of categories."""

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """(..., C), scaled."""
        return ((np.asarray(values, np.float64) - self.center) / self.spread).astype(np.float32)

    def undo(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """(..., C), as they were."""
        return (np.asarray(values, np.float64) * self.spread + self.center).astype(np.float32)

    def only(self, columns: Sequence[int]) -> "Scaling":
        """That of some columns."""
        chosen = list(columns)
        return Scaling(self.center[chosen], self.spread[chosen], tuple(self.statistic[k] for k in chosen))

    def to_json(self) -> dict[str, Any]:
        """Lists of numbers, exact."""
        return {
            "center": self.center.tolist(),
            "spread": self.spread.tolist(),
            "statistic": list(self.statistic),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scaling":
        """What ``to_json`` gave.

        Raises:
            PenstockError: it is something else.
        """
        try:
            center, spread = (np.array(content[name], np.float64) for name in ("center", "spread"))
            statistic = tuple(map(str, content["statistic"]))
        except (KeyError, TypeError, ValueError) as error:
            raise PenstockError(f"scaling: expected center, spread and statistic: {error}") from None
        whole = center.shape == spread.shape == (len(statistic),)
        if not whole or not np.isfinite(center).all() or not (np.isfinite(spread) & (spread > 0)).all():
            raise PenstockError("scaling: expected as many finite centers as positive spreads, got something else")
        return cls(center, spread, statistic)


def learn_scaling(values: NDArray[np.floating], categories: Sequence[bool] = ()) -> Scaling:
    """Of the columns of training rows.

    Args:
        values: (rows, C), NaN where missing.
        categories: (C,) whether a column is one, and left as it is; none by default.
    """
    columns = [functools.partial(_in_blocks, values[:, k]) for k in range(values.shape[1])]
    return _of_columns(columns, len(values), categories)


def learn_part_scaling(series: SeriesSet, part: NDArray[np.int64], columns: Sequence[int]) -> Scaling:
    """``learn_scaling`` of some columns' rows of a part of a split, block by block."""
    rows = int((part[:, 1] - part[:, 0]).sum())
    categories = [series.columns[k].categories is not None for k in columns]
    return _of_columns([functools.partial(cells, series, k, part) for k in columns], rows, categories)


Cells = Callable[[], Iterable[NDArray[np.floating]]]
"""A column of training rows, block by block, as often as it is called."""


def _in_blocks(column: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    return (column[rows] for rows in blocks(len(column)))


def _of_columns(columns: Sequence[Cells], rows: int, categories: Sequence[bool]) -> Scaling:
    found = [
        (0.0, 1.0, "none") if k < len(categories) and categories[k] else _learned(column, rows)
        for k, column in enumerate(columns)
    ]
    center, spread, statistic = zip(*found, strict=True) if found else ((), (), ())
    return Scaling(np.array(center, np.float64), np.array(spread, np.float64), tuple(statistic))


def _learned(column: Cells, rows: int) -> tuple[float, float, str]:
    """Mean and standard deviation are exact; quantiles those of at most ``SAMPLE`` rows, chosen evenly."""
    every = max(1, -(-rows // SAMPLE))
    count, total, at = 0, 0.0, 0
    least, most = np.inf, -np.inf
    some = []
    for block in column():
        some.append(block[-at % every :: every])
        at += len(block)
        if len(there := _there(block)):
            count, total = count + len(there), total + float(there.sum())
            least, most = min(least, float(there.min())), max(most, float(there.max()))
    if not count:
        return 0.0, 1.0, "constant"
    mean = total / count
    deviation = math.sqrt(sum(float(np.square(_there(block) - mean).sum()) for block in column()) / count)
    size = max(abs(least), abs(most))
    if deviation <= STILL * size:
        return least if least == most else mean, 1.0, "constant"
    sample = _there(np.concatenate(some))
    low, middle, high = np.quantile(sample, [0.25, 0.5, 0.75]) if len(sample) else (0.0, 0.0, 0.0)
    robust = float(high - low) / 1.349
    if deviation > WILD * robust > STILL * size:
        return float(middle), robust, "median"
    return mean, deviation, "mean"


def _there(block: NDArray[np.floating]) -> NDArray[np.float64]:
    there: NDArray[np.float64] = block[~np.isnan(block)].astype(np.float64)
    return there


@dataclasses.dataclass(frozen=True)
class SeriesScaling:
    """One scaling a series, and one over all for a series that is not among them."""

    overall: Scaling
    of: Mapping[str, Scaling] = dataclasses.field(default_factory=dict)
    """By id; empty where all series share the one."""

    def get(self, id: str) -> Scaling:
        """That of a series."""
        return self.of.get(id, self.overall)

    def to_json(self) -> dict[str, Any]:
        """The overall one, and the others by id."""
        return {"overall": self.overall.to_json(), "series": {id: one.to_json() for id, one in self.of.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SeriesScaling":
        """What ``to_json`` gave; errors as of ``Scaling``."""
        if not isinstance(content.get("overall"), dict) or not isinstance(content.get("series"), dict):
            raise PenstockError("scaling: expected one overall and those of series, got something else")
        of = {str(id): Scaling.from_json(one) for id, one in content["series"].items()}
        return cls(Scaling.from_json(content["overall"]), of)


def learn_series_scaling(
    series: SeriesSet, training: NDArray[np.int64], columns: Sequence[int], per_series: bool
) -> SeriesScaling:
    """Over the training rows of all series, and of each if ``per_series``.

    Args:
        series: all of them.
        training: (S, 2) the training rows of each, from and to, counted within it.
        columns: which.
        per_series: whether each is scaled by its own rows; one of fewer than two is scaled as all are.
    """
    chosen = list(columns)
    categories = [series.columns[k].categories is not None for k in chosen]
    overall = learn_part_scaling(series, training, chosen)
    of = {}
    for k in range(len(series)) if per_series else ():
        first, last = (int(series.starts[k] + edge) for edge in training[k])
        if last - first > 1:
            of[series.ids[k]] = learn_scaling(series.values[first:last][:, chosen], categories)
    return SeriesScaling(overall, of)
