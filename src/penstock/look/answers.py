"""What a model of series answered, as a picture: a confusion matrix, numbers beside their truths, forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.runtime.series_score import confusion, outputs_by_row, targets_by_row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from penstock.runtime.forecast_model import ForecastRuntime
    from penstock.runtime.series_model import SeriesRuntime
    from penstock.series import SeriesSet

PANELS = 6
"""Series that are drawn."""
WRITTEN = 12
"""Classes whose counts are written into their cells, at most."""
BEFORE = 3
"""Horizons of a series that are drawn before its forecast."""


def answers_figure(model: SeriesRuntime, series: SeriesSet) -> Figure:
    """Of classes how often each was taken for each, of labels and numbers the answers beside the truths."""
    if model.answer.kind == "class":
        return _confusion(model.answer.classes, confusion(model, series))
    truths = targets_by_row(model, series)
    asked = np.flatnonzero(~np.isnan(truths).all(1))
    answers, truths = model.answers(outputs_by_row(model, series)[asked]), truths[asked]
    from matplotlib.figure import Figure

    names = model.answer.targets[:PANELS]
    figure = Figure(figsize=(9, 1 + 2.2 * len(names)), layout="constrained")
    for axis, name, told, true in zip(
        figure.subplots(len(names), 1, squeeze=False)[:, 0], names, answers.T, truths.T, strict=False
    ):
        axis.plot(true[:2000], color="0.3", linewidth=1, label="truth")
        axis.plot(told[:2000], color="#0072b2", linewidth=1, label="model")
        axis.set(title=name, xlabel="answers, in their order")
        axis.legend(loc="upper right")
    return figure


def _confusion(classes: tuple[str, ...], counts: NDArray[Any]) -> Figure:
    from matplotlib.figure import Figure

    size = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(size, size), layout="constrained")
    axis = figure.subplots()
    axis.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    ticks = np.arange(len(classes))
    axis.set(xlabel="answered", ylabel="true", xticks=ticks, yticks=ticks)
    axis.set_xticklabels(classes, rotation=90 if max(map(len, classes)) > 3 else 0)
    axis.set_yticklabels(classes)
    if len(classes) <= WRITTEN:
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(counts[row].sum(), 1)
            axis.text(column, row, f"{count:,}", ha="center", va="center", color="white" if share > 0.5 else "black")
    return figure


def forecasts_figure(model: ForecastRuntime, series: SeriesSet) -> Figure:
    """The forecasts of the last horizon of some series, with their intervals, beside what came."""
    from matplotlib.figure import Figure

    K, name = model.config.horizon, model.answer.targets[0]
    long = np.flatnonzero(series.lengths > K)
    some = long[np.linspace(0, len(long) - 1, min(PANELS, len(long))).astype(int)]
    figure = Figure(figsize=(9, 1 + 2.2 * max(len(some), 1)), layout="constrained")
    for axis, k in zip(figure.subplots(max(len(some), 1), 1, squeeze=False)[:, 0], some, strict=False):
        one = series.only([int(k)])
        quantiles = model.forecast(one, one.lengths - K)[0][:, 0]
        values = one.values[:, one.index(name)]
        first = max(0, len(values) - (BEFORE + 1) * K)
        ahead = np.arange(len(values) - K, len(values))
        axis.plot(np.arange(first, len(values)), values[first:], color="0.3", linewidth=1, label=name)
        axis.fill_between(ahead, quantiles[:, 0], quantiles[:, -1], color="#0072b2", alpha=0.25, linewidth=0)
        axis.plot(ahead, quantiles[:, quantiles.shape[1] // 2], color="#0072b2", linewidth=1.2, label="forecast")
        axis.set_title(one.ids[0])
        axis.legend(loc="upper left")
    return figure
