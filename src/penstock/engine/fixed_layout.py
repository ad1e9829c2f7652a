"""Weights of 8 bits in the order in which ``gru_fixed.h`` reads them: ``gru_fixed_vector.h`` says what the layouts are.

Letters: D inputs, H hidden units, W = H filled up to whole blocks of 16 rows, R rows, C columns.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.equations import Array
from penstock.fixed_point import FixedLayer, FixedOutput

BLOCK = 16
"""Rows of a block."""
Layout = Literal["pairs", "quads", "fours"]
LAYOUTS: tuple[Layout, ...] = ("pairs", "quads", "fours")
"""GRU_FIXED_LAYOUT is a layout's place here + 1."""


class LayerArrays(NamedTuple):
    """A layer's constants: ``gru_fixed_layer``."""

    ih: NDArray[np.uint32]
    hh: NDArray[np.uint32]
    m_ih: NDArray[np.int32]
    """(3 W,)"""
    m_hh: NDArray[np.int32]
    """(3 W,)"""
    b: NDArray[np.int64]
    """(4 W,)"""


class OutputArrays(NamedTuple):
    """An output layer's constants."""

    weights: NDArray[np.uint32]
    m: NDArray[np.int32]
    b: NDArray[np.int64]


def layer_arrays(layer: FixedLayer, layout: Layout) -> LayerArrays:
    """The constants of a layer."""
    ih, hh = (words(_by_gate(q), layout) for q in (layer.q_ih, layer.q_hh))
    b = _even_first(_by_gate(layer.b, gates=4))
    return LayerArrays(ih, hh, _by_gate(layer.m_ih), _by_gate(layer.m_hh), b)


def output_arrays(layer: FixedOutput, layout: Layout) -> OutputArrays:
    """The constants of an output layer."""
    return OutputArrays(words(layer.q, layout), _filled(layer.m), _even_first(_filled(layer.b)))


def words(q: NDArray[np.int8], layout: Layout) -> NDArray[np.uint32]:
    """A matrix (R, C) in words of four weights, from the lowest byte up."""
    R, C = q.shape
    full = np.zeros((-(-R // BLOCK) * BLOCK, filled_columns(C, layout)), np.int8)
    full[:R, :C] = q
    blocks = full.reshape(-1, BLOCK, full.shape[1])
    if layout == "fours":
        return _joined(blocks.reshape(len(blocks), 4, 4, -1, 8).transpose(0, 1, 3, 2, 4))
    if layout == "quads":
        head = -128 * blocks.sum(2, dtype=np.int32)
        by_fours = blocks.reshape(len(blocks), BLOCK, -1, 4).transpose(0, 2, 1, 3)
        body = _joined(by_fours).reshape(len(blocks), -1)
        return np.concatenate([head.view(np.uint32), body], axis=1).ravel()
    halves = blocks.reshape(len(blocks), 2, 8, -1, 2).transpose(0, 3, 2, 4, 1).copy()  # block, pair, word, column, half
    halves[..., 0] ^= -128
    return _joined(halves)


def filled_columns(C: int, layout: Layout) -> int:
    """Columns of a matrix with so many, filled up."""
    most = 8 if layout == "fours" else 4
    return -(-C // most) * most


def _joined(q: NDArray[np.int8]) -> NDArray[np.uint32]:
    """Each four bytes as a word, whose lowest is the first."""
    return np.ascontiguousarray(q).reshape(-1).view("<u4").astype(np.uint32)


def _filled(rows: Array) -> Array:
    """(R, …) with zeros up to whole blocks."""
    return np.concatenate([rows, np.zeros((-len(rows) % BLOCK, *rows.shape[1:]), rows.dtype)])


def _by_gate(rows: Array, gates: int = 3) -> Array:
    """(gates · H, …) with zeros after each gate's."""
    return np.concatenate([_filled(gate) for gate in np.split(rows, gates)])


def _even_first(b: Array) -> Array:
    """(R,) in whole blocks, the even ones of each before the odd ones."""
    return np.ascontiguousarray(b.reshape(-1, BLOCK // 2, 2).transpose(0, 2, 1)).reshape(-1)
