"""Errors of tables that are read in parts: they name a row by its place in its file, as where it is read at once."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.series.long_table import time_error
from penstock.series.parts import TablePart
from penstock.series.prepared import ABOUT, SERIES, TIMES
from penstock.series.saved import read_arrays
from penstock.series.spool import STARTS, PartJob, inside, part_record, runs_of, spooled, write_part


def by_file(error: PenstockError, job: PartJob, parts: Sequence[TablePart]) -> PenstockError:
    """The error of a part, with its row counted from the beginning of the file: that of the first part that has one."""
    before = 0
    for part in parts:
        before = 0 if part.first == 0 else before
        try:
            if part_record(job.folder, part.number) is None:
                write_part(job, part)
        except PenstockError as found:
            return _counted_from(before, found)
        record = part_record(job.folder, part.number)
        before += record["rows"] if record else 0
    return error


def _counted_from(before: int, error: PenstockError) -> PenstockError:
    """The error of a part of a file that comes after so many rows."""
    match = re.search(r": (row|line) (\d+)", str(error))
    if match is None:
        return error
    number = int(match[2]) + before
    return PenstockError(f"{str(error)[: match.start()]}: {match[1]} {number}{str(error)[match.end() :]}")


def late_row(job: PartJob, layout: dict[str, Any], row: int) -> PenstockError:
    """The error for a row of all that is not after the one before."""
    (file, at), (_, before) = (_origin(job.folder, layout, one) for one in (row, row - 1))
    starts = np.fromfile(job.folder / STARTS, "<i8")
    number = int(np.searchsorted(starts, row, "right")) - 1
    ids = json.loads(read_arrays(job.folder / SERIES, ABOUT)[1]["ids"].tobytes())
    times = np.array(np.memmap(job.folder / TIMES, layout["times"], "r")[[row - 1, row]])
    where = f"{job.files[file].name}: row {at + 1}, column {job.plan.keys.time!r}"
    return time_error(where, before + 1, times, job.times == "<i8", ids[number] if job.plan.keys.id else None)


def _origin(folder: Path, layout: dict[str, Any], row: int) -> tuple[int, int]:
    """The file of a row of all series, and where it stands there."""
    before = 0
    for part, (rows, _, file, _, _) in enumerate(layout["parts"]):
        before = before if part and layout["parts"][part - 1][2] == file else 0
        _, source, _ = inside(runs_of(folder, part), row, row + 1)
        if len(source):
            order = spooled(folder, part, layout).order
            return file, before + int(source[0] if order is None else order[source[0]])
        before += rows
    raise ValueError(f"row: expected one of {layout['rows']}, got {row}")
