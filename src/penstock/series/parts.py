"""Tables that may be larger than memory, part by part: where parts begin and end, and the content of each.

What the parts are depends on the files alone. A part of text ends with a line that ends a row; a part of Parquet or
Arrow has a number of rows.
"""

import io
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from penstock.errors import PenstockError
from penstock.files import replacing
from penstock.series import packed
from penstock.series.packages import package
from penstock.series.tables import File, of_frames, of_lines, scanned

SIZE = 1 << 24
"""Bytes of text in a part, about; what a killed run can lose of each worker's work."""
BLOCK = 1 << 20


class TablePart(NamedTuple):
    """Rows of a file that follow each other."""

    number: int
    """Of all parts of all files."""
    file: int
    first: int
    last: int
    """Bytes of text, or rows."""
    whole: bool
    """Whether the file ends here."""


def readable(path: Path, place: Path) -> Path:
    """A file that can be read in parts: this one, or what is written to ``place`` of one that is packed, or of a stream
    of Arrow, which is read as a whole for that.

    Raises:
        PenstockError: it is not whole.
    """
    if packed.packing(path) is not None:
        with packed.unpacked(path) as file, replacing(place) as out:
            shutil.copyfileobj(file, out, BLOCK)
        return readable(place, place) if of_frames(place) else place
    if packed.ending(path.name) in (".arrow", ".feather", ".ipc"):
        with path.open("rb") as raw:
            stream = raw.read(6) != b"ARROW1"
        if stream:
            frame = package("polars", str(path)).read_ipc_stream(path)
            with replacing(place) as out:
                frame.write_ipc(out)
            return place
    return path


def parts_of(files: list[File]) -> list[TablePart]:
    """The parts of all files, one after the other."""
    found: list[TablePart] = []
    for k, file in enumerate(files):
        cuts = list(_rows(file) if of_frames(file.path) else _bytes(file))
        for first, last in itertools.pairwise(cuts):
            found.append(TablePart(len(found), k, first, last, last == cuts[-1]))
    return found


def part_of(file: File, part: TablePart) -> File:
    """The part as a table of its own.

    Raises:
        PenstockError: the file cannot be read, or is shorter than it was.
    """
    if of_frames(file.path):
        return file._replace(scan=scanned(file.path).slice(part.first, part.last - part.first))
    with file.path.open("rb") as raw:
        raw.seek(part.first)
        content = raw.read(part.last - part.first)
    if len(content) < part.last - part.first:
        raise PenstockError(f"{file.name}: shorter than when the work began; has it changed?")
    if of_lines(file.path):
        pl = package("polars", file.name)
        try:
            return file._replace(scan=pl.read_ndjson(io.BytesIO(content), schema=file.schema).lazy())
        except pl.exceptions.PolarsError as error:
            raise PenstockError(f"{file.name}: not a JSON lines file that can be read: {error}") from None
    return file._replace(content=content, begins=part.first == 0)


def _rows(file: File) -> Iterator[int]:
    import polars as pl

    rows = int(scanned(file.path).select(pl.len()).collect().item())
    step = max(1, SIZE // (8 * max(1, len(file.kinds))))
    yield from range(0, max(rows - step // 2, 1), step)
    yield rows


def _bytes(file: File) -> Iterator[int]:
    """A line may end within a cell that is quoted: a row ends only where quotes are even."""
    size = file.path.stat().st_size
    with file.path.open("rb") as raw:
        quoted = not of_lines(file.path) and any(b'"' in block for block in iter(lambda: raw.read(BLOCK), b""))
        at = 0
        yield at
        while size - at > SIZE + SIZE // 2:
            raw.seek(at)
            quotes = raw.read(SIZE).count(b'"') if quoted else 0
            raw.seek(at + SIZE)
            while line := raw.readline():
                quotes += line.count(b'"') if quoted else 0
                if quotes % 2 == 0:
                    break
            at = raw.tell()
            if at < size:
                yield at
    yield size
