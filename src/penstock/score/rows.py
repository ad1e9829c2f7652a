"""The rows of a file, window by window, and the file that their scores are written to beside their other columns."""

import codecs
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from penstock.errors import PenstockError
from penstock.score.inputs import LINES
from penstock.text.rows import BYTES, Bad, arrow, lines, of_json, of_table, text_of, value_of
from penstock.text.sources import FilePart, local

ROWS = 8192
"""A window holds as many rows at most, and of lines no more than ``BYTES`` unless one alone has."""

SCORES = ("tokens", "nats", "bits_per_byte", "perplexity", "embedding")
"""The columns that are written."""


class Window(NamedTuple):
    """Some rows that follow each other."""

    texts: list[str | Bad]
    rest: Any
    """The other columns, for the writer of the same kind."""


class Writer(Protocol):
    """Writes windows of rows with their scores."""

    def write(self, rest: Any, scores: dict[str, list[Any]]) -> None:
        """One window; None where a row has no scores."""

    def close(self) -> None:
        """The file is whole."""


def read(path: Path, column: str, errors: str = "strict") -> Iterator[Window]:
    """The rows of a Parquet file, the lines of any other; ``errors`` as for ``Corpus``.

    Raises:
        PenstockError: the file cannot be read, or has no such column. Some windows may have come before.
    """
    try:
        source = local(str(path), path, raw=errors == "surrogateescape")
        with source.opened() as file:
            if _is_parquet(path):
                for rows in of_table(FilePart(source), file, column, ROWS, others=True):
                    yield Window([text_of(value, errors) for value in rows.values], rows.others)
                yield Window([], None)
            else:
                of_json = column if source.stem.endswith(LINES) else None
                yield from _read_lines(lines(source, file, errors), of_json, errors)
    except OSError as error:
        raise PenstockError(f"cannot be read: {error.strerror or error}") from None


def writer(source: Path, file: BinaryIO, column: str, embedding: int | None) -> Writer:
    """What writes a file's scores; with embeddings of so many numbers, or without."""
    if _is_parquet(source):
        return _ParquetWriter(source, file, column, embedding)
    return _LineWriter(file, compressed=source.name.lower().endswith(".gz"))


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _read_lines(of_file: Iterator[Any], column: str | None, errors: str) -> Iterator[Window]:
    """Of text, or, with a column, of JSON."""
    window, size = Window([], []), 0
    found, lacking = False, None
    for number, line in enumerate(of_file):
        rest: dict[str, Any] = {}
        if column is not None:
            row = of_json(line, errors)
            value = value_of(row, column)
            if isinstance(row, dict):
                rest, found, lacking = row, found or column in row, lacking or value
                rest.pop(column, None)
        elif isinstance(line, bytes):
            value = (line if number else line.removeprefix(codecs.BOM_UTF8)).rstrip(b"\r\n")
        else:
            value = line.rstrip("\r\n")
        window.texts.append(text_of(value, errors))
        window.rest.append(rest)
        size += len(line)
        if len(window.texts) == ROWS or size >= BYTES:
            yield window
            window, size = Window([], []), 0
    if not found and isinstance(lacking, Bad):  # a table of another column
        raise PenstockError(lacking.reason)
    yield window


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


class _ParquetWriter:
    def __init__(self, source: Path, file: BinaryIO, column: str, embedding: int | None) -> None:
        with arrow(str(source), "Parquet") as pa:
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
