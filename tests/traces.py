"""Traces to look at, of models with random weights."""

from typing import Any

import numpy as np

from penstock.look.forecast_trace import trace_forecast
from penstock.look.layer import run
from penstock.look.series_trace import trace_series
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.model_folder.forecast import ForecastAnswer, ForecastConfig, ForecastFiles
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.runtime.model import Model
from penstock.runtime.series_model import SeriesRuntime
from penstock.series import Column, Keys, SeriesSet, description, learn_features
from penstock.text.vocabulary import CharVocabulary, Vocabulary

CATS = "The cat, which already ate the fish, was", "The cats, which already ate the fish, were"
LETTERS = "".join(map(chr, range(32, 127))) + "\n\t猫吃鱼"


def weights(rng: np.random.Generator, D: int, H: int) -> tuple[Any, ...]:
    """A layer's, some units of which forget at once and some hardly ever."""
    bias = np.zeros(3 * H)
    bias[H : 2 * H] = np.linspace(-2, 4, H)
    w_ih, w_hh = (rng.normal(size=(3 * H, n)) / np.sqrt(n) for n in (D, H))
    return tuple(np.float32(value) for value in (w_ih, w_hh, bias, np.zeros(3 * H)))


def model(vocabulary: Vocabulary, *, H: int = 12, K: int = 1, residual: bool = False) -> Model:
    rng = np.random.default_rng(7)
    V = len(vocabulary)
    config = LanguageConfig(V, StackConfig(H, H, K, residual=residual))
    of_model: dict[str, Any] = {"embedding.weight": rng.normal(size=(V, H)) * 2}
    of_model |= {"output.weight": rng.normal(size=(V, H)), "output.bias": np.zeros(V)}
    for k in range(K):
        names = (f"layers.{k}.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        of_model |= dict(zip(names, weights(rng, H, H), strict=True))
    return Model(config, vocabulary, {name: np.asarray(value, np.float32) for name, value in of_model.items()})


def of_text(text: str, **sizes: Any) -> Trace:
    return trace_text(model(CharVocabulary(LETTERS), **sizes), text)


def of_numbers(L: int = 60, H: int = 8) -> Trace:
    """Two channels through a layer in each direction, from a state that is not zero, with an episode's start."""
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.normal(size=(L, 2)), 0).astype(np.float32)
    resets = np.arange(L) == L // 3
    given = [(x, rng.normal(size=H), weights(rng, 2, H), "after") for _ in range(2)]
    return Trace((run("gru", *given[0], resets=resets), run("gru reverse", *given[1], resets=resets, reverse=True)))


def rows_of_series(L: int = 31, seed: int = 5, dated: bool = True) -> SeriesSet:
    """Two series: of two numbers on scales far apart, the second missing now and then, a category, and a target."""
    rng = np.random.default_rng(seed)
    values = np.stack([np.sin(np.arange(2 * L) / 4) * 900 + 1000, rng.normal(size=2 * L) / 50], 1)
    values[rng.random(2 * L) < 0.2, 1] = np.nan
    codes = rng.integers(0, 2, (2 * L, 1))
    target = np.repeat([[0.0], [1.0]], L, 0)
    columns = (
        Column("flow"),
        Column("noise"),
        Column("pump", "seen", ("on", "off")),
        Column("kind", "target", ("up", "down")),
    )
    hours = np.int64(3_600_000_000) * np.tile(np.arange(L), 2) if dated else np.tile(np.arange(L), 2) * 2.5
    rows = np.concatenate([values, codes, target], 1).astype(np.float32)
    return SeriesSet(("one", "two"), np.array([0, L, 2 * L]), rows, columns, hours, dated, keys=Keys(("id",), "t"))


ANSWERS = {
    "class": SeriesAnswer("class", ("kind",), ("up", "down")),
    "labels": SeriesAnswer("labels", ("kind",)),
    "numbers": SeriesAnswer("numbers", ("flow", "noise"), (), (1000.0, 0.0), (600.0, 0.02)),
    "next": SeriesAnswer("numbers", ("flow", "noise"), (), (1000.0, 0.0), (600.0, 0.02), next=True),
}


def drawn_weights(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]], size: float) -> dict[str, Any]:
    """By a model's names; 0 where a mark says that a layer has the form "before"."""
    return {
        name: np.asarray(rng.normal(size=shape) * (size if shape else 0), np.float32) for name, shape in shapes.items()
    }


def series_model(asked: str, segment: int = 0, **stack: Any) -> SeriesRuntime:
    """With random weights; learned nothing but how its columns are scaled."""
    rng, series = np.random.default_rng(11), rows_of_series()
    parts = np.array([[0, length] for length in series.lengths])
    features = learn_features(series, parts, ["flow", "noise", "pump"])
    answer = ANSWERS[asked]
    config = SeriesConfig(
        max(len(answer.targets), len(answer.classes)),
        StackConfig(features.size * (2 * segment or 1), 6, **stack),
        segment,
    )
    of_model = drawn_weights(rng, config.shapes(), 0.7)
    reads = {**description(series), "features": features.to_json(), "pattern": None}
    return SeriesRuntime(SeriesFiles("sequence" if segment else "steps", reads, answer, config, of_model))


def of_series(asked: str = "class", segment: int = 3, k: int = 0, **stack: Any) -> Trace:
    return trace_series(series_model(asked, segment, **stack), rows_of_series(), k)


def forecaster(**stack: Any) -> ForecastRuntime:
    """With random weights, of a window of 12 steps and 7 ahead."""
    rng, series = np.random.default_rng(2), rows_of_series()
    config = ForecastConfig(12, 7, 4, 3, 4, StackConfig(5, 6, **stack))
    answer = ForecastAnswer(("flow", "noise"), 4, (600.0, 0.02), (None, None))
    of_model = drawn_weights(rng, config.shapes(), 0.3)
    return ForecastRuntime(ForecastFiles(description(series), answer, config, of_model))


def of_forecast(**asked: Any) -> Trace:
    return trace_forecast(forecaster(), rows_of_series(), **asked)
