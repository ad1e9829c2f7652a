"""Traces of models that forecast: the gates over the patches of a window, the forecast after it, and an account of the
forecast over the columns of the window, which is a gradient."""

from __future__ import annotations

import dataclasses

import numpy as np

from penstock.errors import PenstockError
from penstock.look.layer import Floats, run_stack
from penstock.look.numeric import Numeric, Wide
from penstock.look.trace import Trace
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.runtime.forecast_score import times_after
from penstock.series import SeriesSet
from penstock.series.lookback import as_read, carried, lookback
from penstock.series.times import said

NUDGE = 0.02
"""By how much of its distance from what says nothing a patch is moved, both ways, to see how the forecast answers."""


def trace_forecast(
    model: ForecastRuntime, series: SeriesSet, k: int = 0, *, after: int | None = None, target: str | None = None
) -> Trace:
    """What a model that forecasts did over the last window of the k-th series of some.

    The steps that write the forecast are not in it: each starts from the state after the last patch, side by side.

    Args:
        model: that forecasts.
        series: with the columns that it was trained on.
        k: which series.
        after: the rows that are past; what comes then is kept beside the forecast. By default ``model.ends``.
        target: the column whose forecast it is; the first one by default.

    Raises:
        PenstockError: there is no such target, or no value is known, or nothing of what must be known ahead.
    """
    answer, W, P = model.answer, model.config.lookback, model.config.patch
    target = answer.targets[0] if target is None else target
    if target not in answer.targets:
        raise PenstockError(f"--target: expected one of {', '.join(answer.targets)}, got {target}")
    one = series.only([k])
    R = int(model.ends(one)[0]) if after is None else min(after, len(one.values))
    t, place = answer.targets.index(target), one.index(target)
    if not (~np.isnan(one.values[:R, place])).any():
        raise PenstockError(f"{series.name}: series {one.ids[0]!r}: no value of {target} is known to forecast from")
    quantiles = model.forecast(one, np.array([R]))[0][:, t]
    K = len(quantiles)
    names = (target, *(() if model.around is None else model.around.columns))
    columns = [one.index(name) for name in names]
    truths = np.full((K, 1), np.nan)
    truths[: max(0, min(len(one.values) - R, K)), 0] = one.values[R : R + K, place]
    values, account = np.full((W, len(names)), np.nan), np.zeros((W, len(names)))
    values[max(0, W - R) :] = one.values[max(0, R - W) : R, columns]
    of_patches = _account(model, one, R, t, columns)
    account[:] = np.repeat(of_patches / P, P, axis=0)
    when = None
    past = None if one.times is None else one.times[:R]
    if past is not None and (ahead := times_after(one, past, K)) is not None:
        before = [""] * max(0, W - R) + [said(time, series.dated) for time in past[-W:]]
        when = (*before, *map(str, ahead))
    numeric = Numeric(
        asked="forecast",
        id=one.ids[0],
        columns=names,
        values=values,
        size=P,
        names=(target,),
        answers=quantiles[:, [0, quantiles.shape[1] // 2, -1]],
        truths=truths,
        account=account,
        account_of=target,
        spread=(answer.spread[t],),
        levels={
            column.name: [*column.categories] for column in one.columns if column.categories and column.name in names
        },
        first=R - W,
        when=when,
        clock=None if series.dated or when is None else series.keys.time or "time",
    )
    return Trace(run_stack(_steps(model, one, R, t, place), model.weights, model.config.stack), numeric=numeric)


def _steps(model: ForecastRuntime, one: SeriesSet, R: int, t: int, place: int) -> Floats:
    """(W / P, D) what the stack reads of the window before row R."""
    c, first, at = model.config, np.zeros(1, np.int64), np.array([R])
    windows = lookback(as_read(carried(one, place), model.answer.floors[t]), first, at, c.lookback).values
    if model.around is not None:
        beside = model.around.of(one)
        ahead = np.zeros((1, c.horizon, model.around.size), np.float32)  # which no patch has
        windows = np.concatenate(
            [windows, model.around.windows(beside, first, at, c.lookback, c.horizon, ahead)], axis=1
        )
    return model.steps(windows)[:, 0]


def _account(model: ForecastRuntime, one: SeriesSet, R: int, t: int, columns: list[int]) -> Wide:
    """(W / P, C): the gradient of the forecast's mean by the values of a column in a patch, times how far they are from
    what says nothing: of the target its last value, which a forecast of no change repeats, of another its mean.

    By central differences along that way: whatever the forecaster computes counts.
    """
    W, P, K = model.config.lookback, model.config.patch, model.config.horizon
    begins, ends = max(0, R - W), min(len(one.values), R + K)
    rows = one.values[begins:ends].copy()
    rows[: R - begins, columns[0]] = carried(one, columns[0])[begins:R]
    nothing = [float(rows[R - begins - 1, columns[0]])]
    if model.around is not None:
        nothing += model.around.features.scaling.center.tolist()
    moved = []
    for patch in range(W // P):
        some = slice(max(0, R - W + patch * P) - begins, max(0, R - W + (patch + 1) * P) - begins)
        for column, rest in zip(columns, nothing, strict=True):
            for way in (NUDGE, -NUDGE):
                copy = rows.copy()
                if one.columns[column].categories is None:
                    copy[some, column] += way * (copy[some, column] - rest)
                moved.append(copy)
    M, L = len(moved), len(rows)
    many = dataclasses.replace(
        one,
        ids=tuple(map(str, range(M))),
        starts=np.arange(M + 1) * L,
        values=np.concatenate(moved),
        times=None if one.times is None else np.tile(one.times[begins:ends], M),
        episodes=None,
        source_of=None,
    )
    forecasts = model.forecast(many, np.full(M, R - begins))
    middle = np.array([found[:, t, found.shape[2] // 2].mean() for found in forecasts])
    up, down = middle.reshape(W // P, len(columns), 2).transpose(2, 0, 1)
    account: Wide = (up - down) / (2 * NUDGE)
    return account
