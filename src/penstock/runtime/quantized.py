"""A model's layers in 8 bits, w8a16: by the compiled core, or by the oracle in NumPy where there is none.

They read and give float32, as other layers do: states are whole numbers of 2⁻¹⁵, of which float32 holds every one, so
that a model is run in the same way. All sums are whole numbers: results do not depend on batch, chunks or threads.

Letters: L steps, N rows or streams, D inputs, H hidden units, K layers, V tokens or answers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock import native
from penstock.fixed_point import ONE, FixedOutput, embed, output, step, whole
from penstock.model_folder import StackConfig
from penstock.model_folder.quantized import Arrays, WholeLayer, bits_of_sum, embedding_of, layer_of, output_of
from penstock.native import core
from penstock.native.fixed import fixed_layers, fixed_output
from penstock.native.layer import integers

Floats = NDArray[np.float32]
UNIT = np.float32(2.0**-ONE)
"""What 1 of a state is worth."""
LOGITS = 1 << 22
"""Of a batch that are in memory at once."""


class FixedInNumPy:
    """What is needed of the core's object, by the oracle."""

    def __init__(self, layers: Sequence[WholeLayer], reset: str) -> None:
        self._layers, self._reset = layers, reset

    def read(
        self,
        k: int,
        x: Floats,
        state: Floats,
        lengths: NDArray[np.int64] | None,
        decay: Floats | None,
        out: Floats,
        threads: int,
    ) -> None:
        """Layer k over x (L, N, D) from a state (N, H), which becomes the last one, into out (L, N, H)."""
        out[:] = 0
        for t in range(len(x)):
            on = slice(None) if lengths is None else np.flatnonzero(lengths > t)
            before = state[on] if decay is None else state[on] * decay[t, on]
            state[on] = out[t, on] = self._next(k, x[t, on], before)

    def _next(self, k: int, x: Floats, h: Floats) -> Floats:
        fixed, per = self._layers[k]
        new = step(fixed, whole(x, per), whole(h, 2.0**ONE), self._reset)
        return np.asarray(new.astype(np.float32) * UNIT)


class QuantizedLayer:
    """What a model needs of ``native.RecurrentLayer``."""

    def __init__(self, stack: Any, k: int, layer: WholeLayer) -> None:
        self.stack, self._k, self.in_numpy = stack, k, isinstance(stack, FixedInNumPy)
        self.input_size, self.hidden_size = layer.fixed.q_ih.shape[1], layer.fixed.q_hh.shape[1]

    def __call__(
        self,
        x: Floats,
        h_0: Floats,
        *,
        lengths: NDArray[np.int64] | None = None,
        decay: Floats | None = None,
        threads: int | None = None,
    ) -> tuple[Floats, Floats]:
        """From x (L, N, D), a state (N, H), lengths (N,) and decays (L, N, H): every step's state (L, N, H), each row's
        last (N, H)."""
        rows, state = np.ascontiguousarray(x, np.float32), np.array(h_0, np.float32, order="C")
        out = np.empty((*rows.shape[:2], self.hidden_size), np.float32)
        of = None if lengths is None else integers(lengths)
        self.stack.read(self._k, rows, state, of, decay, out, threads or core.available_threads())
        return out, state

    def step(self, x: Floats, h: Floats, *, out: Floats | None = None) -> Floats:
        """From x (N, D) and a state (N, H): the next one (N, H), in ``out`` or a new array."""
        found, _ = self(x[None], h)
        if out is None:
            return np.asarray(found[0])
        out[...] = found[0]
        return out


class QuantizedOutput:
    """What a model needs of ``native.OutputLayer``."""

    def __init__(self, layer: FixedOutput, bits: int) -> None:
        self.vocabulary_size, self._layer, self._per = len(layer.q), layer, float(2.0**bits)
        self.core = fixed_output(layer, self._per) if native.unavailable is None else None

    def logits(self, hidden: ArrayLike) -> Floats:
        """Of hidden (rows, H): (rows, V)."""
        return self.answers(hidden, False)

    def log_probabilities(self, hidden: ArrayLike) -> Floats:
        """Of hidden (rows, H): (rows, V)."""
        return self.answers(hidden, True)

    def nats(self, hidden: Floats, tokens: ArrayLike, *, threads: int | None = None) -> NDArray[np.float64]:
        """Of hidden (rows, H) and the tokens (rows,) that came next: −log p of each, (rows,)."""
        ids, found = integers(tokens), np.empty(len(hidden))
        at_once = max(1, LOGITS // self.vocabulary_size)
        for first in range(0, len(found), at_once):
            rows = slice(first, first + at_once)
            log_p = self.answers(hidden[rows], True, threads)
            found[rows] = -log_p[np.arange(len(log_p)), ids[rows]]
        return found

    def answers(self, hidden: ArrayLike, log_probabilities: bool, threads: int | None = None) -> Floats:
        """Of hidden (rows, H): (rows, V) logits or log-probabilities."""
        rows = np.ascontiguousarray(hidden, np.float32)
        out = np.empty((len(rows), self.vocabulary_size), np.float32)
        if self.core is not None:
            self.core.answer(rows, log_probabilities, out, threads or core.available_threads())
            return out
        out[:] = output(self._layer, whole(rows, self._per)).astype(np.float32) * np.float32(2.0**-16)
        if log_probabilities:
            for row in out:
                row -= float(row.max()) + np.log(np.exp(row - row.max()).sum(dtype=np.float64))
        return out


class QuantizedNetwork:
    """What a stream needs of ``native.Network``, by the core's object."""

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        layers: Sequence[QuantizedLayer],
        *,
        residual: bool = False,
        embedding: Floats | None = None,
        output: QuantizedOutput | None = None,
        log_probabilities: bool = False,
    ) -> None:
        self.tokens, self.input_size = embedding is not None, layers[0].input_size
        self.state_shape = len(layers), layers[0].hidden_size
        self.outputs = layers[0].hidden_size if output is None else output.vocabulary_size
        make, of = layers[0].stack.network, None if output is None else output.core
        self.step = make(of, embedding, log_probabilities).step
        """(x, state, out, memory, row): see ``penstock.runtime.layer.NetworkInNumPy``."""
        self._logits = make(of, embedding, False).step

    def sample(
        self,
        token: int,
        state: Floats,
        random: float,
        temperature: float,
        top_k: int,
        top_p: float,
        never: int,
        memory: Any,
    ) -> int:
        """A step of one stream, and a token drawn from its logits; not ``never``, unless that is −1."""
        logits, drawn = np.empty((1, self.outputs), np.float32), np.empty(1, np.int64)
        self._logits(token, state, logits, None, None)
        core.sample(logits, np.array([random]), temperature, top_k, top_p, never, drawn)
        return int(drawn[0])

    def memory(self, n: int) -> None:
        """None is of use here."""

    def read(self, x: ArrayLike) -> Any:
        """x as ``step`` takes it."""
        if not self.tokens:
            return np.ascontiguousarray(x, np.float32)
        return integers(x) if np.ndim(x) else np.asarray(x).item()


def whole_layers(layers: Sequence[WholeLayer], *, reset: str, residual: bool = False) -> list[QuantizedLayer]:
    """Layers, each of which reads what the one before hands on."""
    made: Any = FixedInNumPy(layers, reset)
    if native.unavailable is None:
        made = fixed_layers(layers, reset=reset, residual=residual)
    return [QuantizedLayer(made, k, layer) for k, layer in enumerate(layers)]


def quantized_layers(weights: Arrays, stack: StackConfig) -> list[QuantizedLayer]:
    """The layers of a model's stack."""
    layers = [layer_of(weights, k) for k in range(stack.num_layers)]
    return whole_layers(layers, reset=stack.reset, residual=stack.residual)


def quantized_output(weights: Arrays, stack: StackConfig) -> QuantizedOutput:
    """A model's output layer."""
    return QuantizedOutput(output_of(weights), bits_of_sum(stack, stack.num_layers))


def embedding_rows(weights: Arrays) -> Floats:
    """What each token is to the first layer, (V, D)."""
    embedding = embedding_of(weights)
    x = embed(embedding, np.arange(len(embedding.q)))
    return np.asarray(x.astype(np.float32) * weights["layers.0.input_scale"])
