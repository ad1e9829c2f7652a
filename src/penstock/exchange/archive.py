"""A zip that somebody else made: its files are read into memory, never unpacked, and never more than it holds."""

import zipfile
import zlib
from pathlib import Path

from penstock.errors import PenstockError

MOST = 100_000
"""Files in a zip."""
SPARED = 1 << 24
"""Bytes that files of a zip may grow to, whatever its own size: text packs well."""
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, NotImplementedError, EOFError)
"""What the library raises for a zip that is damaged or strange."""


def is_zip(path: Path) -> bool:
    """Whether it begins as a zip does.

    Raises:
        PenstockError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror}") from None


class Archive:
    """A zip to read. What its files hold, taken together, is no more than four times its own size and 16 MiB; nor is
    what is read of it, in all.

    Raises:
        PenstockError: it is no whole zip, or would grow beyond that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as file:
                infos, size = file.infolist(), path.stat().st_size
        except UNREADABLE as error:
            raise PenstockError(f"{path}: cannot be read as a zip: {error}") from None
        grown = sum(info.file_size for info in infos)
        self._left = 4 * size + SPARED
        if len(infos) > MOST or grown > self._left or any(info.compress_size > size for info in infos):
            raise PenstockError(f"{path}: {size} bytes that unpack to {grown} in {len(infos)} files: not read")
        self.sizes = {info.filename: info.file_size for info in infos}
        """The bytes of each file, by its name."""

    def read(self, name: str, most: int) -> bytes:
        """A file of the zip.

        Raises:
            PenstockError: there is none, it is damaged, or has more than ``most`` bytes.
        """
        if name not in self.sizes:
            raise PenstockError(f"{self.path}: holds no {name}")
        if self.sizes[name] > most:
            raise PenstockError(f"{self.path}: {name}: expected {most} bytes at most, got {self.sizes[name]}")
        self._left -= self.sizes[name]
        if self._left < 0:
            raise PenstockError(f"{self.path}: the same numbers stand in more tensors than are read")
        try:
            with zipfile.ZipFile(self.path) as file:
                return file.read(name)
        except UNREADABLE as error:
            raise PenstockError(f"{self.path}: {name}: cannot be read: {error}") from None
