"""The gated recurrent unit, as in the textbook. This is the oracle that every fast path is tested against.

    r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)                    reset gate
    z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)                    update gate
    n_t = tanh(W_in x_t + b_in + W_hn (r_t ⊙ h_{t-1}) + b_hn)         candidate, reset="before"
    n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn))         candidate, reset="after"
    h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ n_t                             hidden state

With a decay, h_{t-1} in all of these lines is first replaced by γ_t ⊙ h_{t-1}; a reset is γ_t = 0.

Letters: N batch, L steps, D input features, H hidden units. Weights have PyTorch's shapes, rows in the order r, z, n.
"before" is Cho et al. 2014 (arXiv:1406.1078v3, section 2.3), the textbook's form; "after" is what cuDNN and
``torch.nn.GRU`` compute. Nothing here names a floating-point type: float64 in, float64 out, and a complex step
differentiates it.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Weights(NamedTuple):
    """One layer's weights by gate: W_i• (H, D), W_h• (H, H), b_i• and b_h• (H,)."""

    W_ir: Array
    W_iz: Array
    W_in: Array
    W_hr: Array
    W_hz: Array
    W_hn: Array
    b_ir: Array
    b_iz: Array
    b_in: Array
    b_hr: Array
    b_hz: Array
    b_hn: Array


def by_gate(weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None) -> Weights:
    """PyTorch's stacked weights, (3H, D), (3H, H), (3H,) and (3H,) with rows r, z, n, taken apart."""
    none = np.zeros(len(weight_hh), weight_hh.dtype)
    stacked = (
        weight_ih,
        weight_hh,
        none if bias_ih is None else bias_ih,
        none if bias_hh is None else bias_hh,
    )
    return Weights(*(gate for weight in stacked for gate in np.split(weight, 3)))


class Steps(NamedTuple):
    """Every step of one layer in one direction; zero where a sequence has ended."""

    reset: Array  # r, (L, N, H)
    update: Array  # z, (L, N, H)
    candidate: Array  # n, (L, N, H)
    hidden: Array  # h, (L, N, H)
    h_n: Array  # (N, H), each sequence's state after its own last step


def sigmoid(a: Array) -> Array:
    """σ(a), written with tanh so that no finite input overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def step(x: Array, h: Array, w: Weights, reset: str) -> tuple[Array, Array, Array, Array]:
    """One step from x (…, D) and h (…, H): r, z, n and the new h, each (…, H)."""
    r = sigmoid(x @ w.W_ir.T + w.b_ir + h @ w.W_hr.T + w.b_hr)
    z = sigmoid(x @ w.W_iz.T + w.b_iz + h @ w.W_hz.T + w.b_hz)
    if reset == "before":
        n = np.tanh(x @ w.W_in.T + w.b_in + (r * h) @ w.W_hn.T + w.b_hn)
    elif reset == "after":
        n = np.tanh(x @ w.W_in.T + w.b_in + r * (h @ w.W_hn.T + w.b_hn))
    else:
        raise ValueError(f'reset: expected "before" or "after", got {reset!r}')
    return r, z, n, z * h + (1 - z) * n


def gru(
    x: Array,
    h_0: Array,
    w: Weights,
    *,
    reset: str,
    lengths: Array | None = None,
    resets: Array | None = None,
    decay: Array | None = None,
    reverse: bool = False,
) -> Steps:
    """One layer over x (L, N, D) from h_0 (N, H).

    ``lengths`` (N,): how many steps each sequence has; what follows is not read.
    ``resets`` (L, N) bool: step t starts an episode. The state is cleared before both the gates and z ⊙ h.
    ``decay`` γ (L, N, H) or (L, N, 1) in [0, 1]: what is left of the state at step t, before both likewise. A reset
    wins over it.
    ``reverse``: from each sequence's last step to its first. What enters step t has then passed from t + 1, so that
    the resets and the decay of t + 1 act on it: neither direction hears another episode.
    """
    L, N, _ = x.shape
    alive = np.arange(L)[:, None] < (np.full(N, L) if lengths is None else np.asarray(lengths))
    starts = np.zeros((L, N), bool) if resets is None else np.asarray(resets) & alive
    left = np.ones((L, N, 1), bool) if decay is None else np.where(alive[..., None], decay, 1)
    if reverse:
        starts, left = (np.concatenate([a[1:], np.full_like(a[:1], none)]) for a, none in ((starts, 0), (left, 1)))

    h, steps = h_0, np.zeros((4, L, N, h_0.shape[-1]), np.result_type(x, h_0, left, *w))
    for t in reversed(range(L)) if reverse else range(L):
        on = alive[t][:, None]
        r, z, n, new = step(x[t], np.where(starts[t][:, None], 0, left[t] * h), w, reset)
        h = np.where(on, new, h)
        steps[:, t] = np.where(on, [r, z, n, new], 0)
    r, z, n, hidden = steps
    return Steps(r, z, n, hidden, h)
