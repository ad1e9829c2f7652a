"""The trained model without torch: NumPy, and the compiled core for its layers."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.model_folder import ModelConfig, Weights, load_model
from penstock.runtime.layer import layer
from penstock.runtime.sampling import check_sampling, sample
from penstock.text.vocabulary import Vocabulary

Floats = NDArray[np.float32]

BLOCK = 1024
"""Steps that are read at once, so that memory does not grow with the text."""


class Score(NamedTuple):
    """How well a model expected a text. The first token of a document is given, not scored."""

    nats: float = 0.0
    tokens: int = 0
    characters: int = 0
    bytes: int = 0
    unknown: int = 0
    """Tokens that the vocabulary does not have."""

    @property
    def nats_per_token(self) -> float:
        """Cross-entropy, in nats a token."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def bits_per_character(self) -> float:
        """Cross-entropy, in bits a Unicode character."""
        return self.nats / math.log(2) / self.characters if self.characters else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Cross-entropy, in bits a byte of UTF-8."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan

    @property
    def perplexity(self) -> float:
        """exp of the nats a token: the number of equally likely tokens that would be as surprising."""
        return math.exp(self.nats_per_token)

    def __add__(self, other: Any) -> "Score":
        """The score of two documents together."""
        return Score(*(a + b for a, b in zip(self, other, strict=True)))


class Model:
    """A language model to run. Letters: K layers, H hidden units, V tokens; everything is float32."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary, weights: Weights) -> None:
        self.config, self.vocabulary, self.weights = config, vocabulary, weights
        self._embedding = weights["embedding.weight"]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self._layers = [
            layer(*(weights[f"layers.{k}.{name}_l0"] for name in names), reset=config.reset)
            for k in range(config.num_layers)
        ]
        self._output = weights["embedding.weight" if config.tied else "output.weight"]
        self._output_bias = weights["output.bias"]

    def initial_state(self) -> Floats:
        """The state before a text, (K, H)."""
        return np.zeros((self.config.num_layers, self.config.hidden_size), np.float32)

    def state_after(self, ids: NDArray[Any]) -> Floats:
        """The state (K, H) that reading these tokens leaves."""
        state = self.initial_state()
        for start in range(0, len(ids), BLOCK):
            _, state = self._read(ids[start : start + BLOCK], state)
        return state

    def step(self, token: int, state: Floats | None = None) -> tuple[Floats, Floats]:
        """Reads one token: log-probabilities (V,) of the next one, and the new state (K, H)."""
        hidden, state = self._read([token], self.initial_state() if state is None else state)
        return self._log_probabilities(hidden[0]), state

    def score(self, text: str) -> Score:
        """How well the model expected a text, read as one document."""
        return self._score(self.vocabulary.encode(text), text)

    def score_documents(self, documents: Iterable[NDArray[Any]]) -> Score:
        """How well the model expected documents, given as token ids; each begins with a zero state."""
        return sum(map(self._score, documents), Score())

    def _score(self, ids: NDArray[Any], text: str | None = None) -> Score:
        """Of the ids of a document, and of its text where that is at hand."""
        nats, characters, bytes_, unknown = 0.0, 0, 0, 0
        state = self.initial_state()
        for start in range(0, len(ids) - 1, BLOCK):
            block = ids[start : start + BLOCK + 1].astype(np.int64)
            hidden, state = self._read(block[:-1], state)
            expected = self._log_probabilities(hidden)[np.arange(len(hidden)), block[1:]]
            nats -= float(expected.sum(dtype=np.float64))
            unknown += 0 if self.vocabulary.unknown is None else int((block[1:] == self.vocabulary.unknown).sum())
            if text is None or self.vocabulary.unknown is None:
                utf8 = self.vocabulary.utf8(block[1:])
            else:  # what a vocabulary does not know is in the text alone; only characters, a token each, can be unknown
                utf8 = text[start + 1 : start + len(block)].encode("utf-8", "surrogatepass")
            characters, bytes_ = characters + count_characters(utf8), bytes_ + len(utf8)
        return Score(nats, max(len(ids) - 1, 0), characters, bytes_, unknown)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Writes on after ``prompt``, piece by piece as it is written.

        Args:
            prompt: the text to go on from; an empty one stands for the start of a line.
            length: tokens to write.
            temperature: below 1 is safer, above 1 bolder; 0 always takes the most likely token.
            top_k: draw from the k most likely tokens only.
            top_p: draw from the fewest tokens that together have this probability.
            seed: the same seed writes the same text; None draws one.

        Raises:
            ValueError: a setting means nothing.
        """
        check_sampling(temperature, top_k, top_p, seed)
        if length < 0:
            raise ValueError(f"length: expected 0 or more, got {length}")
        ids = self.vocabulary.encode(prompt or "\n")
        return self.vocabulary.pieces(self._continued(ids, length, temperature, top_k, top_p, seed))

    def _continued(
        self,
        ids: NDArray[Any],
        length: int,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
        seed: int | None,
    ) -> Iterator[int]:
        generator, state, unknown = np.random.default_rng(seed), self.state_after(ids[:-1]), self.vocabulary.unknown
        token = ids[-1]
        for _ in range(length):
            log_probabilities, state = self.step(token, state)
            if unknown is not None:
                log_probabilities[unknown] = -np.inf
            token = sample(log_probabilities, generator, temperature=temperature, top_k=top_k, top_p=top_p)
            yield token

    def _read(self, tokens: Sequence[int] | NDArray[Any], state: Floats) -> tuple[Floats, Floats]:
        """The top layer's outputs (L, H) for L tokens, and the new state (K, H)."""
        x, new = self._embedding[tokens], np.empty_like(state)
        for k, run in enumerate(self._layers):
            output, new[k] = run(x, state[k])
            x = x + output if k and self.config.residual else output
        return x, new

    def _log_probabilities(self, hidden: Floats) -> Floats:
        """(…, H) to (…, V)."""
        return log_softmax(hidden @ self._output.T + self._output_bias)


def log_softmax(logits: Floats) -> Floats:
    """log of the softmax over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits


def count_characters(utf8: bytes) -> int:
    """The characters that begin in some bytes; every byte of UTF-8 but a character's first is 10…… in binary."""
    return int(np.count_nonzero(np.frombuffer(utf8, np.uint8) & 0xC0 != 0x80))


def load(folder: str | Path) -> Model:
    """The model of a folder that ``penstock train`` or ``LanguageModel.save`` wrote.

    Raises:
        PenstockError: the folder holds no whole model.
    """
    return Model(*load_model(Path(folder)))
