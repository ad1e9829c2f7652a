"""Trees of arrays as ``flax.serialization`` writes them: msgpack with arrays as its extension 1."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.named import DEEPEST, Held, widened
from penstock.exchange.packages import package

ARRAY = 1
"""The extension of an array: a list of its shape, the name of its type, and its numbers."""
CHUNKED = "__msgpack_chunked_array__"
LONGEST_LIST = 1 << 12
"""Room is made for a list before it is read; Flax writes lists as dictionaries."""
KINDS = {b"float32": "<f4", b"float64": "<f8", b"float16": "<f2", b"bfloat16": "<u2"}


def read_msgpack_file(path: Path) -> dict[str, Held]:
    """The arrays of floating-point numbers in a file, by the names on their ways with ``/`` between.

    Raises:
        PenstockError: it is none, or the package that reads it is missing.
    """
    msgpack = package("msgpack", path)
    try:
        content = path.read_bytes()
        tree = msgpack.unpackb(content, strict_map_key=False, max_array_len=LONGEST_LIST)
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise PenstockError(f"{path}: cannot be read as msgpack: {error or type(error).__name__}") from None
    if not isinstance(tree, dict):
        raise PenstockError(f"{path}: expected a tree of arrays, as flax.serialization writes, got something else")
    found: dict[str, Held] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while waiting:
        names, value = waiting.pop()
        where = "/".join(names)
        if isinstance(value, dict) and CHUNKED in value:
            raise PenstockError(f"{path}: {where}: an array of more than a gigabyte, in pieces, which no GRU has")
        if isinstance(value, dict) and len(names) < DEEPEST:
            waiting += [((*names, str(key)), one) for key, one in value.items()]
        elif isinstance(value, msgpack.ExtType) and value.code == ARRAY:
            held = _held(value.data, f"{path}: {where}", msgpack)
            if held is not None:
                found[where] = held
    return found


def _held(data: bytes, where: str, msgpack: Any) -> Held | None:
    """The array of an extension; None of whole numbers."""
    try:
        shape, kind, numbers = msgpack.unpackb(data, raw=True, max_bin_len=len(data))
        sizes = tuple(shape)
        if not all(type(size) is int and size >= 0 for size in sizes) or not isinstance(numbers, bytes):
            raise ValueError
        if kind not in KINDS:
            return None
        if math.prod(sizes) * np.dtype(KINDS[kind]).itemsize != len(numbers):
            raise ValueError
    except (ValueError, TypeError, msgpack.exceptions.UnpackException):
        raise PenstockError(f"{where}: expected a shape, a type and as many numbers, got something else") from None
    return Held(sizes, functools.partial(_numbers, sizes, kind, numbers))


def _numbers(shape: tuple[int, ...], kind: bytes, numbers: bytes) -> NDArray[Any]:
    flat = widened(numbers) if kind == b"bfloat16" else np.frombuffer(numbers, KINDS[kind])
    return flat.reshape(shape)


def pack_tree(tree: Mapping[str, Any]) -> bytes:
    """The bytes of a file.

    Raises:
        PenstockError: the package that writes them is missing.
    """
    msgpack = package("msgpack", "a msgpack file")

    def extended(value: Any) -> Any:
        data = msgpack.packb((value.shape, value.dtype.name, value.tobytes()), use_bin_type=True)
        return msgpack.ExtType(ARRAY, data)

    return bytes(msgpack.packb(tree, default=extended, strict_types=True))
