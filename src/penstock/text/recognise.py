"""What bytes are, by how they begin: text and in which encoding, or packed, or something else with a name."""

import bz2
import codecs
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any

SAMPLE = 1 << 16
"""Bytes by which a file is judged."""

PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
"""What is unpacked on the way."""

ENDINGS = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}
"""By which a name says that a file is packed."""

OTHERS = {
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"%PDF": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"SQLite format 3": "SQLite",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\x7fELF": "a program",
}
"""What is refused by its name."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def packing(sample: bytes) -> str | None:
    """How a file is packed, of the kinds that are unpacked on the way."""
    return next((name for magic, name in PACKED.items() if sample.startswith(magic)), None)


def stem_and_packing(name: str) -> tuple[str, str | None]:
    """A name in small letters without that of a compression, and which one it says."""
    stem, dot, ending = name.lower().rpartition(".")
    return (stem, ENDINGS[dot + ending]) if dot + ending in ENDINGS else (name.lower(), None)


def zstd() -> Any:
    """The module of that name, in Python's library since 3.14.

    Raises:
        ModuleNotFoundError: there is none.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def unpacked(sample: bytes) -> bytes | None:
    """What the first bytes of a packed file stand for; None if they are none, or no package for them is there."""
    makers: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.decompressobj(31),
        "xz": lzma.LZMADecompressor,
        "bzip2": bz2.BZ2Decompressor,
        "zstd": lambda: zstd().ZstdDecompressor(),
    }
    try:
        content: bytes = makers[packing(sample) or "gzip"]().decompress(sample, SAMPLE)
    except Exception:  # each library raises its own, or is not there: the file is then judged by its packed bytes
        return None
    return content


def other(sample: bytes) -> str | None:
    """What a file is that is known and no text."""
    return next((name for magic, name in OTHERS.items() if sample.startswith(magic)), None)


def encoding(sample: bytes) -> str | None:
    """The encoding of a text's first bytes: UTF-16 and UTF-32 by their mark or by their zeros, else UTF-8; None of what
    is no text, or is in an encoding that bytes alone do not tell."""
    if other(sample) is not None:
        return None
    for mark, name in MARKS.items():
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
            if _decodes(sample, name) and _mostly_latin(sample, name):
                return name
        return None
    return "utf-8" if _decodes(sample, "utf-8") else None


LATIN = "Windows-1252 or another encoding of one byte a letter"


def named(sample: bytes) -> str | None:
    """What bytes that are no UTF-8 seem to be, in words; None if nothing tells."""
    if known := packing(sample) or other(sample):
        return known
    if b"\0" in sample:
        return "binary"
    letters = sum(chr(byte).isalnum() or chr(byte).isspace() for byte in sample)
    return LATIN if letters > 0.7 * len(sample) and _decodes(sample, "cp1252") else None


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample, final=len(sample) < SAMPLE)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_latin(sample: bytes, encoding: str) -> bool:
    """Whether zeros are where this encoding has them in text of few scripts; other bytes decode by chance."""
    width = 4 if "32" in encoding else 2
    high = range(1, width) if encoding.endswith("le") else range(width - 1)
    units = len(sample) // width
    zeros = min(sample[k::width][:units].count(0) for k in high)
    low = sample[0 if encoding.endswith("le") else width - 1 :: width][:units].count(0)
    return units > 0 and zeros > 0.4 * units and low < 0.01 * units + 1
