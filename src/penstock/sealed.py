"""JSON files that carry a digest of their own content, and checksums of others, so that damage is noticed."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.files import write

BLOCK = 1 << 20
INDEX, UNFINISHED, PLAN = "index.json", "unfinished", "plan.json"
"""In a folder of prepared data: what it holds, where it is made, and there, what it will hold."""
ANEW = "add --force to begin anew, or choose another --out"
Broken = Callable[[Path, str], PenstockError]


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


def read_index(folder: Path, form: str, version: int, kinds: dict[str, type], broken: Broken) -> dict[str, Any]:
    """The index of a folder of prepared data.

    Args:
        folder: it.
        form: its "format".
        version: of the format.
        kinds: what the index holds beside them, and what each is.
        broken: makes the error of an index that is not the one that was written.

    Raises:
        PenstockError: it is not there, not whole, or of another version.
    """
    path = folder / INDEX
    if not path.exists() and (folder / UNFINISHED).is_dir():
        raise PenstockError(f"{folder}: not prepared to the end; run the same penstock prepare again, and it goes on")
    try:
        content = read_sealed(path)
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise broken(path, str(error)) from None
    if (content.get("format"), str(content.get("version"))) != (form, str(version)):
        raise broken(path, f"expected {form} of version {version}")
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            raise broken(path, f"{name}: expected {kind.__name__}, got {content.get(name)!r:.40}")
    return content


def expect_same_inputs(out: Path, inputs: list[list[Any]], before: list[list[Any]]) -> None:
    """Raises PenstockError where ``out`` was begun with other files than ``inputs``, or one has changed since: of each
    its name, and what tells whether it did."""
    known = {name: about for name, *about in before}
    for name, *about in inputs:
        if known.pop(name, about) != about:
            raise PenstockError(f"{name}: has changed since {out} was begun; {ANEW}")
    if known or len(inputs) != len(before):
        raise PenstockError(f"FILE: {out} was begun with other files; {ANEW}")
