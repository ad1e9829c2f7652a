"""The rows of files: lines, lines of JSON, Parquet and Arrow. One reader for who stops at a row without a text, and for
who says of it and goes on."""

import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import NotText, PenstockError
from penstock.text.sources import BLOCK, FilePart, Source, cannot_read

LONGEST_LINE = 1 << 27
"""Bytes of a row that is a line, and characters of a table's cell, which are in memory at once; text has no limit."""
BYTES = 8 << 20
"""Of a table's rows that come together, unless a row alone has more."""
SURROGATE = re.compile("[\ud800-\udfff]")
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates but for those by which "surrogateescape" keeps a byte."""


class Bad(NamedTuple):
    """What stands in the place of a text that there is not."""

    reason: str
    replace: bool = False
    """Whether U+FFFD could stand there."""
    byte: int | None = None
    """Where it is no UTF-8, if that is why."""


_Table = tuple[Any, int, Iterable[Any]]
"""Its schema, the number of its first row, and its batches."""


class Rows(NamedTuple):
    """Some rows of a table that follow each other."""

    first: int
    """The number of the first one in its file, from 1."""
    values: list[bytes | None]
    """The texts, which need not be UTF-8."""
    others: Any
    """The other columns, an Arrow record batch, where they were read."""


def text_of(value: Any, errors: str) -> str | Bad:
    """The text of a row, of what stands where it should: bytes, or what JSON knows. One of no characters is none.

    ``errors`` as for ``Corpus``.
    """
    if isinstance(value, bytes):
        return _decoded(value, errors) or Bad("an empty text")
    if isinstance(value, Bad):
        return value
    if value is None:
        return Bad("expected text, got null")
    if not isinstance(value, str):
        return Bad(f"expected text, got {type(value).__name__}; name another with --column")
    # JSON can spell half of a surrogate pair, which is no character
    if lone := (NO_BYTE if errors == "surrogateescape" else SURROGATE).search(value):
        if errors == "strict":
            return Bad(f"expected Unicode, got a lone surrogate, {lone[0]!a}", replace=True)
        value = lone.re.sub("\ufffd", value)
    return value or Bad("an empty text")


def _decoded(content: bytes, errors: str) -> str | Bad:
    try:
        return content.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        return Bad(f"not UTF-8 at byte {error.start}", replace=True, byte=error.start)


def lines(source: Source, file: BinaryIO, errors: str) -> Iterator[Any]:
    """The lines of a file in bounded memory: bytes where its text is UTF-8, or should be, else strings.

    Raises:
        PenstockError: a line is longer than ``LONGEST_LINE``, or in another encoding than the file's.
    """
    return _bounded(source, file) if source.encoding == "utf-8" else decoded_lines(source, file, errors)


def decoded_lines(source: Source, file: BinaryIO, errors: str, newline: str = "\n") -> Iterator[str]:
    """The same as strings; ``newline`` as ``open`` takes it."""
    text = io.TextIOWrapper(file, source.codec, errors, newline=newline)
    try:
        yield from _bounded(source, text)
    except UnicodeDecodeError:
        raise NotText(f"{source.name}: not {source.encoding.upper()}", replace=True) from None
    finally:
        # the file's owner closes it; where reading was given up that came first, and then detaching is refused
        with contextlib.suppress(ValueError):
            text.detach()


def _bounded(source: Source, file: Any) -> Iterator[Any]:
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise PenstockError(
                f"{source.name}: line {number}: expected at most {LONGEST_LINE:,} bytes; break the text into rows"
            )
        if not line:
            return
        yield line


def of_json(line: bytes | str, errors: str) -> Any:
    """The row that a line of JSON is, or why it is none."""
    text = line if isinstance(line, str) else _decoded(line, errors)
    if isinstance(text, Bad):
        return text
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Bad(f"not JSON: {error}" if text.strip() else "an empty line")


def value_of(row: Any, column: str) -> Any:
    """What stands in a column of a row, or why nothing does."""
    if isinstance(row, Bad):
        return row
    if isinstance(row, dict):
        return row[column] if column in row else Bad(lacks(column, row))
    return Bad(f"expected a column {column!r}, got {type(row).__name__}; name it with --column")


def lacks(column: str, names: Iterable[str]) -> str:
    """That there is no such column, but others."""
    return f"expected a column {column!r}, got {', '.join(map(repr, names)) or 'none'}; name it with --column"


def of_table(part: FilePart, file: BinaryIO, column: str, size: int, others: bool = False) -> Iterator[Rows]:
    """The rows of a part of a Parquet or Arrow file, at most ``size`` at a time; with ``others``, all its columns.

    Raises:
        PenstockError: it cannot be read, or has no such column of text. Some rows may have come before.
    """
    name = part.source.name
    kind, batches_of = ("Arrow", _arrow) if part.source.stem.endswith(".arrow") else ("Parquet", _parquet)
    with arrow(name, kind) as pa:
        schema, first, batches = batches_of(pa, part, file, None if others else [column], size)
        if column not in schema.names:
            raise PenstockError(f"{name}: {lacks(column, schema.names)}")
        held = schema.field(schema.names.index(column)).type
        coded = pa.types.is_dictionary(held)
        held = held.value_type if coded else held
        if held not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
            raise PenstockError(f"{name}: column {column!r}: expected text, got {held}; name another with --column")
        for batch in batches:
            at = batch.schema.names.index(column)
            step = max(1, min(size, batch.num_rows * BYTES // max(batch.nbytes, 1)))
            for start in range(0, batch.num_rows, step):
                rows = batch.slice(start, step)
                texts = rows.column(at).dictionary_decode() if coded else rows.column(at)
                # as bytes: one text that is no UTF-8 must not stop the others
                values = texts.cast(pa.large_string()).view(pa.large_binary()).to_pylist()
                yield Rows(first, values, rows.remove_column(at) if others else None)
                first += rows.num_rows


@contextlib.contextmanager
def arrow(name: str, kind: str) -> Iterator[Any]:
    """Pyarrow, for a file of that kind, and its errors as ours."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise PenstockError(f"{name}: {kind} needs the package pyarrow: pip install 'penstock[parquet]'") from None
    try:
        yield pyarrow
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Arrow's
            raise cannot_read(name, error) from None
        raise PenstockError(f"{name}: not a {kind} file that can be read: {' '.join(str(error).split())}") from None


def _parquet(pa: Any, part: FilePart, file: BinaryIO, columns: list[str] | None, size: int) -> _Table:
    """A row group at a time."""
    table = pa.parquet.ParquetFile(file, buffer_size=BLOCK)
    groups = table.metadata.num_row_groups
    mine = range(groups * part.number // part.parts, groups * (part.number + 1) // part.parts)
    before = sum(table.metadata.row_group(k).num_rows for k in range(mine.start))
    batches = table.iter_batches(columns=columns, row_groups=list(mine), batch_size=size) if mine else ()
    return table.schema_arrow, before + 1, batches


def _arrow(pa: Any, part: FilePart, file: Any, columns: list[str] | None, size: int) -> _Table:
    """As Hugging Face ``datasets`` saves: a stream of record batches, or a file of them."""
    if file.peek(6)[:6] != b"ARROW1":
        stream = pa.ipc.open_stream(file)
        return stream.schema, 1, stream
    table = pa.ipc.open_file(file)
    return table.schema, 1, (table.get_batch(k) for k in range(table.num_record_batches))
