"""A model's weights in 8 bits, w8a16, and what that costs in the model's own metric, measured."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from penstock.errors import PenstockError
from penstock.fixed_point import MOST
from penstock.folder import Folder
from penstock.model_folder.content import read_config
from penstock.model_folder.forecast import load_forecast_model, save_forecast_model
from penstock.model_folder.language import TASK, load_model, save_model
from penstock.model_folder.quantized import Arrays, Sized, quantized
from penstock.model_folder.series import TEXT, load_series_model, save_series_model
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.runtime.forecast_score import asked_part, score_forecasts
from penstock.runtime.labelled_texts import read_texts
from penstock.runtime.model import Model
from penstock.runtime.series_model import SeriesRuntime
from penstock.runtime.series_score import score_series
from penstock.runtime.text_answers import score_texts
from penstock.runtime.text_model import TextRuntime
from penstock.runtime.text_score import score_corpus
from penstock.series.asked import read_asked
from penstock.series.metrics import HIGHER, MAIN
from penstock.text import Corpus

HEADROOM = 2.0
"""How many times the largest number seen an input may be, before it is held to that."""
BITS, SHARE = 0.01, 0.005
"""What may be lost by default: bits per character, or of another metric this share."""


class Cost(NamedTuple):
    """What 8 bits cost."""

    metric: str
    float32: float
    w8a16: float
    limit: float
    """By how much it may be worse, in the metric's unit."""

    @property
    def worse(self) -> float:
        """By how much it is; less than 0 where it is better."""
        return (self.w8a16 - self.float32) * (-1 if self.metric in HIGHER else 1)

    def said(self) -> str:
        """In a line."""
        change = f"{abs(self.worse):.4f} {'worse' if self.worse > 0 else 'better'}" if self.worse else "the same"
        return f"{self.metric.replace('_', ' ')}: {self.float32:.4f} in float32, {self.w8a16:.4f} in w8a16: {change}"


class Quantized(NamedTuple):
    """A model in 8 bits."""

    cost: Cost
    save: Callable[[Folder], None]
    """Writes it into a folder."""


def quantize(folder: Path, files: Sequence[str], *, limit: float | None = None) -> Quantized:
    """Rounds a model's weights.

    Args:
        folder: the model, in float32.
        files: what its inputs are scaled by and the cost is measured on: text for a language model, else as
            ``penstock eval`` reads them.
        limit: how much worse the model may be: bits per character, or a share of another metric.

    Raises:
        PenstockError: the model is in 8 bits already, has weights that do not fit, or costs more than the limit; or the
            files cannot be read.
    """
    task = read_config(folder)["task"]
    if task == "states":
        raise PenstockError(f"{folder}: a bare GRU answers nothing that a cost could be measured by; use it in float32")
    model, rebuilt, measure = _parts(folder, task, files)
    first = _Listening(model._layers[0])
    model._layers = [first, *model._layers[1:]]
    metric, before = measure(model)
    scale = None if task in (TASK, TEXT) else HEADROOM * (first.most or 1.0) / MOST
    try:
        in_8_bits, save = rebuilt(lambda weights, config: quantized(weights, config, scale))
    except ValueError as error:
        raise PenstockError(f"{folder}: {error}") from None
    _, after = measure(in_8_bits)
    most = BITS if task == TASK else SHARE * abs(before)
    if limit is not None:
        most = limit if task == TASK else limit * abs(before)
    cost = Cost(metric, before, after, most)
    if not cost.worse <= most:
        allowed = f"{most:.4g} bits" if task == TASK else f"{most / abs(before):.2%}" if before else "nothing"
        raise PenstockError(f"{folder}: {cost.said()}; --limit allows {allowed}: nothing is written")
    return Quantized(cost, save)


Rounding = Callable[[Arrays, Sized], Arrays]
Rebuilt = Callable[[Rounding], tuple[Any, Callable[[Folder], None]]]
Measure = Callable[[Any], tuple[str, float]]


def _parts(folder: Path, task: str, files: Sequence[str]) -> tuple[Any, Rebuilt, Measure]:
    """A model to run, what makes it anew of other weights and saves that, and what measures one on the files."""
    if task == TASK:
        config, vocabulary, weights = load_model(folder)

        def language(rounding: Rounding) -> tuple[Any, Callable[[Folder], None]]:
            of = rounding(weights, config)
            return Model(config, vocabulary, of), lambda to: save_model(to, config, vocabulary, of)

        return Model(config, vocabulary, weights), language, lambda model: _bits(model, files)
    kind, read, write = _KINDS.get(task, _SERIES)
    found = read(folder)

    def answering(rounding: Rounding) -> tuple[Any, Callable[[Folder], None]]:
        of = found._replace(weights=rounding(found.weights, found.config))
        return kind(of), lambda to: write(to, of)

    model = kind(found)
    if task == "forecast":
        series, part = asked_part(files, model.reads, None)
        return model, answering, lambda model: _main(score_forecasts(model, series, part)["model"], "")
    if task == TEXT:
        texts = read_texts(files, str(model.reads["column"]), "strict", model.answer.targets, known=model.answer)
        return model, answering, lambda model: _main(score_texts(model, texts)["model"], model.answer.kind)
    rows = read_asked(files, model.reads)
    return model, answering, lambda model: _main(score_series(model, rows)["model"], model.answer.kind)


_KINDS: dict[str, tuple[Any, Any, Any]] = {
    "forecast": (ForecastRuntime, load_forecast_model, save_forecast_model),
    TEXT: (TextRuntime, load_series_model, save_series_model),
}
_SERIES = SeriesRuntime, load_series_model, save_series_model
"""Of each task what runs a model, reads its files and writes them."""


def _main(figures: dict[str, float], kind: str) -> tuple[str, float]:
    name = MAIN.get(kind) or next(iter(figures))
    return name, figures[name]


def _bits(model: Model, files: Sequence[str]) -> tuple[str, float]:
    with tempfile.TemporaryDirectory() as spool:
        kept = "surrogateescape" if model.vocabulary.kind == "byte" else "strict"
        corpus = Corpus(files, errors=kept, spool=Path(spool))
        score = score_corpus(model, corpus)
    if not score.tokens:
        raise PenstockError(f"{corpus.name}: expected at least two tokens to score, got fewer")
    return "bits_per_character", score.bits_per_character


class _Listening:
    """A layer that notes the largest number that it reads."""

    def __init__(self, layer: Any) -> None:
        self._layer, self.most = layer, 0.0

    def __call__(self, x: Any, *state: Any, **settings: Any) -> Any:
        self.most = max(self.most, float(np.abs(x).max(initial=0)))
        return self._layer(x, *state, **settings)

    def step(self, x: Any, *state: Any, **settings: Any) -> Any:
        self.most = max(self.most, float(np.abs(x).max(initial=0)))
        return self._layer.step(x, *state, **settings)
