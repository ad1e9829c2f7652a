"""What was read, said before anything trains: series, steps, each column's part, what is missing and left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.layout import facts
from penstock.series.blocks import cells
from penstock.series.series_set import ROLES, Column, SeriesSet
from penstock.series.spacing import in_words, spacing
from penstock.series.times import said
from penstock.series.wide_table import WIDE

MOST_NAMES = 12
"""Columns that are named one by one in a line."""


def account(series: SeriesSet, width: int = 80) -> list[str]:
    """The lines to print."""
    rows = [("read", _listed(series.sources)), ("series", _sizes(series))]
    keys = series.keys
    rows.append(("id", f"{', '.join(keys.id)}{_because(keys.why_id)}" if keys.id else f"none, {keys.each}"))
    if keys.time is not None or series.times is not None:
        name = f"{keys.time}{_because(keys.why_time)}" if keys.time else "the names of the columns"
        rows.append(("time", f"{name}; {_steps(series)}"))
    else:
        rows.append(("time", "none, steps are counted"))
    if series.episodes is not None:
        rows.append(("episode", f"{keys.episode}, {int(series.episodes.sum()):,} beginnings"))
    for role, words in ROLES.items():
        columns = [column for column in series.columns if column.role == role]
        if columns:
            rows.append((words, _listed([_described(column) for column in columns])))
    rows.append(("missing", _missing(series)))
    if constant := [series.columns[k].name for k in constant_columns(series)]:
        rows.append(("constant", _listed(constant)))
    if series.unused:
        kinds: dict[str, list[str]] = {}
        for name, why in series.unused:
            kinds.setdefault(why, []).append(name)
        rows.append(("left out", "; ".join(f"{_listed(names)} ({why})" for why, names in kinds.items())))
    return [*facts(rows, width)]


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown}, … {len(names):,} in all"


def _sizes(series: SeriesSet) -> str:
    lengths = series.lengths
    if len(series) == 1:
        return f"1, of {int(lengths[0]):,} steps"
    least, middle, most = int(lengths.min()), float(np.median(lengths)), int(lengths.max())
    if least == most:
        return f"{len(series):,}, each of {least:,} steps"
    return f"{len(series):,}, of {least:,} to {most:,} steps, median {middle:,.0f}"


def _steps(series: SeriesSet) -> str:
    assert series.times is not None
    some = series.lengths > 0  # times ascend within each
    least, most = series.times[series.starts[:-1][some]].min(), series.times[series.starts[1:][some] - 1].max()
    span = f"{said(least, series.dated)} to {said(most, series.dated)}"
    if series.zone:
        span += f", written in {series.zone}"
    found = spacing(series)
    if found is None:
        return span
    step = f"every {found.unit}, {span}" if found.regular else f"irregular, about every {found.unit}, {span}"
    if not found.gaps:
        return step
    longest = in_words(found.longest * found.step) if series.dated else f"{found.longest * found.step:g}"
    return f"{step}; {found.gaps:,} gap{'s' * (found.gaps != 1)}, the longest {longest}"


def _described(column: Column) -> str:
    if column.categories is None:
        return column.name
    count = len(column.categories)
    return f"{column.name} ({count:,} categor{'y' if count == 1 else 'ies'})"


def missing_cells(series: SeriesSet) -> list[int]:
    """Of each column."""
    return [sum(int(np.isnan(block).sum()) for block in cells(series, k)) for k in range(len(series.columns))]


def _missing(series: SeriesSet) -> str:
    rows = len(series.values)
    found = [(series.columns[k].name, count) for k, count in enumerate(missing_cells(series)) if count]
    if not found:
        return "no cell"
    return _listed([f"{name} {count:,} of {rows:,} ({100 * count / rows:.2g}%)" for name, count in found])


def constant_columns(series: SeriesSet) -> list[int]:
    """Columns that hold one value alone, missing cells aside; of one row none does."""
    return [k for k in range(len(series.columns)) if _is_constant(series, k)]


def _is_constant(series: SeriesSet, column: int) -> bool:
    count, value = 0, None
    for block in cells(series, column):
        there = block[~np.isnan(block)]
        if len(there):
            value = there[0] if value is None else value
            if not (there == value).all():
                return False
            count += len(there)
    return count > 1


def description(series: SeriesSet) -> dict[str, Any]:
    """The same for a program, and for config.json: what a model expects of the files that it is to predict."""
    found, lengths = spacing(series), series.lengths
    return {
        "id": list(series.keys.id),
        "time": series.keys.time,
        "episode": series.keys.episode,
        "dated": series.dated,
        "step": None if found is None else found.step,
        "step_in_words": None if found is None else found.unit,
        "regular": None if found is None else found.regular,
        "gaps": None if found is None else found.gaps,
        "columns": [
            {
                "name": column.name,
                "role": column.role,
                "kind": column.kind,
                **({} if column.categories is None else {"categories": list(column.categories)}),
                "missing": missing,
            }
            for column, missing in zip(series.columns, missing_cells(series), strict=True)
        ],
        "series": len(series),
        "lengths": [int(lengths.min()), float(np.median(lengths)), int(lengths.max())] if len(series) else [],
        "unused": [[unused.name, unused.why] for unused in series.unused],
        "wide": series.keys.each == WIDE,
        "rate": series.rate,
    }


def expect_targets(series: SeriesSet, inputs: Sequence[str] = ()) -> list[str]:
    """What is to be told about the targets before training, such as one that is constant.

    Args:
        series: to be trained on.
        inputs: names of columns that the model reads at the same step that it answers.

    Raises:
        PenstockError: there is none, all of one is missing, or one is among the inputs.
    """
    targets = series.of_role("target")
    names = [column.name for column in series.columns]
    if not targets:
        raise PenstockError(f"{series.name}: no target: name one of {_listed([repr(name) for name in names])}")
    constant = set(constant_columns(series))
    told = []
    for k in targets:
        if names[k] in inputs:
            raise PenstockError(f"{series.name}: column {names[k]!r}: the target is among the inputs; leave it out")
        if all(bool(np.isnan(block).all()) for block in cells(series, k)):
            raise PenstockError(f"{series.name}: column {names[k]!r}: all values of the target are missing")
        if k in constant:
            value = next(block[~np.isnan(block)][0] for block in cells(series, k) if not np.isnan(block).all())
            categories = series.columns[k].categories
            shown = f"{value:g}" if categories is None else repr(categories[int(value)])
            told.append(f"{names[k]}: the target is always {shown}; there is nothing to learn")
    return told
