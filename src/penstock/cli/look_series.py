"""What ``penstock look`` reads of a model of series: its files, which series, and from where on it is forecast."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.look.trace import Trace
    from penstock.runtime.series_model import SeriesRuntime
    from penstock.series import SeriesSet

MOST_CLASSES = 40
"""Whose confusion a page shows."""


def series_traces(
    folder: Path,
    task: str,
    files: Sequence[str],
    ids: Sequence[str],
    after: str | None,
    target: str | None,
    to: int | None,
) -> tuple[list["Trace"], dict[str, Any]]:
    """The traces of the series of these ids, the first one of the files unless said, up to a step; and what else a page
    shows.

    Raises:
        PenstockError: the files cannot be read, or have no such series, or the model does not forecast.
    """
    from penstock.series.asked import read_asked

    if not files:
        raise PenstockError("FILE: expected series to read, got none; name files of rows")
    if task == "forecast":
        from penstock.look.forecast_trace import trace_forecast
        from penstock.runtime.forecast_model import load_forecast

        model = load_forecast(folder)
        series = read_asked(files, model.reads)
        return [
            trace_forecast(model, series, k, after=_rows_until(series, k, after), target=target)
            for k in _chosen(series, ids)
        ], {}
    for name, value in (("--after", after), ("--target", target)):
        if value is not None:
            raise PenstockError(f"{name}: means nothing to a model of the task {task}; leave it out")
    from penstock.look.series_trace import trace_series
    from penstock.runtime.series_model import load_series

    reader = load_series(folder)
    series = read_asked(files, reader.reads)
    size = reader.config.segment or 1
    shown = [series.only([k]) for k in _chosen(series, ids)]
    if to is not None:
        shown = [one.cut(min(max(1, to) * size, len(one.values))) for one in shown]  # a part of none is refused later
    return [trace_series(reader, one) for one in shown], _confusion(reader, series)


def _chosen(series: "SeriesSet", ids: Sequence[str]) -> list[int]:
    """The numbers of these, or of the first that has rows."""
    if not ids:
        return [int((series.lengths > 0).argmax())]
    if len(ids) > 2:
        raise PenstockError(f"--series: expected one series, or two to compare, got {len(ids)}")
    for id in ids:
        if id not in series.ids:
            shown = ", ".join(series.ids[:8]) + (", …" if len(series) > 8 else "")
            raise PenstockError(f"--series: expected one of {shown}, got {id}")
    return [series.ids.index(id) for id in ids]


def _rows_until(series: "SeriesSet", k: int, after: str | None) -> int | None:
    """How many rows of a series are known: up to a date, or a number of rows."""
    from penstock.series import by_time

    if after is None:
        return None
    try:
        return max(0, int(after))
    except ValueError:
        return int(by_time(series.only([k]), at=after).validation[0, 0])


def _confusion(model: "SeriesRuntime", series: "SeriesSet") -> dict[str, Any]:
    """Of all series of the files, how often each class was answered for each; nothing where no truth is known."""
    from penstock.runtime.series_score import confusion

    classes = model.answer.classes
    if model.answer.kind != "class" or not model.config.segment or len(classes) > MOST_CLASSES or len(series) < 2:
        return {}
    counts = confusion(model, series)
    return {"confusion": {"classes": classes, "counts": counts.tolist()}} if np.sum(counts) else {}
