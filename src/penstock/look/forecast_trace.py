"""Traces of models that forecast: the gates over the patches of a window, the forecast after it, and an account of the
forecast over the window, which is a gradient."""

from __future__ import annotations

import dataclasses

import numpy as np

from penstock.errors import PenstockError
from penstock.look.numeric import Numeric, Wide
from penstock.look.series_trace import run_stack
from penstock.look.trace import Trace
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.runtime.forecast_score import times_after
from penstock.series import SeriesSet
from penstock.series.lookback import as_read, carried, lookback
from penstock.series.times import said

NUDGE = 0.05
"""By how much of the window's spread each value is moved, up and down, to see how the forecast answers."""


def trace_forecast(
    model: ForecastRuntime, series: SeriesSet, k: int = 0, *, after: int | None = None, target: str | None = None
) -> Trace:
    """What a model that forecasts did over the last window of the k-th series of some.

    Args:
        model: that forecasts.
        series: with the columns that it was trained on.
        k: which series.
        after: the rows that are known; what comes then is kept beside the forecast. By default all.
        target: the column whose forecast it is; the first one by default.

    Raises:
        PenstockError: there is no such target, or no value is known.
    """
    answer, W = model.answer, model.config.lookback
    target = answer.targets[0] if target is None else target
    if target not in answer.targets:
        raise PenstockError(f"--target: expected one of {', '.join(answer.targets)}, got {target}")
    one = series.only([k])
    L = len(one.values)
    known = one.cut(L if after is None else min(after, L))
    R, t, column = len(known.values), answer.targets.index(target), series.index(target)
    whole = carried(known, column)
    if not R or np.isnan(whole[-1]):
        raise PenstockError(f"{series.name}: series {one.ids[0]!r}: no value of {target} is known to forecast from")
    quantiles = model.forecast(known)[0][:, t]
    K = len(quantiles)
    truths = np.full((K, 1), np.nan)
    truths[: max(0, min(L - R, K)), 0] = one.values[R : R + K, column]
    values = np.full((W, 1), np.nan)
    values[max(0, W - R) :, 0] = known.values[max(0, R - W) :, column]
    ahead = times_after(known, known.times, K)
    when = None
    if known.times is not None and ahead is not None:
        before = [""] * max(0, W - R) + [said(time, series.dated) for time in known.times[-W:]]
        when = (*before, *map(str, ahead))
    numeric = Numeric(
        asked="forecast",
        id=one.ids[0],
        columns=(target,),
        values=values,
        size=model.config.patch,
        names=(target,),
        answers=quantiles[:, [0, quantiles.shape[1] // 2, -1]],
        truths=truths,
        account=_account(model, known, t, column),
        account_of=target,
        spread=(answer.spread[t],),
        when=when,
    )
    return Trace(run_stack(_patches(model, whole, t), model.weights, model.config.stack), numeric=numeric)


def _patches(model: ForecastRuntime, values: Wide, t: int) -> Wide:
    """(W / P, D) what the stack reads of a window at the end of values (rows,)."""
    read = lookback(
        as_read(np.asarray(values, np.float64), model.answer.floors[t]),
        np.zeros(1, np.int64),
        np.array([len(values)]),
        model.config.lookback,
    )
    patches = read.values.reshape(-1, model.config.patch)
    steps: Wide = np.maximum(patches @ model.weights["patch.weight"].T + model.weights["patch.bias"], 0)
    return steps


def _account(model: ForecastRuntime, known: SeriesSet, t: int, column: int) -> Wide:
    """(W, 1): the gradient of the forecast's mean by each value of the window, times the value's distance from the last
    one, which a forecast of no change would repeat. By central differences: whatever the forecaster computes counts."""
    W, R = model.config.lookback, len(known.values)
    window = known.values[max(0, R - W) :].copy()
    window[:, column] = carried(known, column)[max(0, R - W) :]
    rows = len(window)
    nudge = np.float32(NUDGE * np.nanstd(window[:, column]) or NUDGE)
    moved = np.repeat(window[None], 2 * rows, axis=0)
    moved[np.arange(rows), np.arange(rows), column] += nudge
    moved[rows + np.arange(rows), np.arange(rows), column] -= nudge
    many = dataclasses.replace(
        known,
        ids=tuple(map(str, range(2 * rows))),
        starts=np.arange(2 * rows + 1) * rows,
        values=moved.reshape(2 * rows * rows, -1),
        times=None if known.times is None else np.tile(known.times[-rows:], 2 * rows),
        episodes=None,
        source_of=None,
    )
    middle = np.stack([one[:, t, one.shape[2] // 2] for one in model.forecast(many)]).mean(1)
    gradient = (middle[:rows] - middle[rows:]) / (2 * float(nudge))
    account = np.zeros((W, 1))
    account[W - rows :, 0] = np.nan_to_num(gradient * (window[:, column].astype(np.float64) - window[-1, column]))
    return account
