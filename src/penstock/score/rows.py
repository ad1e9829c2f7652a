"""The rows of a file, window by window, and the file that their scores are written to beside their other columns."""

import codecs
import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from penstock.errors import PenstockError
from penstock.score.inputs import LINES
from penstock.text.readers import bounded_lines, decoded_lines
from penstock.text.sources import local

ROWS, BYTES = 8192, 8 << 20
"""A window holds as many rows at most, and no more bytes than this unless a row alone does."""

SCORES = ("tokens", "nats", "bits_per_byte", "perplexity", "embedding")
"""The columns that are written."""


class Bad(NamedTuple):
    """What stands in the place of a text that cannot be scored."""

    reason: str


class Window(NamedTuple):
    """Some rows that follow each other."""

    values: list[Any]
    """What stands where the text should: ``bytes`` of UTF-8, ``str``, ``Bad``, or anything else."""
    rest: Any
    """The other columns, for the writer of the same kind."""


class Writer(Protocol):
    """Writes windows of rows with their scores."""

    def write(self, rest: Any, scores: dict[str, list[Any]]) -> None:
        """One window; None where a row has no scores."""

    def close(self) -> None:
        """The file is whole."""


def read(path: Path, column: str, raw: bool = False) -> Iterator[Window]:
    """The rows of a Parquet file, the lines of any other; of bytes as they are if ``raw``.

    Raises:
        PenstockError: the file cannot be read, or has no such column. Some windows may have come before.
    """
    if path.name.lower().endswith(".parquet"):
        yield from _read_parquet(path, column)
        return
    try:
        source = local(str(path), path, raw)
        with source.opened() as file:
            lines = bounded_lines(file)
            if source.encoding != "utf-8":
                lines = (line.encode() for line in decoded_lines(file, source.encoding))
            yield from _read_lines(lines, column if source.stem.endswith(LINES) else None)
    except OSError as error:
        raise PenstockError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PenstockError(f"not {source.encoding.upper()} to its end") from None
    except PenstockError as error:
        raise PenstockError(str(error).removeprefix(f"{path}: ")) from None


def writer(source: Path, file: BinaryIO, column: str, embedding: int | None) -> Writer:
    """What writes a file's scores; with embeddings of so many numbers, or without."""
    if source.name.lower().endswith(".parquet"):
        return _ParquetWriter(source, file, column, embedding)
    return _LineWriter(file, compressed=source.name.lower().endswith(".gz"))


def _read_lines(lines: Iterator[bytes], column: str | None) -> Iterator[Window]:
    """Of text, or, with a column, of JSON."""
    values: list[Any] = []
    rest: list[dict[str, Any]] = []
    size, fields, found = 0, None, column is None
    for number, line in enumerate(lines):
        size += len(line)
        line = line if number else line.removeprefix(codecs.BOM_UTF8)
        if column is None:
            values.append(line.rstrip(b"\r\n"))
            rest.append({})
        else:
            row = _json(line)
            here = isinstance(row, dict) and column in row
            found, fields = found or here, fields or (list(row) if isinstance(row, dict) else None)
            values.append(row.pop(column) if here else row if isinstance(row, Bad) else _lacks(column, row))
            rest.append(row if isinstance(row, dict) else {})
        if len(values) == ROWS or size >= BYTES:
            yield Window(values, rest)
            values, rest, size = [], [], 0
    if fields is not None and not found:
        raise PenstockError(f"no row has {column!r}; {_named(fields)}")
    yield Window(values, rest)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return Bad("an empty line" if not line.strip() else f"not JSON: {error}")


def _lacks(column: str, row: Any) -> Bad:
    return Bad(f"no {column!r}; {_named(row)}" if isinstance(row, dict) else f"expected a JSON object, got {row!r:.40}")


def _named(columns: Any) -> str:
    return f"name with --column one of {', '.join(map(repr, columns)) or 'none'}"


class _LineWriter:
    def __init__(self, file: BinaryIO, compressed: bool) -> None:
        self._file = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if compressed else file

    def write(self, rest: list[dict[str, Any]], scores: dict[str, list[Any]]) -> None:
        for row, *values in zip(rest, *scores.values(), strict=True):
            _check_free(row)
            line = json.dumps(row | dict(zip(scores, map(_plain, values), strict=True)))
            self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        if isinstance(self._file, gzip.GzipFile):
            self._file.close()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _check_free(columns: Any) -> None:
    if taken := [name for name in SCORES if name in columns]:
        raise PenstockError(f"has a column {taken[0]!r} already; rename it, as its scores are to be called that")


def _read_parquet(path: Path, column: str) -> Iterator[Window]:
    with _parquet() as pyarrow:
        file = pyarrow.parquet.ParquetFile(path)
        names, types = file.schema_arrow.names, pyarrow.types
        if column not in names:
            raise PenstockError(f"no column {column!r}; {_named(names)}")
        at = names.index(column)
        kind = file.schema_arrow.field(at).type
        coded = types.is_dictionary(kind)
        kind = kind.value_type if coded else kind
        if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
            raise PenstockError(f"column {column!r}: expected text, got {kind}")
        for batch in file.iter_batches(batch_size=ROWS):
            step = max(1, min(ROWS, batch.num_rows * BYTES // max(batch.nbytes, 1)))
            for start in range(0, batch.num_rows, step):
                rows = batch.slice(start, step)
                texts = rows.column(at).dictionary_decode() if coded else rows.column(at)
                # as bytes: one text that is no UTF-8 must not stop the others
                values = texts.cast(pyarrow.large_string()).view(pyarrow.large_binary()).to_pylist()
                yield Window(values, rows.remove_column(at))
        yield Window([], None)


class _ParquetWriter:
    def __init__(self, source: Path, file: BinaryIO, column: str, embedding: int | None) -> None:
        with _parquet() as pa:
            self._arrow = pa
            # without the metadata, which describes the columns as they were
            kept = pa.parquet.read_schema(source).remove_metadata()
        if column in kept.names:
            kept = kept.remove(kept.names.index(column))
        _check_free(kept.names)
        types = [pa.int64(), *[pa.float64()] * 3]
        types += [] if embedding is None else [pa.list_(pa.float32(), embedding)]
        self._schema = pa.schema([*kept, *zip(SCORES, types, strict=False)])
        self._writer = pa.parquet.ParquetWriter(file, self._schema)

    def write(self, rest: Any, scores: dict[str, list[Any]]) -> None:
        if rest is None:
            return
        columns = [self._column(self._schema.field(name).type, values) for name, values in scores.items()]
        self._writer.write_batch(self._arrow.record_batch([*rest.columns, *columns], schema=self._schema))

    def _column(self, kind: Any, values: list[Any]) -> Any:
        pa = self._arrow
        if not pa.types.is_fixed_size_list(kind):
            return pa.array(values, kind)
        missing = np.array([value is None for value in values])
        numbers = np.zeros((len(values), kind.list_size), np.float32)
        for to, value in zip(numbers, values, strict=True):
            if value is not None:
                to[:] = value
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), type=kind, mask=pa.array(missing))

    def close(self) -> None:
        self._writer.close()


@contextlib.contextmanager
def _parquet() -> Iterator[Any]:
    """Pyarrow, and its errors as ours."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise PenstockError("Parquet needs the package pyarrow: pip install 'penstock[parquet]'") from None
    try:
        yield pyarrow
    except (pyarrow.ArrowException, OSError) as error:
        raise PenstockError(f"not a Parquet file that can be read: {' '.join(str(error).split())}") from None
