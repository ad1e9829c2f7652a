"""A trained model that forecasts, without torch."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.errors import PenstockError
from penstock.model_folder.content import Weights, digest_of
from penstock.model_folder.forecast import ForecastFiles, load_forecast_model
from penstock.runtime.forecast_network import ForecastNetwork
from penstock.runtime.layer import Floats
from penstock.runtime.stream import Stateful, check_count, chosen
from penstock.series import Column, SeriesSet
from penstock.series.around import Around
from penstock.series.forecasts import next_times
from penstock.series.lookback import Numbers, as_read, as_written, carried, lookback

BATCH = 1024
"""Windows that are read side by side."""
OURS = "penstock_"
"""Before the name of a column that is answered for: its own name may stand beside it, and the file is known as ours."""


class ForecastRuntime(ForecastNetwork):
    """A model that forecasts, to run; see ``ForecastConfig`` for the letters. It never changes.

    A window's forecast is the same to the last bit whatever else is forecast with it.
    """

    task = "forecast"

    def __init__(self, files: ForecastFiles) -> None:
        super().__init__(files)
        self.reads, self.answer = files.reads, files.answer
        self.around = None if files.reads.get("around") is None else Around.from_json(files.reads["around"])
        """What is read beside the target, if anything is."""
        sizes = (0, 0, 0) if self.around is None else self.around.sizes
        if sizes != files.config.beside:
            raise PenstockError(f"around: expected sizes of {files.config.beside}, as the weights have, got {sizes}")
        self._files = files

    def __reduce__(self) -> tuple[type, tuple[ForecastFiles]]:
        return type(self), (self._files,)

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self._files.weights, self.reads, self.answer)

    @property
    def weights(self) -> Weights:
        """Of its folder, by their names there."""
        return self._files.weights

    @property
    def columns(self) -> tuple[str, ...]:
        """(C,) the names of the columns that are read, in the order of a row: the targets, and what is beside them."""
        return (*self.answer.targets, *(() if self.around is None else self.around.columns))

    def named(self, target: str, quantiles: Any) -> dict[str, Any]:
        """Of quantiles (…, Q) of a target the median and the outermost, by the names of their columns."""
        name, levels = f"{OURS}{target}", self.answer.levels
        low, high = (f"{name} q{levels[end]:g}" for end in (0, -1))
        return {name: quantiles[..., len(levels) // 2], low: quantiles[..., 0], high: quantiles[..., -1]}

    def ends(self, series: SeriesSet) -> NDArray[np.int64]:
        """(S,) how many steps of each series are past: all; but where columns are known in advance those up to the last
        that has a target, so that rows may follow which say what is known."""
        if self.around is None or not self.around.known:
            return series.lengths
        targets = [series.index(name) for name in self.answer.targets]
        empty: NDArray[np.bool_] = np.logical_and.reduce(np.isnan(series.values[:, targets]), axis=1)
        last = np.maximum.accumulate(np.where(empty, 0, np.arange(1, len(empty) + 1)))
        return np.maximum(np.append(0, last)[series.starts[1:]] - series.starts[:-1], 0)

    def forecast(self, series: SeriesSet, ends: NDArray[np.int64] | None = None) -> list[Numbers]:
        """The next K steps of each series, (K, targets, Q) in the columns' own units; NaN where nothing is known.

        Args:
            series: with the model's columns.
            ends: (S,) how many steps of each are past; see ``ends``.

        Raises:
            PenstockError: what must be known of the steps ahead is not there.
        """
        c = self.config
        ends = self.ends(series) if ends is None else ends
        found = np.full((len(series), c.horizon, len(self.answer.targets), c.quantiles), np.nan)
        some = np.flatnonzero(ends > 0)
        first, at = series.starts[some], series.starts[some] + ends[some]
        beside = ahead = None
        if self.around is not None and len(some):
            if self.around.known:
                self._expect_known(series, ends)
            else:
                times = None if series.times is None else series.times[at - 1]
                ahead = self._dates_ahead(self.around, times, len(some))
            beside = self.around.of(series)
        for t, name in enumerate(self.answer.targets):
            values = carried(series, series.index(name))
            found[some, :, t] = self.forecast_at(t, values, first, at, beside, ahead)
        return list(found)

    def _expect_known(self, series: SeriesSet, ends: NDArray[np.int64]) -> None:
        """Raises PenstockError where a known column's values of the steps ahead are not there."""
        assert self.around is not None
        K, never = self.config.horizon, {one["name"] for one in self.reads["columns"] if not one["missing"]}
        for k in np.flatnonzero(ends > 0).tolist():
            ahead = series.one(k).values[ends[k] : ends[k] + K]
            for name in self.around.known:
                there = len(ahead) if name not in never else int((~np.isnan(ahead[:, series.index(name)])).sum())
                if there < K:
                    raise PenstockError(
                        f"{series.name}: series {series.ids[k]}: expected {name} of the {K:,} rows after the last "
                        f"{' or '.join(self.answer.targets)}, which may be empty there; got {there:,}"
                    )

    def _dates_ahead(self, around: Around, last: NDArray[Any] | None, M: int) -> Floats:
        """(M, K, D) of the steps after some times: where they stand in the calendar, if that is read."""
        found = np.zeros((M, self.config.horizon, around.size), np.float32)
        if around.calendar and last is not None:
            step, unit = float(self.reads["step"]), str(self.reads["step_in_words"])
            for m, time in enumerate(last.tolist()):
                dates = around.dates(next_times(time, self.config.horizon, step, unit, True))
                found[m, :, around.features.size :] = dates
        return found

    def forecast_at(
        self,
        t: int,
        values: Numbers,
        first: NDArray[np.int64],
        at: NDArray[np.int64],
        beside: Floats | None = None,
        ahead: Floats | None = None,
    ) -> Numbers:
        """(M, K, Q) from some rows on, of the t-th target.

        Args:
            t: which.
            values: (rows,) of it; for these and the rows see ``penstock.series.lookback.lookback``.
            first: (M,) the row where the window's series begins.
            at: (M,) the row after the window's last.
            beside: (rows, D) what ``around.of`` gives, if the model reads it.
            ahead: (M, K, D) of the steps ahead; by default of the rows from ``at`` on.
        """
        c, floor = self.config, self.answer.floors[t]
        values = as_read(values, floor)
        parts = [np.zeros((0, c.horizon, c.quantiles))]
        for start in range(0, len(at), BATCH):
            some = slice(start, start + BATCH)
            read = lookback(values, first[some], at[some], c.lookback)
            windows = read.values
            if self.around is not None and beside is not None:
                after = None if ahead is None else ahead[some]
                more = self.around.windows(beside, first[some], at[some], c.lookback, c.horizon, after)
                windows = np.concatenate([windows, more], axis=1)
            quantiles = np.sort(self.quantiles(windows).astype(np.float64), axis=-1)
            quantiles -= (1 - self.answer.share) * self.added(windows, quantiles)
            parts.append(as_written(quantiles * read.spread[:, None, None] + read.last[:, None, None], floor))
        return np.concatenate(parts)

    def predict(self, values: ArrayLike, times: ArrayLike | None = None) -> Numbers:
        """The next K steps of one series, (K, targets, Q) in the columns' own units.

        Args:
            values: (L, C) by ``columns``, NaN where missing; of categories their codes. Where columns are known in
                advance, K rows more, whose targets are NaN.
            times: (L,) where rows had times in training, as ``SeriesSet.times`` has them.

        Raises:
            ValueError: a shape cannot work, or there are no rows, or no times.
            PenstockError: what must be known of the steps ahead is not there.
        """
        rows = np.asarray(values, np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.columns) or not len(rows):
            raise ValueError(
                f"values: expected (L, C={len(self.columns)}) of {', '.join(self.columns)}, got {rows.shape}"
            )
        moments = None if times is None else np.asarray(times)
        columns = tuple(Column(name) for name in self.columns)
        bounds = np.array([0, len(rows)], np.int64)
        return self.forecast(SeriesSet(("values",), bounds, rows, columns, moments, bool(self.reads["dated"])))[0]

    @functools.cached_property
    def state_type(self) -> np.dtype[Any]:
        """Of where a series stands between two of its rows, by the names of its parts: W steps, the last ones at the
        end."""
        W, D = self.config.lookback, 0 if self.around is None else self.around.size
        remembered = 0 if self.around is None else len(self.around.features.stream().state)
        return np.dtype(
            [
                ("values", np.float64, (len(self.answer.targets), W)),  # missing ones replaced by those before
                ("rows", np.int64),  # how many of the steps there are
                ("beside", np.float32, (W, D)),  # what is read beside them
                ("features", np.float64, (remembered,)),  # what turning rows into features remembers
            ]
        )

    def initial_state(self) -> NDArray[Any]:
        """The state before a series, (1,) of ``state_type``."""
        return self.stream().state

    def stream(self, n: int = 1) -> "ForecastStream":
        """n series that are read row by row, from their beginning.

        Raises:
            PenstockError: columns are known in advance, of which a row says nothing.
        """
        if self.around is not None and self.around.known:
            raise PenstockError(
                f"{', '.join(self.around.known)}: expected of the {self.config.horizon:,} steps ahead, which a stream "
                "of rows has not; name files whose last rows have them"
            )
        return ForecastStream(self, n)

    def step(
        self, row: Sequence[float], state: NDArray[Any] | None = None, time: float | None = None
    ) -> tuple[Numbers, NDArray[Any]]:
        """Reads one row and forecasts what follows; many of a series are read faster by ``stream``.

        Args:
            row: (C,) by ``columns``; NaN where missing.
            state: of the series so far; None at its beginning.
            time: of the row, where rows had times in training.

        Returns:
            (K, targets, Q) the next steps, with the bits of a forecast from all rows so far; and the new state.

        Raises:
            ValueError: a shape cannot work, or the time is missing.
            PenstockError: columns are known in advance, of which a row says nothing.
        """
        stream = self.stream()
        if state is not None:
            stream.state = state
        return stream.step(row, time), stream.state


class ForecastStream(Stateful):
    """n series, row by row: the forecasts have the bits of those from the whole of each. One thread at a time may use
    it."""

    def __init__(self, model: ForecastRuntime, n: int) -> None:
        check_count(n)
        super().__init__(lambda: model.digest)
        self.model, self.n = model, n
        self._features = [None if model.around is None else model.around.features.stream() for _ in range(n)]
        self._series = np.zeros(n, model.state_type)
        self.reset()

    def step(self, rows: Any, times: Any = None, out: Numbers | None = None) -> Numbers:
        """Reads a row of each series, and forecasts what follows.

        Args:
            rows: (n, C) by ``model.columns``, NaN where missing; of one series also (C,).
            times: (n,) of the rows, or one where ``rows`` is one, where rows had times in training.
            out: (n, K, targets, Q), or without n where ``rows`` is one: takes the forecasts; None for a new array.

        Returns:
            the next K steps, in ``out``.

        Raises:
            ValueError: a shape cannot work, or times are missing.
        """
        one = self.n == 1 and np.ndim(rows) == 1
        if not one and (len(rows) != self.n or (times is not None and len(times) != self.n)):
            raise ValueError(f"rows: expected a row, and a time where there are some, of each of n={self.n} series")
        each = [(rows, times)] if one else [(row, None if times is None else times[k]) for k, row in enumerate(rows)]
        for row, time in each:
            self._expect_row(row, time)
        found = np.stack([self._step_one(k, row, time) for k, (row, time) in enumerate(each)])
        if out is None:
            return found[0] if one else found
        out[...] = found[0] if one else found
        return out

    def _expect_row(self, row: Sequence[float], time: float | None) -> None:
        model = self.model
        if len(row) != len(model.columns):
            raise ValueError(
                f"row: expected (C={len(model.columns)},) of {', '.join(model.columns)}, got ({len(row)},)"
            )
        if model.around is not None and time is None and (model.around.calendar or model.around.features.step):
            why = "the calendar is read" if model.around.calendar else "steps had times in training"
            raise ValueError(f"time: expected that of the row, since {why}, got None")

    def _step_one(self, k: int, row: Sequence[float], time: float | None) -> Numbers:
        """(K, targets, Q) after a row of the k-th series."""
        model, T, of, stream = self.model, len(self.model.answer.targets), self._series[k], self._features[k]
        values, steps = of["values"], of["beside"]
        new = np.array(row[:T], np.float32).astype(np.float64)
        values[:] = np.concatenate([values[:, 1:], np.where(np.isnan(new), values[:, -1], new)[:, None]], axis=1)
        of["rows"] = min(of["rows"] + 1, model.config.lookback)
        begins = model.config.lookback - int(of["rows"])
        beside = ahead = None
        if model.around is not None and stream is not None:
            features = stream.step(row[T:], time)
            moment = None if time is None else np.array([time])
            if moment is not None:
                features = np.concatenate([features, model.around.dates(moment)[0]])
            steps[:] = np.concatenate([steps[1:], features[None]])
            ahead = model._dates_ahead(model.around, moment, 1)
            beside = steps[begins:]
        first, at = np.zeros(1, np.int64), np.full(1, of["rows"])
        found = [model.forecast_at(t, one[begins:], first, at, beside, ahead) for t, one in enumerate(values)]
        quantiles: Numbers = np.stack(found, axis=2)[0]
        return quantiles

    @property
    def state(self) -> NDArray[Any]:
        """(n,) of ``ForecastRuntime.state_type``, a copy of where the series stand; set, they go on from there.

        Raises:
            ValueError: it is of another type or shape.
        """
        state: NDArray[Any] = self._series.copy()
        for k, features in enumerate(self._features):
            if features is not None:
                state["features"][k] = features.state
        return state

    @state.setter
    def state(self, value: NDArray[Any]) -> None:
        expected = self.model.state_type
        if np.shape(value) != (self.n,) or value.dtype != expected:
            raise ValueError(f"state: expected (n={self.n},) of {expected.names}, got {np.shape(value)}")
        self._series[...] = value
        for features, one in zip(self._features, value["features"], strict=True):
            if features is not None:
                features.state = one

    def reset(self, rows: ArrayLike | None = None) -> None:
        """Lets other series begin in these places, by their numbers or by a (n,) bool; None: all.

        Raises:
            ValueError: there are no such places.
        """
        for k in chosen(rows, self.n).tolist():
            self._series[k] = np.zeros((), self._series.dtype)
            self._series["values"][k] = np.nan
            if self.model.around is not None:
                self._features[k] = self.model.around.features.stream()


def load_forecast(folder: str | Path) -> ForecastRuntime:
    """The model that forecasts of a folder.

    Raises:
        PenstockError: the folder holds none that is whole.
    """
    return ForecastRuntime(load_forecast_model(Path(folder), quantized=True))
