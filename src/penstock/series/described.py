"""Series to be predicted, matched with what a model was trained on: columns in any order and categories by name."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.errors import PenstockError
from penstock.series import sniff, tables
from penstock.series.prepared import series_folder
from penstock.series.read import found_files, kind_of_file, read_series, recoded
from penstock.series.roles import Roles
from penstock.series.series_set import ALL_MISSING, Column, SeriesSet, Unused, no_such_column
from penstock.series.times import moment


def columns_of(description: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of a model's ``penstock.series.account.description``.

    Raises:
        PenstockError: it is none.
    """
    try:
        return tuple(
            Column(str(one["name"]), one["role"], tuple(map(str, one["categories"])) if "categories" in one else None)
            for one in description["columns"]
        )
    except (KeyError, TypeError) as error:
        raise PenstockError(f"columns: expected a name and a role of each: {error!r}") from None


def read_as_described(names: Sequence[str], description: Mapping[str, Any], pattern: str | None = None) -> SeriesSet:
    """The series of files, read as those that a model was trained on and matched with them.

    Raises:
        PenstockError: see ``read_series`` and ``matched``.
    """
    columns = columns_of(description)
    if series_folder(names):
        return matched(read_series(names), columns)
    of = {role: tuple(one.name for one in columns if one.role == role) for role in ("target", "known", "static")}
    categories = tuple(one.name for one in columns if one.kind == "category")
    wide = bool(description["wide"])
    kinds = _of_tables(names)
    if wide or not kinds:
        said = Roles(wide=wide or None)
    else:
        for one in columns:
            if one.name not in kinds and one.role not in ("target", "split"):
                raise _lacking(names[0], one.name, kinds)
        said = Roles(
            features=tuple(one.name for one in columns if one.role == "seen"),
            target=tuple(name for name in of["target"] if name in kinds),
            known=of["known"],
            static=of["static"],
            category=tuple(name for name in categories if name in kinds),
            id=tuple(description["id"]),
            time=description["time"],
            episode=description["episode"],
            wide=False,
        )
    return matched(read_series(names, said, pattern), columns)


def _of_tables(names: Sequence[str]) -> list[str]:
    """The names of the columns that the first file has, if it is a table."""
    paths = found_files(names[0], [])
    return tables.opened(paths[0]).names if paths and kind_of_file(paths[0]) == "tables" else []


def matched(series: SeriesSet, columns: Sequence[Column]) -> SeriesSet:
    """The columns that a model knows, in its order and with its codes; others are left out. A target or a column for
    splitting may lack, as may one whose cells are all empty, and is then missing throughout.

    Raises:
        PenstockError: another column lacks, or is a category here and a number there.
    """
    names = [column.name for column in series.columns]
    out = np.full((len(series.values), len(columns)), np.nan, np.float32)
    for k, column in enumerate(columns):
        if column.name not in names:
            if column.role in ("target", "split") or Unused(column.name, ALL_MISSING) in series.unused:
                continue
            raise _lacking(series.name, column.name, names)
        own = series.columns[names.index(column.name)]
        if own.kind != column.kind:
            raise PenstockError(
                f"{series.name}: column {column.name!r}: expected a {column.kind} as in training, got a {own.kind}"
            )
        out[:, k] = recoded(series, names.index(column.name), column)
    known = {column.name for column in columns}
    before = tuple(one for one in series.unused if one.name not in known)
    unused = tuple(Unused(name, "not in training") for name in names if name not in known)
    return dataclasses.replace(series, values=out, columns=tuple(columns), unused=(*before, *unused))


def _lacking(where: str, name: str, names: Sequence[str]) -> PenstockError:
    return no_such_column(where, name, names, ", which the model was trained on")


class StreamRow(NamedTuple):
    """One row of a stream."""

    id: str
    time: float | int | None
    values: list[float]
    """(C,) in float32's values; NaN where missing, codes of categories."""


class RowReader:
    """FileRows as objects, such as lines of JSON or CSV, read as the rows of a file are."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._columns = [
            (
                one.name,
                None if one.categories is None else {name: code for code, name in enumerate(one.categories)},
                one,
            )
            for one in columns_of(description)
        ]
        self._id, self._time = tuple(description["id"]), description["time"]
        self._dated = bool(description["dated"])

    def read(self, row: Mapping[str, Any], where: str = "row") -> StreamRow:
        """A row.

        Args:
            row: numbers, text or None, by the columns' names.
            where: for errors, such as "line 3".

        Raises:
            PenstockError: a column lacks, or is not what it was in training.
        """
        values: list[float] = []
        for name, codes, column in self._columns:
            if name not in row and column.role not in ("target", "split"):
                raise _lacking(where, name, list(row))
            cell = row.get(name)
            if cell is None or (isinstance(cell, str) and cell.strip() in sniff.MISSING):
                values.append(math.nan)
            elif codes is not None:
                values.append(float(codes.get(str(cell), len(codes))))
            else:
                values.append(_number(cell, f"{where}, column {name!r}"))
        for name in (*self._id, *([self._time] if self._time else [])):
            if row.get(name) is None:
                raise PenstockError(f"{where}, column {name!r}: is missing")
        id = "/".join(str(row[name]) for name in self._id)
        time: float | int | None = None
        if self._time and self._dated:
            time = moment(str(row[self._time]), f"{where}, column {self._time!r}")
        elif self._time:
            time = _number(row[self._time], f"{where}, column {self._time!r}", single=False)
        return StreamRow(id, time, values)


def _number(cell: Any, where: str, single: bool = True) -> float:
    if not (isinstance(cell, int | float) or (isinstance(cell, str) and sniff.is_number(cell))):
        raise PenstockError(f"{where}: expected a number, got {cell!r:.40}")
    with np.errstate(over="ignore"):
        number = float(np.float32(float(cell))) if single else float(cell)
    if math.isinf(number):
        raise PenstockError(f"{where}: infinite, or too large for float32; leave it empty if it is missing")
    return number
