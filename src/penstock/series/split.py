"""Splits that are honest by construction: which rows of each series train, and which validate.

A part is (S, 2): of each series, the rows from and to, counted within it. Windows that train lie wholly in its training
part. The targets of a window that validates lie in its validation part; what it reads may be older.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.read import together
from penstock.series.series_set import SeriesSet
from penstock.series.times import moment, said

SAMPLE = 1 << 22
"""Rows by which a share of time is told, at most."""
FAR_OFF = 2.0
"""Times that the share of series that their hashes draw may differ from the share that was asked for."""


@dataclasses.dataclass(frozen=True)
class Split:
    """What trains and what validates, by a rule that finds the same again in the same series."""

    training: NDArray[np.int64]  # (S, 2)
    validation: NDArray[np.int64]  # (S, 2)
    rule: Mapping[str, Any]
    """JSON-able; ``taken_up`` splits by it."""

    def to_json(self) -> dict[str, Any]:
        """The rule, and the counts that it gave."""
        return {**self.rule, "training_rows": _count(self.training), "validation_rows": _count(self.validation)}


def rows_of(series: SeriesSet, part: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of a part, as indices into ``values``, ascending."""
    first = series.starts[:-1]
    ranges = [np.arange(a, b) for a, b in zip(first + part[:, 0], first + part[:, 1], strict=True) if b > a]
    return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)


def by_id(series: SeriesSet, share: float, seed: int = 0) -> Split:
    """Whole series, drawn by their ids' hashes: whether others are there makes no difference, unless the draw is so far
    from ``share`` that the series with the least hashes are taken instead.

    Raises:
        PenstockError: there are fewer than two series.
    """
    if len(series) < 2:
        raise PenstockError(f"{series.name}: 1 series cannot be split by series; split it by time")
    hashes = np.array([_hash(id, seed) for id in series.ids])
    held_out = hashes < share
    if not share / FAR_OFF <= held_out.mean() <= share * FAR_OFF or held_out.all():
        each, copies = np.unique(hashes, return_counts=True)  # those of one id stay together
        if len(each) > 1:
            count = min(max(1, round(share * len(series))), len(series) - 1)
            held_out = hashes <= each[np.abs(np.cumsum(copies)[:-1] - count).argmin()]
    return _whole(series, held_out, {"by": "id", "share": share, "seed": seed})


def _hash(id: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


def all_train(series: SeriesSet) -> Split:
    """Nothing validates."""
    bounds = np.stack([np.zeros_like(series.lengths), series.lengths], 1)
    return Split(bounds, np.zeros_like(bounds), {"by": "none"})


def by_time(series: SeriesSet, share: float = 0.2, at: float | int | str | None = None, least: int = 1) -> Split:
    """The later part of time validates. With times that series share, one moment cuts them all, so that nothing trains
    that is later than what validates; without, each series is cut at its own row.

    Args:
        series: all of them.
        share: of all rows, that validates.
        at: instead, the first moment or, without times, the first row that validates: a date, or a number.
        least: rows that a series needs on either side, such as the horizon; with fewer to validate it trains as a whole
            where no moment cuts it, with fewer to train it does not train.

    Raises:
        PenstockError: nothing is left on one side.
    """
    lengths = series.lengths
    if series.times is not None and (at is not None or _overlap(series)):
        first: Any = _first(series, at) if at is not None else _quantile(series, share)
        cut = np.array([int(np.searchsorted(one, first)) for one in _times(series)])
        rule = {"by": "time", "at": said(first, series.dated), "moment": first, "least": least}
    elif at is not None:
        row = int(_first(series, at))
        cut = np.minimum(lengths, row)
        rule = {"by": "time", "row": row, "least": least}
    else:
        held = np.minimum(np.maximum(np.ceil(share * lengths - 1e-9).astype(np.int64), least), lengths)
        cut = np.where(lengths - held >= least, lengths - held, lengths)
        rule = {"by": "time", "share": share, "least": least}
    training = np.stack([np.zeros_like(cut), np.where(cut >= least, cut, 0)], axis=1)
    validation = np.stack([np.where(lengths - cut >= least, cut, lengths), lengths], axis=1)
    return _checked(series, Split(training.astype(np.int64), validation.astype(np.int64), rule))


def _times(series: SeriesSet) -> list[NDArray[Any]]:
    assert series.times is not None
    return np.split(series.times, series.starts[1:-1])


def _overlap(series: SeriesSet) -> bool:
    """Whether series run at the same time, for the most part: a moment then cuts them all."""
    if series.dated or len(series) == 1:
        return True
    ends = np.array([(one[0], one[-1]) for one in _times(series) if len(one)])
    middle = np.median(ends.mean(axis=1))
    return bool(((ends[:, 0] <= middle) & (middle <= ends[:, 1])).mean() > 0.9) and not _counters(ends)


def _counters(ends: NDArray[Any]) -> bool:
    """Whether times are each series' own count of steps, such as 1, 2, 3 …: they begin alike and end as they may."""
    return bool((ends[:, 0] == ends[0, 0]).all() and not (ends[:, 1] == ends[0, 1]).all())


def _quantile(series: SeriesSet, share: float) -> int | float:
    assert series.times is not None
    ordered = np.sort(series.times[:: max(1, -(-len(series.times) // SAMPLE))])
    first = ordered[min(len(ordered) - 1, max(0, round((1 - share) * len(ordered))))]
    return int(first) if series.dated else float(first)


def _first(series: SeriesSet, at: float | int | str) -> int | float:
    if not series.dated:
        try:
            return float(at)
        except ValueError:
            raise PenstockError(f"--after: expected a number, as {series.name} has no dates, got {at}") from None
    if isinstance(at, int | float):
        return int(at)
    return moment(at, "--after")


def by_column(series: SeriesSet, name: str, validation: Sequence[str]) -> Split:
    """Series whose value of a column is one of ``validation`` validate; within a series the value must be the same, or
    change once, from training to validation.

    Raises:
        PenstockError: no such column or value, or it changes to and fro.
    """
    k = series.index(name)
    column = series.columns[k]
    if column.categories is None:
        chosen = np.isin(series.values[:, k], np.array([float(value) for value in validation], np.float32))
    else:
        for value in validation:
            if value not in column.categories:
                has = ", ".join(column.categories[:8])
                raise PenstockError(f"{series.name}: column {name!r}: no value {value!r}; it has {has}")
        chosen = np.isin(series.values[:, k], [column.categories.index(value) for value in validation])
    cut = np.zeros(len(series), np.int64)
    for one, flags in enumerate(np.split(chosen, series.starts[1:-1])):
        cut[one] = int(np.argmax(flags)) if flags.any() else len(flags)
        if not flags[cut[one] :].all():
            raise PenstockError(
                f"{series.name}: column {name!r}: in series {series.ids[one]!r} training rows come after validation's"
            )
    lengths = series.lengths
    training = np.stack([np.zeros_like(cut), cut], axis=1)
    rule = {"by": "column", "column": name, "validation": list(validation)}
    return _checked(series, Split(training, np.stack([cut, lengths], axis=1), rule))


def by_source(series: SeriesSet, validation: Sequence[str]) -> Split:
    """Series of some files, or of some arrays of a file by their names, validate.

    Raises:
        PenstockError: there is no such file or array, or nothing is left on one side.
    """
    chosen = []
    for name in validation:
        found = [k for k, source in enumerate(series.sources) if name in (source, source.rpartition(":")[2])]
        if not found:
            raise PenstockError(f"{name}: none of what was read: {', '.join(series.sources[:8])}")
        chosen += found
    of = series.source_of if series.source_of is not None else np.zeros(len(series), np.int64)
    return _whole(series, np.isin(of, chosen), {"by": "source", "validation": list(validation)})


def continued(first: SeriesSet, second: SeriesSet) -> tuple[SeriesSet, Split]:
    """Series of two sets as one: where the second has an id of the first, its rows come after and validate; its other
    series validate as a whole.

    Raises:
        PenstockError: columns differ, or a series of the second begins before its rows in the first end.
    """
    both = together([first, second])
    place = {id: k for k, id in enumerate(first.ids)}
    order: list[list[int]] = [[k] for k in range(len(first))]
    cut = [int(length) for length in first.lengths]
    ids = list(first.ids)
    for k, id in enumerate(second.ids):
        if id in place:
            order[place[id]].append(len(first) + k)
        else:
            order.append([len(first) + k])
            cut.append(0)
            ids.append(id)
    joined = both.only([k for group in order for k in group])
    lengths = np.array([sum(int(both.lengths[k]) for k in group) for group in order])
    joined = dataclasses.replace(
        joined,
        ids=tuple(ids),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        source_of=None if both.source_of is None else both.source_of[[group[0] for group in order]],
    )
    if joined.times is not None:
        for k, times in enumerate(_times(joined)):
            if 0 < cut[k] < len(times) and times[cut[k]] <= times[cut[k] - 1]:
                begins, ended = (said(times[at], joined.dated) for at in (cut[k], cut[k] - 1))
                raise PenstockError(
                    f"{second.name}: series {ids[k]!r}: {begins} is not after {ended}, where it ends in {first.name}"
                )
    at = np.array(cut, np.int64)
    training = np.stack([np.zeros_like(at), at], axis=1)
    rule = {"by": "second file", "file": second.name, "rows": cut}
    return joined, _checked(joined, Split(training, np.stack([at, lengths], axis=1).astype(np.int64), rule))


def taken_up(series: SeriesSet, saved: Mapping[str, Any]) -> Split:
    """The split that ``Split.to_json`` gave, of the same series.

    Raises:
        PenstockError: it is none, or gives other counts: the series are others.
    """
    rule = {name: value for name, value in saved.items() if not name.endswith("_rows")}
    match rule:
        case {"by": "none"}:
            split = all_train(series)
        case {"by": "id", "share": share, "seed": seed}:
            split = by_id(series, share, seed)
        case {"by": "time", "moment": first, "least": least}:
            split = by_time(series, at=first, least=least)
        case {"by": "time", "row": row, "least": least}:
            split = by_time(series, at=row, least=least)
        case {"by": "time", "share": share, "least": least}:
            split = by_time(series, share, least=least)
        case {"by": "column", "column": name, "validation": values}:
            split = by_column(series, name, values)
        case {"by": "source", "validation": values}:
            split = by_source(series, values)
        case {"by": "second file", "rows": cut} if len(cut) == len(series):
            at = np.array(cut, np.int64)
            pair = [np.zeros_like(at), at], [at, series.lengths]
            split = Split(np.stack(pair[0], axis=1), np.stack(pair[1], axis=1), rule)
        case _:
            raise PenstockError(f"split: cannot be taken up: {str(dict(rule))[:80]}")
    for name, part in (("training_rows", split.training), ("validation_rows", split.validation)):
        if name in saved and saved[name] != _count(part):
            raise PenstockError(
                f"split: expected {saved[name]:,} {name.replace('_', ' ')}, got {_count(part):,}; the series are others"
            )
    return split


def split_line(series: SeriesSet, split: Split) -> str:
    """The split in a line: how, how many series and rows, and when."""
    rule = split.rule
    how = {
        "id": "by series",
        "time": "by time",
        "column": f"by column {rule.get('column')}",
        "source": "by file",
        "second file": "by the second file",
    }[rule["by"]]
    parts = (
        f"{name} {_part(series, part)}"
        for name, part in (("training", split.training), ("validation", split.validation))
    )
    return f"{how}: {'; '.join(parts)}"


def _part(series: SeriesSet, part: NDArray[np.int64]) -> str:
    some = int((part[:, 1] > part[:, 0]).sum())
    text = f"{_count(part):,} rows of {some:,} series"
    if series.times is None or not some:
        return text
    bounds = (series.starts[:-1, None] + part)[part[:, 1] > part[:, 0]]  # times ascend within each
    least, most = series.times[bounds[:, 0]].min(), series.times[bounds[:, 1] - 1].max()
    return f"{text}, {said(least, series.dated)} to {said(most, series.dated)}"


def _count(part: NDArray[np.int64]) -> int:
    return int((part[:, 1] - part[:, 0]).sum())


def _whole(series: SeriesSet, held_out: NDArray[np.bool_], rule: Mapping[str, Any]) -> Split:
    lengths = series.lengths
    zero = np.zeros_like(lengths)
    training = np.stack([zero, np.where(held_out, 0, lengths)], axis=1)
    return _checked(series, Split(training, np.stack([zero, np.where(held_out, lengths, 0)], axis=1), rule))


def _checked(series: SeriesSet, split: Split) -> Split:
    for name, part in (("train on", split.training), ("validate on", split.validation)):
        if not _count(part):
            raise PenstockError(f"{series.name}: the split leaves nothing to {name}")
    return split
