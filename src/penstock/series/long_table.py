"""A long table, a row a step, as series; and what is wrong with one, by its row."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series import times as clock
from penstock.series.packed import stem
from penstock.series.roles import TablePlan
from penstock.series.series_set import ALL_MISSING, Column, Role, SeriesSet, Unused
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
    episodes: "polars.Series | None"
    """The cells of their column, as text."""
    values: NDArray[np.float32]  # (rows, C)
    names: dict[str, "polars.Series"]
    """The cells of columns that are categories, as text."""


def read_rows(file: File, plan: TablePlan, ends: bool = True) -> FileRows:
    """The rows of a file, or of a part of it; ``ends``: at its end, where empty lines are no rows.

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
    frame = read(file, wanted)
    frame = without_empty_end(frame) if ends else frame
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
    episodes = None if keys.episode is None else frame[keys.episode].fill_null("")
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
        return clock.parsed(frame[name], file.name, file.dates)
    found = frame[name].to_numpy()
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found)))
        raise PenstockError(f"{file.name}: row {row + 1}, column {name!r}: is missing")
    return found, None


STARTS_ANEW = ("1", "1.0", "true")
SIGNS = {*STARTS_ANEW, "0", "0.0", "false", ""}
"""In small letters, what stands in a column that is true where an episode starts, and no number of an episode."""


def _episodes(text: "polars.Series", ids: "polars.Series | None") -> NDArray[np.bool_]:
    """True where an episode starts: of a column of 0 and 1 where it is 1, of any other where it changes."""
    if {cell.lower() for cell in text.unique().to_list()} <= SIGNS:
        return np.array(text.str.to_lowercase().is_in(STARTS_ANEW), bool)
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
    episodes = None
    if plan.keys.episode is not None:
        episodes = np.concatenate([_episodes(part.episodes, part.ids) for part in parts if part.episodes is not None])
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
        raise time_error(where, before + 1, times[at - 1 : at + 1], dated, ids[codes[at]] if plan.keys.id else None)
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

    if parts[0].ids is None:
        names = names_of([part.file.name for part in parts])
        return names, np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
    return numbered(pl.concat([part.ids.alias("id") for part in parts if part.ids is not None]))


def names_of(files: Sequence[str]) -> tuple[str, ...]:
    """The names of series that are a file each."""
    stems = tuple(stem(name) for name in files)
    return stems if len(set(stems)) == len(stems) else tuple(files)


def numbered(cells: "polars.Series") -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The values of cells in the order of their first rows, and the number of each row's."""
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
            raise mixed_zones(plan, part.file.name, part.zone, parts[0].file.name, parts[0].zone)
    return np.concatenate([part.times for part in parts if part.times is not None])


def mixed_zones(plan: TablePlan, name: str, zone: str | None, first: str, before: str | None) -> PenstockError:
    """The error where a file has another time zone than the first."""
    return PenstockError(
        f"{name}: column {plan.keys.time!r}: mixed time zones, {zone or 'none'} after {before or 'none'} in {first}; "
        "write all times in one, such as UTC"
    )


def _not_after(times: NDArray[Any], codes: NDArray[np.int64]) -> int | None:
    """The first row that is not after the one before in its series."""
    wrong = times[1:] <= times[:-1]
    if wrong.any():
        wrong &= codes[1:] == codes[:-1]
    return int(np.argmax(wrong)) + 1 if wrong.any() else None


def time_error(where: str, before: int, times: NDArray[Any], dated: bool, id: str | None) -> PenstockError:
    """The error for a row that is not after the one before: ``times`` are both theirs."""
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
    for k, one in enumerate(plan.columns):
        if one[2]:
            cells = pl.concat([part.names[one[0]].alias(one[0]) for part in parts])
            found = column_of(one, True, cells.drop_nulls().unique().to_list(), len(cells))
        else:
            found = column_of(one, not np.isnan(values[0, k]) or not np.isnan(values[:, k]).all(), (), 0)
        if isinstance(found, Unused):
            unused.append(found)
            continue
        columns[found.name] = found
        if distinct := found.categories:
            codes = cells.replace_strict(distinct, list(range(len(distinct))), default=None, return_dtype=pl.Float32)
            values[:, k] = codes.to_numpy()
    return columns, unused


def column_of(
    planned: tuple[str, Role, bool, str], there: bool, names: Sequence[str] | None, rows: int
) -> Column | Unused:
    """What a column is once all of its cells have been seen; what is of no use is left out.

    Args:
        planned: as ``TablePlan.columns`` has it.
        there: of numbers, whether there is any.
        names: of a category, all that there are; None where they are more than ``MOST_CATEGORIES``, and so not needed.
        rows: how many there are.
    """
    name, role, category, why = planned
    if not category:
        return Column(name, role, None, why) if there or role == "target" else Unused(name, ALL_MISSING)
    if why == "by default":
        if names is None or len(names) > MOST_CATEGORIES:
            return Unused(name, f"text, over {MOST_CATEGORIES:,} different")
        if len(names) > max(20, rows // 2):
            return Unused(name, f"text, {len(names):,} different")
    return Column(name, role, tuple(sorted(names or (), key=_natural)), why)


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before other names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
