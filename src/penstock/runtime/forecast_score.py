"""How good forecasts are, beside those that need no network; and forecasts as rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.series import SeriesSet, by_time, continued, spacing
from penstock.series.asked import read_asked
from penstock.series.forecasts import measured_forecasts, naive_error, naive_forecasts, next_times
from penstock.series.lookback import Places, carried, places
from penstock.series.times import said

MOST = 2_000_000
"""Values that are scored; of more an even choice of windows."""


def score_forecasts(
    model: ForecastRuntime, series: SeriesSet, part: NDArray[np.int64] | None = None
) -> dict[str, dict[str, float]]:
    """The metrics of the model and of each naive forecast, the mean over targets; see ``measured_forecasts``.

    Args:
        model: that forecasts.
        series: with the columns that it was trained on.
        part: (S, 2) the rows whose values are forecast, each from every row before it that leaves a whole horizon; by
            default what a lookback at the beginning of a series leaves, of a shorter series its last horizon.

    Raises:
        PenstockError: no series is long enough.
    """
    K, W, answer = model.config.horizon, model.config.lookback, model.answer
    if part is None:
        first = np.minimum(np.maximum(series.lengths - K, 0), W)
        part = np.stack([np.where(series.lengths > K, first, series.lengths), series.lengths], axis=1)
    all = places(series, part, W, K, len(answer.targets), True)
    if not len(all.at):
        raise PenstockError(f"{series.name}: no series is longer than the horizon of {K:,} steps")
    if len(all.at) * K > MOST:
        all = all.only(np.linspace(0, len(all.at) - 1, max(1, MOST // K)).astype(np.int64))
    beside = None if model.around is None else model.around.of(series)
    by_target = [
        _of_target(model, series, beside, part, all.only(all.target == t), t) for t in range(len(answer.targets))
    ]
    by_target = [found for found in by_target if found]
    if not by_target:
        raise PenstockError(f"{series.name}: no value is there to score forecasts of {', '.join(answer.targets)}")
    return {
        whose: {
            name: float(np.mean([found[whose][name] for found in by_target if name in found[whose]]))
            for name in dict.fromkeys(name for found in by_target for name in found[whose])
        }
        for whose in by_target[0]
    }


def _of_target(
    model: ForecastRuntime,
    series: SeriesSet,
    beside: NDArray[np.float32] | None,
    part: NDArray[np.int64],
    of: Places,
    t: int,
) -> dict[str, dict[str, float]]:
    """Of one column; nothing where no truth is there."""
    K, answer, column = model.config.horizon, model.answer, series.index(model.answer.targets[t])
    values, first = carried(series, column), series.starts[of.series]
    truths = series.values[of.at[:, None] + np.arange(K), column].astype(np.float64)
    known = ~np.isnan(values[of.at - 1]) & ~np.isnan(truths).all(1)
    if not known.any():
        return {}
    of, first, truths = of.only(known), first[known], truths[known]
    history = np.stack([np.zeros(len(series), np.int64), part[:, 0]], axis=1)
    errors = naive_error(series, series.values[:, column], history, answer.season)
    forecasts = {"model": model.forecast_at(t, values, first, of.at, beside)}
    naive = naive_forecasts(values, first, of.at, K, answer.season)
    forecasts |= {name: one[..., None] for name, one in naive.items()}
    return {
        whose: measured_forecasts(one, answer.levels, truths, of.series, errors, answer.spread[t])
        for whose, one in forecasts.items()
    }


def asked_part(
    files: Sequence[str], reads: Mapping[str, Any], after: str | None
) -> tuple[SeriesSet, NDArray[np.int64] | None]:
    """Series to score, and which of their rows; None: all that can be.

    Args:
        files: where the last of several goes on with series of the others, only its rows are scored.
        reads: what the model expects of series.
        after: a date, or a number of rows, up to which series are only read.

    Raises:
        PenstockError: the files cannot be read, or nothing is left to score.
    """
    if len(files) > 1 and after is None:
        first, last = read_asked(files[:-1], reads), read_asked(files[-1:], reads)
        if not set(last.ids).isdisjoint(first.ids):
            series, split = continued(first, last)
            return series, split.validation
    series = read_asked(files, reads)
    if after is None:
        return series, None
    try:
        moment = float(after)
    except ValueError:
        return series, by_time(series, at=after).validation
    cut = np.minimum(series.lengths, max(0, int(moment)))
    return series, np.stack([cut, series.lengths], axis=1)


def forecasts_to(model: ForecastRuntime, series: SeriesSet) -> Iterator[dict[str, Any]]:
    """A row for each of the next steps of each series: its id, its time or number, and of each target the median under
    ``penstock_`` and its name, and beside it the outermost quantiles; None where nothing is known."""
    ends = model.ends(series)
    for k, forecast in enumerate(model.forecast(series, ends)):
        one, (past, until) = series.one(k), (ends[k], ends[k] + len(forecast))
        when = times_after(series, None if one.times is None else one.times[:past], len(forecast))
        if one.times is not None and until <= len(one.times):
            when = [said(time, series.dated) for time in one.times[past:until]]
        for step, quantiles in enumerate(forecast):
            cells: dict[str, Any] = {}
            for target, of in zip(model.answer.targets, quantiles, strict=True):
                named = model.named(target, of)
                cells |= {name: None if np.isnan(value) else float(value) for name, value in named.items()}
            yield {"id": one.id, **({"step": step + 1} if when is None else {_time(series): when[step]}), **cells}


def _time(series: SeriesSet) -> str:
    return series.keys.time or "time"


def times_after(series: SeriesSet, times: NDArray[Any] | None, K: int) -> list[Any] | None:
    """The next K times of a series, by the usual distance of its set; see ``next_times``."""
    found = spacing(series)
    if times is None or not len(times) or found is None:
        return None
    return [said(time, series.dated) for time in next_times(times[-1], K, found.step, found.unit, series.dated)]
