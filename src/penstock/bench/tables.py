"""The results as tables of text, and what is to be said beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penstock.bench.busy import TO_BEST, TO_TORCH, Busy
from penstock.bench.edge import MEGABYTES, SECONDS, WRITTEN, Started
from penstock.bench.measure import Entry, Row
from penstock.bench.one_step import LARGEST, Group, geometric_mean
from penstock.bench.roofline import ITEM_BYTES, KIB, MIB, Level, Roofline
from penstock.bench.scoring import TARGET, Scoring
from penstock.bench.serve import ServedRow

STEADY = 0.15
"""The largest spread of a time that raises no doubt."""


class Measurements(NamedTuple):
    """All that was measured."""

    roofline: Roofline
    rows: Sequence[Row] = ()
    scored: Sequence[Scoring] = ()
    steps: Sequence[Group] = ()
    busy: Sequence[Busy] = ()
    served: Sequence[ServedRow] = ()
    started: Started | None = None


class TextTable(NamedTuple):
    """A table of text; the first column names its rows."""

    title: str
    header: list[str]
    rows: list[list[str]]


def tables(results: Measurements) -> list[TextTable]:
    """The roofline, then each kind's shapes and the variants, bulk scoring, one step, a process, a busy machine."""
    rows = results.rows
    found = [roofline_table(results.roofline)]
    for kind in ("inference", "training"):
        if of_kind := [row for row in rows if row.kind == kind]:
            found.append(peers_table(of_kind))
    if any(row.variants for row in rows):
        found.append(variants_table([row for row in rows if row.variants]))
    if results.scored:
        found.append(scoring_table(results.scored))
    if results.steps:
        found += [*map(steps_table, results.steps), promises_table(results.steps)]
    if results.started:
        found.append(started_table(results.started))
    if results.busy:
        of_name = {row.case.name: [r for r in results.busy if r.case.name == row.case.name] for row in results.busy}
        found += [*map(busy_table, of_name.values()), busy_promises_table(results.busy)]
    if results.served:
        found.append(served_table(results.served))
    return found


def roofline_table(roofline: Roofline) -> TextTable:
    """What the machine can do."""
    each = f"{roofline.threads} threads"
    rows = [
        [f"multiply-add peak, {name}", f"{rate.one:.0f} GFLOP/s", f"{rate.all:.0f} GFLOP/s"]
        for name, rate in roofline.peak.items()
    ]
    rows += [
        [f"read bandwidth, {_level(level)}", f"{level.bandwidth.one:.0f} GB/s", f"{level.bandwidth.all:.0f} GB/s"]
        for level in roofline.levels
    ]
    rows.append(["barrier", "", f"{roofline.barrier:.2f} µs"])
    return TextTable(f"Roofline ({roofline.instruction_set})", ["", "1 thread", each], rows)


def _level(level: Level) -> str:
    return f"{level.name} ({_size(level.capacity)})" if level.capacity else level.name


def _size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"


def peers_table(rows: Sequence[Row]) -> TextTable:
    """One kind's shapes: Penstock beside its peers, milliseconds."""
    kind = rows[0].kind
    title = {"inference": "Inference, ms", "training": "Training (forward and backward), ms"}[kind]
    names = [entry.name for entry in rows[0].peers]
    header = ["(N, L, D, H)", "Penstock", *names, "× best peer", "target", "GFLOP/s", "of bound"]
    return TextTable(
        title,
        header,
        [
            [
                str(row.shape),
                *(_number(entry.milliseconds) for entry in (row.penstock, *row.peers)),
                _number(row.to_best_peer(row.penstock)),
                _number(row.target, "≤ "),
                _number(row.penstock.gflops),
                _percent(row.penstock),
            ]
            for row in rows
        ],
    )


def variants_table(rows: Sequence[Row]) -> TextTable:
    """Penstock's variants beside its plain call."""
    header = ["(N, L, D, H)", "", "", "ms", "× plain", "target", "× best peer", "of bound", "error"]
    return TextTable(
        "Variants",
        header,
        [
            [
                str(row.shape),
                row.kind,
                entry.name,
                _number(entry.milliseconds),
                _number(row.to_plain(entry)),
                _number(entry.target, "≤ "),
                _number(row.to_best_peer(entry)),
                _percent(entry),
                f"{entry.error:.0e}",
            ]
            for row in rows
            for entry in row.variants
        ],
    )


def scoring_table(scored: Sequence[Scoring]) -> TextTable:
    """Files through ``penstock score``, beside the core alone."""
    header = ["hidden units", "rows", "tokens", "core alone, tokens/s", "scored, tokens/s", "of core alone", "target"]
    return TextTable(
        "Scoring in bulk",
        header,
        [
            [
                str(row.hidden),
                f"{row.rows:,}",
                f"{row.tokens:,}",
                f"{row.peak:,.0f}",
                f"{row.bulk:,.0f}",
                f"{row.share:.0%}",
                f"≥ {TARGET:.0%}",
            ]
            for row in scored
        ],
    )


def steps_table(group: Group) -> TextTable:
    """One step of one kind, cell by cell."""
    header = ["N", "H = D", "threads", "Penstock", group.other, "×", "target", "of bound"]
    return TextTable(
        f"{group.name}, µs",
        header,
        [
            [
                str(step.shape.N),
                str(step.shape.H),
                str(step.threads),
                *(_number(_micro(entry)) for entry in (step.ours, step.other)),
                _number(step.ratio),
                _number(step.target, "≤ "),
                _percent(step.ours),
            ]
            for step in group.steps
        ],
    )


def promises_table(groups: Sequence[Group]) -> TextTable:
    """The geometric means beside what was promised."""
    rows = []
    for group in groups:
        worst, step = group.worst or (None, None)
        at = "–" if step is None else f"N {step.shape.N}, H {step.shape.H}, {_threads(step.threads)}"
        rows.append([group.name, _number(group.mean), _number(group.target, "≤ "), _number(worst), at])
    return TextTable("One step: geometric means of ×", ["", "mean", "target", "worst", "at"], rows)


def started_table(started: Started) -> TextTable:
    """A process from its start to its end."""
    return TextTable(
        f"penstock generate: a process that loads a model and writes {WRITTEN} characters",
        ["", "measured", "target"],
        [
            [f"seconds, median of {started.runs}", _number(started.seconds), _number(SECONDS, "≤ ")],
            ["memory at most, MB", _number(started.megabytes), _number(MEGABYTES, "≤ ")],
        ],
    )


def busy_table(rows: Sequence[Busy]) -> TextTable:
    """One kind of call under each load."""
    header = ["N,L,D,H", "busy", "all threads", "best, on", "torch.nn.GRU", "× best", "× torch"]
    return TextTable(
        f"Busy machine: {rows[0].case.name}; median / p99, ms",
        header,
        [
            [
                ",".join(map(str, row.case.shape)),
                str(row.load),
                _pair(row.default),
                f"{_number(row.by_threads[row.best_threads].milliseconds)} on {row.best_threads}",
                _pair(row.torch),
                _number(row.to_best),
                _number(row.to_torch),
            ]
            for row in rows
        ],
    )


def busy_promises_table(rows: Sequence[Busy]) -> TextTable:
    """Under each load, the geometric means over all cases."""
    header = ["processes that spin", "× best number", "target", "× torch.nn.GRU", "worst", "target"]
    found = []
    for load in sorted({row.load for row in rows}):
        under = [row for row in rows if row.load == load]
        to_torch = [row.to_torch for row in under if row.to_torch is not None]
        found.append(
            [
                str(load),
                _number(geometric_mean(row.to_best for row in under if row.to_best is not None)),
                f"≤ {TO_BEST}",
                _number(geometric_mean(to_torch)),
                _number(max(to_torch, default=None)),
                f"≤ {TO_TORCH}",
            ]
        )
    return TextTable("Busy machine: geometric means of the medians", header, found)


def served_table(rows: Sequence[ServedRow]) -> TextTable:
    """A server under load."""
    return TextTable(
        "penstock serve",
        ["", "measured", "target", "beside"],
        [
            [
                row.name,
                f"{_number(row.measured)} {row.unit}".rstrip(),
                _number(row.target, "≤ " if row.at_most else "≥ "),
                row.beside or "–",
            ]
            for row in rows
        ],
    )


def _micro(entry: Entry) -> float | None:
    return None if entry.milliseconds is None else entry.milliseconds * 1e3


def _pair(entry: Entry) -> str:
    return f"{_number(entry.milliseconds)} / {_number(entry.late_milliseconds)}"


def notes(results: Measurements) -> list[str]:
    """Who was not timed, and why; how fast one step reads its weights; and whether the times can be trusted."""
    return [*_notes_on_rows(results.rows), *_notes_on_steps(results.steps)]


def _notes_on_steps(groups: Sequence[Group]) -> list[str]:
    size = _size(3 * LARGEST.H * (LARGEST.D + LARGEST.H) * ITEM_BYTES["float32"])
    said = [
        f"{group.name}, {LARGEST}, {_threads(step.threads)}: {step.ours.share:.0%} of the speed at which this machine "
        f"reads {size} of weights"
        for group in groups
        for step in group.steps
        if step.shape == LARGEST and step.ours.share is not None
    ]
    entries = [entry for group in groups for step in group.steps for entry in (step.ours, step.other)]
    return said + sorted({f"{entry.name}: {entry.note}" for entry in entries if entry.note is not None})


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _notes_on_rows(rows: Sequence[Row]) -> list[str]:
    found: dict[str, list[str]] = {}
    entries = [(row, entry) for row in rows for entry in (row.penstock, *row.peers, *row.variants)]
    for row, entry in entries:
        if entry.note is not None:
            found.setdefault(f"{entry.name}: {entry.note}", []).append(f"{row.kind} {row.shape}")
    said = [f"{note}, on {'; '.join(where)}" if len(where) < len(rows) else note for note, where in found.items()]
    unsteady = sum(entry.spread is not None and entry.spread > STEADY for _, entry in entries)
    if unsteady:
        said.append(f"{unsteady} of {len(entries)} times vary by more than {STEADY:.0%}: was the machine idle?")
    return said


def _number(value: float | None, before: str = "") -> str:
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{before}{value:.{digits}f}"


def _percent(entry: Entry) -> str:
    return "–" if entry.share is None else f"{entry.share:.0%}"
