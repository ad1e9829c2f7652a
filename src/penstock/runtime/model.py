"""The trained model without torch: NumPy, and the compiled core for its layers."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.model_folder import LanguageConfig, Weights, load_model
from penstock.model_folder.content import digest_of
from penstock.model_folder.quantized import is_quantized
from penstock.runtime.layer import network, output_of_stack, stack_layers
from penstock.runtime.quantized import embedding_rows
from penstock.runtime.sampling import check_sampling, numbers, until
from penstock.runtime.score import Score, count_characters
from penstock.runtime.stream import Stream
from penstock.text.vocabulary import Vocabulary

Floats = NDArray[np.float32]

BLOCK = 1 << 20
"""Hidden units, of all rows and steps, that are computed at once, so that memory does not grow with the text."""
PART = 1 << 20
"""Tokens of a document that are in memory at once."""


class Reading(NamedTuple):
    """What a model made of a document."""

    score: Score
    state: Floats
    """The top layer's state after all that was read, (H,)."""


class Model:
    """A language model to run. Letters: K layers, H hidden units, V tokens; everything is float32.

    It never changes, may be used from many threads at once, and can be pickled and copied.
    """

    def __init__(self, config: LanguageConfig, vocabulary: Vocabulary, weights: Weights) -> None:
        # read-only, since the layers below are packed: a change would reach a part of the model
        self.config, self.vocabulary, self.weights = config, vocabulary, {k: _read_only(w) for k, w in weights.items()}
        self.quantized = is_quantized(self.weights)
        self._embedding = embedding_rows(self.weights) if self.quantized else self.weights["embedding.weight"]
        self._state_shape = config.stack.num_layers, config.stack.hidden_size
        self._layers = stack_layers(self.weights, config.stack)
        self.output = output_of_stack(self.weights, config.stack)
        """Makes logits, log-probabilities and nats of what ``hidden`` gives."""
        self._network = network(
            self._layers,
            residual=config.stack.residual,
            embedding=self._embedding,
            output=self.output,
            log_probabilities=True,
        )

    @functools.cached_property
    def logits_network(self) -> Any:
        """Steps of texts side by side, whose answers are logits: what ``native.Network`` does."""
        stack = self.config.stack
        return network(self._layers, residual=stack.residual, embedding=self._embedding, output=self.output)

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self.weights, dataclasses.asdict(self.config), self.vocabulary.saved())

    def __reduce__(self) -> tuple[type, tuple[LanguageConfig, Vocabulary, Weights]]:
        return type(self), (self.config, self.vocabulary, self.weights)

    def initial_state(self) -> Floats:
        """The state before a text, (K, H)."""
        return np.zeros((self.config.stack.num_layers, self.config.stack.hidden_size), np.float32)

    def state_after(self, ids: NDArray[Any]) -> Floats:
        """The state (K, H) that reading these tokens leaves."""
        state, steps = self.initial_state()[:, None], self._steps(1)
        for start in range(0, len(ids), steps):
            _, state = self.hidden(ids[start : start + steps, None], state)
        return state[:, 0]

    def step(
        self, token: int, state: Floats | None = None, *, out: tuple[Floats, Floats] | None = None
    ) -> tuple[Floats, Floats]:
        """Reads one token.

        Args:
            token: its id.
            state: (K, H), the one before; None for a text's start.
            out: arrays that take the two results, or None for new ones; the second may be ``state`` itself.

        Returns:
            log-probabilities (V,) of the next token, and the new state (K, H).

        Raises:
            ValueError: there is no such token, or a shape cannot work.
        """
        K, H = self._state_shape
        if state is not None and state.shape != (K, H):
            raise ValueError(f"state: expected (K={K}, H={H}), got {state.shape}")
        log_p = np.empty(self.config.vocabulary_size, np.float32)
        new = np.zeros((K, H), np.float32) if state is None else np.array(state, np.float32, order="C")
        results = log_p, new
        for name, to, result in zip(("log-probabilities", "state"), out or (), results, strict=False):
            if to.shape != result.shape:
                raise ValueError(f"out: expected {name} {result.shape}, got {to.shape}")
        self._network.step(token, new, log_p, None, None)
        if out is None:
            return results
        for to, result in zip(out, results, strict=True):
            to[...] = result
        return out

    def stream(self, n: int = 1) -> Stream:
        """n texts that are read a token at a time: ``step`` takes (n,) tokens and gives the log-probabilities (n, V) of
        the next ones."""
        return Stream(self._network, n, lambda: self.digest)

    def score(self, text: str) -> Score:
        """How well the model expected a text, read as one document."""
        return self.read([text])[0].score

    def score_pieces(self, pieces: Iterable[str]) -> Score:
        """As ``score``, of a document of any length that comes in pieces, of which one at a time is in memory.

        A byte pair does not reach over the end of a piece. The sum of the nats may differ from that of the whole in
        its last bits.
        """
        return self._score_parts((self.vocabulary.encode(text), text) for text in pieces)

    def score_documents(self, documents: Iterable[NDArray[Any]]) -> Score:
        """How well the model expected documents, given as token ids; each begins with a zero state."""
        parts = (((ids[k : k + PART], None) for k in range(0, len(ids), PART)) for ids in documents)
        return sum(map(self._score_parts, parts), Score())

    def _score_parts(self, parts: Iterable[tuple[NDArray[Any], str | None]]) -> Score:
        """Of one document: ids, with the text that they are of where it may have what the vocabulary does not know."""
        score, before = Score(), np.zeros(0, np.int64)  # the last token so far, which the next is expected after
        state = np.zeros((self.config.stack.num_layers, 1, self.config.stack.hidden_size), np.float32)
        for part, text in parts:
            ids = np.concatenate([before, part])
            if text is None or self.vocabulary.unknown is None:
                utf8 = self.vocabulary.utf8(ids[1:])
            else:
                utf8 = text[1 - len(before) :].encode("utf-8", "surrogatepass")
            score += self._read_documents([ids], [utf8], state=state)[0].score
            before = ids[-1:]
        return score

    def read(self, texts: Sequence[str], *, to_the_end: bool = False, threads: int | None = None) -> list[Reading]:
        """Reads texts side by side, each a document; what it makes of one does not depend on the others by a bit.

        Args:
            texts: (N,). Those of about one length, and some dozens of them, are read fastest.
            to_the_end: also read each text's last token, which scoring alone has no use for; for the state's sake.
            threads: at most so many; None chooses by the work there is.
        """
        documents = [self.vocabulary.encode(text) for text in texts]
        # what a vocabulary does not know is in the text alone; only characters, a token each, can be unknown
        utf8 = [
            self.vocabulary.utf8(ids[1:])
            if self.vocabulary.unknown is None
            else text[1:].encode("utf-8", "surrogatepass")
            for ids, text in zip(documents, texts, strict=True)
        ]
        return self._read_documents(documents, utf8, to_the_end, threads)

    def _read_documents(
        self,
        documents: Sequence[NDArray[Any]],
        utf8: Sequence[bytes],
        to_the_end: bool = False,
        threads: int | None = None,
        state: Floats | None = None,
    ) -> list[Reading]:
        """Of ids, all but the first of each of which stand for its ``utf8``; from a ``state``, which is moved on."""
        order = sorted(range(len(documents)), key=lambda n: -len(documents[n]))  # those that are alive come first
        ids = np.concatenate([*(documents[n] for n in order), np.zeros(1, np.int64)]).astype(np.int64, copy=False)
        nats = np.zeros(len(ids))
        sizes = np.array([len(documents[n]) for n in order], np.int64)
        begins = np.cumsum(sizes) - sizes
        if state is None:
            state = np.zeros((self.config.stack.num_layers, len(order), self.config.stack.hidden_size), np.float32)
        start = 0
        while alive := int(np.count_nonzero(sizes - (not to_the_end) > start)):
            steps = min(self._steps(alive), int(sizes[0]) - start)
            left = sizes[:alive] - start
            t = np.arange(steps)[:, None]
            at = np.minimum(begins[:alive] + start + t, len(ids) - 2)  # past a document's end, of no account
            lengths = np.minimum(left - (not to_the_end), steps)
            hidden, state[:, :alive] = self.hidden(ids[at], state[:, :alive], lengths, threads)
            followed = t < left - 1
            following = at[followed] + 1
            nats[following] = self.output.nats(hidden[followed], ids[following], threads=threads)
            start += steps
        readings: dict[int, Reading] = {}
        for k, n in enumerate(order):
            scored = slice(begins[k] + 1, begins[k] + sizes[k])
            unknown = 0 if self.vocabulary.unknown is None else int((ids[scored] == self.vocabulary.unknown).sum())
            score = Score(
                float(nats[scored].sum()),
                max(len(documents[n]) - 1, 0),
                count_characters(utf8[n]),
                len(utf8[n]),
                unknown,
            )
            readings[n] = Reading(score, state[-1, k])
        return [readings[n] for n in range(len(order))]

    def _steps(self, rows: int) -> int:
        """How many steps of so many rows are computed at once."""
        return max(1, BLOCK // (rows * self.config.stack.hidden_size))

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
    ) -> Iterator[str]:
        """Writes on after ``prompt``, piece by piece as it is written.

        Args:
            prompt: the text to go on from; an empty one stands for the start of a line.
            length: tokens to write.
            temperature: below 1 is safer, above 1 bolder; 0 always takes the most likely token.
            top_k: draw from the k most likely tokens only.
            top_p: draw from the fewest tokens that together have this probability.
            stop: texts before the first of which the writing ends, wherever its tokens begin and end.
            seed: the same seed writes the same text, on one instruction set; None draws one.

        Raises:
            ValueError: a setting means nothing.
        """
        stops = _stops(stop)
        pieces = self.vocabulary.pieces(self._tokens(prompt, length, temperature, top_k, top_p, seed))
        return until(pieces, stops) if stops else pieces

    def generate_bytes(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
    ) -> Iterator[bytes]:
        """As ``generate``, token by token, the very bytes, be they whole characters or not."""
        stops = [one.encode("utf-8", "surrogateescape") for one in _stops(stop)]
        tokens = self._tokens(prompt, length, temperature, top_k, top_p, seed)
        pieces = (self.vocabulary.utf8(np.array([token])) for token in tokens)
        return until(pieces, stops) if stops else pieces

    def _tokens(
        self, prompt: str, length: int, temperature: float, top_k: int | None, top_p: float | None, seed: int | None
    ) -> Iterator[int]:
        """The ids that follow ``prompt``; checked here and now, not when the first one is asked for."""
        check_sampling(temperature, top_k, top_p, seed)
        if length < 0:
            raise ValueError(f"length: expected 0 or more, got {length}")
        how = self.drawing(temperature, top_k, top_p)
        return self._continued(self.vocabulary.encode(prompt or "\n"), length, how, seed)

    def drawing(self, temperature: float, top_k: int | None, top_p: float | None) -> tuple[float, int, float, int]:
        """How a network draws tokens: the temperature, of how many tokens, of which probability, and which is never
        drawn, −1 for none."""
        V, unknown = self.config.vocabulary_size, self.vocabulary.unknown
        k, p = min(top_k or V, V), 1.0 if top_p is None else float(top_p)
        return float(temperature), k, p, -1 if unknown is None else unknown

    def _continued(
        self, ids: NDArray[Any], length: int, how: tuple[float, int, float, int], seed: int | None
    ) -> Iterator[int]:
        state, memory, sample = self.state_after(ids[:-1]), self._network.memory(1), self._network.sample
        token, (temperature, k, p, never) = int(ids[-1]), how
        for number in numbers(seed, length):
            token = sample(token, state, number, temperature, k, p, never, memory)
            yield token

    def hidden(
        self,
        tokens: NDArray[Any],
        state: Floats,
        lengths: NDArray[np.int64] | None = None,
        threads: int | None = None,
    ) -> tuple[Floats, Floats]:
        """The top layer's outputs (L, N, H) for tokens (L, N) from a state (K, N, H), and the new state."""
        x, new = self._embedding[tokens], np.empty_like(state)
        for k, run in enumerate(self._layers):
            output, new[k] = run(x, state[k], lengths=lengths, threads=threads)
            x = x + output if k and self.config.stack.residual else output
        return x, new


def _stops(stop: str | Sequence[str]) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stops:
        raise ValueError("stop: expected texts, got an empty one")
    return stops


def _read_only(weight: Floats) -> Floats:
    view = np.asarray(weight)[...]
    view.flags.writeable = False
    return view


def load_language(folder: str | Path) -> Model:
    """The language model of a folder that ``penstock train`` or ``LanguageModel.save`` wrote.

    Raises:
        PenstockError: the folder holds no whole model.
    """
    return Model(*load_model(Path(folder), quantized=True))
