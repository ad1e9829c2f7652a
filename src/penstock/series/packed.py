"""A file's content, unpacked where its first bytes say that it is packed."""

import bz2
import contextlib
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError

PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
ENDINGS = (".gz", ".xz", ".bz2", ".zst")


def ending(name: str) -> str:
    """By which a file's kind is told: its ending in small letters, without that of a compression."""
    stem = name.lower()
    for packed in ENDINGS:
        stem = stem.removesuffix(packed)
    return Path(stem).suffix


def stem(name: str) -> str:
    """A file's name without folder and endings."""
    path = Path(name)
    while path.suffix.lower() in ENDINGS:
        path = path.with_suffix("")
    return path.stem


def packing(path: Path) -> str | None:
    """How a file is packed, by its first bytes.

    Raises:
        PenstockError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.read(8)
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    return next((name for magic, name in PACKED.items() if first.startswith(magic)), None)


def content(path: Path, limit: int = -1) -> bytes:
    """The bytes of a file, unpacked; at most ``limit`` of them from its beginning.

    Raises:
        PenstockError: it cannot be read, or is packed and not whole.
    """
    with unpacked(path) as file:
        found: bytes = file.read(limit)
        return found


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Any]:
    """The file to be read, as if it were not packed; errors as of ``content``."""
    how = packing(path)
    try:
        with path.open("rb") as raw:
            yield raw if how is None else _unpackers(path)[how](raw)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        if how is None:
            raise PenstockError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
        raise PenstockError(f"{path}: not a whole {how} file: {error}") from None


def _unpackers(path: Path) -> dict[str, Callable[[Any], Any]]:
    return {"gzip": gzip.open, "xz": lzma.open, "bzip2": bz2.open, "zstd": lambda raw: _zstd(path).open(raw)}


def _zstd(path: Path) -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ModuleNotFoundError:
        raise PenstockError(f"{path}: needs the package backports.zstd: pip install 'penstock[zstd]'") from None
    return zstd
