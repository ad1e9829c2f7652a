"""How a table of text is written, told from its beginning: what separates cells, names or none, decimal commas."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from penstock.errors import PenstockError
from penstock.series.times import looks_like_a_time

MISSING = ("", "NA", "N/A", "nan", "NaN", "NAN", "NULL", "null", "None", "?")
"""Cells that stand for nothing."""
NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|Inf|INF|infinity|Infinity)\s*")
WITH_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
LINES = 1000
"""That a table is judged by."""
SEPARATORS = ("\t", ";", "|", ",")
AGREE = 0.9
"""The share of lines that must have as many cells as most have."""

Kind = Literal["number", "time", "text"]


class Format(NamedTuple):
    """How a table of text is written."""

    separator: str
    """A space stands for any white space."""
    header: bool
    decimal_comma: bool
    names: tuple[str, ...]
    rows: list[list[str]]
    """The first ones, all of the same number of cells."""
    counter: str | None = None
    """A column without a name that counts the rows, as a table's index does when it is written too."""


def sniffed(sample: bytes, whole: bool, name: str) -> Format:
    """How a table is written.

    Args:
        sample: its first bytes.
        whole: whether these are all.
        name: of the file, for errors.

    Raises:
        PenstockError: it is empty, no UTF-8, or two columns have one name.
    """
    text = _decoded(sample, name)
    lines = re.split(r"(?<=\n)", text)  # as Polars does; Python knows more ends of lines
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()][:LINES]
    if not lines:
        raise PenstockError(f"{name}: empty: expected a table with rows")
    separator = _separator(lines, name.lower().endswith(".tsv"))
    rows = cells(lines, separator)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    header = has_names(rows)
    names = tuple(cell.strip() for cell in rows[0]) if header else tuple(f"c{k}" for k in range(width))
    nameless = [k for k, given in enumerate(names) if not given]
    if header:
        names = tuple(given or f"c{k}" for k, given in enumerate(names))
        if twice := [one for one, count in Counter(names).items() if count > 1]:
            raise PenstockError(f"{name}: row of names: {twice[0]!r} stands there twice; rename one")
        width, rows = len(names), rows[1:]
        if not rows:
            raise PenstockError(f"{name}: no rows below the names of the columns")
    rows = [(row + [""] * width)[:width] for row in rows]
    counter = next((names[k] for k in nameless if _counts([row[k] for row in rows])), None)
    return Format(separator, header, _decimal_comma(rows, names, separator, name), names, rows, counter)


def _counts(column: Sequence[str]) -> bool:
    """Whether cells count up from 0 or 1."""
    first = column[0] if column else ""
    return first in ("0", "1") and all(cell == str(k) for k, cell in enumerate(column, int(first)))


def _decoded(sample: bytes, name: str) -> str:
    if b"\0" in sample:
        raise PenstockError(f"{name}: expected a table in UTF-8, got binary or another encoding")
    try:
        return sample.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start > len(sample) - 4:  # cut inside a character
            return sample[: error.start].decode("utf-8-sig")
        row = sample[: error.start].count(b"\n") + 1
        raise PenstockError(
            f"{name}: line {row}: not UTF-8; if it is Windows-1252, iconv -f WINDOWS-1252 -t UTF-8 makes it UTF-8"
        ) from None


def cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of lines."""
    if separator == " ":
        return [line.split() for line in lines]
    try:
        return list(csv.reader(io.StringIO("".join(lines), newline=""), delimiter=separator))
    except csv.Error:  # a carriage return within a cell
        return [line.rstrip("\r\n").split(separator) for line in lines]


def _separator(lines: Sequence[str], tabs: bool) -> str:
    for one in SEPARATORS:
        widths = Counter(len(row) for row in cells(lines, one))
        width, count = widths.most_common(1)[0]
        if width > 1 and (count >= AGREE * len(lines) or (tabs and one == "\t")):
            return one
    widths = Counter(len(line.split()) for line in lines)
    width, count = widths.most_common(1)[0]
    return " " if width > 1 and count >= AGREE * len(lines) and "," not in lines[0] else ","


def has_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: no number stands there, or one names a column of other things."""
    first = rows[0]
    if not any(is_number(cell) or looks_like_a_time(cell) or cell in MISSING for cell in first):
        return True
    for k, cell in enumerate(first):
        if cell not in MISSING and not is_number(cell):
            below = [given for given in _column(rows[1:], k) if given not in MISSING]
            if below and all(map(is_number, below)):
                return True
    return False


def _column(rows: Sequence[Sequence[str]], k: int) -> list[str]:
    return [row[k] for row in rows if k < len(row)]


def is_number(cell: str) -> bool:
    """Whether a cell is written as a number, infinity included."""
    return NUMBER.fullmatch(cell) is not None


def kind_of(column: Iterable[str]) -> Kind:
    """What the cells of a column are; of none at all, a number."""
    there = [cell for cell in column if cell not in MISSING]
    if all(map(is_number, there)):
        return "number"
    return "time" if all(map(looks_like_a_time, there)) else "text"


def _decimal_comma(rows: Sequence[Sequence[str]], names: Sequence[str], separator: str, name: str) -> bool:
    """Whether numbers are written with a comma: some are, and none has a point."""
    for k, column in enumerate(names):
        there = [cell for cell in _column(rows, k) if cell not in MISSING]
        commas = [WITH_COMMA.fullmatch(cell) is not None for cell in there]
        numbers = all(comma or is_number(cell) for comma, cell in zip(commas, there, strict=True))
        if any(commas) and numbers and not any("." in cell for cell in there):
            if separator == ",":
                row = next(r for r, cells in enumerate(rows) if WITH_COMMA.fullmatch(cells[k]))
                raise PenstockError(
                    f"{name}: row {row + 1}, column {column!r}: a decimal comma, {rows[row][k]!r}, in a table whose "
                    "cells are separated by commas; write points, or separate cells by ;"
                )
            return True
    return False
