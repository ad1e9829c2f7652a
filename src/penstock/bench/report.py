"""The results on a terminal, as one JSON object, as a page and as a plot."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock import __version__, files, layout, native
from penstock.bench import plot
from penstock.bench.busy import Busy
from penstock.bench.edge import MEGABYTES, SECONDS
from penstock.bench.measure import Row
from penstock.bench.one_step import Group
from penstock.bench.scoring import TARGET
from penstock.bench.tables import Measurements, TextTable, notes, tables
from penstock.folder import Folder
from penstock.layout import say, wrap

PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "jax", "ai-edge-litert")


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


def as_json(facts: dict[str, Any], results: Measurements) -> dict[str, Any]:
    """Everything, as one JSON object."""
    roofline = results.roofline
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

    def group_facts(group: Group) -> dict[str, Any]:
        steps = [
            dataclasses.asdict(step) | {"shape": step.shape._asdict(), "ratio": step.ratio} for step in group.steps
        ]
        return dataclasses.asdict(group) | {"mean": group.mean, "steps": steps}

    def busy_facts(row: Busy) -> dict[str, Any]:
        ratios = {"best_threads": row.best_threads, "to_best": row.to_best, "to_torch": row.to_torch}
        case = row.case._asdict() | {"shape": row.case.shape._asdict()}
        return dataclasses.asdict(row) | {"case": case} | ratios

    return {
        "machine": facts,
        "roofline": roof,
        "rows": [row_facts(row) for row in results.rows],
        "scoring": [row._asdict() | {"share": row.share, "target": TARGET} for row in results.scored],
        "steps": [group_facts(group) for group in results.steps],
        "busy": [busy_facts(row) for row in results.busy],
        "started": results.started and results.started._asdict() | {"targets": [SECONDS, MEGABYTES]},
        "served": [row._asdict() | {"reached": row.reached} for row in results.served],
    }


def show(console: Console, found: Sequence[TextTable], remarks: Sequence[str]) -> None:
    """Prints tables on a terminal, each as its width allows."""
    for table in found:
        say(console, wrap(table.title, console.width), style="italic")
        say(console, [*layout.table(table.header, table.rows, console.width), ""])
    for remark in remarks:
        say(console, wrap(remark, console.width, rest="  "))


def page(facts: dict[str, Any], threads: int, found: Sequence[TextTable], remarks: Sequence[str]) -> str:
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


def write(folder: Folder, facts: dict[str, Any], results: Measurements) -> None:
    """Writes results.json, results.md and, where something was timed, results.png and results.svg.

    Raises:
        PenstockError: the folder cannot be written.
    """
    everything = json.dumps(as_json(facts, results), indent=1, ensure_ascii=False)
    files.write(folder.place("results.json"), everything + "\n")
    text = page(facts, results.roofline.threads, tables(results), notes(results))
    files.write(folder.place("results.md"), text)
    for suffix, picture in plot.pictures(results.rows).items():
        files.write(folder.place(f"results.{suffix}"), picture)
