"""Answers first, then times: contestants that agree with float64 run interleaved in this process."""

from __future__ import annotations

import functools
import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from penstock.bench import ours
from penstock.bench.peers import PEERS, Peer
from penstock.bench.problem import Array, Problem, Run, answers, draw
from penstock.bench.roofline import Roofline, bound, operations
from penstock.bench.shapes import PLAIN, TARGETS, VARIANTS, Kind, Shape, Variant

TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2, "int8": 3e-2}
"""The largest error allowed, as a share of the largest value; see ``error_of``."""

PAUSE = 0.005
"""Seconds of rest before a block, after which nobody's threads spin any more."""


class Effort(NamedTuple):
    """How long to measure."""

    blocks: int
    seconds: float
    """Of one block, or as long as one call takes."""


FULL, QUICK = Effort(7, 0.1), Effort(3, 0.05)


@dataclass
class Entry:
    """One contestant on one shape. Not timed, it says why."""

    name: str
    target: float | None = None
    """Of a variant: how much of the plain call's time it may take at most."""
    error: float | None = None
    milliseconds: float | None = None
    """The median."""
    spread: float | None = None
    """From the first to the third quartile, as a share of the median."""
    gflops: float | None = None
    """10⁹ floating-point operations a second, those of the products alone."""
    share: float | None = None
    """The bound of the shape on this machine, divided by the time."""
    note: str | None = None


@dataclass
class Row:
    """One shape: Penstock, its peers and its variants."""

    kind: Kind
    shape: Shape
    target: float | None
    """How much of the best peer's time Penstock may take at most."""
    bound_milliseconds: float
    penstock: Entry = field(default_factory=lambda: Entry(PLAIN.name))
    peers: list[Entry] = field(default_factory=list)
    variants: list[Entry] = field(default_factory=list)

    @property
    def best_peer(self) -> Entry | None:
        """The fastest peer with a right answer."""
        timed = [entry for entry in self.peers if entry.milliseconds is not None]
        return min(timed, key=lambda entry: entry.milliseconds or math.inf, default=None)

    def to_best_peer(self, entry: Entry) -> float | None:
        """The entry's time, divided by the best peer's."""
        return _ratio(entry, self.best_peer)

    def to_plain(self, entry: Entry) -> float | None:
        """The entry's time, divided by that of Penstock's plain call."""
        return _ratio(entry, self.penstock)


def _ratio(one: Entry, other: Entry | None) -> float | None:
    if other is None or one.milliseconds is None or other.milliseconds is None:
        return None
    return one.milliseconds / other.milliseconds


def measure(
    kind: Kind,
    shape: Shape,
    roofline: Roofline,
    effort: Effort,
    *,
    peers: Sequence[Peer] = PEERS,
    variants: bool = False,
) -> Row:
    """Checks and times everyone on one shape."""
    row = Row(kind, shape, TARGETS[kind].get(shape), _bound(roofline, kind, shape, PLAIN) * 1e3)
    runs: list[tuple[Entry, Variant, Run]] = []

    def enter(entry: Entry, variant: Variant, make: Callable[[Problem], Run], problem: Problem, want: Any) -> None:
        run = make(problem)
        entry.error = error_of([np.asarray(value) for value in run()], want)
        allowed = TOLERANCE[variant.precision]
        if entry.error <= allowed:
            runs.append((entry, variant, run))
        else:
            entry.note = f"refused: its answer is off by {entry.error:.1e} of the largest value, allowed {allowed:.0e}"

    our = ours.inference if kind == "inference" else ours.training
    problem = draw(shape, roofline.threads)
    want = answers(problem, kind)
    enter(row.penstock, PLAIN, our, problem, want)
    for peer in peers:
        if kind in peer.functions:
            row.peers.append(entry := Entry(peer.name, note=peer.missing()))
            if entry.note is None:
                try:
                    enter(entry, PLAIN, functools.partial(peer.prepare, kind), problem, want)
                except Exception as error:  # a peer may fail in any way; the others run on
                    entry.note = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:100]}"
    for variant in VARIANTS[kind] if variants else ():
        problem = draw(shape, roofline.threads, variant)
        row.variants.append(entry := Entry(variant.name, variant.target))
        enter(entry, variant, our, problem, answers(problem, kind))

    for (entry, variant, _), times in zip(runs, interleave([run for *_, run in runs], effort), strict=True):
        first, seconds, third = np.percentile(times, [25, 50, 75]).tolist()
        entry.spread = (third - first) / seconds
        entry.milliseconds = seconds * 1e3
        entry.gflops = operations(*shape, training=kind == "training") / seconds / 1e9
        entry.share = _bound(roofline, kind, shape, variant) / seconds
    return row


def _bound(roofline: Roofline, kind: Kind, shape: Shape, variant: Variant) -> float:
    return bound(roofline, *shape, training=kind == "training", precision=variant.precision)


def error_of(got: Sequence[Array], want: Sequence[Array]) -> float:
    """The largest error of any value, divided by the largest value of its array; infinite for NaN or a missing one."""
    if [a.shape for a in got] != [b.shape for b in want]:
        return math.inf
    errors = [float(np.abs(a - b).max() / (np.abs(b).max() or 1.0)) for a, b in zip(got, want, strict=True)]
    return math.inf if any(map(math.isnan, errors)) else max(errors)


def interleave(runs: Sequence[Run], effort: Effort) -> list[list[float]]:
    """The seconds of every call of each run: block by block, each run in turn, each block's order another.

    The threads of most programs spin for some milliseconds after a call, and would slow down whoever is next in the
    same process. So a block begins with a pause, and with a call that is not timed.
    """
    times: list[list[float]] = [[] for _ in runs]
    order = list(range(len(runs)))
    gc.collect()
    gc.disable()
    try:
        for block in range(effort.blocks):
            for k in order[block % len(order) :] + order[: block % len(order)] if order else ():
                time.sleep(PAUSE)
                runs[k]()
                until = time.perf_counter() + effort.seconds
                now = 0.0
                while now < until:
                    begin = time.perf_counter()
                    runs[k]()
                    now = time.perf_counter()
                    times[k].append(now - begin)
    finally:
        gc.enable()
    return times
