"""NumPy's archives of arrays, read without its pickles."""

import functools
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.archive import Archive
from penstock.exchange.named import Held

HEADER = 10_000
"""Letters of an array's header, whose sizes are read before its numbers."""


def read_npz_file(path: Path) -> dict[str, Held]:
    """The arrays of floating-point numbers in an ``.npz`` file, by their names.

    Raises:
        PenstockError: it is none.
    """
    archive = Archive(path)
    found: dict[str, Held] = {}
    for file in archive.sizes:
        if file.endswith(".npy"):
            value = _array(archive.read(file, archive.sizes[file]), f"{path}: {file}")
            if value.dtype.kind == "f":
                found[file.removesuffix(".npy")] = Held(value.shape, functools.partial(_same, value))
    return found


def _array(content: bytes, where: str) -> NDArray[Any]:
    """An array of its file's bytes, which are the memory that it has."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(file, max_header_size=HEADER)
        if (
            dtype.hasobject
            or math.prod(shape) * dtype.itemsize != len(content) - file.tell()
            or min(shape, default=1) < 0
        ):
            raise ValueError("its sizes and its bytes differ")
        flat = np.frombuffer(content, dtype, offset=file.tell())
        return flat.reshape(shape, order="F" if by_columns else "C")
    except (ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError) as error:
        raise PenstockError(f"{where}: cannot be read as an array: {' '.join(str(error).split())[:80]}") from None


def _same(value: NDArray[Any]) -> NDArray[Any]:
    return value
