"""The gated recurrent unit in whole numbers, w8a16: weights of 8 bits, activations of 16. This is the oracle that every
compiled path is tested against, bit for bit; ``penstock.equations`` says how good it is.

    pre = ⌊(b + M_x Σ q_x x + M_h Σ q_h h) / 2³²⌋       of r and z in Q11, of n in Q12, held to ±32767
    r = 2¹⁴ + ⌊T(pre_r) / 2⌋,   w = 2¹⁴ + ⌊T(−pre_z) / 2⌋,   n = T(pre_n)       w is 1 − z
    h_t = h_{t-1} + w ⊗ n − w ⊗ h_{t-1}       a ⊗ b = ⌊(a b + 2¹⁴) / 2¹⁵⌋

Qk is a whole number of 2⁻ᵏ. States are int16 in Q15, inputs int16 with one scale a layer, both within ±32767; q are
int8 within ±127, each row with a scale of its own, which M holds. Of reset="before" the candidate's Σ q_h goes over
r ⊗ h. Of "after" its recurrent part is u = ⌊(b_hn + M_h Σ q_h h) / 2³²⌋ in Q16, and 2¹³ r u stands in the last
product's place. T is tanh(u / 2) of u in Q11: by |u| one of 16 cubics. Every Σ fits in 32 bits in whatever order it is
added, and all that is divided in 64: ``quantize`` refuses other weights. ⌊ ⌋ rounds down; 2³¹ in b makes it nearest.

Letters: D inputs, H hidden units, V tokens or outputs; rows in the order r, z, n.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.equations import Array

ONE, MOST = 15, 32767
"""Bits after the point of a state, and its largest number."""
GATE, CANDIDATE, WIDE = 11, 12, 16
"""Bits after the point of the pre-activations of r and z, of n's, and of its recurrent part u or an output layer's."""
LONGEST = 65537
"""The largest Σ |q| of a row: times 32767 it is below 2³¹."""
TANH = np.array(
    [
        *((0, 16428, -239, -1049), (15141, 12940, -3273, 146), (24956, 6877, -2608, 435), (29660, 2949, -1280, 261)),
        *((31590, 1148, -520, 112), (32329, 436, -205, 46), (32606, 161, -75, 16), (32708, 61, -31, 8)),
        *((32746, 22, -11, 3), (32760, 7, -2, 0), (32765, 3, -3, 2), (32767, 2, -6, 4), *[(32767, 0, 0, 0)] * 4),
    ]
)
"""Of each of T's segments of 2048 the coefficients of 1, t, t² and t³ in Q15: within 3.4 · 2⁻¹⁵ of tanh."""


class FixedLayer(NamedTuple):
    """What a layer computes with."""

    q_ih: NDArray[np.int8]
    """(3H, D)"""
    q_hh: NDArray[np.int8]
    """(3H, H)"""
    m_ih: NDArray[np.int32]
    """(3H,) M_x"""
    m_hh: NDArray[np.int32]
    """(3H,) M_h"""
    b: NDArray[np.int64]
    """(4H,): of r, z and n, and b_hn, which of "before" is nothing."""


class FixedOutput(NamedTuple):
    """An output layer over V: ⌊(b + M Σ q x) / 2³²⌋ in Q16."""

    q: NDArray[np.int8]
    """(V, H)"""
    m: NDArray[np.int32]
    """(V,)"""
    b: NDArray[np.int64]
    """(V,)"""


class FixedEmbedding(NamedTuple):
    """A row for each of V tokens: x is ⌊(q M + 2¹⁵) / 2¹⁶⌋."""

    q: NDArray[np.int8]
    """(V, D)"""
    m: NDArray[np.int32]
    """(V,)"""


def rounded(weight: Array) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """A matrix (R, C) as q (R, C) and its rows' scales (R,): q times scale. ValueError: a weight is not finite."""
    w = weight.astype(np.float64)
    if not np.isfinite(w).all():
        raise ValueError(f"expected finite weights, got {w[~np.isfinite(w)][0]}")
    largest = np.abs(w).max(1, initial=0)
    scale = np.where(largest > 0, largest / 127, 1.0)
    while ((sums := np.abs(q := np.rint(w / scale[:, None])).sum(1)) > LONGEST).any():
        scale = np.where(sums > LONGEST, scale * sums / (LONGEST - 1), scale)
    return q.astype(np.int8), scale


def quantize(
    weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, *, reset: str, x_scale: float
) -> FixedLayer:
    """A layer of PyTorch's weights (3H, D), (3H, H), (3H,) and (3H,), whose input is x times ``x_scale``.

    Raises:
        ValueError: a weight is not finite, or too large.
    """
    H, after = weight_hh.shape[1], reset == "after"
    (q_ih, s_ih), (q_hh, s_hh) = rounded(weight_ih), rounded(weight_hh)
    bits = np.repeat([GATE, CANDIDATE], [2 * H, H])
    inner = np.repeat([GATE, WIDE if after else CANDIDATE], [2 * H, H])
    apart = np.arange(3 * H) >= 2 * H if after else np.zeros(3 * H, bool)
    b = np.where(apart, bias_ih, bias_ih.astype(np.float64) + bias_hh), np.where(apart, bias_hh, 0.0)
    m = _refused_if_large(
        (q_ih, s_ih * x_scale * 2.0 ** (bits + 32), b[0] * 2.0 ** (bits + 32)),
        (q_hh, s_hh * 2.0 ** (inner + 32 - ONE), b[1] * 2.0 ** (inner + 32)),
    )
    (m_ih, b_ih), (m_hh, b_hn) = m
    return FixedLayer(q_ih, q_hh, m_ih, m_hh, np.concatenate([b_ih, b_hn[2 * H :]]))


def quantize_output(weight: Array, bias: Array, *, bits: int = ONE) -> FixedOutput:
    """An output layer (V, H) and (V,) that reads numbers of so many bits after the point; raises as ``quantize``."""
    q, s = rounded(weight)
    ((m, b),) = _refused_if_large((q, s * 2.0 ** (WIDE + 32 - bits), bias * 2.0 ** (WIDE + 32)))
    return FixedOutput(q, m, b)


def quantize_embedding(weight: Array) -> tuple[FixedEmbedding, float]:
    """An embedding (V, D), and the scale of what it gives, a float32; raises as ``quantize``."""
    q, s = rounded(weight)
    x_scale = float(np.float32(np.abs(weight).max(initial=0) / MOST)) or 1.0
    m = np.minimum(np.rint(s / x_scale * 2.0**16), (2**31 - 1 - 2**15) // 127)  # |q m| + 2¹⁵ fits in 32 bits
    return FixedEmbedding(q, m.astype(np.int32)), x_scale


def whole(x: Array, per: float) -> NDArray[np.int16]:
    """Real numbers, float32, as x: times ``per``, a float32, to the nearest, and what is no number 0."""
    scaled = np.clip(np.nan_to_num(np.asarray(x, np.float32) * np.float32(per), nan=0.0), -MOST, MOST)
    return np.asarray(((scaled + np.float32(MOST + 1.5)).astype(np.int32) - (MOST + 1)).astype(np.int16))


def _refused_if_large(*parts: tuple[Array, Array, Array]) -> list[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """M and b, rounded, of parts (q, M, b) that are added up. ValueError: a row's sum might not fit."""
    largest = sum(np.abs(q.astype(np.float64)).sum(1) * MOST * (m + 0.5) + np.abs(b) for q, m, b in parts)
    for row in np.flatnonzero(~((largest < 2.0**62) & (np.max([m for _, m, _ in parts], 0) < 2.0**31 - 1))):
        raise ValueError(f"weights too large for w8a16 (row {row})")
    return [(np.rint(m).astype(np.int32), np.rint(b).astype(np.int64) + 2**31) for _, m, b in parts]


def times(a: Array, b: Array) -> Array:
    """a ⊗ b"""
    return np.asarray((a * b + 2 ** (ONE - 1)) >> ONE)


def tanh(u: Array) -> Array:
    """T(u), of int64 within ±32767."""
    k, t = np.abs(u) >> 11, (np.abs(u) & 2047) << 4
    c = TANH[k]
    return np.asarray(np.sign(u) * (c[..., 0] + times(t, c[..., 1] + times(t, c[..., 2] + times(t, c[..., 3])))))


def step(layer: FixedLayer, x: Array, h: Array, reset: str) -> Array:
    """One step from x (…, D) and h (…, H), whole numbers of any type: the new h, int16."""
    x, h, H = x.astype(np.int64), h.astype(np.int64), h.shape[-1]
    q_hh, m_hh = layer.q_hh.astype(np.int64), layer.m_hh.astype(np.int64)
    gate = [slice(0, H), slice(H, 2 * H), slice(2 * H, 3 * H)]
    of_x = x @ layer.q_ih.astype(np.int64).T * layer.m_ih + layer.b[: 3 * H]

    def activation(k: int, of_h: Array) -> Array:
        return tanh(np.clip((of_x[..., gate[k]] + of_h) >> 32, -MOST, MOST))

    def recurrent(k: int, h: Array) -> Array:
        return np.asarray(h @ q_hh[gate[k]].T * m_hh[gate[k]])

    r = 2**14 + (activation(0, recurrent(0, h)) >> 1)
    w = 2**14 + (-activation(1, recurrent(1, h)) >> 1)
    if reset == "before":
        n = activation(2, recurrent(2, times(r, h)))
    elif reset == "after":
        n = activation(2, (r << 13) * ((recurrent(2, h) + layer.b[3 * H :]) >> 32))
    else:
        raise ValueError(f'reset: expected "before" or "after", got {reset!r}')
    return np.asarray(h + times(w, n) - times(w, h)).astype(np.int16)


def embed(embedding: FixedEmbedding, tokens: Array) -> NDArray[np.int16]:
    """What tokens (…) are: x (…, D)."""
    wide = embedding.q[tokens].astype(np.int64) * embedding.m[tokens][..., None]
    return np.asarray((wide + 2**15) >> 16).astype(np.int16)


def output(layer: FixedOutput, x: Array) -> NDArray[np.int32]:
    """(…, V) in Q16 of x (…, H)."""
    return np.asarray((x.astype(np.int64) @ layer.q.astype(np.int64).T * layer.m + layer.b) >> 32).astype(np.int32)


def total(states: Array) -> NDArray[np.int16]:
    """What the layers of a residual stack give together: of their states (m, …) the sum, in Q(15 − ``halvings(m)``)."""
    s = halvings(len(states))
    return np.asarray((states.astype(np.int64).sum(0) + (2**s >> 1)) >> s).astype(np.int16)


def halvings(m: int) -> int:
    """How often the sum of m states is halved to fit where one fits: ⌈log₂ m⌉."""
    return (m - 1).bit_length()
