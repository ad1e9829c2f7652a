"""Files to a folder of prepared series: of tables of any size, by many processes, the same bytes however many they are;
and a killed run goes on.

Tables with a row a step are read in parts, which depend on the files alone. A first pass writes the rows of each part,
a second one gathers them, stretch by stretch, into their places; what is done is kept in ``unfinished/`` until all is.
Everything else is read at once, as ``read_series`` does.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.files import cannot_write
from penstock.folder import Folder, expect_outside, held
from penstock.sealed import ANEW, INDEX, PLAN, UNFINISHED, checksum, expect_same_inputs, read_sealed, write_sealed
from penstock.series import packed, tables
from penstock.series.asked import read_heard
from penstock.series.join import joined_parts
from penstock.series.parts import TablePart, part_of, parts_of, readable
from penstock.series.prepared import (
    ABOUT,
    EPISODES,
    FORMAT,
    SERIES,
    TIMES,
    VALUES,
    VERSION,
    mapped,
    open_prepared,
    read_index,
    stretch_checksum,
    stretch_of,
)
from penstock.series.read import expect_alike, found_files, kind_of_file
from penstock.series.roles import Roles, planned
from penstock.series.saved import about_of, as_bytes, write_arrays
from penstock.series.series_set import SeriesSet, Unused
from penstock.series.spool import (
    LAYOUT,
    STARTS,
    PartJob,
    part_path,
    part_record,
    stretch_path,
    write_part,
    write_stretch,
)
from penstock.series.times import day_or_month_first
from penstock.series.where import by_file, late_row
from penstock.series.wide_table import is_wide
from penstock.workers import WorkerKilled, each

STRETCH = 1 << 26
"""Bytes of numbers that are gathered at once, about."""
SLASHES = re.compile(r"\s*\d{1,2}/\d{1,2}/\d{4}")

Report = Callable[[str, float], None]
"""Is told what is being done, and how much of it is done, 0 … 1."""


def prepare_series(
    names: Sequence[str],
    out: Path,
    said: Roles,
    pattern: str | None = None,
    *,
    workers: int = 1,
    force: bool = False,
    report: Report = lambda *_: None,
) -> SeriesSet:
    """Makes a folder of prepared series, or goes on where a run that was stopped or killed left it; opened.

    Args:
        names: files, folders and globs, as for ``read_series``.
        out: the folder.
        said: what columns are.
        pattern: of sound; see ``penstock.series.sound.read_sound``.
        workers: processes.
        force: begin anew, and replace the series in ``out`` once there are others to put there.
        report: is told how far the work is.

    Raises:
        PenstockError: a file or the folder cannot be used, or the folder is that of other files or other columns.
    """
    unused: list[Unused] = []
    paths = [path for name in names for path in found_files(name, unused)]
    expect_outside(paths, out)
    recipe = {**dataclasses.asdict(said), "pattern": pattern}
    stamps = [[str(path), path.stat().st_size, str(path.stat().st_mtime_ns)] for path in paths]
    plan = {"format": FORMAT, "version": VERSION, "recipe": _as_json(recipe), "inputs": stamps}
    try:
        with held(out, "series") as folder:
            folder.expect_only_ours()
            with held(folder.place(UNFINISHED), "unfinished series") as begun:
                before = None if force else _plan_of(folder.path)
                if before is not None:
                    _must_be_the_same(folder.path, plan, before)
                else:
                    begun.remove(*begun.names)
                    write_sealed(begun.place(PLAN), plan)
                if (begun.path / PLAN).exists():
                    try:
                        made = _write_all(names, paths, begun, said, pattern, workers, unused, report)
                    except WorkerKilled:
                        raise
                    except PenstockError:
                        begun.remove(*begun.names)
                        raise
                    _put_in_place(plan | made, folder, begun)
            folder.remove(UNFINISHED)
            return open_prepared(out)
    except OSError as error:
        raise cannot_write(out, error) from None


def _as_json(recipe: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in recipe.items()}


def _write_all(
    names: Sequence[str],
    paths: Sequence[Path],
    begun: Folder,
    said: Roles,
    pattern: str | None,
    workers: int,
    unused: list[Unused],
    report: Report,
) -> dict[str, Any]:
    """Writes everything but the index, and returns what that is to hold."""
    if {kind_of_file(path) for path in paths} == {"tables"}:
        files = _opened(paths, begun)
        if not is_wide(files[0], said):
            return _of_tables(files, begun, said, workers, unused, report)
    report("reading", 0.0)
    series = read_heard(names, said, pattern)
    begun.claim([VALUES, TIMES, EPISODES])
    with (begun.path / VALUES).open("wb") as out:
        for column in series.values.T:
            out.write(np.ascontiguousarray(column, "<f4").data)
    times = None if series.times is None else "<i8" if series.dated else "<f8"
    for name, dtype, array in ((TIMES, times, series.times), (EPISODES, "?", series.episodes)):
        if array is not None and dtype is not None:
            (begun.path / name).write_bytes(array.astype(dtype).data)
    return _index(series, begun, len(series.values), times, series.episodes is not None)


def _opened(paths: Sequence[Path], begun: Folder) -> list[tables.File]:
    """The tables, those that are packed unpacked."""
    places = [begun.path / f"{k:05}.unpacked{packed.ending(path.name)}" for k, path in enumerate(paths)]
    begun.claim([place.name for place in places])
    found = (readable(path, place) for path, place in zip(paths, places, strict=True))
    return [tables.opened(path, str(of)) for path, of in zip(found, paths, strict=True)]


def _of_tables(
    files: list[tables.File], begun: Folder, said: Roles, workers: int, unused: list[Unused], report: Report
) -> dict[str, Any]:
    """Reads tables with a row a step."""
    plan = planned(files[0], said)
    expect_alike(files, plan)
    parts = parts_of(files)
    begun.claim([part_path(begun.path, part.number, what).name for part in parts for what in PART_FILES])
    time = plan.keys.time
    files = [
        file if time is None else _dated(file, time, [p for p in parts if p.file == k]) for k, file in enumerate(files)
    ]
    times = None if time is None else "<f8" if files[0].kinds[time] == "number" else "<i8"
    job = PartJob(begun.path, tuple(file._replace(scan=None) for file in files), plan, times)
    done = [part for part in parts if part_record(begun.path, part.number, check=True) is not None]
    at = len(done)
    report("reading", at / len(parts))
    try:
        for _ in each(functools.partial(write_part, job), [part for part in parts if part not in done], workers):
            at += 1
            report("reading", at / len(parts))
    except WorkerKilled:
        raise
    except PenstockError as error:
        raise by_file(error, job, parts) from None
    begun.claim([LAYOUT, STARTS, SERIES, VALUES, TIMES, EPISODES])
    joined_parts(job, parts, unused, STRETCH)
    layout = read_sealed(begun.path / LAYOUT)
    count = -(-layout["rows"] // layout["stretch"])
    begun.claim([stretch_path(begun.path, number).name for number in range(count)])
    arrays = mapped(begun.path, _sizes(layout))
    left = [k for k in range(count) if _stretch_record(begun.path, k, layout, arrays) is None]
    at = count - len(left)
    report("gathering", at / count)
    for _ in each(functools.partial(write_stretch, begun.path), left, workers):
        at += 1
        report("gathering", at / count)
    records = [read_sealed(stretch_path(begun.path, k)) for k in range(count)]
    if late := [record["wrong"] for record in records if record["wrong"] is not None]:
        raise late_row(job, layout, late[0])
    for name in (VALUES, TIMES, EPISODES):
        if (begun.path / name).exists():
            with (begun.path / name).open("rb") as file:
                os.fsync(file.fileno())
    return {**_sizes(layout), "checksums": [r["crc32"] for r in records], "series_crc32": checksum(begun.path / SERIES)}


PART_FILES = ("rows", "json", "runs", "codes")


def _dated(file: tables.File, time: str, parts: Sequence[TablePart]) -> tables.File:
    """The file with the ways in which its dates may be written, where the beginning cannot tell day from month."""
    names = file.names
    first = None if file.text is None or not file.text.rows else file.text.rows[0][names.index(time)]
    if first is None or not SLASHES.match(first):
        return file
    cells = (tables.read(part_of(file, part), {time: "text"})[time] for part in parts)
    return file._replace(dates=day_or_month_first(cells))


def _sizes(layout: dict[str, Any]) -> dict[str, Any]:
    """What the index says of the large files."""
    return {
        "rows": layout["rows"],
        "columns": len(layout["kept"]),
        "times": layout["times"],
        "episodes": None if layout["episodes"] is None else "?",
        "stretch": layout["stretch"],
    }


def _stretch_record(folder: Path, number: int, layout: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any] | None:
    """What a stretch is, if it was written to its end and is still what was written."""
    try:
        record = read_sealed(stretch_path(folder, number))
    except (OSError, ValueError):
        return None
    return record if record["crc32"] == stretch_checksum(arrays, layout, number) else None


def _index(series: SeriesSet, begun: Folder, rows: int, times: str | None, episodes: bool) -> dict[str, Any]:
    """Of series that were read at once, what the index is to hold."""
    found = {name: array for name in ("starts", "source_of") if (array := getattr(series, name)) is not None}
    write_arrays(begun.place(SERIES), ABOUT, about_of(series), {**found, "ids": as_bytes(series.ids)})
    columns = len(series.columns)
    sizes: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "times": times,
        "episodes": "?" if episodes else None,
        "stretch": stretch_of(columns, STRETCH),
    }
    arrays = mapped(begun.path, sizes)
    crcs = [stretch_checksum(arrays, sizes, number) for number in range(-(-rows // sizes["stretch"]))]
    return {**sizes, "checksums": crcs, "series_crc32": checksum(begun.path / SERIES)}


def _put_in_place(content: dict[str, Any], folder: Folder, begun: Folder) -> None:
    """Puts finished series in place of what the folder held, which until now was whole; the index comes last."""
    folder.remove(INDEX)
    folder.remove(*(folder.names - {UNFINISHED}))
    names = [name for name in (SERIES, VALUES, TIMES, EPISODES) if (begun.path / name).exists()]
    folder.claim([INDEX, *names])
    for name in names:
        os.replace(begun.path / name, folder.path / name)
    write_sealed(folder.path / INDEX, content)


def _plan_of(out: Path) -> dict[str, Any] | None:
    """What ``out`` will hold, if it is begun, or holds."""
    path = out / UNFINISHED / PLAN
    if not path.exists():
        return read_index(out) if (out / INDEX).exists() else None
    try:
        return read_sealed(path)
    except ValueError as error:
        raise PenstockError(f"{path}: not the file that was written: {error}; add --force to begin anew") from None


def _must_be_the_same(out: Path, plan: dict[str, Any], before: dict[str, Any]) -> None:
    for name, value in plan["recipe"].items():
        if (began := before["recipe"].get(name)) != value:
            flag = f"--{name.replace('split', 'split-by')}"
            raise PenstockError(f"{flag}: {out} was begun {_with(began)}, got {_with(value)}; {ANEW}")
    expect_same_inputs(out, plan["inputs"], before["inputs"])


def _with(value: Any) -> str:
    if not value:
        return "without it"
    return f"with {' '.join(map(str, value)) if isinstance(value, list) else value}"
