"""Tables of any kind of file as one: the names and kinds of their columns, and the columns that are asked for."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series import packed, sniff
from penstock.series.packages import package
from penstock.series.times import DATES

if TYPE_CHECKING:
    import polars

SAMPLE = 1 << 20
"""Bytes of a table of text that it is judged by."""
BLOCK = 1 << 12
HEAD = 20_000
"""FileRows by which columns are guessed."""
ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data", ".parquet", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson")
As = Literal["number", "exact", "text", "time"]
"""How a column is read: float32, float64, as written, or as written but a date where the file has dates."""


class File(NamedTuple):
    """A table that has been looked into."""

    path: Path
    name: str
    """What a person calls it."""
    kinds: dict[str, sniff.Kind]
    """Of each column, in order."""
    text: sniff.Format | None
    """How it is written, if it is text."""
    scan: Any
    """A lazy frame of what is no text."""
    nested: tuple[str, ...] = ()
    """Columns that hold lists or objects, which are left out."""
    schema: Any = None
    """Of lines of JSON, the types of what is in them."""
    content: bytes | None = None
    """Of a part of text, that part; see ``penstock.series.parts``."""
    dates: tuple[str, ...] = DATES
    """The ways in which dates may be written."""
    begins: bool = True
    """Whether the content begins where the file does, with its header if it has one."""

    @property
    def names(self) -> list[str]:
        """Of its columns."""
        return list(self.kinds)

    @property
    def named(self) -> bool:
        """Whether the file has names for its columns."""
        return self.text is None or self.text.header


def of_lines(path: Path) -> bool:
    """Whether a file is lines of JSON."""
    return packed.ending(path.name) in (".jsonl", ".ndjson")


def of_frames(path: Path) -> bool:
    """Whether a file holds typed columns, no text."""
    return packed.ending(path.name) in (".parquet", ".arrow", ".feather", ".ipc")


def opened(path: Path, name: str | None = None) -> File:
    """Looks into a table.

    Args:
        path: of the file.
        name: what a person calls it, where it was unpacked into another; it is then never read as a whole.

    Raises:
        PenstockError: it cannot be read, is empty, or is no table.
    """
    end, in_parts, name = packed.ending(path.name), name is not None, name or str(path)
    pl = package("polars", name)
    if of_frames(path) or of_lines(path):
        try:
            scan = scanned(path) if in_parts else _scan(pl, path, end)
            schema = scan.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(path, end, error) from None
        nested = tuple(column for column, dtype in schema.items() if dtype.is_nested())
        flat = {column: dtype for column, dtype in schema.items() if column not in nested}
        return File(
            path, name, {one: _kind(pl, scan, one, dtype) for one, dtype in flat.items()}, None, scan, nested, schema
        )
    sample = packed.content(path, SAMPLE)
    text = sniff.sniffed(sample, len(sample) < SAMPLE, name)
    columns = zip(*text.rows, strict=True)
    if text.decimal_comma:
        columns = zip(*([cell.replace(",", ".") for cell in row] for row in text.rows), strict=True)
    kinds = {column: sniff.kind_of(cells) for column, cells in zip(text.names, columns, strict=True)}
    return File(path, name, kinds, text, None)


def scanned(path: Path) -> Any:
    """A lazy frame of a file that is not packed, and of Arrow no stream; nothing is read before it is asked for."""
    import polars as pl

    if of_lines(path):
        return pl.scan_ndjson(path, infer_schema_length=None)
    return pl.scan_parquet(path, glob=False) if packed.ending(path.name) == ".parquet" else pl.scan_ipc(path)


def _scan(pl: Any, path: Path, end: str) -> Any:
    how = packed.packing(path)
    source: Any = path if how is None else io.BytesIO(packed.content(path))
    if end == ".parquet":
        return pl.scan_parquet(source, glob=False)
    if end in (".jsonl", ".ndjson"):
        content = packed.content(path)
        if not content.strip():
            raise PenstockError(f"{path}: empty: expected lines of JSON")
        return pl.read_ndjson(io.BytesIO(content), infer_schema_length=None).lazy()
    with path.open("rb") as file:
        stream = file.read(6) != b"ARROW1"
    return pl.read_ipc_stream(source).lazy() if stream else pl.scan_ipc(source)


def _unreadable(path: Path, end: str, error: Exception) -> PenstockError:
    if end in (".jsonl", ".ndjson"):
        import json

        for number, line in enumerate(packed.content(path).splitlines(), 1):
            try:
                row = json.loads(line) if line.strip() else {}
            except ValueError as why:
                return PenstockError(f"{path}: line {number}: not JSON: {why}")
            if not isinstance(row, dict):
                return PenstockError(f"{path}: line {number}: expected an object, got {type(row).__name__}")
    kind = {".parquet": "a Parquet", ".jsonl": "a JSON lines", ".ndjson": "a JSON lines"}.get(end, "an Arrow")
    return PenstockError(f"{path}: not {kind} file that can be read: {str(error).splitlines()[0]}")


def _kind(pl: Any, scan: Any, column: str, dtype: Any) -> sniff.Kind:
    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        return "time"
    if dtype == pl.String:
        return sniff.kind_of([cell or "" for cell in scan.select(column).head(sniff.LINES).collect()[column]])
    return "number" if dtype == pl.Null else "text"


def read(file: File, wanted: Mapping[str, As], rows: int | None = None) -> "polars.DataFrame":
    """Columns of a table, in the order of ``wanted``; missing cells are null.

    Raises:
        PenstockError: text stands where a number was expected, or the file is not what its beginning says.
    """
    import polars as pl

    numbers = [column for column, how in wanted.items() if how in ("number", "exact")]
    if file.text is None:
        scan = file.scan.head(rows) if rows is not None else file.scan
        frame = scan.select(*wanted).collect()
        return _cast(frame, wanted, file.name)
    try:
        frame = _read_text(file, dict.fromkeys(numbers, pl.Float64), wanted, rows)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # a lone quote makes it panic
        # slowly, as text, which finds missing cells that the beginning of the file did not show, or the cell to blame
        try:
            text = _read_text(file, {}, wanted, rows)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            raise _not_a_table(file, error) from None
        return _cast(text, wanted, file.name)
    single = [pl.col(column).cast(pl.Float32) for column in numbers if wanted[column] == "number"]
    return frame.with_columns(single)


def without_empty_end(frame: "polars.DataFrame") -> "polars.DataFrame":
    """Without the rows that empty lines at the end of a file become."""
    while frame.height and all(cell is None for cell in frame.row(-1)):
        frame = frame.head(-1)
    return frame


def rows_of_numbers(frame: "polars.DataFrame", columns: Sequence[str]) -> NDArray[np.float32]:
    """(rows, C): columns of any numbers, side by side; a block of rows at a time, as memory is what this waits for."""
    found = np.empty((frame.height, len(columns)), np.float32)
    whole = [frame[column].to_numpy() for column in columns]
    with np.errstate(over="ignore"):
        for row in range(0, frame.height, BLOCK):
            for k, column in enumerate(whole):
                found[row : row + BLOCK, k] = column[row : row + BLOCK]
    return found


def _read_text(file: File, numbers: Mapping[str, Any], wanted: Iterable[str], rows: int | None) -> "polars.DataFrame":
    """By Polars' own parser; what is not among ``numbers`` is read as written."""
    import polars as pl

    text = file.text
    assert text is not None
    source: Any = file.path if file.content is None else file.content
    if text.separator == " ":
        source = b"\n".join(b" ".join(line.split()) for line in _content(file).splitlines())
    elif file.content is None and packed.packing(file.path) is not None:
        source = packed.content(file.path)
    if not file.begins:  # names, so that the first row does not say how many columns there are
        source = text.separator.join(f"c{k}" for k in range(len(text.names))).encode() + b"\n" + source
    seen = {cell for row in text.rows for cell in row} if numbers else set()
    wanted = list(wanted)
    return pl.read_csv(
        source,
        has_header=text.header or not file.begins,
        new_columns=list(text.names),
        columns=[text.names.index(column) for column in wanted],
        separator=text.separator,
        decimal_comma=text.decimal_comma,
        schema_overrides=[numbers.get(column, pl.String) for column in text.names],
        null_values=[sign for sign in sniff.MISSING if sign in seen or not numbers],
        n_rows=rows,
        infer_schema=False,
        glob=False,
    ).select(wanted)


def _cast(frame: "polars.DataFrame", wanted: Mapping[str, As], name: str) -> "polars.DataFrame":
    """Columns of any type as they are wanted; the first cell that cannot be is named."""
    import polars as pl

    out = []
    for column, how in wanted.items():
        cells = frame[column]
        if isinstance(cells.dtype, pl.String):
            cells = cells.set(cells.is_in(list(sniff.MISSING)), None)
        if how == "text" or (how == "time" and not cells.dtype.is_temporal()):
            found = cells.cast(pl.String, strict=False)
        elif how == "time":
            found = cells
        else:
            given = cells.str.strip_chars() if isinstance(cells.dtype, pl.String) else cells
            found = given.cast(pl.Float64, strict=False)
            wrong = found.is_null() & cells.is_not_null()
            if wrong.any():
                row = int(wrong.arg_max() or 0)
                raise PenstockError(
                    f"{name}: row {row + 1}, column {column!r}: expected a number, got {str(cells[row])!r:.40}"
                )
            found = found.cast(pl.Float32) if how == "number" else found
        out.append(found.alias(column))
    return pl.DataFrame(out)


def _content(file: File) -> bytes:
    return packed.content(file.path) if file.content is None else file.content


def _not_a_table(file: File, error: Exception) -> PenstockError:
    """Names the row of too many cells, if that is what is wrong."""
    text = file.text
    assert text is not None
    lines = _content(file).decode("utf-8", "replace").splitlines(keepends=True)
    rows = sniff.cells(lines, text.separator)[text.header and file.begins :]
    for number, row in enumerate(rows, 1):
        if len(row) > len(text.names):
            return PenstockError(f"{file.name}: row {number}: expected {len(text.names):,} columns, got {len(row):,}")
    return PenstockError(f"{file.name}: not a table that can be read: {str(error).splitlines()[0]}")
