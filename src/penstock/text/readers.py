"""Files to documents: plain text, lines and arrays of JSON, tables, Parquet and Arrow, whole or in parts."""

import codecs
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import NotText, PenstockError
from penstock.text import recognise, rows
from penstock.text.rows import LONGEST_LINE, Bad
from penstock.text.sources import BLOCK, FilePart

ROWS = 1024
"""Of a Parquet file that are in memory at once."""
LARGEST_JSON = 1 << 28
"""Bytes of an array of JSON, which is read at once."""
LONGEST_PIECE = 1 << 21
"""Characters of a row in one piece."""
csv.field_size_limit(LONGEST_LINE)  # 131,072 characters otherwise


class Piece(NamedTuple):
    """A stretch of one document, cut after a line where that is possible."""

    text: str
    starts_document: bool


class OpenPart(NamedTuple):
    """A part, its file opened, and how its text is found and decoded."""

    part: FilePart
    file: BinaryIO
    column: str
    errors: str

    @property
    def name(self) -> str:
        """What a person calls the file."""
        return self.part.source.name


def read(part: FilePart, column: str, errors: str) -> Iterator[Piece]:
    """The pieces of a part of a file; see ``Corpus`` for what the rest means.

    Raises:
        PenstockError: it cannot be read, or is not what its name says.
    """
    readers = {
        "jsonl": _jsonl,
        "ndjson": _jsonl,
        "parquet": _rows,
        "arrow": _rows,
        "json": _json,
        "csv": _table,
        "tsv": _table,
    }
    reader = readers.get(part.source.stem.rpartition(".")[2], _text)
    with part.source.opened() as file:
        yield from reader(OpenPart(part, file, column, errors))


def _bounds(reading: OpenPart) -> tuple[int, int | None]:
    """Where a part begins, with the file there, and where the part after it would."""
    (source, number, parts), file = reading.part, reading.file
    if parts == 1:
        return 0, None
    assert source.size is not None
    at, stop = (source.size * k // parts for k in (number, number + 1))
    if at:
        at -= 1
        file.seek(at)
        line = b""
        while at < stop and not line.endswith(b"\n"):  # the part before has this line
            line = file.readline(BLOCK)
            if not line:
                return stop, stop
            at += len(line)
    return at, stop


def _blocks(reading: OpenPart) -> Iterator[tuple[int, bytes]]:
    """The bytes of a part and where in the file they are; at its end, an empty block."""
    at, stop = _bounds(reading)
    block = b"\n"
    while block and (stop is None or at < stop):
        block = reading.file.read(BLOCK if stop is None else min(BLOCK, stop - at))
        yield at, block
        at += len(block)
    while block and not block.endswith(b"\n"):
        block = reading.file.readline(BLOCK)
        yield at, block
        at += len(block)
    if block:
        yield at, b""


def _text(reading: OpenPart) -> Iterator[Piece]:
    decoder = codecs.getincrementaldecoder(reading.part.source.encoding)(reading.errors)
    first, rest = False, ""
    for at, block in _blocks(reading):
        first = first or at == 0
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise _not_utf8(reading, at - pending + error.start) from None
        text = rest + (text.removeprefix("\ufeff") if first and not rest else text)
        # whole lines now, the begun one with the next block; a line longer than a block is cut
        end = len(text) if not block or len(text) > 2 * BLOCK else text.rfind("\n") + 1
        whole, rest = text[:end], text[end:]
        if whole:
            yield Piece(whole, first)
            first = False


def _jsonl(reading: OpenPart) -> Iterator[Piece]:
    at, stop = _bounds(reading)
    for number, line in enumerate(rows.lines(reading.part.source, reading.file, reading.errors), 1):
        if stop is not None and at >= stop:
            return
        if line.strip():
            where = f"{reading.name}: " + (f"line {number}" if reading.part.number == 0 else f"the line at byte {at}")
            row = rows.of_json(line, reading.errors)
            yield from _document(reading, where, rows.value_of(row, reading.column), at)
        at += len(line)


def _json(reading: OpenPart) -> Iterator[Piece]:
    """A file that is one array of rows."""
    content = reading.file.read(LARGEST_JSON + 1)  # packed, it may be a thousand times the size of the file
    if len(content) > LARGEST_JSON:
        raise PenstockError(f"{reading.name}: too large for one array of JSON; make it JSON lines, .jsonl")
    try:
        found = json.loads(content.decode(reading.part.source.codec, reading.errors))
    except UnicodeDecodeError as error:
        raise _not_utf8(reading, error.start) from None
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"{reading.name}: not JSON: {error}; if it is plain text, name it .txt") from None
    if not isinstance(found, list):
        raise PenstockError(f"{reading.name}: expected an array of rows, got {type(found).__name__}; make it .jsonl")
    for number, row in enumerate(found, 1):
        value = row if isinstance(row, str) else rows.value_of(row, reading.column)
        yield from _document(reading, f"{reading.name}: row {number}", value)


def _table(reading: OpenPart) -> Iterator[Piece]:
    """A CSV or TSV file with a line of names at its beginning."""
    lines = rows.decoded_lines(reading.part.source, reading.file, reading.errors, newline="")
    table = csv.reader(lines, "excel-tab" if reading.part.source.stem.endswith(".tsv") else "excel", strict=True)
    try:
        names = next(table, [])
        if reading.column not in names:
            raise PenstockError(f"{reading.name}: {rows.lacks(reading.column, names)}")
        column = names.index(reading.column)
        for number, row in enumerate(table, 1):
            if row and len(row) <= column:
                raise PenstockError(f"{reading.name}: row {number}: expected {len(names)} columns, got {len(row)}")
            if row:
                yield from _document(reading, f"{reading.name}: row {number}", row[column])
    except csv.Error as error:
        raise PenstockError(f"{reading.name}: line {table.line_num}: not a table: {error}") from None


def _rows(reading: OpenPart) -> Iterator[Piece]:
    """Of Parquet and Arrow."""
    for some in rows.of_table(reading.part, reading.file, reading.column, ROWS):
        for number, value in enumerate(some.values, some.first):
            yield from _document(reading, f"{reading.name}: row {number}", value)


def _document(reading: OpenPart, where: str, value: Any, at: int | None = None) -> Iterator[Piece]:
    """The pieces of a row's text; ``at``: where in the file the bytes of the row begin."""
    if value in (None, "", b""):
        return
    text = rows.text_of(value, reading.errors)
    if isinstance(text, Bad):
        if at is not None and text.byte is not None:
            raise _not_utf8(reading, at + text.byte)
        said = f"{where}: {text.reason}"
        raise NotText(said, replace=True) if text.replace else PenstockError(said)
    for start in range(0, len(text), LONGEST_PIECE):
        yield Piece(text[start : start + LONGEST_PIECE], start == 0)


def _not_utf8(reading: OpenPart, offset: int) -> NotText:
    """Says what it seems to be, where that can be told, and what helps."""
    source, what = reading.part.source, None
    if not source.remote and source.packing is None and Path(source.path).is_file():
        with open(source.path, "rb") as file:
            what = recognise.named(file.read(recognise.SAMPLE))
    where = f"{reading.name}: not UTF-8 at byte {offset}"
    if what is None:
        return NotText(where, replace=True)
    if what == recognise.LATIN:
        return NotText(where, replace=True, note=f"if it is {what}, iconv -f WINDOWS-1252 -t UTF-8 makes it UTF-8")
    return NotText(f"{where}: it is {what}")
