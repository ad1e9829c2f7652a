"""How good a model's answers to series are, beside those that need no network."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder.series import SeriesAnswer
from penstock.runtime.answers import answered
from penstock.runtime.series_model import SeriesRuntime
from penstock.series import SeriesSet, naive
from penstock.series.metrics import measured

ALWAYS = {"class": "the commonest class", "labels": "how often each comes", "numbers": "the mean"}
BEFORE = "the row before"


def answered_at(series: SeriesSet, columns: NDArray[np.int64], next: bool, last: bool) -> NDArray[np.float32]:
    """The targets (rows, T) at the rows where they are answered, NaN elsewhere: at the last row of each series, at the
    row before, or at their own."""
    y = series.values[:, columns]
    out = np.full_like(y, np.nan)
    if last:
        for k in np.flatnonzero(series.lengths > 0):
            rows = slice(int(series.starts[k]), int(series.starts[k + 1]))
            for t in range(y.shape[1]):
                there = y[rows, t][~np.isnan(y[rows, t])]
                out[rows.stop - 1, t] = there[-1] if len(there) else np.nan
    elif next:
        out[:-1] = y[1:]
        out[series.starts[1:][series.lengths > 0] - 1] = np.nan
    else:
        out[:] = y
    return out


def baselines(
    answer: SeriesAnswer, known: NDArray[Any], before: NDArray[Any], now: NDArray[Any], count: int
) -> dict[str, NDArray[Any]]:
    """The naive answers to so many rows: learned from ``known`` targets (rows, T), the rows ``before`` them, and the
    rows ``now`` that are answered."""
    classes = len(answer.classes)
    found = {ALWAYS[answer.kind]: naive.always(answer.kind, known, count, classes)}
    if answer.next:
        found[BEFORE] = naive.as_before(answer.kind, before, known, now, classes)
    return found


def outputs_by_row(model: SeriesRuntime, series: SeriesSet) -> NDArray[np.float32]:
    """(rows, outputs) of all series; of one answer a series, at its last row, and NaN elsewhere."""
    found = np.concatenate([np.zeros((0, model.config.outputs), np.float32), *model.read(series)])
    if not model.config.segment:
        return found
    out = np.full((len(series.values), model.config.outputs), np.nan, np.float32)
    out[series.starts[1:][series.lengths > 0] - 1] = found
    return out


def targets_by_row(model: SeriesRuntime, series: SeriesSet) -> NDArray[np.float64]:
    """(rows, T) of all series, NaN where nothing is answered."""
    columns = np.array([series.index(name) for name in model.answer.targets])
    return answered_at(series, columns, model.answer.next, bool(model.config.segment)).astype(np.float64)


def confusion(model: SeriesRuntime, series: SeriesSet) -> NDArray[np.int64]:
    """(classes, classes) how often each true one, a row, was answered as each, a column."""
    classes = len(model.answer.classes)
    truths, outputs = targets_by_row(model, series)[:, 0], outputs_by_row(model, series)
    known = np.flatnonzero(truths < classes)  # neither missing nor one that training never saw
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truths[known].astype(int), outputs[known].argmax(1)), 1)
    return counts


def figures_by_series(model: SeriesRuntime, series: SeriesSet) -> Iterator[dict[str, Any]]:
    """Of each series that has a truth: its answer, as ``answered`` gives it, beside the truth; or, of answers at its
    rows, how many have one, and the metrics over them."""
    y = targets_by_row(model, series)
    outputs = outputs_by_row(model, series)
    for k, id in enumerate(series.ids):
        rows = np.arange(series.starts[k], series.starts[k + 1])
        asked = rows[~np.isnan(y[rows]).all(1)]
        if not len(asked):
            continue
        if model.config.segment:
            yield {"id": id, **answered(model, outputs[asked[-1]]), **_true(model, y[asked[-1]])}
        else:
            figures = measured(model.answer.kind, model.answers(outputs[asked]), y[asked], f"series {id!r}")
            yield {
                "id": id,
                **{f"penstock_{name}": value for name, value in {"answers": len(asked), **figures}.items()},
            }


def _true(model: SeriesRuntime, truths: NDArray[np.float64]) -> dict[str, Any]:
    """The truths (T,) by the names of their columns; of a class its name, nothing of one that training never saw."""
    answer = model.answer
    if answer.kind != "class":
        return dict(zip(answer.targets, truths.tolist(), strict=True))
    return {answer.targets[0]: answer.classes[int(truths[0])] if truths[0] < len(answer.classes) else None}


def score_series(model: SeriesRuntime, series: SeriesSet) -> dict[str, Any]:
    """The metrics of the model, and of naive answers that were learned from these very series, which flatters them.

    Raises:
        PenstockError: no row has a target, or a class that training never saw.
    """
    y = targets_by_row(model, series)
    asked = np.flatnonzero(~np.isnan(y).all(1))
    if not len(asked):
        raise PenstockError(f"{series.name}: no row has a target to score: column {model.answer.targets[0]!r}")
    if model.answer.kind == "class" and (y[asked, 0] >= len(model.answer.classes)).any():
        raise PenstockError(
            f"{series.name}: column {model.answer.targets[0]!r}: a class that training never saw; "
            f"it knows {', '.join(model.answer.classes[:8])}"
        )
    outputs = outputs_by_row(model, series)[asked]
    found: dict[str, Any] = {
        "answers": len(asked),
        "model": measured(model.answer.kind, model.answers(outputs), y[asked], series.name),
    }
    now = series.values[asked][:, [series.index(name) for name in model.answer.targets]]
    for name, answers in baselines(model.answer, y[asked], now, now, len(asked)).items():
        found[name] = measured(model.answer.kind, answers, y[asked], series.name)
    return found
