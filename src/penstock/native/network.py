"""Layers, and what may stand before and behind them, stepped by one call of the compiled core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.native import core
from penstock.native.layer import RecurrentLayer, integers
from penstock.native.output import OutputLayer

Array = NDArray[Any]
STATES, LOGITS, LOG_PROBABILITIES = range(3)
"""In the order of ``penstock_answer``."""


class Network:
    """K layers of H hidden units each, one on the other, for steps of N streams at once.

    It holds no state, never changes, and may be stepped from many threads at once.

    Args:
        layers: of one precision, or of any that compute in float32; each reads what the one before hands on.
        residual: layers after the first hand on the sum of what they read and their state.
        embedding: (V, D) float32: steps read tokens, each its row; None: rows of D numbers.
        output: makes the answer; None: it is what the last layer hands on, (N, H).
        log_probabilities: of the output's tokens; else its logits.

    Raises:
        ValueError: sizes do not fit each other.
        TypeError: layers of float64 beside others.
    """

    def __init__(
        self,
        layers: Sequence[RecurrentLayer],
        *,
        residual: bool = False,
        embedding: Array | None = None,
        output: OutputLayer | None = None,
        log_probabilities: bool = False,
    ) -> None:
        if not layers:
            raise ValueError("layers: expected 1 or more, got 0")
        self.layers, self.tokens = list(layers), embedding is not None
        self.input_size, self.dtype = layers[0].input_size, layers[0].dtype
        self.state_shape = len(layers), layers[0].hidden_size
        """(K, H)."""
        self.outputs = layers[0].hidden_size if output is None else output.vocabulary_size
        """Numbers of a stream's answer."""
        H = layers[0].hidden_size
        self._network = core.chosen().network(
            [layer.packed for layer in layers],
            residual,
            STATES if output is None else LOG_PROBABILITIES if log_probabilities else LOGITS,
            embedding,
            None if output is None else output.packed,
            sum(3.0 * H * (layer.input_size + H) for layer in layers) + H * self.outputs,
            core.available_threads(),
        )
        self.step = self._network.step
        """(x, state, out, memory, row): see ``penstock.runtime.layer.NetworkInNumPy``, which is the same in NumPy; or
        raises what the core refuses, with nothing written."""
        self.sample = self._network.sample
        """(token, state, random, temperature, top_k, top_p, never, memory), likewise."""

    def memory(self, n: int) -> Array:
        """Where a step of so many streams works, so that nothing is allocated for it."""
        return np.zeros(-(-self._network.memory(n) // 8))

    def read(self, x: ArrayLike) -> Any:
        """x as ``step`` takes it."""
        if not self.tokens:
            return np.ascontiguousarray(x, self.dtype)
        return integers(x) if np.ndim(x) else np.asarray(x).item()
