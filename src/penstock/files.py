"""Files that are never half-written, and errors that name them."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock.errors import PenstockError

MADE = "Made by Penstock"
"""Stands in pages and pictures, so that they may be replaced."""
MARKS = tuple(
    mark.encode()
    for mark in (
        f'<meta name="generator" content="{MADE}">',
        f"tEXtSoftware\0{MADE}",  # a PNG
        f"<dc:title>{MADE}<",  # an SVG
        f"/Creator ({MADE})",  # a PDF
        '"penstock-trace":',
        f'"creator":"{MADE}"',  # the metadata of safetensors
        f"creator: {MADE}",  # a zip's comment
        '"good_nats":',  # of pairs that agree got wrong, a JSON object a line
        "good,bad,good_nats,bad_nats",  # the same as a table
        ",penstock_",  # of answers, a column of a table
        '"penstock_',  # a field of an object a line
        f"creator\x18\x10{MADE}",  # the metadata of a Parquet file
        f"\x12\x10{MADE}",  # the producer of an ONNX model
    )
)
"""How it stands there, near the beginning or the end."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when the block ends, and vanishes if the block raises.

    Written beside its place, flushed to the disk and renamed: a crash leaves the old file or the new one.

    Raises:
        PenstockError: the folder cannot be written or the disk is full; the old file is as it was.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        with contextlib.suppress(FileNotFoundError):  # gone where the renaming went well
            os.unlink(name)


def write(path: Path, content: bytes | str) -> None:
    """Replaces ``path`` by ``content``; see ``replacing``."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def expect_place_for(path: Path) -> None:
    """Raises what ``write`` would, before the work whose result goes there, and keeps what is somebody else's.

    Raises:
        PenstockError: the folder cannot be written, or what stands at ``path`` is no file that Penstock made.
    """
    if path.is_dir():
        raise PenstockError(f"{path}: expected a file to write, got a folder; name a file in it")
    try:
        if os.path.lexists(path):
            if path.is_symlink() or not path.is_file():
                raise PenstockError(f"{path}: expected a file or a new name, got a link or a device; choose another")
            with path.open("rb") as file:
                content = file.read(1 << 12)
                file.seek(max(path.stat().st_size - (1 << 16), 0))
                content += file.read()
            if content and not any(mark in content for mark in MARKS):
                raise PenstockError(f"{path}: was not written by Penstock, which leaves it alone; choose another name")
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise cannot_write(path, error) from None


def is_utf8(name: str) -> bool:
    """Whether a file's name, as Python has it from the system, is UTF-8; others' bytes stand in it as surrogates."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def cannot_write(path: Path, error: OSError) -> PenstockError:
    """The error to raise where ``path`` could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return PenstockError(
        f"{path}: cannot be written: {error.strerror or error}; what was there before is unchanged. "
        + ("Free some space or choose another folder" if full else "Choose another folder, or allow writing there")
    )


def _umask() -> int:
    mask = os.umask(0o077)  # what another thread makes in this moment is nobody else's to read
    os.umask(mask)
    return mask
