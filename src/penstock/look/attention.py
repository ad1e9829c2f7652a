"""The exact attention of a GRU: where each state's content was written.

Unrolled, h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ n_t is, per hidden unit, a weighted mean of all candidates so far,

    h_t = Σ_{s≤t} a_{t,s} n_s + a_{t,0} h_0        a_{t,s} = (1 − z_s) Π_{s<k≤t} z_k        a_{t,0} = Π_{k≤t} z_k

with weights ≥ 0 that sum to 1. Nothing is approximated. Weights are products of numbers in 0 … 1, taken step by step:
no logarithm, no quotient, so that they stay right in float32 over any number of steps, and vanish where they should.

What a weight does not say: that the candidate n_s was about x_s alone. It was computed from the state before it too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates import Gates

BLOCK = 64
"""Steps whose weights on everything before them are one matrix product."""


def attention(
    gates: Gates | Any,
    *,
    units: int | Sequence[int] | Any | None = None,
    each: bool = False,
    window: int | None = None,
    lengths: Any | None = None,
    resets: Any | None = None,
    reverse: bool = False,
    time_axis: int | None = None,
) -> Any:
    """The weights with which each state holds what was written, exact; a mean over units, or each unit's own.

    Letters: L steps, H hidden units; … any other axes, such as N or K, N. The work is O(L² H) as matrix products, the
    memory that of the result and O(L H); never L × L × H, unless ``each`` asks for just that.

    Args:
        gates: what ``return_gates=True`` gave, or its update gate z alone: (L, …, H) with the time axis anywhere but
            last; NumPy or torch, any device.
        units: which units; None for all.
        each: one map a unit instead of the mean over them.
        window: only the newest ``window`` steps, and one weight for everything older.
        lengths: (…,) integers: how many steps each sequence has. Later rows repeat its last one.
        resets: (L, …) bool: step t starts an episode. What was written before weighs nothing, and column 0 is the state
            that the episode began with, which is zero.
        reverse: the gates are of a reverse direction, whose state holds what comes later in the sequence.
        time_axis: of z; by default that of ``penstock.GRU``'s gates (K, L, N, H) and ``penstock.gru``'s (L, N, H), the
            third from the end, and of (L, H) the first. With ``batch_first`` it is 2.

    Returns:
        The time axis becomes two, (L, L + 1): of each state, the weight of the initial state and of every step. With
        ``window`` (L, window + 1): of everything older, then of steps t − window + 1 … t. The last axis is gone, or
        with ``each`` is the units. Of z's type (float32 for narrower ones), library and device; no gradient. Rows sum
        to 1.

    Raises:
        ValueError: a shape cannot work, or there are no such units.

    Example:
        >>> z = np.array([[0.5], [0.75]], np.float32)
        >>> attention(z)
        array([[0.5  , 0.5  , 0.   ],
               [0.375, 0.375, 0.25 ]], dtype=float32)
    """
    z, xp = _update_of(gates)
    if z.ndim < 2:
        raise ValueError(f"gates: expected z (L, …, H), got {tuple(z.shape)}")
    axis = (-3 if z.ndim > 2 else 0) if time_axis is None else time_axis
    if not -z.ndim <= axis < z.ndim or axis % z.ndim == z.ndim - 1:
        raise ValueError(f"time_axis: expected an axis of z {tuple(z.shape)} but its last, got {time_axis}")
    axis %= z.ndim
    z = xp.moveaxis(z, axis, 0)
    others, H = tuple(z.shape[1:-1]), z.shape[-1]
    chosen = _chosen(units, H)
    z = z.reshape(z.shape[0], math.prod(others), H)[..., chosen]
    if window is not None and window < 1:
        raise ValueError(f"window: expected 1 or more steps, got {window}")
    z, write, starts = _masked(xp, z, lengths, resets, others, reverse)
    if reverse:
        z, write = xp.flip(z, (0,)), xp.flip(write, (0,))
        starts = xp.flip(starts, (0,))
    weights = _full(xp, z, write, starts, each) if window is None else _banded(xp, z, write, starts, each, window)
    if reverse:
        weights = xp.flip(weights, (0,))
        if window is None:  # columns, too, in the order of the sequence
            weights[:, 1:] = xp.flip(weights[:, 1:], (1,))
    weights = weights.reshape(*weights.shape[:2], *others, *([len(chosen)] if each else []))
    return xp.moveaxis(weights, (0, 1), (axis, axis + 1))


def attention_of_state(update: Any, t: int) -> Any:
    """Each unit's weights of one state: (t + 2, H) of z (L, H); row 0 is the initial state, row 1 + s step s."""
    kept = np.cumprod(update[t::-1], 0)[::-1] if t >= 0 else update[:0]  # Π_{s≤k≤t} z_k
    ones = np.ones_like(update[:1])
    return np.concatenate([kept[:1] if t >= 0 else ones, (1 - update[: t + 1]) * np.concatenate([kept[1:], ones])])


def _chosen(units: Any, H: int) -> NDArray[Any]:
    """The indices of the units that are asked for."""
    if units is None:
        return np.arange(H)
    chosen = np.atleast_1d(np.asarray(units))
    if chosen.dtype == np.bool_ and chosen.shape == (H,):
        chosen = np.flatnonzero(chosen)
    if not chosen.size:
        raise ValueError("units: expected at least one, got none")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < -H or chosen.max() >= H:
        raise ValueError(f"units: expected indices in 0 … {H - 1}, or a bool for each of the {H}, got {units}")
    return chosen


def _update_of(gates: Any) -> tuple[Any, Any]:
    """z without its history, in float32 or wider, and the library that it is of."""
    z = gates.update if isinstance(gates, Gates) else gates
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    if torch is not None and isinstance(z, torch.Tensor):
        z = z.detach()
        return (z.float() if z.dtype in (torch.float16, torch.bfloat16) else z), torch
    z = np.asarray(z)
    return z.astype(np.promote_types(z.dtype, np.float32), copy=False), np


def _masked(
    xp: Any, z: Any, lengths: Any | None, resets: Any | None, others: tuple[int, ...], reverse: bool
) -> tuple[Any, Any, Any]:
    """z and 1 − z, past a sequence's end 1 and 0, as the state is kept and nothing written; where episodes start."""
    L, M, _ = z.shape
    ends = _spread(xp, z, "lengths", L if lengths is None else lengths, others)
    alive = xp.arange(L, **_beside(xp, z))[:, None] < ends
    starts = xp.zeros_like(alive)
    if resets is not None:
        resets = xp.asarray(resets, **_beside(xp, z))
        resets = resets.reshape(*resets.shape[:1], *[1] * (len(others) + 1 - resets.ndim), *resets.shape[1:])
        starts = _spread(xp, z, "resets", resets, (L, *others)).reshape(L, M) & alive
        if reverse:  # an episode is entered at its last step
            starts = xp.concatenate([starts[1:], xp.zeros_like(starts[:1])])
    alive = alive[..., None]
    return xp.where(alive, z, xp.ones_like(z)), xp.where(alive, 1 - z, xp.zeros_like(z)), starts[..., None]


def _beside(xp: Any, z: Any) -> dict[str, Any]:
    """What makes a new array live where z does."""
    return {} if xp is np else {"device": z.device}


def _spread(xp: Any, z: Any, name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """``value`` broadcast to ``shape``, in one row."""
    value = xp.asarray(value, **_beside(xp, z))
    try:
        return xp.broadcast_to(value, shape).reshape(-1)
    except (ValueError, RuntimeError):
        raise ValueError(f"{name}: expected {shape}, got {tuple(value.shape)}") from None


def _full(xp: Any, z: Any, write: Any, starts: Any, each: bool) -> Any:
    """(L, L + 1, M), or with ``each`` (L, L + 1, M, U), of z (L, M, U)."""
    L, M, U = z.shape
    carry = xp.where(starts, xp.zeros_like(z), z)  # what is left, at each step, of what was written before
    weights = xp.zeros((L, L + 1, M, *([U] if each else [])), dtype=z.dtype, **_beside(xp, z))
    initial = xp.ones_like(z[:1])
    for t in range(L):
        initial = z[t] * xp.where(starts[t], xp.ones_like(z[t]), initial)
        weights[t, 0] = initial if each else initial.mean(-1)
    if each:
        for t in range(L):
            weights[t, 1 : t + 1] = weights[t - 1, 1 : t + 1] * carry[t]
            weights[t, t + 1] = write[t]
        return weights
    held = xp.zeros((M, L, U), dtype=z.dtype, **_beside(xp, z))  # by unit, in the state at the end of the last block
    for start in range(0, L, BLOCK):
        stop = min(start + BLOCK, L)
        left = xp.moveaxis(xp.cumprod(carry[start:stop], 0), 0, -1)  # of ``held`` at each step of the block, (M, U, B)
        weights[start:stop, 1 : start + 1] = xp.moveaxis(held[:, :start] @ left, (0, 1, 2), (2, 1, 0)) / U
        held[:, :start] *= left[:, None, :, -1]
        inside = held[:, start:stop]
        for t in range(start, stop):
            inside[:, : t - start] *= carry[t][:, None]
            inside[:, t - start] = write[t]
            weights[t, start + 1 : t + 2] = xp.moveaxis(inside[:, : t - start + 1].mean(-1), 0, 1)
    return weights


def _banded(xp: Any, z: Any, write: Any, starts: Any, each: bool, window: int) -> Any:
    """(L, window + 1, M), or with ``each`` (L, window + 1, M, U), of z (L, M, U)."""
    L, M, U = z.shape
    weights = xp.zeros((L, window + 1, M, *([U] if each else [])), dtype=z.dtype, **_beside(xp, z))
    kept, ended = xp.ones_like(z), xp.zeros_like(starts)  # of what stood ``age`` steps ago; whether that is no more
    for age in range(min(window, L)):
        zero = xp.zeros_like(kept[age:])
        of_age = xp.where(ended[age:], zero, kept[age:] * write[: L - age])
        weights[age:, window - age] = of_age if each else of_age.mean(-1)
        kept[age:] *= xp.where(ended[age:], zero + 1, z[: L - age])
        ended[age:] |= starts[: L - age]
    weights[:, 0] = kept if each else kept.mean(-1)
    return weights
