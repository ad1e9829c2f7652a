"""All parts of large tables put together: the series and columns that there are, and where each part's rows go."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.files import write
from penstock.sealed import write_sealed
from penstock.series.long_table import MOST_CATEGORIES, SIGNS, STARTS_ANEW, column_of, mixed_zones, names_of
from penstock.series.parts import TablePart
from penstock.series.prepared import ABOUT, EPISODES, SERIES, TIMES, VALUES, stretch_of
from penstock.series.saved import about_of, as_bytes, write_arrays
from penstock.series.series_set import Column, SeriesSet, Unused
from penstock.series.spool import CODES, LAYOUT, STARTS, PartJob, part_path, part_record


class _Seen(NamedTuple):
    """What there is in all parts."""

    ids: dict[str, int]
    """In the order of their first rows, with their numbers."""
    lengths: list[int]
    sources: list[int]
    """Of each series, the file of its first row."""
    there: list[bool]
    """Of each column of numbers that was planned, whether any is there."""
    names: dict[str, dict[str, None] | None]
    """Of each category; None of one that has too many."""
    episodes: list[dict[str, None]]
    """Of each file, what stands in the column of episodes."""
    zone: str | None


def joined_parts(job: PartJob, parts: Sequence[TablePart], unused: Sequence[Unused], size: int) -> None:
    """Writes what the series are, where the rows of each part go, and files of the size that all rows need.

    Args:
        job: what the parts were read by.
        parts: all of them, whose rows have been written.
        unused: files that were left out.
        size: bytes of numbers in a stretch.

    Raises:
        PenstockError: times are of different zones.
    """
    seen = _seen(job, parts)
    rows = sum(seen.lengths)
    found = [column_of(one, seen.there[k], _listed(seen, one[0]), rows) for k, one in enumerate(job.plan.columns)]
    kept = [k for k, one in enumerate(found) if isinstance(one, Column)]
    starts = np.concatenate([[0], np.cumsum(seen.lengths)]).astype("<i8")
    series = SeriesSet(
        ids=tuple(seen.ids),
        starts=starts,
        values=np.zeros((0, len(kept)), np.float32),
        columns=tuple(one for one in found if isinstance(one, Column)),
        dated=job.times == "<i8",
        zone=seen.zone,
        sources=tuple(file.name for file in job.files),
        keys=job.plan.keys,
        unused=(*job.plan.unused, *(one for one in found if isinstance(one, Unused)), *unused),
    )
    arrays = {"starts": starts, "source_of": np.array(seen.sources, np.int64), "ids": as_bytes(series.ids)}
    write_arrays(job.folder / SERIES, ABOUT, about_of(series), arrays)
    write(job.folder / STARTS, starts.tobytes())
    signs = None
    if job.plan.keys.episode is not None:
        signs = [{name.lower() for name in names} <= SIGNS for names in seen.episodes]
    codes = {
        k: _numbers(one.categories or ())
        for k, one in zip(kept, series.columns, strict=True)
        if one.categories is not None
    }
    free, places = starts[:-1].copy(), []
    episodes: dict[str, int] = {}
    for part in parts:
        record = part_record(job.folder, part.number)
        assert record is not None
        places.append(_write_runs(job, part, record, seen, free))
        tables = {str(k): [of[name] for name in record["names"][job.plan.columns[k][0]]] for k, of in codes.items()}
        arrays = {name: np.array(table, np.float32) for name, table in tables.items()}
        if signs is not None:
            names = record["episodes"]
            numbers = [episodes.setdefault(name, len(episodes)) for name in names]
            tells = [name.lower() in STARTS_ANEW for name in names]
            arrays["episodes"] = np.array(tells if signs[part.file] else numbers, np.int64)
        if arrays:
            write_arrays(part_path(job.folder, part.number, "codes"), CODES, {}, arrays)
    for name, there, width in ((VALUES, True, 4 * len(kept)), (TIMES, job.times, 8), (EPISODES, signs is not None, 1)):
        if there:
            with (job.folder / name).open("ab") as file:  # what was gathered before stays
                file.truncate(rows * width)
    layout: dict[str, Any] = {
        "rows": rows,
        "planned": len(job.plan.columns),
        "kept": kept,
        "stretch": stretch_of(len(kept), size),
        "times": job.times,
        "episodes": signs,
        "codes": bool(codes) or signs is not None,
        "parts": places,
    }
    write_sealed(job.folder / LAYOUT, layout)


def _seen(job: PartJob, parts: Sequence[TablePart]) -> _Seen:
    names: dict[str, dict[str, None] | None] = {name: {} for name, _, category, _ in job.plan.columns if category}
    default = {name for name, _, _, why in job.plan.columns if why == "by default"}
    files = names_of([file.name for file in job.files])
    seen = _Seen({}, [], [], [False] * len(job.plan.columns), names, [{} for _ in files], None)
    zones: dict[int, str | None] = {}
    for part in parts:
        record = part_record(job.folder, part.number)
        assert record is not None
        zones.setdefault(part.file, record["zone"])
        for of in (part.file, 0):
            if record["zone"] != zones[of]:
                raise mixed_zones(job.plan, job.files[part.file].name, record["zone"], job.files[of].name, zones[of])
        for id, count in zip(record["ids"] or [files[part.file]], record["counts"], strict=True):
            number = seen.ids.setdefault(id, len(seen.ids))
            if number == len(seen.lengths):
                seen.lengths.append(0)
                seen.sources.append(part.file)
            seen.lengths[number] += count
        for k, there in enumerate(record["there"]):
            seen.there[k] = seen.there[k] or there
        for name, found in record["names"].items():
            all = names[name]
            names[name] = None if all is None or found is None else all | dict.fromkeys(found)
            if name in default and len(names[name] or ()) > MOST_CATEGORIES:
                names[name] = None
        seen.episodes[part.file].update(dict.fromkeys(record["episodes"] or ()))
    return seen._replace(zone=zones[0])


def _listed(seen: _Seen, name: str) -> list[str] | None:
    names = seen.names.get(name)
    return None if names is None else list(names)


def _numbers(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _write_runs(
    job: PartJob, part: TablePart, record: dict[str, Any], seen: _Seen, free: NDArray[np.int64]
) -> list[Any]:
    """Writes where the rows of a part go, and moves on the rows of each series that are ``free``; what the layout says
    of the part."""
    ids = record["ids"] or [names_of([file.name for file in job.files])[part.file]]
    numbers = np.array([seen.ids[id] for id in ids], np.int64)
    counts = np.array(record["counts"], np.int64)
    runs = np.stack([free[numbers], np.cumsum(counts) - counts, counts])
    free[numbers] += counts
    runs = runs[:, np.argsort(runs[0], kind="stable")]
    part_path(job.folder, part.number, "runs").write_bytes(runs.astype("<i8").tobytes())
    return [record["rows"], record["grouped"], part.file, int(runs[0, 0]), int(runs[0, -1] + runs[2, -1])]
