"""Traces to look at, of models with random weights."""

from typing import Any

import numpy as np

from penstock.look.layer import run
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime.model import Model
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
