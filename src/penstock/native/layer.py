"""One layer of a GRU on NumPy arrays, by the compiled core: no torch."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.gates import Gates
from penstock.native import core

Array = NDArray[Any]
Precision = Literal["float32", "float64", "bfloat16", "int8"]
PRECISIONS = ("float32", "float64", "bfloat16", "int8")
"""In the core's order."""


class Layer:
    """A layer's weights, packed once for the instruction set in use, and the call that runs them.

    With D input features and H hidden units:

    Args:
        weight_ih: (3H, D), rows in the order r, z, n.
        weight_hh: (3H, H), likewise.
        bias_ih: (3H,) or None.
        bias_hh: (3H,) or None.
        reset: ``"before"`` or ``"after"``; see ``penstock.equations``.
        precision: how weights are kept. ``"float64"`` computes in float64; the others compute, add up and keep the
            state in float32. ``"bfloat16"`` rounds each weight to 8 significant bits; ``"int8"`` keeps 256 levels of
            each row's largest weight.

    Raises:
        ValueError: a shape cannot work, or ``reset`` or ``precision`` is none of those.
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
        weights = [
            None if value is None else np.ascontiguousarray(value, self.dtype)
            for value in (weight_ih, weight_hh, bias_ih, bias_hh)
        ]
        of_input, of_state, *biases = weights
        if of_state is None or of_state.ndim != 2 or of_state.shape[0] != 3 * of_state.shape[1] or not of_state.size:
            raise ValueError(f"weight_hh: expected (3H, H), got {np.shape(weight_hh)}")
        H = self.hidden_size = of_state.shape[1]
        if of_input is None or of_input.ndim != 2 or of_input.shape[0] != 3 * H or not of_input.size:
            raise ValueError(f"weight_ih: expected (3H={3 * H}, D), got {np.shape(weight_ih)}")
        D = self.input_size = of_input.shape[1]
        for name, bias in zip(("bias_ih", "bias_hh"), biases, strict=True):
            if bias is not None and bias.shape != (3 * H,):
                raise ValueError(f"{name}: expected (3H={3 * H},), got {bias.shape}")
        self._set = core.chosen()
        self._shape, self._precision = (D, H, reset == "after"), PRECISIONS.index(precision)
        size = self._set.packed_size(self._shape, self._precision)
        self._memory = np.empty(size + 64, np.uint8)
        self._packed = -(-self._memory.ctypes.data // 64) * 64
        self._set.pack(self._shape, self._precision, tuple(weights), self._packed)

    def __call__(
        self,
        x: ArrayLike,
        h_0: ArrayLike | None = None,
        *,
        lengths: ArrayLike | None = None,
        resets: ArrayLike | None = None,
        reverse: bool = False,
        return_gates: bool = False,
        threads: int | None = None,
    ) -> tuple[Array, Array] | tuple[Array, Array, Gates]:
        """Runs the layer over x.

        A sequence's result is the same to the last bit whatever else is in its batch, however it is cut into calls and
        whatever the number of threads.

        Args:
            x: (L, N, D).
            h_0: (N, H), or None for zeros.
            lengths: (N,) integers in 0 … L: how many steps each sequence has.
            resets: (L, N) bool: step t starts an episode, with the state cleared before both the gates and z ⊙ h.
            reverse: from each sequence's last step to its first; an episode is then entered at its last step.
            return_gates: also return what the gates decided.
            threads: at most so many; None chooses by the work there is.

        Returns:
            output (L, N, H), zero past each sequence's end; h_n (N, H); with ``return_gates`` also ``Gates`` of
            (L, N, H) each. float64 if that is the layer's precision, else float32.

        Raises:
            ValueError: a shape or a length cannot work.
            TypeError: resets are not bool or lengths no integers.
        """
        x = np.ascontiguousarray(x, self.dtype)
        H = self.hidden_size
        if x.ndim != 3 or x.shape[2] != self.input_size:
            raise ValueError(f"x: expected (L, N, D={self.input_size}), got {x.shape}")
        L, N, D = x.shape
        if h_0 is None:
            h_0 = np.zeros((N, H), self.dtype)
        h_0 = np.ascontiguousarray(h_0, self.dtype)
        if h_0.shape != (N, H):
            raise ValueError(f"h_0: expected (N={N}, H={H}), got {h_0.shape}")
        lengths = _checked_lengths(lengths, L, N)
        if resets is not None:
            resets = np.ascontiguousarray(resets)
            if resets.dtype != np.bool_:
                raise TypeError(f"resets: expected bool, got {resets.dtype}")
            if resets.shape != (L, N):
                raise ValueError(f"resets: expected (L={L}, N={N}), got {resets.shape}")
        output, h_n = np.empty((L, N, H), self.dtype), np.empty((N, H), self.dtype)
        gates = [np.empty((L, N, H), self.dtype) for _ in range(3)] if return_gates else [None] * 3
        self._set.forward(
            self._shape,
            (L, N, lengths, resets, N, 1, reverse),
            (0, 0, 0, 0),
            self._packed,
            self._precision,
            (x, N * D, D),
            h_0,
            (output, N * H, H),
            h_n,
            (*gates, None),
            core.threads_for(L * N * 3 * H * (D + H), threads),
        )
        return (output, h_n, Gates(*gates)) if return_gates else (output, h_n)


def _checked_lengths(lengths: ArrayLike | None, L: int, N: int) -> Array | None:
    if lengths is None:
        return None
    lengths = np.asarray(lengths)
    if lengths.size and not np.issubdtype(lengths.dtype, np.integer):
        raise TypeError(f"lengths: expected integers, got {lengths.dtype}")
    if lengths.shape != (N,):
        raise ValueError(f"lengths: expected (N={N},), got {lengths.shape}")
    outside = lengths[(lengths < 0) | (lengths > L)]
    if outside.size:
        raise ValueError(f"lengths: expected 0 … L={L}, got {outside[0]}")
    return np.ascontiguousarray(lengths, np.int64)
