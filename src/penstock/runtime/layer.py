"""A model's layers over a batch: by the compiled core, or by NumPy, row by row, where there is none."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penstock import equations, native

Floats = NDArray[np.float32]
Run = Callable[[Floats, Floats, NDArray[np.int64] | None, int | None], tuple[Floats, Floats]]
"""From x (L, N, D), a state (N, H), lengths (N,) or None and the most threads: every step's state (L, N, H), and each
sequence's last one (N, H)."""
Surprise = Callable[[Floats, NDArray[np.int64], int | None], NDArray[np.float64]]
"""From hidden units (rows, H), the tokens (rows,) that came next and the most threads: −log p of each, (rows,)."""


def layer(weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str) -> Run:
    """What runs a layer with these weights, of PyTorch's shapes; float32."""
    if native.unavailable is None:
        compiled = native.Layer(weight_ih, weight_hh, bias_ih, bias_hh, reset=reset)

        def run(x: Floats, h: Floats, lengths: NDArray[np.int64] | None, threads: int | None) -> tuple[Floats, Floats]:
            output, h_n = compiled(x, h, lengths=lengths, threads=threads)[:2]
            return output, h_n

        return run
    by_gate = equations.by_gate(weight_ih, weight_hh, bias_ih, bias_hh)

    def run_in_numpy(
        x: Floats, h: Floats, lengths: NDArray[np.int64] | None, threads: int | None
    ) -> tuple[Floats, Floats]:
        output, h_n = np.zeros((*x.shape[:2], h.shape[1]), np.float32), h.copy()
        for n in range(len(h)):  # a product of several rows rounds each by where it stands
            for t in range(len(x) if lengths is None else lengths[n]):
                *_, h_n[n] = equations.step(x[t, n], h_n[n], by_gate, reset)
                output[t, n] = h_n[n]
        return output, h_n

    return run_in_numpy


def surprise(weight: Floats, bias: Floats) -> Surprise:
    """What tells how unexpected tokens were to an output layer with these weights, (V, H) and (V,)."""
    if native.unavailable is None:
        compiled = native.OutputLayer(weight, bias)
        return lambda hidden, tokens, threads: compiled.nats(hidden, tokens, threads=threads)

    def surprise_in_numpy(hidden: Floats, tokens: NDArray[np.int64], threads: int | None) -> NDArray[np.float64]:
        logits = (weight @ row + bias for row in hidden)
        return np.array([-log_softmax(row)[token] for row, token in zip(logits, tokens, strict=True)], np.float64)

    return surprise_in_numpy


def log_softmax(logits: Floats) -> Floats:
    """log of the softmax over the last axis, in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits
