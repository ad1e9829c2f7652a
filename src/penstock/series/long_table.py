"""A long table, a row a step, as series; and what is wrong with one, by its row."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series import times as clock
from penstock.series.roles import TablePlan
from penstock.series.series_set import ALL_MISSING, Column, SeriesSet, Unused
from penstock.series.tables import As, File, read, rows_of_numbers, without_empty_end

if TYPE_CHECKING:
    import polars

MOST_CATEGORIES = 1000
"""Of a column of text that was not said to be a category; with more it is left out."""


class FileRows(NamedTuple):
    """The rows of one file, in its order."""

    file: File
    ids: "polars.Series | None"
    times: NDArray[Any] | None
    zone: str | None
    episodes: NDArray[np.bool_] | None
    values: NDArray[np.float32]  # (rows, C)
    names: dict[str, "polars.Series"]
    """The cells of columns that are categories, as text."""


def read_rows(file: File, plan: TablePlan) -> FileRows:
    """The rows of a file.

    Raises:
        PenstockError: a cell is not what its column was taken for, or is infinite.
    """
    import polars as pl

    keys = plan.keys
    wanted: dict[str, As] = dict.fromkeys(keys.id, "text")
    if keys.time is not None:
        wanted[keys.time] = "exact" if file.kinds[keys.time] == "number" else "time"
    if keys.episode is not None:
        wanted[keys.episode] = "text"
    for name, _, category, _ in plan.columns:
        wanted[name] = "text" if category else "exact"
    frame = without_empty_end(read(file, wanted))
    if not frame.height:
        raise PenstockError(f"{file.name}: no rows below the names of the columns")
    numbers = [name for name, _, category, _ in plan.columns if not category]
    with ThreadPoolExecutor(1) as beside:  # both are long, and neither holds the interpreter
        read_times = beside.submit(_times, file, frame, keys.time)
        values = rows_of_numbers(frame, numbers)
        times, zone = read_times.result()
    expect_finite(values, numbers, file.name)
    names = {name: frame[name] for name, _, category, _ in plan.columns if category}
    values = _with_places(values, plan)
    ids = None
    if keys.id:
        for name in keys.id:
            if frame[name].null_count():
                row = int(frame[name].is_null().arg_max() or 0)
                raise PenstockError(f"{file.name}: row {row + 1}, column {name!r}: the id of the series is missing")
        ids = (
            frame[keys.id[0]] if len(keys.id) == 1 else frame.select(pl.concat_str(keys.id, separator="/"))[keys.id[0]]
        )
    episodes = None if keys.episode is None else _episodes(frame[keys.episode], ids)
    return FileRows(file, ids, times, zone, episodes, values, names)


def expect_finite(values: NDArray[np.floating], names: Sequence[str], where: str) -> None:
    """Raises PenstockError for infinity, with its row."""
    if not values.size or np.isfinite(values.sum(dtype=np.float64)):
        return
    wrong = np.argwhere(np.isinf(values))
    if len(wrong):
        row, column = wrong[0]
        raise PenstockError(
            f"{where}: row {row + 1}, column {names[column]!r}: infinite, or too large for float32; "
            "leave the cell empty if it is missing"
        )


def _with_places(values: NDArray[np.float32], plan: TablePlan) -> NDArray[np.float32]:
    """With a column for each category, between the others."""
    if not any(category for _, _, category, _ in plan.columns):
        return values
    out = np.full((len(values), len(plan.columns)), np.nan, np.float32)
    out[:, [not category for _, _, category, _ in plan.columns]] = values
    return out


def _times(file: File, frame: "polars.DataFrame", name: str | None) -> tuple[NDArray[Any] | None, str | None]:
    if name is None:
        return None, None
    if file.kinds[name] != "number":
        return clock.parsed(frame[name], file.name)
    found = frame[name].to_numpy()
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found)))
        raise PenstockError(f"{file.name}: row {row + 1}, column {name!r}: is missing")
    return found, None


def _episodes(cells: "polars.Series", ids: "polars.Series | None") -> NDArray[np.bool_]:
    """True where an episode starts: of a column of 0 and 1 where it is 1, of any other where it changes."""
    text = cells.fill_null("")
    signs = {cell.lower() for cell in text.unique().to_list()}
    if signs <= {"0", "1", "0.0", "1.0", "true", "false", ""}:
        return np.array(text.str.to_lowercase().is_in(["1", "1.0", "true"]), bool)
    changed = (text != text.shift(1)).fill_null(True)
    if ids is not None:  # within each series
        import polars as pl

        both = pl.DataFrame({"id": ids, "episode": text})
        changed = both.select((pl.col("episode") != pl.col("episode").shift(1).over("id")).fill_null(True)).to_series()
    return np.array(changed, bool)


def joined(parts: Sequence[FileRows], plan: TablePlan) -> SeriesSet:
    """The rows of all files as series; an id that stands in several files is one series.

    Raises:
        PenstockError: times run backwards, stand twice, or are of different zones.
    """
    ids, codes = _ids(parts)
    stays = len(codes) < 2 or bool((np.diff(codes) >= 0).all())
    order = None if stays else np.argsort(codes, kind="stable")
    times = _joined_times(parts, plan)
    values = parts[0].values if len(parts) == 1 else np.concatenate([part.values for part in parts])
    columns, unused = _columns(parts, plan, values)
    episodes = (
        None if parts[0].episodes is None else np.concatenate([p.episodes for p in parts if p.episodes is not None])
    )
    if order is not None:
        codes, values = codes[order], values[order]
        times = None if times is None else times[order]
        episodes = None if episodes is None else episodes[order]
    starts = np.searchsorted(codes, np.arange(len(ids) + 1)).astype(np.int64)
    dated = plan.keys.time is not None and parts[0].file.kinds[plan.keys.time] != "number"
    ends = np.cumsum([len(part.values) for part in parts])

    def place(row: int) -> tuple[int, int]:
        """The file of a row, and where it stands there."""
        at = row if order is None else int(order[row])
        of = int(np.searchsorted(ends, at, "right"))
        return of, at - int(ends[of]) + len(parts[of].values)

    if times is not None and (at := _not_after(times, codes)) is not None:
        (of, row), (_, before) = place(at), place(at - 1)
        where = f"{parts[of].file.name}: row {row + 1}, column {plan.keys.time!r}"
        raise _time_error(where, before + 1, times[at - 1 : at + 1], dated, ids[codes[at]] if plan.keys.id else None)
    keep = [k for k, (name, *_) in enumerate(plan.columns) if name in columns]
    return SeriesSet(
        ids=ids,
        starts=starts,
        values=values if len(keep) == len(plan.columns) else np.ascontiguousarray(values[:, keep]),
        columns=tuple(columns[plan.columns[k][0]] for k in keep),
        times=times,
        dated=dated,
        zone=parts[0].zone,
        episodes=episodes,
        sources=tuple(part.file.name for part in parts),
        source_of=np.array([place(int(row))[0] for row in starts[:-1]], np.int64),
        keys=plan.keys,
        unused=(*plan.unused, *unused),
    )


def _ids(parts: Sequence[FileRows]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The ids in the order of their first rows, and the number of each row's. Without ids, a file is a series."""
    import polars as pl

    from penstock.series.packed import stem

    if parts[0].ids is None:
        stems = [stem(part.file.name) for part in parts]
        unique = len(set(stems)) == len(stems)
        names = tuple(stem if unique else part.file.name for stem, part in zip(stems, parts, strict=True))
        return names, np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
    cells = pl.concat([part.ids.alias("id") for part in parts if part.ids is not None])
    runs = cells.rle_id()  # far fewer than rows where series stand one after the other
    if len(cells) and int(runs[-1]) < len(cells) // 4:
        firsts = cells.filter(runs != runs.shift(1).fill_null(-1)) if len(cells) else cells
        names, numbers = _numbered(firsts)
        return names, numbers[runs.to_numpy()]
    return _numbered(cells)


def _numbered(cells: "polars.Series") -> tuple[tuple[str, ...], NDArray[np.int64]]:
    unique = cells.unique(maintain_order=True)
    found = cells.replace_strict(unique, list(range(len(unique))))
    return tuple(unique.to_list()), found.to_numpy().astype(np.int64)


def _joined_times(parts: Sequence[FileRows], plan: TablePlan) -> NDArray[Any] | None:
    if parts[0].times is None:
        return None
    for part in parts[1:]:
        if part.zone != parts[0].zone:
            raise PenstockError(
                f"{part.file.name}: column {plan.keys.time!r}: mixed time zones, {part.zone or 'none'} after "
                f"{parts[0].zone or 'none'} in {parts[0].file.name}; write all times in one, such as UTC"
            )
    return np.concatenate([part.times for part in parts if part.times is not None])


def _not_after(times: NDArray[Any], codes: NDArray[np.int64]) -> int | None:
    """The first row that is not after the one before in its series."""
    wrong = times[1:] <= times[:-1]
    if wrong.any():
        wrong &= codes[1:] == codes[:-1]
    return int(np.argmax(wrong)) + 1 if wrong.any() else None


def _time_error(where: str, before: int, times: NDArray[Any], dated: bool, id: str | None) -> PenstockError:
    """``times`` are that of the row before, which is ``before``, and the row's own."""
    earlier, said = (clock.said(time, dated) for time in times)
    of = "" if id is None else f" of {id!r}"
    hint = "; say with id whose row each is, if it holds several series" if id is None else ""
    if times[0] == times[1]:
        return PenstockError(f"{where}: {said}{of} stands twice, also in row {before}{hint}")
    return PenstockError(f"{where}: {said}{of} after {earlier}: time runs backwards; sort the rows{hint}")


def _columns(
    parts: Sequence[FileRows], plan: TablePlan, values: NDArray[np.float32]
) -> tuple[Mapping[str, Column], list[Unused]]:
    """The columns by name; writes the codes of categories into ``values``. What is of no use is left out."""
    import polars as pl

    columns: dict[str, Column] = {}
    unused = []
    for k, (name, role, category, why) in enumerate(plan.columns):
        if not category and role != "target" and np.isnan(values[0, k]) and np.isnan(values[:, k]).all():
            unused.append(Unused(name, ALL_MISSING))
            continue
        if not category:
            columns[name] = Column(name, role, None, why)
            continue
        cells = pl.concat([part.names[name].alias(name) for part in parts])
        distinct = sorted(cells.drop_nulls().unique().to_list(), key=_natural)
        if why == "by default" and len(distinct) > min(MOST_CATEGORIES, max(20, len(cells) // 2)):
            unused.append(Unused(name, f"text, {len(distinct):,} different"))
            continue
        if distinct:
            codes = cells.replace_strict(distinct, list(range(len(distinct))), default=None, return_dtype=pl.Float32)
            values[:, k] = codes.to_numpy()
        columns[name] = Column(name, role, tuple(distinct), why)
    return columns, unused


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before other names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
