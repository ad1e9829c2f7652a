"""The trace of one sequence through a model: every layer's gates and states, and what a language model made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from penstock.errors import PenstockError
from penstock.look import trace_file
from penstock.look.attention import attention_of_state
from penstock.look.language import Language, shortened, token_labels
from penstock.look.layer import Floats, Layer, input_gradients, run_stack
from penstock.look.numeric import Numeric
from penstock.look.page import Page
from penstock.model_folder.quantized import expect_float
from penstock.runtime.layer import log_softmax
from penstock.runtime.model import Model


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What a GRU did over one sequence, layer by layer; ``language`` where it is a language model's.

    ``layers`` hold gates, states, inputs and weights, and what is read off them: attention, write and read strength,
    half-lives. What needs the output layer is here.
    """

    layers: tuple[Layer, ...]
    language: Language | None = None
    start: int = 0
    """How many steps of the whole sequence stand before the first one here: pages count positions from it."""
    tokens: tuple[str, ...] | None = None
    """A word for each step, of a sequence that no language model read."""
    channels: tuple[str, ...] | None = None
    """A name for each column of ``inputs``."""
    inputs: Floats | None = None
    """What was put in, (L, C), where that is not what the first layer read."""
    numeric: Numeric | None = None
    """What a model of series read and answered."""

    def __repr__(self) -> str:
        layers = f"{len(self.layers)} layer{'s' * (len(self.layers) > 1)}"
        units = "/".join(f"{n:,}" for n in dict.fromkeys(len(layer.h_0) for layer in self.layers))
        words = self.words()
        text = f" of {shortened(words)}" if words else ""
        return f"<Trace{text}: {len(self):,} steps, {layers} of {units} units>"

    def words(self) -> tuple[str, ...] | None:
        """The token, or the word, of each step."""
        return self.language.tokens if self.language else self.tokens

    def __len__(self) -> int:
        """L."""
        return len(self.layers[0].hidden)

    def top(self) -> Floats:
        """What the output layer read at each step, (L, H)."""
        top: Floats = np.sum([layer.hidden for layer in self._read_out()], axis=0)
        return top

    def log_probabilities(self) -> Floats:
        """What the model expected after each token, (L, V), in nats."""
        language = self._language()
        return log_softmax(self.top() @ language.weight.T + language.bias)

    def surprise(self) -> Floats:
        """−log₂ of the probability that the model gave each token beforehand, in bits, (L,); NaN for the first."""
        expected = self.log_probabilities()[:-1]
        following = self._language().ids[1:]
        return np.append(np.float32("nan"), -expected[np.arange(len(following)), following] / np.log(np.float32(2)))

    def contributions(self, position: int, token: int | None = None, against: int | None = None) -> Floats:
        """Which step's writing spoke for a token: what each candidate still in the state adds to its logit, (L + 1,).

        The logit is linear in the state, and the state is a weighted mean of candidates, so it is a sum over steps,

            (w_token − w̄) · h_t = Σ_s (w_token − w̄) · (a_{t,s} ⊙ n_s) + (w_token − w̄) · (a_{t,0} ⊙ h_0)

        exactly (the bias apart), w̄ the mean over the vocabulary, to which a softmax is blind. Entry 0 is the initial
        state's, entry 1 + s that of step s. It does not say that x_s alone is behind the entry: the candidate n_s was
        made from the state before it too, and of stacked layers from all that the layers below had heard by then.

        Args:
            position: of the state that predicts, 0 … L − 1.
            token: an id; None for the one that came next.
            against: another id, to take the place of the mean: what speaks for the one rather than the other.

        Raises:
            ValueError: there is no such position or token, or no output layer.
        """
        token = self._predicted(position, token)
        weight = self._language().weight
        direction = weight[token] - (weight.mean(0) if against is None else weight[self._predicted(position, against)])
        total = np.zeros(len(self) + 1, direction.dtype)
        for layer in self._read_out():
            weights = attention_of_state(layer.update, position)
            written = np.concatenate([layer.h_0[None], layer.candidate[: position + 1]])
            total[: position + 2] += (weights * written) @ direction
        return total

    def gradients(self, position: int, token: int | None = None) -> Floats:
        """∂ log p(token | what came up to ``position``) / ∂ x_s of every step s, (L, D); zero after ``position``.

        x_s is what the first layer read: a token's embedding. It says how the prediction would answer to a very small
        change of that input, through every path, all else as it is; not what taking the token away would do. Where a
        gate or a candidate is saturated it is near zero although the step may matter much.

        Args:
            position: of the state that predicts, 0 … L − 1.
            token: an id; None for the one that came next.

        Raises:
            ValueError: there is no such position or token, or no output layer.
        """
        token = self._predicted(position, token)
        language = self._language()
        probabilities = np.exp(self.log_probabilities()[position])
        of_top = np.zeros_like(self.layers[-1].hidden)
        of_top[position] = language.weight[token] - probabilities @ language.weight
        return input_gradients(self.layers, of_top, language.residual)

    def between(self, start: int, stop: int) -> Trace:
        """The steps from ``start`` up to ``stop``, with the states at their ends as they were.

        Raises:
            ValueError: not 0 ≤ start < stop ≤ L.
        """
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"start, stop: expected 0 ≤ start < stop ≤ L={len(self)}, got {start}, {stop}")
        language, part = self.language, slice(start, stop)
        if language is not None:
            unknown = sum(start <= t < stop for t in language.unseen())
            ids, tokens = language.ids[part], language.tokens[part]
            language = dataclasses.replace(language, ids=ids, tokens=tokens, unknown=unknown)
        return dataclasses.replace(
            self,
            layers=tuple(layer.between(start, stop) for layer in self.layers),
            language=language,
            start=self.start + start,
            tokens=None if self.tokens is None else self.tokens[part],
            inputs=None if self.inputs is None else self.inputs[part],
            numeric=None if self.numeric is None else self.numeric.between(start, stop),
        )

    def named(self, tokens: Sequence[str] | None, channels: Sequence[str] | None) -> Trace:
        """The same with words for its steps and names for the columns of its inputs.

        Raises:
            ValueError: there are more or fewer than steps or columns, or a language model has words already.
        """
        columns = (self.layers[0].x if self.inputs is None else self.inputs).shape[1]
        for name, given, count in (("tokens", tokens, len(self)), ("channels", channels, columns)):
            if given is None:
                continue
            if self.language is not None or self.numeric is not None:
                raise ValueError(f"{name}: a whole model has its own, expected none")
            if len(given) != count:
                what = "step" if name == "tokens" else "column of the input"
                raise ValueError(f"{name}: expected {count:,}, one for each {what}, got {len(given):,}")
        words, names = (None if given is None else tuple(map(str, given)) for given in (tokens, channels))
        return dataclasses.replace(self, tokens=words, channels=names)

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file.

        Raises:
            PenstockError: it cannot be written; what was there before is unchanged.
        """
        about = {"start": self.start, "tokens": self.tokens, "channels": self.channels}
        trace_file.save(Path(path), self.layers, self.language, about, self.inputs, self.numeric)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """What ``save`` wrote.

        Raises:
            PenstockError: it is not whole, or something else.
        """
        layers, language, about, inputs, numeric = trace_file.load(Path(path))
        return cls(layers, language, inputs=inputs, numeric=numeric, **about)

    def _repr_html_(self) -> str:
        """The page, in a notebook."""
        return Page(self)._repr_html_()

    def _language(self) -> Language:
        if self.language is None:
            raise ValueError("trace: it is of layers alone, without an output layer that expects tokens")
        return self.language

    def _read_out(self) -> tuple[Layer, ...]:
        return self.layers if self._language().residual else self.layers[-1:]

    def _predicted(self, position: int, token: int | None) -> int:
        language = self._language()
        if not 0 <= position < len(self):
            raise ValueError(f"position: expected 0 … {len(self) - 1}, got {position}")
        if token is None:
            if position == len(self) - 1:
                raise ValueError(f"token: nothing comes after the last position, {position}: name one")
            return int(language.ids[position + 1])
        if not 0 <= token < len(language.vocabulary):
            raise ValueError(f"token: expected 0 … {len(language.vocabulary) - 1}, got {token}")
        return token


def trace_text(model: Model, text: str, start: int = 0, stop: int | None = None) -> Trace:
    """What a language model did over a text, read as one document, from token ``start`` up to ``stop``.

    What stands before is read too, for the state it leaves.

    Raises:
        PenstockError: the text is empty, or there is nothing from ``start`` up to ``stop``.
    """
    if not text:
        raise PenstockError("text: expected at least one character, got none")
    vocabulary, weights, config = model.vocabulary, model.weights, model.config
    expect_float(weights, "look")
    ids = vocabulary.encode(text)
    stop = len(ids) if stop is None else min(stop, len(ids))
    if not 0 <= start < stop:
        raise PenstockError(f"start, stop: expected a part of the text's {len(ids):,} tokens, got {start:,} … {stop:,}")
    state = model.state_after(ids[:start])
    # a character is a token where some can be unknown, and what stood in the text says more than the mark for it
    tokens = tuple(text) if vocabulary.unknown is not None else token_labels(vocabulary, ids)
    ids = ids[start:stop]
    layers = run_stack(weights["embedding.weight"][ids], weights, config.stack, state)
    unknown = vocabulary.unknown
    language = Language(
        ids=ids,
        tokens=tokens[start:stop],
        unknown=0 if unknown is None else int((ids == unknown).sum()),
        vocabulary=token_labels(vocabulary, np.arange(len(vocabulary))),
        weight=weights["embedding.weight" if config.tied else "output.weight"],
        bias=weights["output.bias"],
        residual=config.stack.residual,
    )
    return Trace(layers, language, start)
