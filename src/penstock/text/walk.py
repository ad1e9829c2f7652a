"""Which files of a folder are read as text, and what is left out and why: nothing is passed over in silence."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from penstock.folder import LIST
from penstock.text import recognise

ROWS = (".jsonl", ".ndjson", ".parquet", ".arrow")
"""Endings of files whose rows are documents, also with .gz behind them for lines; any other file is text if its bytes
are."""
TABLES = (".csv", ".tsv", ".json")
"""Read only if they are named, since not every table of a folder has the column that is asked for."""


class LeftOut(NamedTuple):
    """Something that is not read."""

    name: str
    why: str


def walk(folder: Path, raw: bool = False) -> tuple[list[Path], list[LeftOut]]:
    """The files in a folder and below it that are read, in the order of their names, and what is left out.

    Where bytes are read as they are, ``raw``, a file need not be text. Links to files are followed, links to folders
    are not: they may lead in a circle.
    """
    found: list[Path] = []
    left_out: list[LeftOut] = []
    for path in _below(folder, left_out):
        why = _reason(path, raw)
        if why is None:
            found.append(path)
        else:
            left_out.append(LeftOut(str(path), why))
    return found, left_out


def _below(folder: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        left_out.append(LeftOut(str(folder), "unreadable"))
        return
    for path in entries:
        if path.name.startswith("."):
            left_out.append(LeftOut(str(path), "hidden"))
        elif not path.is_dir():
            yield path
        elif path.is_symlink():
            left_out.append(LeftOut(str(path), "link to a folder"))
        elif (path / LIST).is_file():
            left_out.append(LeftOut(str(path), "made by Penstock"))
        else:
            yield from _below(path, left_out)


def _reason(path: Path, raw: bool) -> str | None:
    """Why a file is not read."""
    name, _ = recognise.stem_and_packing(path.name)
    if not path.is_file():
        return "no file"
    if not os.access(path, os.R_OK):
        return "unreadable"
    if not path.stat().st_size:
        return "empty"
    if name.endswith(ROWS) or (raw and not name.endswith(TABLES)):
        return None
    if name.endswith(TABLES):
        return "table to be named with its column"
    try:
        with path.open("rb") as file:
            sample = file.read(recognise.SAMPLE)
    except OSError:
        return "unreadable"
    if recognise.packing(sample) and (inside := recognise.unpacked(sample)) is not None:
        sample = inside
    if recognise.encoding(sample):
        return None
    return "not UTF-8" if recognise.named(sample) == recognise.LATIN else "not text"


def copies(paths: Iterable[Path]) -> dict[Path, Path]:
    """The files whose content is that of one before, and which one that is."""
    of_size: dict[int, list[Path]] = {}
    for path in paths:
        if size := path.stat().st_size:
            of_size.setdefault(size, []).append(path)
    found: dict[Path, Path] = {}
    for alike in of_size.values():
        first: dict[bytes, Path] = {}
        for path in alike if len(alike) > 1 else ():
            before = first.setdefault(_digest(path), path)
            if before is not path:
                found[path] = before
    return found


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def account(read: int, size: int, left_out: Iterable[LeftOut]) -> str:
    """One line: how many files are read, and how many are not, and why, with an example of each kind."""
    kinds: dict[str, list[str]] = {}
    for name, why in left_out:
        kinds.setdefault(why, []).append(name)
    said = f"{read:,} file{'s' * (read != 1)}, {size:,} bytes"
    if not kinds:
        return f"{said}; nothing left out"
    parts = (f"{len(names):,} {why} ({names[0]}{', …' * (len(names) > 1)})" for why, names in kinds.items())
    return f"{said}; left out: {', '.join(parts)}"
