"""A model's layers: by the compiled core, or by NumPy where there is none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock import equations, native
from penstock.model_folder import StackConfig, Weights

Floats = NDArray[np.float32]


class LayerInNumPy:
    """What a model needs of ``native.RecurrentLayer``, by the equations, row by row: a product of many rounds each by
    its place.

    Letters: N batch, L steps, D input features, H hidden units; float32.
    """

    def __init__(self, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str) -> None:
        self.weights, self.reset = equations.by_gate(weight_ih, weight_hh, bias_ih, bias_hh), reset

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
        self.weight, self.bias = weight, bias

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


def layer(
    weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str
) -> native.RecurrentLayer | LayerInNumPy:
    """The layer with these weights, of PyTorch's shapes."""
    made = native.RecurrentLayer if native.unavailable is None else LayerInNumPy
    return made(weight_ih, weight_hh, bias_ih, bias_hh, reset=reset)


def stack_layers(weights: Weights, stack: StackConfig) -> list[native.RecurrentLayer | LayerInNumPy]:
    """The layers of a model's stack, by their names in its folder."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [
        layer(*(weights[f"layers.{k}.{name}_l0"] for name in names), reset=stack.reset) for k in range(stack.num_layers)
    ]


def output_layer(weight: Floats, bias: Floats) -> native.OutputLayer | OutputLayerInNumPy:
    """The output layer with these weights, (V, H) and (V,)."""
    return (native.OutputLayer if native.unavailable is None else OutputLayerInNumPy)(weight, bias)


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """log of the softmax over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits
