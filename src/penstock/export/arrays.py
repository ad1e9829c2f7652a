"""Arrays as C has them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 16
"""Rows of a block of weights; see ``engine/gru_float.h``."""
TYPES = {"f4": "float", "f8": "double", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t"}
TYPES |= {"u1": "uint8_t", "u2": "uint16_t", "u4": "uint32_t"}


def blocks(matrix: NDArray[Any]) -> NDArray[Any]:
    """A matrix (R, K) in blocks of 16 rows, column by column, filled up with zeros: (⌈R / 16⌉ · K · 16,)."""
    R, K = matrix.shape
    full = np.zeros((width(R), K), matrix.dtype)
    full[:R] = matrix
    return np.asarray(full.reshape(-1, ROWS, K).transpose(0, 2, 1).ravel())


def padded(values: NDArray[Any], size: int | None = None) -> NDArray[Any]:
    """(…, R), filled up with zeros to whole blocks, or to a size."""
    full = np.zeros((*values.shape[:-1], width(values.shape[-1]) if size is None else size), values.dtype)
    full[..., : values.shape[-1]] = values
    return full


def width(rows: int) -> int:
    """Rows in whole blocks."""
    return -(-rows // ROWS) * ROWS


def literal(value: Any) -> str:
    """A number of NumPy as C reads it, to the last bit."""
    if isinstance(value, np.floating):
        if np.isnan(value):
            return "NAN"
        return str(value) + "f" * (value.dtype.itemsize == 4)  # the shortest that is read back as the same
    number = int(value)
    if number == -(2**31):
        return "INT32_MIN"
    if not -(2**31) < number < 2**32:
        return f"INT64_C({number})"
    return f"{number}u" if number >= 2**31 else str(number)


def array(name: str, values: NDArray[Any], qualifiers: str = "static const") -> str:
    """The definition of an array of any number of dimensions."""
    sizes = "".join(f"[{size}]" for size in values.shape)
    head = f"{qualifiers} {TYPES[values.dtype.str[1:]]} {name}{sizes} = "
    return head + _braced(values) + ";\n"


def _braced(values: NDArray[Any]) -> str:
    if values.ndim > 1:
        return "{\n" + ",\n".join(_braced(one) for one in values) + "}"
    return "{\n" + "".join(_lines([literal(value) for value in values])) + "}"


def _lines(cells: list[str]) -> Iterator[str]:
    line = "   "
    for k, cell in enumerate(cells):
        cell = f" {cell}{',' * (k < len(cells) - 1)}"
        if len(line) + len(cell) > 118:
            yield line + "\n"
            line = "   "
        line += cell
    yield line + "\n"
