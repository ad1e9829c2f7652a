"""FileRows to what a GRU reads: numbers scaled, missing ones carried on and faded, categories as one of so many.

Of a number x of the column c, at the time t, in this order:

    value   its scaled value; where it is missing the last one, times exp(−w_c δ), and 0 before the first
    seen    1, or 0 where it is missing: m of GRU-D
    since   log(1 + δ)

``seen`` and ``since`` only where the training rows miss some. δ is GRU-D's time interval: since the column was last
seen before this row, or since the series began if it never was, in usual steps (Che et al. 2018, "Recurrent neural
networks for multivariate time series with missing values", section on masking and time interval; the decay of inputs
toward the mean, which is 0 here, is theirs too). The rate w_c is not learned with the weights: exp(−w_c) is the
column's correlation with itself one step before, by which a value so many steps old best predicts this one if the
column is an autoregression of order one.

A category is 1 at its place and 0 at the others, the last of which stands for rare and unknown ones; all are 0 where it
is missing. Irregular steps add ``gap``, log(1 + steps since the row before).

A series in one piece and row by row gives the same bits: both compute each number by the same float64 operations.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.scaling import Scaling


@dataclasses.dataclass(frozen=True)
class FeatureColumn:
    """How one column is read."""

    name: str
    categories: tuple[str, ...] | None = None
    """All that training saw, in the order of their codes; None of numbers."""
    kept: tuple[str, ...] = ()
    """Those with a place of their own."""
    misses: bool = False
    """Whether it has "seen" and "since"."""
    rate: float = 0.0
    """w: at which what is carried on fades, a usual step."""

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that it becomes."""
        if self.categories is not None:
            return (*(f"{self.name}={name}" for name in self.kept), f"{self.name}=other")
        return (self.name, f"{self.name} seen", f"{self.name} since") if self.misses else (self.name,)


@dataclasses.dataclass(frozen=True)
class Features:
    """How the C columns that a model reads become D features, learned on training rows."""

    columns: tuple[FeatureColumn, ...]
    scaling: Scaling
    """Over all series; another may be given for one."""
    step: float | None = None
    """The usual distance of times; None: a row is a step."""
    gap: bool = False
    """Whether the distance from the row before is a feature."""

    @property
    def names(self) -> tuple[str, ...]:
        """(D,) those of the features."""
        return (*(name for column in self.columns for name in column.features), *(["gap"] * self.gap))

    @property
    def size(self) -> int:
        """D."""
        return len(self.names)

    def whole(
        self, values: NDArray[np.floating], times: NDArray[Any] | None = None, scaling: Scaling | None = None
    ) -> NDArray[np.float32]:
        """(L, D): a series from its beginning.

        Args:
            values: (L, C), the columns in the order of ``columns``, NaN where missing.
            times: (L,), where ``step`` is not None.
            scaling: this series' own.
        """
        return self.rows(values, self._moments(times, len(values)), np.zeros(len(values), np.int64), scaling)

    def rows(
        self,
        values: NDArray[np.floating],
        moments: NDArray[np.float64],
        begins: NDArray[np.int64],
        scaling: Scaling | None = None,
    ) -> NDArray[np.float32]:
        """(L, D) of rows of several series: of each its first row, and then any that tell what was seen last.

        Args:
            values: (L, C) as for ``whole``.
            moments: (L,) when each was; the numbers of rows, where ``step`` is None.
            begins: (L,) of each, the place of the first row of its series.
            scaling: another than the one over all.
        """
        scaling = scaling or self.scaling
        step = self.step or 1.0
        scaled = (np.asarray(values, np.float64) - scaling.center) / scaling.spread
        out = np.empty((len(values), self.size), np.float32)
        at = 0
        for k, column in enumerate(self.columns):
            if column.categories is not None:
                places = _places(column, values[:, k])
                out[:, at : at + len(column.features)] = places[:, None] == np.arange(len(column.features))
            else:
                self._number(column, scaled[:, k], moments, begins, step, out[:, at : at + len(column.features)])
            at += len(column.features)
        if self.gap:
            apart = np.diff(moments, prepend=moments[:1]) / step
            out[:, at] = _log1p(np.where(begins == np.arange(len(begins)), 0.0, apart))
        return out

    def _number(
        self,
        column: FeatureColumn,
        scaled: NDArray[np.float64],
        moments: NDArray[np.float64],
        begins: NDArray[np.int64],
        step: float,
        out: NDArray[np.float32],
    ) -> None:
        missing = np.isnan(scaled)
        some = bool(missing.any())
        out[:, 0] = scaled
        if not (some or column.misses):
            return
        last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(scaled))))
        before = np.concatenate([[-1], last[:-1]])[: len(scaled)]
        since = (moments - moments[np.maximum(before, begins)]) / step  # the first row's moment stands for "never"
        rows = np.flatnonzero(missing)
        carried = np.where(last[rows] >= begins[rows], scaled[np.maximum(last[rows], 0)], 0.0)
        faded = [math.exp(exponent) for exponent in (-column.rate * since[rows]).tolist()]  # as for ``_log1p``
        out[rows, 0] = carried * np.array(faded)
        if column.misses:
            out[:, 1] = ~missing
            out[:, 2] = _log1p(since)

    def _moments(self, times: NDArray[Any] | None, length: int) -> NDArray[np.float64]:
        if self.step is None:
            return np.arange(length, dtype=np.float64)
        if times is None:
            raise ValueError("times: expected those of the rows, since steps had times in training, got None")
        return np.asarray(times).astype(np.float64)

    def stream(self, scaling: Scaling | None = None) -> "FeatureStream":
        """The same row by row, from the beginning of a series; ``scaling`` as for ``whole``."""
        return FeatureStream(self, scaling or self.scaling)

    def only(self, names: Sequence[str]) -> "Features":
        """Of some columns alone, in the order of ``columns`` and without ``gap``: of those known in advance, say."""
        chosen = [k for k, column in enumerate(self.columns) if column.name in names]
        return Features(tuple(self.columns[k] for k in chosen), self.scaling.only(chosen), self.step)

    def to_json(self) -> dict[str, Any]:
        """For config.json."""
        return {
            "columns": [dataclasses.asdict(column) for column in self.columns],
            "scaling": self.scaling.to_json(),
            "step": self.step,
            "gap": self.gap,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Features":
        """What ``to_json`` gave.

        Raises:
            PenstockError: it is something else.
        """
        try:
            columns = tuple(
                FeatureColumn(
                    str(column["name"]),
                    None if column["categories"] is None else tuple(map(str, column["categories"])),
                    tuple(map(str, column["kept"])),
                    bool(column["misses"]),
                    float(column["rate"]),
                )
                for column in content["columns"]
            )
            step = None if content["step"] is None else float(content["step"])
            gap = bool(content["gap"])
            scaling = Scaling.from_json(content["scaling"])
        except (KeyError, TypeError, ValueError) as error:
            raise PenstockError(f"features: expected columns, scaling, step and gap: {error}") from None
        if len(scaling.center) != len(columns) or not (step is None or (math.isfinite(step) and step > 0)):
            raise PenstockError("features: expected a scale for each column and a positive step, got something else")
        return cls(columns, scaling, step, gap)


class FeatureStream:
    """FileRows of one series to features, one at a time: the bits of ``Features.whole``."""

    def __init__(self, of: Features, scaling: Scaling) -> None:
        self._step, self._gap, self._clocked = of.step or 1.0, of.gap, of.step is not None
        centers, spreads = scaling.center.tolist(), scaling.spread.tolist()
        self._numbers = [
            (centers[k], spreads[k], column.rate, column.misses) if column.categories is None else None
            for k, column in enumerate(of.columns)
        ]
        self._plain = not of.gap and all(number is not None and not number[3] for number in self._numbers)
        self._scales = [*zip(centers, spreads, strict=True)]
        self._row: list[float] = []
        self._whole = False  # the last row was all there: it stands in ``_row``, not yet in ``_seen`` and ``_last``
        self._columns = of.columns
        self.size = of.size
        self._before = math.nan  # the time of the row before; NaN at the beginning
        self._seen = [math.nan] * len(of.columns)  # the time of the last row that had a value, or the first row's
        self._last = [0.0] * len(of.columns)  # scaled

    def step(self, row: Sequence[float], time: float | None = None, out: NDArray[np.float32] | None = None) -> Any:
        """(D,) the features of the next row.

        Args:
            row: (C,), NaN where missing.
            time: of it, where steps have times, as ``SeriesSet.times`` has it; not before that of the row before.
            out: (D,) to be written; made if None.
        """
        if len(row) != len(self._columns):
            raise ValueError(f"row: expected (C={len(self._columns)},), got ({len(row)},)")
        moment = self._moment(time)
        if self._plain:  # most rows, whose numbers are all there: floats one by one are faster than calls of NumPy
            values = row.tolist() if isinstance(row, np.ndarray) else row
            scaled = [
                (float(value) - center) / spread for value, (center, spread) in zip(values, self._scales, strict=True)
            ]
            if not math.isnan(sum(scaled)):
                self._row, self._before, self._whole = scaled, moment, True
                return _written(scaled, out)
        self._settle()
        features: list[float] = []
        seen, last, exp = self._seen, self._last, math.exp
        for k, number in enumerate(self._numbers):
            value = float(row[k])  # one of NumPy's float32 would compute in float32
            if number is None:
                features += self._one_of(k, value)
                continue
            center, spread, rate, misses = number
            there = value == value
            if there and not misses:
                last[k] = (value - center) / spread
                features.append(last[k])
                seen[k] = moment
                continue
            since = (moment - seen[k]) / self._step
            if there:
                last[k] = (value - center) / spread
                features.append(last[k])
                seen[k] = moment
            else:
                features.append(last[k] * exp(-rate * since))
            if misses:
                features.append(1.0 if there else 0.0)
                features.append(math.log1p(since))
        if self._gap:
            features.append(math.log1p((moment - self._before) / self._step))
        self._before = moment
        return _written(features, out)

    def _settle(self) -> None:
        if self._whole:
            self._seen, self._last, self._whole = [self._before] * len(self._columns), self._row, False

    def _moment(self, time: float | None) -> float:
        first = self._before != self._before
        if not self._clocked:
            moment = 0.0 if first else self._before + 1.0
        elif time is None:
            raise ValueError("time: expected that of the row, since steps had times in training, got None")
        else:
            moment = float(time)
        if first:
            self._before = moment
            self._seen = [moment] * len(self._seen)
        return moment

    def _one_of(self, k: int, value: float) -> list[float]:
        column = self._columns[k]
        places = [0.0] * len(column.features)
        if value == value:
            assert column.categories is not None
            code = int(value)
            name = column.categories[code] if 0 <= code < len(column.categories) else ""
            places[column.kept.index(name) if name in column.kept and code < len(column.categories) else -1] = 1.0
        return places

    @property
    def state(self) -> NDArray[np.float64]:
        """(1 + 2 C,) all that it remembers; set, it goes on from there."""
        self._settle()
        return np.array([self._before, *self._seen, *self._last])

    @state.setter
    def state(self, state: NDArray[np.float64]) -> None:
        count = len(self._seen)
        if np.shape(state) != (1 + 2 * count,):
            raise ValueError(f"state: expected (1 + 2 C = {1 + 2 * count},), got {np.shape(state)}")
        numbers = [float(number) for number in state]
        self._before, self._seen, self._last = numbers[0], numbers[1 : 1 + count], numbers[1 + count :]
        self._whole = False


def _written(features: list[float], out: NDArray[np.float32] | None) -> NDArray[np.float32]:
    if out is None:
        return np.array(features, np.float32)
    out[:] = features
    return out


def _places(column: FeatureColumn, codes: NDArray[np.floating]) -> NDArray[np.int64]:
    """The place of each row's category, −1 where it is missing."""
    assert column.categories is not None
    other = len(column.kept)
    of_code = [column.kept.index(name) if name in column.kept else other for name in column.categories]
    table = np.array([*of_code, other], np.int64)
    missing = np.isnan(codes)
    whole = np.where(missing, 0, codes).astype(np.int64)
    return np.where(missing, -1, table[np.clip(whole, 0, len(column.categories))])


def _log1p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By the C library's function, one by one: NumPy's may round otherwise inside an array than at its end."""
    unique, place = np.unique(values, return_inverse=True)
    return np.array([math.log1p(value) for value in unique.tolist()])[place]
