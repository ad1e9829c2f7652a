"""What a finished model of series is measured by, beside its naive baselines, and how a person is told."""

import dataclasses
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from penstock.layout import command, facts, say, wrap
from penstock.runtime.series_model import load_series
from penstock.runtime.series_score import baselines, outputs_by_row, targets_by_row
from penstock.series import SeriesSet, Split, naive, rows_of
from penstock.series.mapped import let_go
from penstock.series.metrics import HIGHER, MAIN, measured
from penstock.tasks.series_data import TELLING, SeriesData
from penstock.train.checkpoint import Progress
from penstock.train.plan import Plan
from penstock.train.reporter import duration
from penstock.train.task import Data

MOST = 1 << 20
"""Rows that are scored; of more, those of an even choice of series."""


@dataclasses.dataclass(frozen=True)
class SeriesResults:
    """The figures of a run; without held-out rows there are none of the model."""

    parameters: int
    seconds: float
    steps: int
    rows_read: int
    answers: int
    """Held-out answers that were scored."""
    measure: str
    """The metric that tells whether the model is good."""
    model: dict[str, float]
    """Its metrics."""
    naive: dict[str, dict[str, float]]
    """The metrics of what needs no network."""
    beats_naive: bool | None
    """Whether the model is better than all of them; None where nothing was held out."""


def measure(plan: Plan, progress: Progress, data: SeriesData, out: Path) -> SeriesResults:
    """Scores the best model on the held-out rows."""
    model, answer = load_series(out), data.answer
    series, split = _scored(data)
    y = targets_by_row(model, series)
    training, asked = (_answered(y, rows_of(series, part)) for part in (split.training, split.validation))
    found: dict[str, float] = {}
    others: dict[str, dict[str, float]] = {}
    if len(asked):
        outputs = outputs_by_row(model, series)
        found = measured(answer.kind, model.answers(outputs[asked]), y[asked], series.name)
        for name, answers in _baselines(data, series, y, training, asked).items():
            others[name] = measured(answer.kind, answers, y[asked], series.name)
    return results_of(plan, progress, data, len(asked), MAIN[answer.kind], found, others)


def results_of(
    plan: Plan,
    progress: Progress,
    data: Data,
    answers: int,
    by: str,
    model: dict[str, float],
    others: dict[str, dict[str, float]],
) -> SeriesResults:
    """The figures of a run from the metrics of so many answers: the model's, none where nothing was held out, and those
    of what needs no network; ``by`` tells which is better."""
    streams, shapes = data.streams(plan.streams, plan.settings.chunk), plan.model.shapes()
    return SeriesResults(
        parameters=sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("reset_after")),
        seconds=progress.seconds,
        steps=progress.step,
        rows_read=streams.read(progress.passes, progress.chunk),
        answers=answers,
        measure=by,
        model=model,
        naive=others,
        beats_naive=all(better(by, model[by], other[by]) for other in others.values()) if model else None,
    )


def better(metric: str, one: float, other: float) -> bool:
    """Whether one value of a metric is better than another."""
    return one > other if metric in HIGHER else one < other


def _scored(data: SeriesData) -> tuple[SeriesSet, Split]:
    """All series; of more rows than can be scored in memory an even choice of those that validate, and as many others
    to learn naive answers from."""
    series, split = data.series, data.split
    if len(series.values) <= MOST:
        return series, split
    chosen: set[int] = set()
    for part in (split.validation, split.training):
        of_part = np.flatnonzero(part[:, 1] > part[:, 0])
        fit = max(1, int(MOST // 2 / max(1.0, float(series.lengths[of_part].mean())))) if len(of_part) else 0
        chosen |= set(of_part[np.unique(np.linspace(0, len(of_part) - 1, min(fit, len(of_part))).astype(int))].tolist())
    which = sorted(chosen)
    found = series.only(which)
    let_go(series.values, series.times, series.episodes)
    return found, Split(split.training[which], split.validation[which], split.rule)


def _answered(y: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[~np.isnan(y[rows]).all(1)]


def _baselines(
    data: SeriesData, series: SeriesSet, y: NDArray[np.float64], training: NDArray[np.int64], asked: NDArray[np.int64]
) -> dict[str, NDArray[np.floating]]:
    """The answers of each, at the rows that are asked for."""
    kind, classes, name = data.answer.kind, len(data.answer.classes), series.name
    now = series.values[:, [series.index(target) for target in data.answer.targets]]
    found = baselines(data.answer, y[training], now[training], now[asked], len(asked))
    if data.last and kind != "labels":
        wholes = [[_whole(data, series, row) for row in rows] for rows in (training, asked)]
        found["a linear model"] = naive.linear(kind, wholes[0], y[training], wholes[1], classes, name)
    return found


def _whole(data: SeriesData, series: SeriesSet, row: int) -> NDArray[np.float32]:
    """The features of the series of a row."""
    one = series.one(int(np.searchsorted(series.starts, row, "right")) - 1)
    return data.features.whole(one.values[:, [series.index(c.name) for c in data.features.columns]], one.times)


def print_results(results: SeriesResults, out: Path, console: Console) -> None:
    """A short table, whether the model is any good, and what to try next."""
    rows = [
        ("parameters", f"{results.parameters:,}"),
        ("time", f"{duration(results.seconds)}, {results.steps:,} steps of optimisation"),
    ]
    if results.model:
        rows.append(("held out", f"{results.answers:,} answers scored"))
        rows += [(f"  {name.replace('_', ' ')}", number(value)) for name, value in results.model.items()]
        rows += [(f"  {results.measure} of {name}", number(of[results.measure])) for name, of in results.naive.items()]
    say(console, ["", *facts(rows, console.width), "", *wrap(verdict(results), console.width), "", "Next:"])
    for verb in ("eval", "predict"):
        say(console, command(["penstock", verb, str(out), "FILE"], console.width))


def verdict(results: SeriesResults) -> str:
    """Whether the model is better than what needs no network, in a sentence."""
    if not results.model:
        return "Nothing was held out, so nobody knows whether the model is any good: --holdout 0.2 would tell."
    by, own = results.measure, results.model[results.measure]
    name, best = min(
        ((name, of[by]) for name, of in results.naive.items()), key=lambda one: -one[1] if by in HIGHER else one[1]
    )
    figures = f"{by} {number(own)}, {name}: {number(best)}"
    few = f" Of {results.answers} answers alone this says little; score a larger file." * (results.answers < TELLING)
    if better(by, own, best):
        return f"The model is better than the best naive answer: {figures}.{few}"
    return f"The model does NOT beat the naive answer: {figures}. Use that one, or try more --minutes or data.{few}"


def number(value: float) -> str:
    """With four digits that count."""
    return f"{value:.4g}" if value == 0 or (abs(value) < 1e5 and not math.isnan(value)) else f"{value:.3e}"
