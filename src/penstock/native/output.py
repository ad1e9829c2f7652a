"""The output layer on NumPy arrays, by the compiled core: how unexpected each token was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.native import core


class OutputLayer:
    """A layer from H hidden units to the logits of V tokens, packed once for the instruction set in use; float32.

    Args:
        weight: (V, H).
        bias: (V,).

    Raises:
        ValueError: a shape cannot work.
        RuntimeError: there is no compiled core.
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike) -> None:
        weight, bias = np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32)
        if weight.ndim != 2 or not weight.size:
            raise ValueError(f"weight: expected (V, H), got {weight.shape}")
        V, H = self.vocabulary_size, self.hidden_size = weight.shape
        if bias.shape != (V,):
            raise ValueError(f"bias: expected (V={V},), got {bias.shape}")
        self._set = core.chosen()
        self._memory = np.empty(self._set.packed_output_size(H, V) + 64, np.uint8)
        self._packed = -(-self._memory.ctypes.data // 64) * 64
        self._set.pack_output(H, V, weight, bias, self._packed)

    def nats(self, hidden: ArrayLike, tokens: ArrayLike, *, threads: int | None = None) -> NDArray[np.float64]:
        """−log of the softmax of each row's logits at its token.

        A row's figure is the same to the last bit whatever other rows there are and whatever the number of threads.

        Args:
            hidden: (rows, H).
            tokens: (rows,) integers in 0 … V − 1.
            threads: at most so many; None chooses by the work there is.

        Returns:
            (rows,) float64.

        Raises:
            ValueError: a shape or a token cannot work.
            TypeError: tokens are no integers.
        """
        hidden, tokens = np.ascontiguousarray(hidden, np.float32), np.asarray(tokens)
        V, H = self.vocabulary_size, self.hidden_size
        if hidden.ndim != 2 or hidden.shape[1] != H:
            raise ValueError(f"hidden: expected (rows, H={H}), got {hidden.shape}")
        rows = len(hidden)
        _check_tokens(tokens, rows, V)
        nats = np.empty(rows)
        tokens = np.ascontiguousarray(tokens, np.int64)
        self._set.score(H, V, self._packed, rows, hidden, tokens, nats, core.threads_for(rows * H * V, threads))
        return nats


def _check_tokens(tokens: NDArray[Any], rows: int, V: int) -> None:
    if tokens.size and not np.issubdtype(tokens.dtype, np.integer):
        raise TypeError(f"tokens: expected integers, got {tokens.dtype}")
    if tokens.shape != (rows,):
        raise ValueError(f"tokens: expected (rows={rows},), got {tokens.shape}")
    if rows and not (tokens.min() >= 0 and tokens.max() < V):
        raise ValueError(f"tokens: expected 0 … V − 1={V - 1}, got {tokens.min()} … {tokens.max()}")
