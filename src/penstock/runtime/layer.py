"""A model's layers: by the compiled core, or by NumPy where there is none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock import equations, native
from penstock.model_folder import StackConfig, Weights
from penstock.model_folder.quantized import is_quantized
from penstock.runtime.quantized import (
    QuantizedLayer,
    QuantizedNetwork,
    QuantizedOutput,
    quantized_layers,
    quantized_output,
)
from penstock.runtime.sampling import sample

Floats = NDArray[np.float32]


class LayerInNumPy:
    """What a model needs of ``native.RecurrentLayer``, by the equations, row by row: a product of many rounds each by
    its place.

    Letters: N batch, L steps, D input features, H hidden units; float32.
    """

    def __init__(self, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str) -> None:
        self.weights, self.reset = equations.by_gate(weight_ih, weight_hh, bias_ih, bias_hh), reset
        self.input_size, self.hidden_size = weight_ih.shape[1], weight_hh.shape[1]

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
        output, h_n = np.zeros((*x.shape[:2], h_0.shape[1]), np.float32), h_0.copy()
        for n in range(len(h_0)):
            for t in range(len(x) if lengths is None else lengths[n]):
                before = h_n[n] if decay is None else h_n[n] * decay[t, n]
                output[t, n] = h_n[n] = self._next(x[t, n], before)
        return output, h_n

    def step(self, x: Floats, h: Floats, *, out: Floats | None = None) -> Floats:
        """From x (N, D) and a state (N, H): the next one (N, H), in ``out`` or a new array."""
        new = np.empty(h.shape, np.float32) if out is None else out
        for n in range(len(h)):
            new[n] = self._next(x[n], h[n])
        return new

    def _next(self, x: Floats, h: Floats) -> Floats:
        return equations.step(x, h, self.weights, self.reset)[3]


class OutputLayerInNumPy:
    """``native.OutputLayer``, row by row likewise. Letters: H hidden units, V tokens; float32."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self.weight, self.bias, self.vocabulary_size = weight, bias, len(weight)

    def logits(self, hidden: Floats) -> Floats:
        """Of hidden (rows, H): (rows, V)."""
        return np.stack([self.weight @ row + self.bias for row in hidden])

    def log_probabilities(self, hidden: Floats) -> Floats:
        """Of hidden (rows, H): (rows, V)."""
        return log_softmax(self.logits(hidden))

    def nats(self, hidden: Floats, tokens: NDArray[np.int64], *, threads: int | None = None) -> NDArray[np.float64]:
        """Of hidden (rows, H) and the tokens (rows,) that came next: −log p of each, (rows,)."""
        log_p = (log_softmax(self.weight @ row + self.bias) for row in hidden)
        return np.array([-row[token] for row, token in zip(log_p, tokens, strict=True)], np.float64)


class NetworkInNumPy:
    """``native.Network``, likewise. Letters: K layers, N streams, V tokens or answers."""

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        layers: Sequence[LayerInNumPy | QuantizedLayer],
        *,
        residual: bool = False,
        embedding: Floats | None = None,
        output: OutputLayerInNumPy | QuantizedOutput | None = None,
        log_probabilities: bool = False,
    ) -> None:
        self.layers, self.residual, self.embedding, self.output = layers, residual, embedding, output
        self.tokens, self._normalized = embedding is not None, log_probabilities
        self.input_size, self.state_shape = layers[0].input_size, (len(layers), layers[0].hidden_size)
        self.outputs = layers[0].hidden_size if output is None else output.vocabulary_size

    def step(self, x: Any, state: Floats, out: Floats, memory: Any, row: Floats | None) -> Any:
        """One step of N streams at once.

        Args:
            x: (N, D), or (N,) tokens; of one stream also without that axis: (D,), or a whole number.
            state: (K, N, H), of one stream also (K, H): the one before, which becomes the one after.
            out: (N, V) that takes the answers; likewise (V,).
            memory: of no use here.
            row: what is returned for an ``x`` without that axis; for others it is ``out``.

        Raises:
            ValueError: a shape cannot work, or there is no such token.
        """
        one = np.ndim(x) == (0 if self.tokens else 1)
        rows = np.atleast_1d(np.asarray(x)) if self.tokens else np.atleast_2d(np.asarray(x, np.float32))
        K, H = self.state_shape
        before = state.reshape(K, -1, H) if one else state
        if rows.ndim != (1 if self.tokens else 2) or (not self.tokens and rows.shape[1] != self.input_size):
            raise ValueError(f"x: expected (N{'' if self.tokens else f', D={self.input_size}'}), got {rows.shape}")
        if before.shape != (K, len(rows), H):
            raise ValueError(f"state: expected (K={K}, N={len(rows)}, H={H}), got {state.shape}")
        if (out[None] if one and out.ndim == 1 else out).shape != (len(rows), self.outputs):
            raise ValueError(f"out: expected (N={len(rows)}, V={self.outputs}), got {out.shape}")
        top = self._top(self._read(rows), before)
        if self.output is not None:
            top = (self.output.log_probabilities if self._normalized else self.output.logits)(top)
        out[...] = top.reshape(out.shape)
        return row if one else out

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
        """A step of one stream, and a token drawn from its logits, as ``sampling.sample`` does; not ``never``, unless
        that is −1."""
        assert self.output is not None
        logits = self.output.logits(self._top(self._read(np.array([token])), state.reshape(len(state), 1, -1)))[0]
        if never >= 0:
            logits[never] = -np.inf
        return sample(logits, random, temperature=temperature, top_k=top_k, top_p=top_p if top_p < 1 else None)

    def memory(self, n: int) -> None:
        """None is of use here."""

    def read(self, x: ArrayLike) -> Any:
        """x as ``step`` takes it."""
        return np.asarray(x)

    def _read(self, rows: NDArray[Any]) -> Floats:
        if self.embedding is None:
            return rows
        for token in rows.tolist():
            if not 0 <= token < len(self.embedding):
                raise ValueError(f"token: expected 0 … V − 1={len(self.embedding) - 1}, got {token}")
        return np.asarray(self.embedding[rows])

    def _top(self, x: Floats, state: Floats) -> Floats:
        for k, run in enumerate(self.layers):
            h = run.step(x, state[k], out=state[k])
            x = x + h if k and self.residual else h
        return x


def network(
    layers: Sequence[Any],
    *,
    residual: bool = False,
    embedding: Floats | None = None,
    output: Any = None,
    log_probabilities: bool = False,
) -> native.Network | NetworkInNumPy | QuantizedNetwork:
    """Of layers that ``stack_layers`` or ``layer`` made; arguments as for ``native.Network``."""
    made: Any = native.Network
    if isinstance(layers[0], LayerInNumPy) or (isinstance(layers[0], QuantizedLayer) and layers[0].in_numpy):
        made = NetworkInNumPy
    elif isinstance(layers[0], QuantizedLayer):
        made = QuantizedNetwork
    return made(  # type: ignore[no-any-return]
        layers, residual=residual, embedding=embedding, output=output, log_probabilities=log_probabilities
    )


def layer(
    weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str
) -> native.RecurrentLayer | LayerInNumPy:
    """The layer with these weights, of PyTorch's shapes."""
    made = native.RecurrentLayer if native.unavailable is None else LayerInNumPy
    return made(weight_ih, weight_hh, bias_ih, bias_hh, reset=reset)


def stack_layers(weights: Weights, stack: StackConfig) -> Sequence[Any]:
    """The layers of a model's stack, by their names in its folder, in float32 or w8a16."""
    if is_quantized(weights):
        return quantized_layers(weights, stack)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [
        layer(*(weights[f"layers.{k}.{name}_l0"] for name in names), reset=stack.reset) for k in range(stack.num_layers)
    ]


def output_of_stack(weights: Weights, stack: StackConfig) -> native.OutputLayer | OutputLayerInNumPy | QuantizedOutput:
    """The output layer that reads a model's stack, likewise; its weight may be the embedding's."""
    if is_quantized(weights):
        return quantized_output(weights, stack)
    weight = "output.weight" if "output.weight" in weights else "embedding.weight"
    return output_layer(weights[weight], weights["output.bias"])


def output_layer(weight: Floats, bias: Floats) -> native.OutputLayer | OutputLayerInNumPy:
    """The output layer with these weights, (V, H) and (V,)."""
    return (native.OutputLayer if native.unavailable is None else OutputLayerInNumPy)(weight, bias)


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """log of the softmax over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits
