"""JSON files that carry a digest of their own content, and checksums of others, so that damage is noticed."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from penstock.files import write

BLOCK = 1 << 20


def write_sealed(path: Path, content: dict[str, Any], lasting: bool = True) -> None:
    """Replaces a file by ``content`` and its digest; not ``lasting``: a crash may leave half of it, and that shows."""
    text = json.dumps(content | {"digest": digest_of(content)})
    if lasting:
        write(path, text)
    else:
        path.write_text(text, encoding="utf-8")


def read_sealed(path: Path) -> dict[str, Any]:
    """What ``write_sealed`` wrote, with the digest.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what was written.
    """
    try:
        content = dict(json.loads(path.read_bytes()))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if content.pop("digest", None) != (digest := digest_of(content)):
        raise ValueError("its checksum is that of another content")
    return content | {"digest": digest}


def digest_of(content: dict[str, Any]) -> str:
    """The same of the same content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def checksum(path: Path) -> int:
    """CRC-32 of a file."""
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return crc
