"""The weights in a file of Keras 3, HDF5, read with nothing outside of it: no links, no other files, no filters."""

import functools
import io
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.named import Held
from penstock.exchange.packages import package

MOST, DEEPEST = 30_000, 24
"""Entries that are looked at, and groups inside each other."""


def weights_in(content: bytes, where: str) -> dict[str, Held]:
    """The arrays of floating-point numbers in an HDF5 file, by their paths.

    Raises:
        PenstockError: it is none, or an array is not plainly in it.
    """
    h5py = package("h5py", where)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if "model_config" in file.attrs:
                raise PenstockError(f"{where}: a whole model of Keras 2: load it in Keras 3 and save it as .keras")
            return _arrays(h5py, file, content, where)
    except PenstockError:
        raise
    except Exception as error:  # the library raises whatever a damaged file leads it to
        raise PenstockError(f"{where}: cannot be read as HDF5: {' '.join(str(error).split())[:120]}") from None


def _arrays(h5py: Any, file: Any, content: bytes, where: str) -> dict[str, Held]:
    found: dict[str, Held] = {}
    waiting, seen = [("", file)], itertools.count()
    while waiting:
        path, group = waiting.pop()
        for name in group:
            below = f"{path}/{name}".removeprefix("/")
            if next(seen) > MOST or below.count("/") > DEEPEST:
                raise PenstockError(f"{where}: more groups than a model has")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise PenstockError(f"{where}: {below:.80}: a link to elsewhere, which is not followed")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                waiting.append((below, entry))
            elif isinstance(entry, h5py.Dataset) and entry.dtype.kind == "f" and entry.shape is not None:
                found[below] = Held(
                    entry.shape, functools.partial(_same, _numbers(entry, content, f"{where}: {below}"))
                )
    return found


def _numbers(entry: Any, content: bytes, where: str) -> NDArray[Any]:
    made = entry.id.get_create_plist()
    if entry.is_virtual or made.get_external_count():
        raise PenstockError(f"{where}: its numbers are in another file, which is not read")
    if made.get_nfilters():
        raise PenstockError(f"{where}: its numbers are packed, as Keras never does")
    size = math.prod(entry.shape) * entry.dtype.itemsize
    if size > len(content):
        raise PenstockError(f"{where}: {size} bytes of numbers in a file of {len(content)}")
    return np.asarray(entry[()])


def _same(value: NDArray[Any]) -> NDArray[Any]:
    return value


def read_weights_file(path: Path) -> dict[str, Held]:
    """The arrays of a ``.weights.h5`` file, by their paths.

    Raises:
        PenstockError: it is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror}") from None
    return weights_in(content, str(path))
