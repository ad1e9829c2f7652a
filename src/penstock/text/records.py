"""The rows of tables, the text and other columns of each: CSV, TSV, lines and arrays of JSON, Parquet and Arrow."""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import NotText, PenstockError
from penstock.text import rows
from penstock.text.readers import LARGEST_JSON, ROWS
from penstock.text.rows import Bad
from penstock.text.sources import FilePart, Source


class Record(NamedTuple):
    """One row."""

    where: str
    """For a person: the file and the row's number."""
    text: str
    """Empty where there is none."""
    others: tuple[Any, ...]
    """What stands in the other columns that were asked for; None where nothing does."""


def records(source: Source, column: str, others: Sequence[str], errors: str) -> Iterator[Record]:
    """The rows of a file; where it is no table, its lines, if nothing but the text is asked for.

    Args:
        source: the file.
        column: where the text stands.
        others: the names of other columns.
        errors: what to do with bytes that are no UTF-8, as for ``penstock.text.Corpus``.

    Raises:
        PenstockError: one line that names file and row. Some rows may have come before.
    """
    ending = source.stem.rpartition(".")[2]
    readers = {"jsonl": _lines_of_json, "ndjson": _lines_of_json, "json": _json, "csv": _csv, "tsv": _csv}
    with source.opened() as file:
        if ending in ("parquet", "arrow"):
            found = _arrow(source, file, column, others)
        elif ending in readers:
            found = readers[ending](source, file, [column, *others], errors)
        elif others:
            raise PenstockError(
                f"{source.name}: expected a table with the columns {column!r} and {others[0]!r}, by its name a .csv, "
                ".tsv, .jsonl, .json, .parquet or .arrow"
            )
        else:
            whole = rows.decoded_lines(source, file, errors)
            found = ((f"line {number}", [line.rstrip("\r\n")]) for number, line in enumerate(whole, 1))
        for row, (value, *rest) in found:
            text = "" if value in (None, "", b"") else rows.text_of(value, errors)
            if isinstance(text, Bad):
                said = f"{source.name}: {row}: column {column!r}: {text.reason}"
                raise NotText(said, replace=True) if text.replace else PenstockError(said)
            yield Record(f"{source.name}: {row}", text, tuple(rest))


_Cells = Iterator[tuple[str, list[Any]]]
"""What to call a row, and what stands in it."""


def _csv(source: Source, file: BinaryIO, names: Sequence[str], errors: str) -> _Cells:
    lines = rows.decoded_lines(source, file, errors, newline="")
    table = csv.reader(lines, "excel-tab" if source.stem.endswith(".tsv") else "excel", strict=True)
    try:
        header = [name.removeprefix("\ufeff") for name in next(table, [])]
        places = [_place(source, name, header, k) for k, name in enumerate(names)]
        for number, row in enumerate((row for row in table if row), 1):
            if len(row) != len(header):
                raise PenstockError(f"{source.name}: row {number}: expected {len(header)} columns, got {len(row)}")
            yield f"row {number}", [row[place] for place in places]
    except csv.Error as error:
        raise PenstockError(f"{source.name}: line {table.line_num}: not a table: {error}") from None


def _place(source: Source, name: str, names: Sequence[str], k: int) -> int:
    if name not in names:
        reason = rows.lacks(name, names)
        raise PenstockError(f"{source.name}: {reason.replace('--column', '--target') if k else reason}")
    return list(names).index(name)


def _lines_of_json(source: Source, file: BinaryIO, names: Sequence[str], errors: str) -> _Cells:
    found = ((f"line {number}", line) for number, line in enumerate(rows.lines(source, file, errors), 1))
    return _of_objects(source, ((where, rows.of_json(line, errors)) for where, line in found if line.strip()), names)


def _json(source: Source, file: BinaryIO, names: Sequence[str], errors: str) -> _Cells:
    content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise PenstockError(f"{source.name}: too large for one array of JSON; make it JSON lines, .jsonl")
    try:
        found = json.loads(content.decode(source.codec, errors))
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"{source.name}: not JSON: {error}") from None
    if not isinstance(found, list):
        raise PenstockError(f"{source.name}: expected an array of rows, got {type(found).__name__}; make it .jsonl")
    return _of_objects(source, ((f"row {number}", row) for number, row in enumerate(found, 1)), names)


def _of_objects(source: Source, found: Iterator[tuple[str, Any]], names: Sequence[str]) -> _Cells:
    """A key that some rows lack is missing in them; one that all lack is an error."""
    seen: set[str] = set()
    before: dict[str, Any] = {}
    for where, row in found:
        value = rows.value_of(row, names[0])
        if isinstance(value, Bad):
            raise PenstockError(f"{source.name}: {where}: {value.reason}")
        seen |= {name for name in names if name in row}
        before = row
        yield where, [row.get(name) for name in names]
    for k, name in enumerate(names):
        if before and name not in seen:
            _place(source, name, [*before], k)


def _arrow(source: Source, file: BinaryIO, column: str, others: Sequence[str]) -> _Cells:
    for some in rows.of_table(FilePart(source), file, column, ROWS, others=bool(others)):
        beside = []
        for k, name in enumerate(others, 1):
            _place(source, name, some.others.schema.names, k)
            beside.append(some.others.column(name).to_pylist())
        for number, cells in enumerate(zip(some.values, *beside, strict=True), some.first):
            yield f"row {number}", list(cells)
