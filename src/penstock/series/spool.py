"""What a worker does on large tables: the rows of a part into a file, each id's together; and the rows of a stretch
of all series, gathered from these files into their place.

A row's place is known once all parts have been read: the series stand in the order of their first rows, and of each
the rows in the order of the files. So every part's rows of an id are one run: from a row of the part's file to a row
of all.
"""

import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.sealed import checksum, read_sealed, write_sealed
from penstock.series.long_table import MOST_CATEGORIES, numbered, read_rows
from penstock.series.parts import TablePart, part_of
from penstock.series.prepared import EPISODES, TIMES, VALUES
from penstock.series.roles import TablePlan
from penstock.series.saved import read_arrays
from penstock.series.tables import File

LAYOUT, STARTS = "layout.json", "starts"
CODES = "penstock-codes-1"


class PartJob(NamedTuple):
    """What a worker must know to read a part."""

    folder: Path
    files: tuple[File, ...]
    plan: TablePlan
    times: str | None
    """Their type, where rows have times."""


def part_path(folder: Path, number: int, what: str) -> Path:
    """Of a part: its "rows", what they are ("json"), where they go ("runs"), and its names' codes in all ("codes")."""
    return folder / f"{number:05}.{what}"


def write_part(job: PartJob, part: TablePart) -> None:
    """Writes the rows of a part, those of each id together; then what they are.

    Raises:
        PenstockError: see ``read_rows``; rows are counted from the beginning of the part.
    """
    rows = read_rows(part_of(job.files[part.file], part), job.plan, part.whole)
    ids: tuple[str, ...] | None = None
    codes, order = np.zeros(len(rows.values), np.int64), None
    if rows.ids is not None:
        ids, codes = numbered(rows.ids)
        order = None if (codes[1:] >= codes[:-1]).all() else np.argsort(codes, kind="stable")
    arrays: list[NDArray[Any]] = [] if rows.times is None else [rows.times.astype(job.times)]
    episodes, names, there = None, {}, []
    if rows.episodes is not None:
        episodes, of_rows = numbered(rows.episodes)
        arrays.append(of_rows.astype("<i4"))
    for k, (name, _, category, why) in enumerate(job.plan.columns):
        column = rows.values[:, k]
        if category:
            cells = rows.names[name]
            found, of_rows = numbered(cells.drop_nulls())
            column[~cells.is_null().to_numpy()] = of_rows
            names[name] = None if why == "by default" and len(found) > MOST_CATEGORIES else found
        there.append(not np.isnan(column).all())
        arrays.append(column.astype("<f4"))
    crc = 0
    with part_path(job.folder, part.number, "rows").open("wb") as file:
        for array in arrays:
            crc = _written(file, array if order is None else array[order], crc)
        if order is not None:  # for errors, which name a row by its place in the file
            crc = _written(file, order.astype("<i4"), crc)
    record = {
        "rows": len(rows.values),
        "grouped": order is not None,
        "ids": ids,
        "counts": np.bincount(codes, minlength=len(ids) if ids else 1).tolist(),
        "names": names,
        "there": there,
        "episodes": episodes,
        "zone": rows.zone,
        "crc32": crc,
    }
    write_sealed(part_path(job.folder, part.number, "json"), record, lasting=False)


def _written(file: IO[bytes], array: NDArray[Any], crc: int) -> int:
    content = np.ascontiguousarray(array).data.cast("B")
    file.write(content)
    return zlib.crc32(content, crc)


def part_record(folder: Path, number: int, check: bool = False) -> dict[str, Any] | None:
    """What is in a part's file, if it was written to its end; ``check``: and is still what was written."""
    try:
        record = read_sealed(part_path(folder, number, "json"))
        whole = not check or record["crc32"] == checksum(part_path(folder, number, "rows"))
    except (OSError, ValueError):
        return None
    return record if whole else None


class SpooledRows(NamedTuple):
    """The rows of a part as they were written, mapped."""

    times: NDArray[Any] | None
    episodes: NDArray[np.int32] | None
    values: NDArray[np.float32]  # (columns, rows)
    order: NDArray[np.int32] | None
    """Of each row, its place in the part as it stands in the file."""


def spooled(folder: Path, number: int, layout: dict[str, Any]) -> SpooledRows:
    """Maps the rows of a part."""
    rows, grouped, *_ = layout["parts"][number]
    content = np.memmap(part_path(folder, number, "rows"), np.uint8, "r")
    at = 0

    def take(dtype: str, *shape: int) -> NDArray[Any]:
        nonlocal at
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        at += size
        return np.frombuffer(content[at - size : at], dtype).reshape(shape)

    times = None if layout["times"] is None else take(layout["times"], rows)
    episodes = None if layout["episodes"] is None else take("<i4", rows)
    values = take("<f4", layout["planned"], rows)
    return SpooledRows(times, episodes, values, take("<i4", rows) if grouped else None)


def runs_of(folder: Path, number: int) -> NDArray[np.int64]:
    """(3, runs) of a part: the row of all where each goes, ascending, the row of the part's file, and how many."""
    return np.memmap(part_path(folder, number, "runs"), "<i8", "r").reshape(3, -1)


def write_stretch(folder: Path, number: int) -> None:
    """Gathers the rows of a stretch, and writes them into the files of all; then their checksum, and the first row that
    is not after the one before in its series."""
    layout = read_sealed(folder / LAYOUT)
    rows, kept = layout["rows"], layout["kept"]
    first, last = number * layout["stretch"], min((number + 1) * layout["stretch"], rows)
    low = max(first - 1, 0)  # one row more, since rows are compared with those before
    begins = np.zeros(last - low, bool)
    starts = np.memmap(folder / STARTS, "<i8", "r")
    begins[starts[np.searchsorted(starts, low) : np.searchsorted(starts, last)] - low] = True
    values = np.empty((len(kept), last - low), np.float32)
    times = None if layout["times"] is None else np.empty(last - low, layout["times"])
    episodes, files = np.zeros(last - low, np.int64), np.zeros(last - low, np.int32)
    for part, (_, _, file, least, most) in enumerate(layout["parts"]):
        if most <= low or least >= last:
            continue
        to, source, count = inside(runs_of(folder, part), low, last)
        if not len(to):
            continue
        here, there = _as_index(to - low, count), _as_index(source, count)
        found = spooled(folder, part, layout)
        codes: dict[str, Any] = {}
        if layout["codes"]:
            _, codes = read_arrays(part_path(folder, part, "codes"), CODES)
        for k, planned in enumerate(kept):
            column = found.values[planned][there]
            values[k, here] = _recoded(column, codes[str(planned)]) if str(planned) in codes else column
        if times is not None and found.times is not None:
            times[here] = found.times[there]
        if found.episodes is not None:
            episodes[here], files[here] = codes["episodes"][found.episodes[there]], file
    wrong = None
    if times is not None and (late := (times[1:] <= times[:-1]) & ~begins[1:]).any():
        wrong = low + 1 + int(np.argmax(late))
    crc = 0
    new = slice(first - low, None)
    with (folder / VALUES).open("r+b") as out:
        for k in range(len(kept)):
            out.seek(4 * (k * rows + first))
            crc = _written(out, values[k, new], crc)
    if times is not None:
        crc = _put(folder / TIMES, first, times[new], crc)
    if layout["episodes"] is not None:
        starting = _beginnings(episodes, files, begins, np.array(layout["episodes"], bool))
        crc = _put(folder / EPISODES, first, starting[new], crc)
    write_sealed(stretch_path(folder, number), {"crc32": crc, "wrong": wrong}, lasting=False)


def stretch_path(folder: Path, number: int) -> Path:
    """What says that a stretch is written."""
    return folder / f"stretch-{number:05}.json"


def inside(runs: NDArray[np.int64], first: int, last: int) -> tuple[NDArray[np.int64], ...]:
    """What of runs goes to rows from ``first`` to ``last``."""
    to, source, count = runs[:, np.searchsorted(runs[0] + runs[2], first, "right") : np.searchsorted(runs[0], last)]
    before = np.maximum(first - to, 0)
    after = np.maximum(to + count - last, 0)
    return to + before, source + before, count - before - after


def _as_index(first: NDArray[np.int64], count: NDArray[np.int64]) -> Any:
    """Runs of rows as one index: a slice where they follow each other."""
    if (first[1:] == first[:-1] + count[:-1]).all():
        return slice(int(first[0]), int(first[-1] + count[-1]))
    return np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())


def _recoded(column: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
    there = ~np.isnan(column)
    out = np.full_like(column, np.nan)
    out[there] = codes[column[there].astype(np.int64)]
    return out


def _beginnings(
    codes: NDArray[np.int64], files: NDArray[np.int32], begins: NDArray[np.bool_], signs: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where episodes start, as ``long_table`` has it: ``signs`` says of each file whether its column says so itself."""
    changed = begins.copy()
    changed[1:] |= (codes[1:] != codes[:-1]) | (files[1:] != files[:-1])
    found: NDArray[np.bool_] = np.where(signs[files], codes == 1, changed)
    return found


def _put(path: Path, row: int, array: NDArray[Any], crc: int) -> int:
    with path.open("r+b") as out:
        out.seek(row * array.itemsize)
        return _written(out, array, crc)
