"""How long a GRU's units keep what they hold, read off the update gate z (L, H) of one sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def older_than(update: Floats, steps: int) -> Floats:
    """The share of each state that is older than ``steps`` steps: the product of the last ``steps`` gates, (L, H).

    Where fewer steps have gone by, it is the share of the initial state, the one thing that is older.

    Raises:
        ValueError: ``steps`` is negative.
    """
    if steps < 0:
        raise ValueError(f"steps: expected 0 or more, got {steps}")
    L = len(update)
    share, reach = np.ones_like(update), 0
    run, size = np.array(update), 1  # the product of the last ``size`` gates, a power of two
    while reach < min(steps, L):
        if steps & size:
            share[reach:] *= run[: L - reach]
            reach += size
        run[size:] = run[size:] * run[:-size]
        size *= 2
    return share


def half_life(update: Floats) -> Floats:
    """After how many steps half of what a unit held is replaced, (H,); ∞ where the sequence never sees that.

    The share of a state that is older than k steps, averaged over all states with k steps behind them, falls from 1 as
    k grows; where it first reaches ½, interpolated as an exponential decay, is the half-life. A constant z gives
    ln ½ / ln z, and at z ≤ ½ no more than one step.
    """
    L, H = update.shape
    result = np.full(H, np.inf)
    units = np.arange(H)
    rows = np.ascontiguousarray(update.T, np.float64)
    share, before = np.ones_like(rows), np.ones(H)
    for k in range(1, L + 1):
        share = share[:, 1:] * rows[:, : L - k + 1] if k > 1 else rows.copy()
        mean = share.mean(1)
        done = mean <= 0.5
        if done.any():
            with np.errstate(divide="ignore"):  # log 0: replaced at once
                fall = np.log(mean[done]) - np.log(before[done])
            result[units[done]] = k - 1 + (np.log(0.5) - np.log(before[done])) / fall
            units, rows, share, mean = units[~done], rows[~done], share[~done], mean[~done]
        if not len(units):
            break
        before = mean
    return result


def held(update: Floats, start: int, stop: int) -> Floats:
    """The share of each unit's state at step ``start`` that is still there at ``stop``: Π_{start<k≤stop} z_k, (H,).

    Units with the largest keep what they hold across the span.

    Raises:
        ValueError: not 0 ≤ start ≤ stop < L.
    """
    if not 0 <= start <= stop < len(update):
        raise ValueError(f"start, stop: expected 0 ≤ start ≤ stop < L={len(update)}, got {start}, {stop}")
    share: Floats = np.prod(update[start + 1 : stop + 1], axis=0)
    return share
