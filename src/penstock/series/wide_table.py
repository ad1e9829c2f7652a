"""A wide table, a row a series: recognised, and read as series of one column."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series import sniff
from penstock.series.long_table import expect_finite
from penstock.series.roles import Roles
from penstock.series.series_set import Column, Keys, SeriesSet, Unused
from penstock.series.tables import HEAD, As, File, read
from penstock.series.times import looks_like_a_time, parsed

WIDE = "a row a series"
FEWEST = 4
"""Steps of a table that is recognised as wide."""
COUNTED = re.compile(r"(.*?)(\d+)")


def is_wide(file: File, said: Roles) -> bool:
    """Whether a row is a series: the columns of numbers are numbered or dated one after the other, and before them
    stands what names the row, or rows end at different columns."""
    if said.wide is not None:
        return said.wide
    if said.time or said.target or said.features or said.known or said.episode:
        return False
    steps = step_columns(file, said)
    others = [name for name in file.names if name not in steps]
    if len(steps) < FEWEST or file.names[-len(steps) :] != steps or not _in_turn(steps):
        return False
    if not file.named and len(others) == len(file.names):
        return False
    if file.text is not None:
        head = {name: [row[k] for row in file.text.rows] for k, name in enumerate(file.names)}
    else:
        head = read(file, dict.fromkeys(file.names, "text"), sniff.LINES).to_dict(as_series=False)
    missing = np.array([[cell is None or cell in sniff.MISSING for cell in head[name]] for name in steps])
    trailing = bool((np.diff(missing.astype(np.int8), axis=0) >= 0).all())  # once missing, missing to the end
    unequal = bool(missing.any()) and trailing
    unique = [name for name in others if file.kinds[name] == "text" and len(set(head[name])) == len(head[name])]
    if unequal or not (unique and file.named):
        return unequal
    more = read(file, dict.fromkeys(unique, "text"), HEAD)  # of many series side by side an id stands again only later
    return any(not more[name].is_duplicated().any() for name in unique)


def step_columns(file: File, said: Roles) -> list[str]:
    """The columns of a wide table that are steps: the last ones, all of numbers."""
    found: list[str] = []
    for name in reversed(file.names):
        if file.kinds[name] != "number" or name in (*said.id, *said.static, *said.category):
            break
        found.append(name)
    return found[::-1]


def _in_turn(names: Sequence[str]) -> bool:
    """Whether names are one word with numbers that count up, or times."""
    if all(map(looks_like_a_time, names)):
        return True
    matches = [COUNTED.fullmatch(name) for name in names]
    if not all(matches):
        return False
    words = {match[1] for match in matches if match}
    numbers = [int(match[2]) for match in matches if match]
    return len(words) == 1 and all(b == a + 1 for a, b in itertools.pairwise(numbers))


def read_wide(file: File, said: Roles) -> SeriesSet:
    """The rows of a file, each a series of the column "value"; empty cells at its end are no steps.

    Raises:
        PenstockError: there are no steps, a cell is no number, or two rows have one id.
    """
    import polars as pl

    steps = step_columns(file, said)
    others = [name for name in file.names if name not in steps]
    if not steps:
        raise PenstockError(
            f"{file.name}: expected a row a series with numbers at its end, got text in the last column"
        )
    wanted: dict[str, As] = dict.fromkeys(others, "text")
    frame = read(file, {**wanted, **dict.fromkeys(steps, "number")})
    values = frame.select(steps).to_numpy(order="c")
    expect_finite(values, steps, file.name)
    names = said.id or tuple(name for name in others if not frame[name].is_duplicated().any())[:1]
    if names:
        cells = frame.select(pl.concat_str(names, separator="/").fill_null("").alias("id"))["id"]
        if cells.is_duplicated().any():
            row = int((~cells.is_first_distinct()).arg_max() or 0)
            raise PenstockError(f"{file.name}: row {row + 1}: the series {cells[row]!r} stands twice")
        ids = tuple(cells.to_list())
    else:
        ids = tuple(f"row {row + 1}" for row in range(len(values)))
    there = ~np.isnan(values)
    ends = np.where(there.any(axis=1), values.shape[1] - np.argmax(there[:, ::-1], axis=1), 0)
    empty = [ids[row] for row in np.flatnonzero(ends == 0)]
    inside = np.arange(values.shape[1]) < ends[:, None]
    columns = [Column("value", "target", None, "a row a series")]
    rows = [values[inside]]
    unused = [Unused(one, "an empty row") for one in empty]
    for name in others:
        if name in names:
            continue
        if name in (*said.static, *said.category):
            distinct = frame[name].drop_nulls().unique().sort().to_list()
            codes = frame[name].replace_strict(distinct, list(range(len(distinct))), return_dtype=pl.Float32)
            columns.append(Column(name, "static", tuple(distinct)))
            rows.append(np.repeat(codes.to_numpy(), ends))
        else:
            unused.append(Unused(name, "beside the steps of a row; say static to keep it"))
    times, dated = _times(steps, ends, file.name)
    series = SeriesSet(
        ids=ids,
        starts=np.concatenate([[0], np.cumsum(ends)]).astype(np.int64),
        values=np.ascontiguousarray(np.stack(rows, axis=1), np.float32),
        columns=tuple(columns),
        times=times,
        dated=dated,
        sources=(file.name,),
        source_of=np.zeros(len(ids), np.int64),
        keys=Keys(tuple(names), each=WIDE),
        unused=tuple(unused),
    )
    return series.only(np.flatnonzero(ends > 0)) if empty else series


def _times(steps: Sequence[str], ends: NDArray[Any], where: str) -> tuple[NDArray[Any] | None, bool]:
    """The times that the columns' names are, of every row."""
    if not all(map(looks_like_a_time, steps)):
        return None, False
    import polars as pl

    found, _ = parsed(pl.Series("names", steps), where)
    return np.concatenate([found[:end] for end in ends]), True
