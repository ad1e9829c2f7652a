"""The output layer on NumPy arrays, by the compiled core: what it expects next, and how unexpected each token was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.native import core
from penstock.native.layer import integers, kept

Array = NDArray[Any]
FLOAT32 = np.dtype(np.float32)


class OutputLayer:
    """A layer from H hidden units to the logits of V tokens, packed once for the instruction set in use; float32.

    Of a row the results are the same to the last bit whatever other rows there are and whatever the number of threads.
    It never changes, and can be pickled and copied, as ``RecurrentLayer``.

    Args:
        weight: (V, H).
        bias: (V,).

    Raises:
        ValueError: a shape cannot work.
        RuntimeError: there is no compiled core.
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike) -> None:
        self._weights = kept(weight, FLOAT32), kept(bias, FLOAT32)
        self.packed = core.chosen().pack_output(*self._weights)
        self.vocabulary_size, self.hidden_size = self._weights[0].shape

    def __reduce__(self) -> tuple[Callable[..., OutputLayer], tuple[Array, ...]]:
        return type(self), self._weights

    def logits(self, hidden: ArrayLike, *, threads: int | None = None, out: Array | None = None) -> Array:
        """What the softmax is taken of; arguments and errors as ``log_probabilities``."""
        return self._of_tokens(self.packed.logits, hidden, threads, out)

    def log_probabilities(self, hidden: ArrayLike, *, threads: int | None = None, out: Array | None = None) -> Array:
        """log of the softmax of each row's logits.

        Args:
            hidden: (H,) or (rows, H).
            threads: at most so many; None chooses by the work there is.
            out: takes the result, a contiguous array in memory of its own; None for a new one.

        Returns:
            (V,) or (rows, V) likewise, float32.

        Raises:
            ValueError: a shape cannot work.
        """
        return self._of_tokens(self.packed.log_probabilities, hidden, threads, out)

    def _of_tokens(
        self, compute: Callable[..., None], hidden: ArrayLike, threads: int | None, out: Array | None
    ) -> Array:
        hidden = np.ascontiguousarray(hidden, FLOAT32)
        of_rows = hidden.ndim > 1
        if out is None:
            out = np.empty((*hidden.shape[:-1], self.vocabulary_size), FLOAT32)
        compute(*((hidden, out) if of_rows else (hidden[None], out[None])), threads or core.available_threads())
        return out

    def nats(self, hidden: ArrayLike, tokens: ArrayLike, *, threads: int | None = None) -> NDArray[np.float64]:
        """−log of the softmax of each row's logits at its token.

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
        hidden = np.ascontiguousarray(hidden, FLOAT32)
        nats = np.empty(hidden.shape[:1])
        self.packed.score(hidden, integers(tokens), nats, threads or core.available_threads())
        return nats
