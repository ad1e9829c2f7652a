"""Files to documents: plain text, lines and arrays of JSON, tables, Parquet and Arrow, whole or in parts."""

import codecs
import contextlib
import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import NotText, PenstockError
from penstock.text import recognise
from penstock.text.sources import BLOCK, Source

ROWS = 1024
"""Of a Parquet file that are in memory at once."""
LARGEST_JSON = 1 << 28
"""Bytes of an array of JSON, which is read at once."""
LONGEST_LINE = 1 << 27
"""Bytes of a row that is a line, and characters of a table's cell, which are in memory at once; text has no limit."""
LONGEST_PIECE = 1 << 21
"""Characters of a row in one piece."""
csv.field_size_limit(LONGEST_LINE)  # 131,072 characters otherwise
SURROGATE = re.compile("[\ud800-\udfff]")
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates but for those by which "surrogateescape" keeps a byte."""


class Piece(NamedTuple):
    """A stretch of one document, cut after a line where that is possible."""

    text: str
    starts_document: bool


class FilePart(NamedTuple):
    """One of so many about equal parts of a file. A line belongs to the part that it begins in."""

    source: Source
    number: int = 0
    parts: int = 1


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

    @property
    def encoding(self) -> str:
        """Of its text, a mark at its beginning aside."""
        return "utf-8-sig" if self.part.source.encoding == "utf-8" else self.part.source.encoding


def read(part: FilePart, column: str, errors: str) -> Iterator[Piece]:
    """The pieces of a part of a file; see ``Corpus`` for what the rest means.

    Raises:
        PenstockError: it cannot be read, or is not what its name says.
    """
    readers = {
        "jsonl": _jsonl,
        "ndjson": _jsonl,
        "parquet": _parquet,
        "arrow": _arrow,
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


def bounded_lines(file: Any) -> Iterator[Any]:
    """The lines of a file, of bytes or text, in bounded memory.

    Raises:
        PenstockError: a line is longer than ``LONGEST_LINE``.
    """
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise PenstockError(f"line {number}: expected at most {LONGEST_LINE:,} bytes; break the text into rows")
        if not line:
            return
        yield line


def decoded_lines(file: BinaryIO, encoding: str, errors: str = "strict", newline: str = "\n") -> Iterator[str]:
    """The same of text in some encoding."""
    text = io.TextIOWrapper(file, encoding, errors, newline=newline)
    try:
        yield from bounded_lines(text)
    finally:
        # the file's owner closes it; where reading was given up that came first, and then detaching is refused
        with contextlib.suppress(ValueError):
            text.detach()


def _named(reading: OpenPart, lines: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from lines
    except PenstockError as error:
        raise PenstockError(f"{reading.name}: {error}") from None


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
    lines: Iterator[Any] = bounded_lines(reading.file)
    if reading.part.source.encoding != "utf-8":
        lines = decoded_lines(reading.file, reading.encoding, reading.errors)
    for number, line in enumerate(_named(reading, lines), 1):
        if stop is not None and at >= stop:
            return
        where = f"{reading.name}: " + (f"line {number}" if reading.part.number == 0 else f"the line at byte {at}")
        try:
            text = line if isinstance(line, str) else line.decode("utf-8", reading.errors)
        except UnicodeDecodeError as error:
            raise _not_utf8(reading, at + error.start) from None
        at += len(line)
        if not text.strip():
            continue
        try:
            row = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise PenstockError(f"{where}: not JSON: {error}") from None
        yield from _document(reading, where, _value_of(reading, where, row))


def _value_of(reading: OpenPart, where: str, row: Any) -> Any:
    if isinstance(row, dict) and reading.column in row:
        return row[reading.column]
    has = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
    raise PenstockError(f"{where}: expected a column {reading.column!r}, got {has}; name it with --column")


def _json(reading: OpenPart) -> Iterator[Piece]:
    """A file that is one array of rows."""
    content = reading.file.read(LARGEST_JSON + 1)  # packed, it may be a thousand times the size of the file
    if len(content) > LARGEST_JSON:
        raise PenstockError(f"{reading.name}: too large for one array of JSON; make it JSON lines, .jsonl")
    try:
        rows = json.loads(content.decode(reading.encoding, reading.errors))
    except UnicodeDecodeError as error:
        raise _not_utf8(reading, error.start) from None
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"{reading.name}: not JSON: {error}; if it is plain text, name it .txt") from None
    if not isinstance(rows, list):
        raise PenstockError(f"{reading.name}: expected an array of rows, got {type(rows).__name__}; make it .jsonl")
    for number, row in enumerate(rows, 1):
        where = f"{reading.name}: row {number}"
        yield from _document(reading, where, row if isinstance(row, str) else _value_of(reading, where, row))


def _table(reading: OpenPart) -> Iterator[Piece]:
    """A CSV or TSV file with a line of names at its beginning."""
    lines = _named(reading, decoded_lines(reading.file, reading.encoding, reading.errors, newline=""))
    rows = csv.reader(lines, "excel-tab" if reading.part.source.stem.endswith(".tsv") else "excel", strict=True)
    try:
        names = next(rows, [])
        if reading.column not in names:
            has = ", ".join(map(repr, names)) or "no line"
            raise PenstockError(
                f"{reading.name}: expected a column {reading.column!r}, got {has}; name it with --column"
            )
        column = names.index(reading.column)
        for number, row in enumerate(rows, 1):
            if row and len(row) <= column:
                raise PenstockError(f"{reading.name}: row {number}: expected {len(names)} columns, got {len(row)}")
            if row:
                yield from _document(reading, f"{reading.name}: row {number}", row[column])
    except UnicodeDecodeError:
        raise NotText(f"{reading.name}: not UTF-8", replace=True) from None
    except csv.Error as error:
        raise PenstockError(f"{reading.name}: line {rows.line_num}: not a table: {error}") from None


def _parquet(reading: OpenPart) -> Iterator[Piece]:
    """A row group at a time, and of it the column of the text alone."""

    def batches(arrow: Any) -> Iterator[Any]:
        import pyarrow.parquet

        table = pyarrow.parquet.ParquetFile(reading.file, buffer_size=BLOCK)
        groups = table.metadata.num_row_groups
        _, number, parts = reading.part
        mine = range(groups * number // parts, groups * (number + 1) // parts)
        before = sum(table.metadata.row_group(k).num_rows for k in range(mine.start))
        yield table.schema_arrow, before
        yield from table.iter_batches(columns=[reading.column], row_groups=list(mine), batch_size=ROWS) if mine else ()

    return _rows(reading, "Parquet", batches)


def _arrow(reading: OpenPart) -> Iterator[Piece]:
    """As Hugging Face ``datasets`` saves: a stream of record batches, or a file of them."""

    def batches(arrow: Any) -> Iterator[Any]:
        if reading.file.peek(6)[:6] == b"ARROW1":  # type: ignore[attr-defined]
            file = arrow.ipc.open_file(reading.file)
            yield file.schema, 0
            yield from (file.get_batch(k).select([reading.column]) for k in range(file.num_record_batches))
        else:
            stream = arrow.ipc.open_stream(reading.file)
            yield stream.schema, 0
            yield from (batch.select([reading.column]) for batch in stream)

    return _rows(reading, "Arrow", batches)


def _rows(reading: OpenPart, kind: str, batches: Callable[[Any], Iterator[Any]]) -> Iterator[Piece]:
    """The documents of a table. ``batches`` gives its schema and the rows before, then batches of the text's column."""
    try:
        import pyarrow
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise PenstockError(
            f"{reading.name}: {kind} needs the package pyarrow: pip install 'penstock[parquet]'"
        ) from None
    try:
        found = batches(pyarrow)
        schema, row = next(found)
        if reading.column not in schema.names:
            raise PenstockError(
                f"{reading.name}: expected a column {reading.column!r}, got {', '.join(map(repr, schema.names))}; "
                "name it with --column"
            )
        for batch in found:
            for value in batch.column(0).to_pylist():
                row += 1
                yield from _document(reading, f"{reading.name}: row {row}", value)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise PenstockError(f"{reading.name}: not a {kind} file that can be read: {error}") from None


def _document(reading: OpenPart, where: str, value: Any) -> Iterator[Piece]:
    if value is None or value == "":
        return
    if not isinstance(value, str):
        raise PenstockError(f"{where}: expected text, got {type(value).__name__}; name another with --column")
    # JSON can spell half of a surrogate pair, which is no character
    if lone := (NO_BYTE if reading.errors == "surrogateescape" else SURROGATE).search(value):
        if reading.errors == "strict":
            raise NotText(f"{where}: expected Unicode, got a lone surrogate, {lone[0]!a}", replace=True)
        value = lone.re.sub("\ufffd", value)
    for start in range(0, len(value), LONGEST_PIECE):
        yield Piece(value[start : start + LONGEST_PIECE], start == 0)


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
