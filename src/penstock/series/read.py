"""Files to series: which reader a file has, and several files as one set."""

import dataclasses
import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series import arrays, packed, sound, tables
from penstock.series.long_table import joined, read_rows
from penstock.series.prepared import open_prepared, read_index, series_folder
from penstock.series.roles import Roles, TablePlan, expect_columns, planned
from penstock.series.series_set import Column, SeriesSet, Unused, no_such_column
from penstock.series.ts_file import read_ts
from penstock.series.wide_table import is_wide, read_wide

ENDINGS = (*tables.ENDINGS, *arrays.ENDINGS, *sound.ENDINGS, ".ts")


def read_series(names: Sequence[str], said: Roles | None = None, pattern: str | None = None) -> SeriesSet:
    """The series of files.

    Args:
        names: files, folders and globs, of one kind: tables, arrays, .ts, or sound; or one folder of prepared series.
        said: what columns are; the rest is guessed, and ``columns``, ``keys`` and ``unused`` say how.
        pattern: of sound, what files' names hold; see ``penstock.series.sound.read_sound``.

    Raises:
        PenstockError: one line that names file, row and column.
    """
    said = said or Roles()
    if (folder := series_folder(names)) is not None:
        return _prepared(folder, said, pattern)
    unused: list[Unused] = []
    paths = [path for name in names for path in found_files(name, unused)]
    kinds = {kind_of_file(path) for path in paths}
    if len(kinds) > 1:
        one, other = (next(path for path in paths if kind_of_file(path) == kind) for kind in sorted(kinds)[:2])
        raise PenstockError(
            f"{other}: {kind_of_file(other)} beside {kind_of_file(one)} ({one}); name files of one kind"
        )
    kind = kinds.pop()
    if kind == "tables":
        series = _tables(paths, said)
    elif kind == "sound":
        root = Path(names[0])
        series = sound.read_sound(paths, root if root.is_dir() else root.parent, pattern)
    else:
        found = [
            read_ts(path) if kind == ".ts" else arrays.read_arrays(path, packed.ending(path.name)) for path in paths
        ]
        series = together(found)
    if kind != "tables":
        series = with_roles(series, said)
    return dataclasses.replace(series, unused=(*series.unused, *unused))


def _prepared(folder: Path, said: Roles, pattern: str | None) -> SeriesSet:
    """Prepared series, of which it may be said otherwise what is answered, known ahead or constant."""
    recipe = read_index(folder)["recipe"]
    for name in ("features", "category", "id", "time", "episode", "wide", "pattern"):
        value = pattern if name == "pattern" else getattr(said, name)
        began = tuple(recipe[name]) if isinstance(recipe[name], list) else recipe[name]
        if value and value != began:
            shown, before = (" ".join(one) if isinstance(one, tuple) else one for one in (value, began or "nothing"))
            raise PenstockError(
                f"--{name}: {folder} was prepared with {before}, got {shown}; leave it out, or prepare the series anew"
            )
    series = open_prepared(folder)
    again = Roles(target=said.target, known=said.known, static=said.static, split=said.split)
    return series if again == Roles() else with_roles(series, again)


def kind_of_file(path: Path) -> str:
    """Which reader a file has, by its ending: "tables", "arrays", "sound" or ".ts"."""
    end = packed.ending(path.name)
    kinds = {".ts": ".ts", **dict.fromkeys(arrays.ENDINGS, "arrays"), **dict.fromkeys(sound.ENDINGS, "sound")}
    return kinds.get(end, "tables")


def found_files(name: str, unused: list[Unused]) -> list[Path]:
    """The files of a name; of a folder those of the kind that most are of. ``unused`` is told what is left out."""
    path = Path(name)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        kinds = [kind_of_file(p) if packed.ending(p.name) in ENDINGS else None for p in inside]
        found = [kind for kind in kinds if kind is not None]
        most = max(sorted(set(found)), key=found.count, default="")
        unused += [Unused(str(p), "of another kind") for p, kind in zip(inside, kinds, strict=True) if kind != most]
        if not found:
            raise PenstockError(f"{name}: the folder holds no series; expected files ending in {', '.join(ENDINGS)}")
        return [p for p, kind in zip(inside, kinds, strict=True) if kind == most]
    if path.exists():
        return [path]
    if not (matches := sorted(map(Path, glob.glob(name, recursive=True)))):
        what = "nothing matches it" if glob.has_magic(name) else "no such file or folder"
        raise PenstockError(f"{name}: {what}; name files, folders or globs")
    return [p for p in matches if p.is_file()]


def _tables(paths: Sequence[Path], said: Roles) -> SeriesSet:
    files = [tables.opened(path) for path in paths]
    if is_wide(files[0], said):
        for file in files:
            expect_columns(file.name, file.names, Roles(id=said.id, static=said.static, category=said.category))
        return together([read_wide(file, said) for file in files])
    plan = planned(files[0], said)
    expect_alike(files, plan)
    return joined([read_rows(file, plan) for file in files], plan)


def expect_alike(files: Sequence[tables.File], plan: TablePlan) -> None:
    """Raises PenstockError for a file that has not the columns of the first."""
    for file in files[1:]:
        for name in (*plan.keys.id, *filter(None, plan.keys[1:3]), *(column[0] for column in plan.columns)):
            if name not in file.kinds:
                raise no_such_column(file.name, name, file.names)


def together(sets: Sequence[SeriesSet]) -> SeriesSet:
    """Several sets as one: the series of the first, then those of the next; of an id that stands twice, both with their
    file's name.

    Raises:
        PenstockError: their columns differ.
    """
    first = sets[0]
    if len(sets) == 1:
        return first
    columns = first.columns
    values = []
    for one in sets:
        if [column.name for column in one.columns] != [column.name for column in columns]:
            raise PenstockError(f"{one.name}: other columns than in {first.name}")
        columns = tuple(_merged(a, b) for a, b in zip(columns, one.columns, strict=True))
        if (one.times is None) != (first.times is None) or one.dated != first.dated:
            raise PenstockError(f"{one.name}: other times than in {first.name}")
    for one in sets:
        values.append(np.stack([recoded(one, k, columns[k]) for k in range(len(columns))], axis=1))
    ids = [id for one in sets for id in one.ids]
    if len(set(ids)) < len(ids):
        ids = [f"{one.name}:{id}" for one in sets for id in one.ids]
    ends = np.cumsum([0, *(one.starts[-1] for one in sets)])
    before = np.cumsum([0, *(len(one.sources) for one in sets)])
    return dataclasses.replace(
        first,
        ids=tuple(ids),
        starts=np.concatenate([[0], *(one.starts[1:] + end for one, end in zip(sets, ends, strict=False))]),
        values=np.concatenate(values),
        columns=columns,
        times=None if first.times is None else np.concatenate([one.times for one in sets if one.times is not None]),
        episodes=_episodes(sets),
        sources=tuple(source for one in sets for source in one.sources),
        source_of=np.concatenate(
            [(one.source_of if one.source_of is not None else 0) + k for one, k in zip(sets, before, strict=False)]
        ),
        unused=tuple(unused for one in sets for unused in one.unused),
    )


def _episodes(sets: Sequence[SeriesSet]) -> NDArray[np.bool_] | None:
    if all(one.episodes is None for one in sets):
        return None
    return np.concatenate(
        [one.episodes if one.episodes is not None else np.zeros(len(one.values), bool) for one in sets]
    )


def _merged(one: Column, other: Column) -> Column:
    if one.categories is None or other.categories is None:
        return one
    fresh = tuple(name for name in other.categories if name not in one.categories)
    return dataclasses.replace(one, categories=one.categories + fresh)


def recoded(series: SeriesSet, k: int, column: Column) -> NDArray[np.float32]:
    """The values of a column, with the codes of another's categories; a name that is none of these gets the next."""
    values = series.values[:, k]
    own, wanted = series.columns[k].categories, column.categories
    if own is None or wanted is None or own == wanted:
        return values
    place = {name: code for code, name in enumerate(wanted)}
    codes = np.array([*(place.get(name, len(wanted)) for name in own), len(wanted)], np.float32)
    out = np.full(len(values), np.nan, np.float32)
    there = ~np.isnan(values)
    out[there] = codes[np.minimum(values[there].astype(np.int64), len(own))]
    return out


def with_roles(series: SeriesSet, said: Roles) -> SeriesSet:
    """Series whose files name no roles, such as arrays, with what was said of their columns."""
    names = [column.name for column in series.columns]
    expect_columns(series.name, names, said)
    columns, keep, unused = [], [], []
    for k, column in enumerate(series.columns):
        name = column.name
        if said.target and column.role == "target" and name not in said.target:
            column = dataclasses.replace(column, role="seen", why="")
        for role in ("target", "known", "static"):
            if name in getattr(said, role):
                column = dataclasses.replace(column, role=role, why="")
        if name == said.split:
            column = dataclasses.replace(column, role="split", why="")
        if said.features and column.role == "seen" and name not in (*said.features, *said.category):
            unused.append(Unused(name, "not among the features that were named"))
            continue
        columns.append(column)
        keep.append(k)
    values = series.values if len(keep) == len(names) else np.ascontiguousarray(series.values[:, keep])
    return dataclasses.replace(series, columns=tuple(columns), values=values, unused=(*series.unused, *unused))
