"""The results as tables on a terminal, as one JSON object, as a page and as a plot."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from penstock import __version__, files, native
from penstock.bench import plot
from penstock.bench.measure import Entry, Row
from penstock.bench.roofline import KIB, MIB, Level, Roofline
from penstock.bench.scoring import TARGET, Scoring
from penstock.errors import PenstockError

STEADY = 0.15
"""The largest spread of a time that raises no doubt."""

PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "jax")


class Table(NamedTuple):
    """A table of text; the first column names its rows."""

    title: str
    header: list[str]
    rows: list[list[str]]


def machine() -> dict[str, Any]:
    """The machine and the versions that the figures belong to."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "penstock": __version__,
        "compiler": native.compiler(),
        "python": platform.python_version(),
        "packages": versions,
    }


def processor() -> str:
    """The processor's name, as far as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def as_json(
    facts: dict[str, Any], roofline: Roofline, rows: Sequence[Row], scored: Sequence[Scoring] = ()
) -> dict[str, Any]:
    """Everything, as one JSON object."""
    roof = roofline._asdict() | {
        "peak": {name: rate._asdict() for name, rate in roofline.peak.items()},
        "levels": [level._asdict() | {"bandwidth": level.bandwidth._asdict()} for level in roofline.levels],
    }

    def row_facts(row: Row) -> dict[str, Any]:
        ratios = {"best_peer": row.best_peer and row.best_peer.name, "to_best_peer": row.to_best_peer(row.penstock)}
        variants = [
            dataclasses.asdict(entry) | {"to_plain": row.to_plain(entry), "to_best_peer": row.to_best_peer(entry)}
            for entry in row.variants
        ]
        return dataclasses.asdict(row) | {"shape": row.shape._asdict()} | ratios | {"variants": variants}

    scoring = [row._asdict() | {"share": row.share, "target": TARGET} for row in scored]
    return {"machine": facts, "roofline": roof, "rows": [row_facts(row) for row in rows], "scoring": scoring}


def tables(roofline: Roofline, rows: Sequence[Row], scored: Sequence[Scoring] = ()) -> list[Table]:
    """The roofline, then for each kind its shapes, then the variants, then bulk scoring."""
    found = [roofline_table(roofline)]
    for kind in ("inference", "training"):
        if of_kind := [row for row in rows if row.kind == kind]:
            found.append(peers_table(of_kind))
    if any(row.variants for row in rows):
        found.append(variants_table([row for row in rows if row.variants]))
    if scored:
        found.append(scoring_table(scored))
    return found


def roofline_table(roofline: Roofline) -> Table:
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
    return Table(f"Roofline ({roofline.instruction_set})", ["", "1 thread", each], rows)


def _level(level: Level) -> str:
    size = level.capacity
    return (
        f"{level.name} ({size // MIB} MiB)"
        if size >= MIB
        else f"{level.name} ({size // KIB} KiB)"
        if size
        else level.name
    )


def peers_table(rows: Sequence[Row]) -> Table:
    """One kind's shapes: Penstock beside its peers, milliseconds."""
    kind = rows[0].kind
    title = {"inference": "Inference, ms", "training": "Training (forward and backward), ms"}[kind]
    names = [entry.name for entry in rows[0].peers]
    header = ["(N, L, D, H)", "Penstock", *names, "× best peer", "target", "GFLOP/s", "of bound"]
    return Table(
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


def variants_table(rows: Sequence[Row]) -> Table:
    """Penstock's variants beside its plain call."""
    header = ["(N, L, D, H)", "", "variant", "ms", "× plain", "target", "× best peer", "of bound", "error"]
    return Table(
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


def scoring_table(scored: Sequence[Scoring]) -> Table:
    """Files through ``penstock score``, beside the core alone."""
    header = ["hidden units", "rows", "tokens", "core alone, tokens/s", "scored, tokens/s", "of core alone", "target"]
    return Table(
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


def notes(rows: Sequence[Row]) -> list[str]:
    """Who was not timed, and why; and whether the times can be trusted."""
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


def show(console: Console, found: Sequence[Table], remarks: Sequence[str]) -> None:
    """Prints tables on a terminal."""
    for table in found:
        shown = RichTable(title=table.title, title_justify="left")
        for k, name in enumerate(table.header):
            shown.add_column(name, justify="right" if k else "left", no_wrap=True)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for remark in remarks:
        console.print(remark, highlight=False)


def page(facts: dict[str, Any], threads: int, found: Sequence[Table], remarks: Sequence[str]) -> str:
    """A page of results in Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    lines = [
        "# Results",
        "",
        f"{facts['processor']}, {threads} threads, {facts['system']}, {facts['date']}. Penstock {facts['penstock']} "
        f"({facts['compiler']}), Python {facts['python']}, {versions}.",
        "",
        "Written by `penstock bench`; [README.md](README.md) says how it measures.",
        "",
        "![Share of the bound that each reaches, by shape](results.svg)",
    ]
    for table in found:
        lines += ["", f"## {table.title}", "", _line(table.header), "|---|" + "---:|" * (len(table.header) - 1)]
        lines += [_line(row) for row in table.rows]
    if remarks:
        lines += ["", *(f"- {remark}" for remark in remarks)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(
    folder: Path, facts: dict[str, Any], roofline: Roofline, rows: Sequence[Row], scored: Sequence[Scoring] = ()
) -> None:
    """Writes results.json, results.md and, where something was timed, results.png and results.svg.

    Raises:
        PenstockError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PenstockError(f"--out: {folder}: cannot be made: {error.strerror or error}") from None
    everything = as_json(facts, roofline, rows, scored)
    files.write(folder / "results.json", json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    files.write(folder / "results.md", page(facts, roofline.threads, tables(roofline, rows, scored), notes(rows)))
    for suffix, picture in plot.pictures(rows).items():
        files.write(folder / f"results.{suffix}", picture)
