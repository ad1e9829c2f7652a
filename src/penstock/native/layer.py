"""One layer of a GRU on NumPy arrays, by the compiled core: no torch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.gates import Gates
from penstock.native import core

Array = NDArray[Any]
Precision = Literal["float32", "float64", "bfloat16", "int8"]
PRECISIONS = ("float32", "float64", "bfloat16", "int8")
"""In the core's order."""


class RecurrentLayer:
    """A layer's weights, packed once for the instruction set in use, and the calls that run them.

    It never changes: what is done to the arrays afterwards does not reach it. It can be pickled and copied, also to a
    machine with another instruction set, where it is packed anew; for that it keeps the weights as they came (an array
    that is read-only is kept itself, of others a copy).

    With D input features and H hidden units:

    Args:
        weight_ih: (3H, D), rows in the order r, z, n.
        weight_hh: (3H, H), likewise.
        bias_ih: (3H,) or None.
        bias_hh: (3H,) or None.
        reset: ``"before"`` or ``"after"``; see ``penstock.equations``.
        precision: how weights are packed. ``"float64"`` computes in float64; the others compute, add up and keep the
            state in float32. ``"bfloat16"`` rounds each weight to 8 significant bits; ``"int8"`` keeps 255 levels of
            each row's largest weight.

    Raises:
        ValueError: a shape cannot work, ``reset`` or ``precision`` is none of those, or a weight to be kept as int8 is
            not finite.
        RuntimeError: there is no compiled core.
    """

    def __init__(
        self,
        weight_ih: ArrayLike,
        weight_hh: ArrayLike,
        bias_ih: ArrayLike | None = None,
        bias_hh: ArrayLike | None = None,
        *,
        reset: str,
        precision: Precision = "float32",
    ) -> None:
        if reset not in ("before", "after"):
            raise ValueError(f'reset: expected "before" or "after", got {reset!r}')
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.reset, self.precision = reset, precision
        self.dtype = np.dtype(np.float64 if precision == "float64" else np.float32)
        self._weights = tuple(
            None if weight is None else kept(weight, self.dtype) for weight in (weight_ih, weight_hh, bias_ih, bias_hh)
        )
        self._set, self._threads = core.chosen(), core.available_threads()
        self.packed = self._set.pack(reset == "after", PRECISIONS.index(precision), *self._weights)
        self.input_size, self.hidden_size = np.shape(weight_ih)[1], np.shape(weight_hh)[1]

    def __reduce__(self) -> tuple[Callable[..., RecurrentLayer], tuple[Array | None, ...]]:
        return functools.partial(type(self), reset=self.reset, precision=self.precision), self._weights

    @overload
    def __call__(
        self,
        x: ArrayLike,
        h_0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        resets: ArrayLike | None = None,
        decay: ArrayLike | None = None,
        reverse: bool = False,
        return_gates: Literal[False] = False,
        threads: int | None = None,
        out: tuple[Array, Array] | None = None,
    ) -> tuple[Array, Array]: ...
    @overload
    def __call__(
        self,
        x: ArrayLike,
        h_0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        resets: ArrayLike | None = None,
        decay: ArrayLike | None = None,
        reverse: bool = False,
        return_gates: bool = False,
        threads: int | None = None,
        out: tuple[Array, Array] | None = None,
    ) -> Any: ...
    def __call__(
        self,
        x: ArrayLike,
        h_0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        resets: ArrayLike | None = None,
        decay: ArrayLike | None = None,
        reverse: bool = False,
        return_gates: bool = False,
        threads: int | None = None,
        out: tuple[Array, Array] | None = None,
    ) -> Any:
        """Runs the layer over x.

        A sequence's result is the same to the last bit whatever else is in its batch, however it is cut into calls and
        whatever the number of threads.

        Args:
            x: (L, N, D).
            h_0: (N, H), or None for zeros.
            lengths: (N,) integers in 0 … L: how many steps each sequence has.
            resets: (L, N) bool: step t starts an episode, with the state cleared before both the gates and z ⊙ h.
            decay: (L, N, H) or (L, N, 1), in [0, 1]: what is left of the state at step t, before both likewise; a reset
                wins over it.
            reverse: from each sequence's last step to its first; what passes from t + 1 to t is then cleared by the
                reset and multiplied by the decay of t + 1.
            return_gates: also return what the gates decided.
            threads: at most so many; None chooses by the work there is.
            out: contiguous arrays that take output and h_n, in memory of their own, but h_n's may be ``h_0`` itself;
                None for new ones.

        Returns:
            output (L, N, H), zero past each sequence's end; h_n (N, H); with ``return_gates`` also ``Gates`` of
            (L, N, H) each. float64 if that is the layer's precision, else float32.

        Raises:
            ValueError: a shape or a length cannot work.
            TypeError: resets are not bool, lengths no integers, or out of another type.
        """
        x = _rows(x, self.dtype)
        every_step = (*x.shape[:2], self.hidden_size)
        h_0 = np.zeros(every_step[1:], self.dtype) if h_0 is None else np.ascontiguousarray(h_0, self.dtype)
        output, h_n = (np.empty(every_step, self.dtype), np.empty(h_0.shape, self.dtype)) if out is None else out
        gates = [np.empty(every_step, self.dtype) if return_gates else None for _ in range(3)]
        self._set.forward(
            self.reset == "after",
            reverse,
            threads or self._threads,
            x,
            h_0,
            *(None, None, None, None),  # the weights, which are packed
            None if lengths is None else integers(lengths),
            None if resets is None else np.asarray(resets),
            None if decay is None else np.asarray(decay, self.dtype),
            self.packed,
            output,
            h_n,
            *gates,
            None,
        )
        return (output, h_n, Gates(*gates)) if return_gates else (output, h_n)

    def step(
        self, x: ArrayLike, h: ArrayLike | None = None, *, threads: int | None = None, out: Array | None = None
    ) -> Array:
        """One step, of one row or of several; the same bits as in a sequence.

        Args:
            x: (D,) or (N, D).
            h: the state before, (H,) or (N, H) likewise; None for zeros.
            threads: at most so many; None chooses by the work there is.
            out: takes the result, a contiguous array in memory of its own, or ``h`` itself; None for a new one.

        Returns:
            The state after, of h's shape.

        Raises:
            ValueError: a shape cannot work.
            TypeError: out is of another type.
        """
        x = np.ascontiguousarray(x, self.dtype)
        h = (
            np.zeros((*x.shape[:-1], self.hidden_size), self.dtype)
            if h is None
            else np.ascontiguousarray(h, self.dtype)
        )
        new = np.empty(h.shape, self.dtype) if out is None else out
        if x.ndim > 1:
            self.packed.step(x, h, new, threads or self._threads)
        else:
            self.packed.step(x[None], h[None], new[None], threads or self._threads)
        return new


def kept(weight: ArrayLike, dtype: np.dtype[Any]) -> Array:
    """A contiguous array that nobody changes: the one that is given where it is read-only, else a copy."""
    if isinstance(weight, np.ndarray) and not weight.flags.writeable:
        return np.ascontiguousarray(weight, dtype)
    return np.array(weight, dtype, order="C")


def _rows(value: ArrayLike, dtype: np.dtype[Any]) -> Array:
    """An array whose last axis is contiguous."""
    array = np.asarray(value, dtype)
    return array if array.strides[-1:] == (array.itemsize,) else np.ascontiguousarray(array)


def integers(value: ArrayLike) -> Array:
    """Integers as int64; what is something else as it is, for the core to refuse."""
    array = np.asarray(value)
    return np.ascontiguousarray(array, np.int64) if np.issubdtype(array.dtype, np.integer) or not array.size else array
