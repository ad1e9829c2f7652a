"""Traces of models of series: the gates over the rows of one series, what was answered after each, and an account of
the answer over the input columns, which is a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.look.layer import Floats, Layer, input_gradients, run_stack
from penstock.look.numeric import Numeric, Wide
from penstock.look.trace import Trace
from penstock.runtime.series_model import SeriesRuntime
from penstock.series import SeriesSet
from penstock.series.segments import CHANGE, in_segments
from penstock.series.times import said


def trace_series(model: SeriesRuntime, series: SeriesSet, k: int = 0) -> Trace:
    """What a model did over the k-th series of some.

    Raises:
        PenstockError: it has no rows, or the model's state fades over gaps, which a trace does not show.
    """
    one = series.one(k)
    if not len(one.values):
        raise PenstockError(f"{series.name}: series {one.id!r}: expected at least one row, got none")
    if model.config.decay:
        raise PenstockError("the model was trained with --decay: its state fades over gaps, which look does not show")
    values = one.values[:, [series.index(name) for name in model.columns]]
    x = model.features.whole(values, one.times)
    P = model.config.segment
    resets = one.episodes if not P else None
    layers = run_stack(in_segments(x, P) if P else x, model.weights, model.config.stack, resets=resets)
    answers = _answers(model, values, one.times, resets)
    account, of = _account(model, layers, x, answers[-1])
    answer = model.answer
    numeric = Numeric(
        asked=answer.kind,
        id=one.id,
        columns=model.columns,
        values=values,
        size=P or 1,
        names=answer.classes or answer.targets,
        answers=answers,
        truths=_truths(model, series, one.values),
        account=account,
        account_of=of,
        whole=bool(P),
        next=answer.next,
        spread=answer.spread,
        levels={one.name: [*one.categories] for one in model.features.columns if one.categories is not None},
        clock=None if series.dated or one.times is None else series.keys.time or "time",
        when=None if one.times is None else tuple(said(time, series.dated) for time in one.times),
    )
    return Trace(layers, numeric=numeric)


def _answers(
    model: SeriesRuntime, values: Wide, times: NDArray[Any] | None, resets: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """(R, A) what would be answered if the series ended at each row."""
    stream, outputs = model.stream(), np.empty((len(values), model.config.outputs), np.float32)
    for row in range(len(values)):
        if resets is not None and resets[row]:
            stream.begin_episode()
        outputs[row] = stream.step(values[row].tolist(), None if times is None else times[row])
    return model.answers(outputs)


def _truths(model: SeriesRuntime, series: SeriesSet, values: Wide) -> Wide:
    """(R, T) of one series: what the answer at each row is about; NaN where unknown."""
    truths = values[:, [series.index(name) for name in model.answer.targets]].astype(np.float64)
    if model.answer.next:
        return np.concatenate([truths[1:], np.full_like(truths[:1], np.nan)])
    if model.config.segment:  # the last that is there is that of the series
        for of in truths.T:
            of[:] = of[~np.isnan(of)][-1] if (~np.isnan(of)).any() else np.nan
    return truths


def _account(model: SeriesRuntime, layers: Sequence[Layer], x: Floats, answer: NDArray[np.float64]) -> tuple[Wide, str]:
    """(R, C), or (R, C + 1) with gaps, and the name of what it is about: gradient × features, summed over those of each
    column. Features are 0 at a number's mean over the training rows.

    Of a class its logit above the mean of all, of a label its logit, of a number itself: the likeliest class or label,
    the first number.
    """
    kind, H = model.answer.kind, model.config.stack.hidden_size
    chosen = 0 if kind == "numbers" else int(answer.argmax())
    weight = model.weights["output.weight"]
    direction = weight[chosen] - (weight.mean(0) if kind == "class" else 0)
    if kind == "numbers":
        direction = direction * np.float32(model.answer.spread[chosen])
    of_top = np.zeros_like(layers[-1].hidden)
    if model.config.segment:
        of_top += direction[H:] / np.float32(len(of_top))
    of_top[-1] += direction[:H]
    of_input = input_gradients(layers, of_top, model.config.stack.residual)
    of_x = _of_rows(of_input, model.config.segment, len(x)) if model.config.segment else of_input
    counts = [len(column.features) for column in model.features.columns] + [1] * model.features.gap
    starts = np.cumsum([0, *counts[:-1]])
    account: Wide = np.add.reduceat(of_x * x, starts, axis=1)
    return account, (model.answer.classes or model.answer.targets)[chosen]


def _of_rows(of_segments: Floats, P: int, L: int) -> Floats:
    """``penstock.series.segments.in_segments`` backwards: (L, D) of (S, P · 2 D)."""
    rows = of_segments.reshape(len(of_segments) * P, -1)
    D = rows.shape[1] // 2
    of_values, of_changes = rows[:, :D].copy(), rows[:L, D:] * CHANGE
    of_values[L - 1] += of_values[L:].sum(0)  # the last row fills the last segment up
    of_values = of_values[:L]
    of_values[1:] += of_changes[1:]
    of_values[:-1] -= of_changes[1:]
    found: Wide = of_values
    return found
