"""What a second table says of whole series, a row each: labels of recordings, remaining lives, what is constant."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.long_table import read_rows
from penstock.series.roles import Roles, TablePlan, expect_columns
from penstock.series.series_set import Column, Keys, Role, SeriesSet, Unused
from penstock.series.tables import File, opened, read, without_empty_end


def labelled(series: SeriesSet, path: Path, said: Roles | None = None) -> SeriesSet:
    """The series with a table's columns: a target that is named, or the only column; others are constants of a series.

    A row belongs to the series whose id stands in it, in the column that was said or that has the most of them; of
    files, the name without its folder or ending will do. A table without ids, of as many rows as there are series, is
    in their order. Series that have no row are left out.

    Raises:
        PenstockError: rows cannot be told to be whose, an id stands twice, or a column is there already.
    """
    said = said or Roles()
    file = opened(path)
    expect_columns(file.name, file.names, said)
    rows, by = _rows(series, file, said)
    names = [name for name in file.names if name != by and (not said.features or name in said.features)]
    if both := {column.name for column in series.columns} & set(names):
        raise PenstockError(f"{file.name}: column {min(both)!r}: stands in {series.name} too; leave one out")
    columns: list[tuple[str, Role, bool, str]] = []
    for name in names:
        target = name in said.target or (not said.target and len(names) == 1)
        category = name in said.category or file.kinds[name] != "number"
        columns.append(
            (name, "target" if target else "static", category, "" if name in said.target else "of its table")
        )
    found = read_rows(file, TablePlan(Keys(), tuple(columns), ()))
    kept = np.flatnonzero(rows >= 0)
    chosen = series.only(kept) if len(kept) < len(series) else series
    values: list[NDArray[Any]] = [chosen.values]
    described: list[Column] = []
    for k, (name, role, category, why) in enumerate(columns):
        cells, categories = found.values[:, k], None
        if category:
            text = found.names[name]
            categories = tuple(text.drop_nulls().unique().sort().to_list())
            place = {one: code for code, one in enumerate(categories)}
            cells = np.array([place.get(one, np.nan) for one in text.to_list()], np.float32)
        values.append(np.repeat(cells[rows[kept]], chosen.lengths)[:, None])
        described.append(Column(name, role, categories, why))
    without = [series.ids[k] for k in np.flatnonzero(rows < 0)]
    example = f"{without[0]}{', …' * (len(without) > 1)}" if without else ""
    unused = [Unused(f"{len(without):,} series ({example})", f"not in {path}")] if without else []
    return dataclasses.replace(
        chosen,
        values=np.concatenate(values, axis=1).astype(np.float32),
        columns=(*chosen.columns, *described),
        unused=(*chosen.unused, *unused),
    )


def _rows(series: SeriesSet, file: File, said: Roles) -> tuple[NDArray[np.int64], str | None]:
    """The row of each series, −1 if it has none, and the column that says so."""
    frame = without_empty_end(read(file, dict.fromkeys(file.names, "text")))
    best: tuple[int, NDArray[np.int64], str | None] = (0, np.full(len(series), -1), None)
    for name in said.id or [name for name in file.names if name not in said.target and len(file.names) > 1]:
        cells = ["" if cell is None else str(cell) for cell in frame[name].to_list()]
        place = {cell: row for row, cell in reversed([*enumerate(cells)])}
        rows = np.array([next((place[one] for one in _names(id) if one in place), -1) for id in series.ids], np.int64)
        count = int((rows >= 0).sum())
        by_chance = file.kinds[name] == "number" and count < len(series) and not said.id
        if count <= best[0] or by_chance:
            continue
        if len(place) < len(cells):
            row = next(row for row, cell in enumerate(cells) if place[cell] != row)
            raise PenstockError(f"{file.name}: row {row + 1}, column {name!r}: {cells[row]!r} stands twice")
        best = count, rows, name
    if best[2] is not None:
        return best[1], best[2]
    if frame.height == len(series) and not said.id:
        return np.arange(len(series)), None
    raise PenstockError(
        f"{file.name}: no column has the ids of the series, such as {series.ids[0]!r}, nor are there as many rows, "
        f"{frame.height:,}, as series, {len(series):,}"
    )


def _names(id: str) -> Sequence[str]:
    """By which a table may call a series."""
    path = Path(id)
    return id, path.name, path.stem
