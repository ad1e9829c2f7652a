"""Series as forecasts read them: windows of the last steps, and the next ones, in the window's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder.forecast import ForecastAnswer
from penstock.series import Season, SeriesSet, Split, description, find_season, rows_of
from penstock.series.around import learn_around
from penstock.series.forecasts import naive_error
from penstock.series.lookback import Places, as_read, carried, floor_of, lookback, places, varies
from penstock.series.saved import digest
from penstock.tasks.forecast.settings import ForecastSettings
from penstock.tasks.forecast.sizes import better_repeat, lookback_of
from penstock.train.task import Chunk

HEAVIEST = 20.0
"""Of windows, what one counts more than another: its spread by the series' naive error is cut here."""
WINDOWS = 4
"""That each stream reads in a step of optimisation, unless another number is said."""
MOST_ASKED = 20
"""Targets that are searched for a season."""
SIDE_BY_SIDE = 256
"""Held-out windows in a chunk."""


class ForecastData:
    """Letters: M windows, W steps that each reads, K steps that are forecast, T targets, S series."""

    tells, reach = True, WINDOWS

    def __init__(self, series: SeriesSet, split: Split, own: ForecastSettings) -> None:
        assert own.horizon is not None
        self.series, self.split, self.digest = series, split, digest(series)
        self.horizon, self.columns = own.horizon, target_columns(series)
        names = tuple(series.columns[k].name for k in self.columns)
        self.found = _season(series, names, split.training, own.season)
        season = None if self.found is None else self.found.steps
        lengths = split.training[:, 1] - split.training[:, 0]
        self.lookback = lookback_of(lengths, self.horizon, season, own.lookback, own.segment)
        self.repeats = 1
        if season is not None and season <= self.lookback:
            self.repeats = better_repeat(series, self.columns, split.training, self.horizon, season)
        rows = rows_of(series, split.training)
        floors = tuple(floor_of(series, k, split.training, season) for k in self.columns)
        spread = tuple(float(_spread(series.values[rows, k])) for k in self.columns)
        self.answer = ForecastAnswer(names, season, spread, floors)
        each = list(zip(self.columns, floors, strict=True))
        self._truths = [as_read(series.values[:, k].astype(np.float64), floor) for k, floor in each]  # T of (rows,)
        self._values = [as_read(carried(series, k), floor) for k, floor in each]
        read = zip(self._truths, floors, strict=True)
        self._scales = [
            _scales(series, one.astype(np.float32), split, season, floor) for one, floor in read
        ]  # T of (S,)
        self.others = others(series, names)
        seen = [name for name in self.others if own.others or name in own.features]
        self.around = learn_around(series, split.training, seen, own.calendar)
        self._beside = None if self.around is None else self.around.of(series)  # (rows, D)
        self._training, self._held_out = (
            self._informative(places(series, part, self.lookback, self.horizon, len(names), older))
            for part, older in ((split.training, False), (split.validation, True))
        )
        self.training, self.held_out = len(self._training.at), len(self._held_out.at)

    def streams(self, N: int, L: int) -> WindowStreams:
        """To train on: N windows side by side, L of them one after the other."""
        return WindowStreams(self, self._training, N, L, shuffled=True)

    def held_out_streams(self, N: int) -> WindowStreams | None:
        """To validate on; None where nothing was held out."""
        if not self.held_out:
            return None
        return WindowStreams(self, self._held_out, N, max(1, SIDE_BY_SIDE // N), shuffled=False)

    def reads(self) -> dict[str, Any]:
        """For config.json: what the rows are, of the columns that are read: new files need no others."""
        about, around = description(self.series), self.around
        read = {*self.answer.targets, *(() if around is None else around.columns)}
        columns = [column for column in about["columns"] if column["name"] in read]
        return {**about, "columns": columns, "around": None if around is None else around.to_json()}

    @property
    def beside(self) -> tuple[int, int, int]:
        """A, S, B; see ``ForecastConfig``."""
        return (0, 0, 0) if self.around is None else self.around.sizes

    def held_out_windows(self, most: int) -> tuple[Places, NDArray[np.int64]]:
        """An even choice of those held out, and the stretch of each, (M,): those of one series that begin within a
        horizon share most of their values, and are evidence but once."""
        count = len(self._held_out.at)
        chosen = self._held_out.only(np.linspace(0, count - 1, min(most, count)).astype(np.int64))
        stretch = np.stack([chosen.series, (chosen.at - self.series.starts[chosen.series]) // self.horizon])
        return chosen, np.unique(stretch, axis=1, return_inverse=True)[1].ravel()

    def inputs(self, chosen: Places, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(M, I) what a model reads of windows: x, (M, W), as ``windows`` gives them, and what is beside it."""
        if self.around is None or self._beside is None:
            return x
        first = self.series.starts[chosen.series]
        more = self.around.windows(self._beside, first, chosen.at, self.lookback, self.horizon)
        return np.concatenate([x, more], axis=1)

    def windows(self, chosen: Places) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What is read, (M, W), and beside it what comes, (M, K), and then how much the window counts, (M, 1).

        Values are in the window's units; NaN where nothing is known. A window counts by its spread in the series' own
        scale: the loss is then that of errors in this scale, whatever the window's units.
        """
        M, K = len(chosen.at), self.horizon
        x, y = np.zeros((M, self.lookback), np.float32), np.full((M, K + 1), np.nan, np.float32)
        for t in range(len(self.columns)):
            of = np.flatnonzero(chosen.target == t)
            at, k = chosen.at[of], chosen.series[of]
            read = lookback(self._values[t], self.series.starts[k], at, self.lookback)
            unit = np.where(read.spread > 0, read.spread, np.nan)  # a constant window has no units
            x[of] = read.values
            y[of, :K] = (self._truths[t][at[:, None] + np.arange(K)] - read.last[:, None]) / unit[:, None]
            y[of, K] = np.minimum(read.spread / self._scales[t][k], HEAVIEST)
        return x, y

    def _informative(self, all: Places) -> Places:
        """Without windows from which nothing could be learnt: constant ones, and those with no truth."""
        kept = np.zeros(len(all.at), bool)
        for t, (truths, values) in enumerate(zip(self._truths, self._values, strict=True)):
            of = np.flatnonzero(all.target == t)
            at, first = all.at[of], self.series.starts[all.series[of]]
            known = np.concatenate([[0], np.cumsum(~np.isnan(truths))])
            kept[of] = (known[at + self.horizon] > known[at]) & varies(values, first, at, self.lookback)
        return all.only(kept)


class WindowStreams:
    """Windows in an order drawn anew in each pass, or of those held out once for all."""

    def __init__(self, data: ForecastData, of: Places, N: int, L: int, shuffled: bool) -> None:
        self._data, self._of, self._shuffled = data, of, shuffled
        self.N = max(1, min(N, len(of.at)))
        self._L = max(1, min(L, -(-len(of.at) // self.N)))
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Chunks in one pass; the last may hold places that are empty."""
        return -(-len(self._of.at) // (self.N * self._L))

    def chunk(self, k: int, part: slice = slice(None)) -> Chunk:
        """The k-th chunk, counted over all passes: windows (L, N, I), and what comes and counts (L, N, K + 1)."""
        passed, at = divmod(k, len(self))
        many = self.N * self._L
        chosen = self._ordered(passed)[at * many : (at + 1) * many]
        places = np.resize(chosen, many).reshape(self._L, self.N)[:, part]
        empty = (np.arange(many) >= len(chosen)).reshape(self._L, self.N)[:, part]
        chosen_places = self._of.only(places.ravel())
        x, y = self._data.windows(chosen_places)
        x = self._data.inputs(chosen_places, x)
        y[empty.ravel()] = np.nan
        shape = (*places.shape, -1)
        return Chunk(torch.from_numpy(x.reshape(shape)), torch.from_numpy(y.reshape(shape)), None, len(chosen))

    def _ordered(self, passed: int) -> NDArray[np.int64]:
        drawn = passed if self._shuffled else 0
        if self._order is None or self._order[0] != drawn:
            self._order = drawn, np.random.default_rng(drawn).permutation(len(self._of.at))
        return self._order[1]

    def read(self, passes: int, chunks: int) -> int:
        """How many windows so many passes, and so many chunks of another, read."""
        return passes * len(self._of.at) + min(chunks * self.N * self._L, len(self._of.at))


def target_columns(series: SeriesSet) -> list[int]:
    """The columns to forecast: the targets, or all numbers that are not known in advance.

    Raises:
        PenstockError: there is none, or one is no number.
    """
    targets = series.of_role("target")
    for k in targets:
        if series.columns[k].kind != "number":
            name = series.columns[k].name
            raise PenstockError(f"{series.name}: column {name!r}: expected numbers to forecast, got classes")
    targets = targets or [k for k in series.of_role("seen") if series.columns[k].kind == "number"]
    if not targets:
        raise PenstockError(f"{series.name}: no column of numbers to forecast; name one with --target")
    return targets


def others(series: SeriesSet, targets: Sequence[str]) -> tuple[str, ...]:
    """The columns that are seen so far and no targets; read where ``--features`` or ``--others`` says so."""
    return tuple(series.columns[k].name for k in series.of_role("seen") if series.columns[k].name not in targets)


def _season(series: SeriesSet, names: tuple[str, ...], training: NDArray[np.int64], said: int | None) -> Season | None:
    """The one that was said, or that explains most of the targets together, if a third of them have any."""
    if said is not None:
        return None if said == 1 else Season(said, float("nan"), "as you said")
    found: dict[int, list[Season]] = {}
    asked = names[:: max(1, len(names) // MOST_ASKED)]
    for name in asked:
        if (one := find_season(series, name, training)) is not None:
            found.setdefault(one.steps, []).append(one)
    if 3 * sum(map(len, found.values())) < len(asked) or not found:
        return None
    most = max(found.values(), key=lambda some: sum(one.share for one in some))
    return max(most, key=lambda one: one.share)


def _spread(values: NDArray[np.float32]) -> float:
    there = values[~np.isnan(values)].astype(np.float64)
    spread = float(there.std()) if len(there) else 0.0
    return spread or 1.0


def _scales(
    series: SeriesSet, read: NDArray[np.float32], split: Split, season: int | None, floor: float | None
) -> NDArray[np.float64]:
    """(S,) the naive error of each series of a target as it is read, (rows,); where it has none that of the others.

    Errors of logarithms are shares, and could be compared as they are: the scale is then half way to the usual one, so
    that both errors in shares (as sMAPE) and in naive errors (as MASE) become small.
    """
    rows = np.where(split.training[:, 1:] > split.training[:, :1], split.training, split.validation)
    errors = naive_error(series, read, rows, season)
    usable = errors > 0
    usual = float(np.median(errors[usable])) if usable.any() else 1.0
    found: NDArray[np.float64] = np.where(usable, errors, usual)
    return found if floor is None else np.sqrt(found * usual)
