"""Answers first, then times: contestants that agree with float64 run interleaved in this process."""

from __future__ import annotations

import functools
import gc
import itertools
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


class Duration(NamedTuple):
    """How long to measure."""

    blocks: int
    seconds: float
    """Of one block, or as long as one call takes."""


FULL, QUICK = Duration(7, 0.1), Duration(3, 0.05)


@dataclass
class Entry:
    """One contestant on one shape. Not timed, it says why."""

    name: str
    target: float | None = None
    """Of a variant: how much of the plain call's time it may take at most."""
    error: float | None = None
    milliseconds: float | None = None
    """The median."""
    late_milliseconds: float | None = None
    """The 99th percentile."""
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
        return ratio(entry, self.best_peer)

    def to_plain(self, entry: Entry) -> float | None:
        """The entry's time, divided by that of Penstock's plain call."""
        return ratio(entry, self.penstock)


def ratio(one: Entry, other: Entry | None) -> float | None:
    """The one's time, divided by the other's; None if either has none."""
    if other is None or one.milliseconds is None or other.milliseconds is None:
        return None
    return one.milliseconds / other.milliseconds


class Contestant(NamedTuple):
    """Somebody who solves a problem."""

    entry: Entry
    prepare: Callable[[Problem], Run]
    variant: Variant = PLAIN
    may_fail: bool = False
    """In any way, and the others run on."""


def checked(kind: Kind, shape: Shape, threads: int, contestants: Sequence[Contestant]) -> list[tuple[Entry, Run]]:
    """Those whose answers agree with float64, ready to run; the entries of the others say why they are not."""
    solved: dict[Variant, tuple[Problem, list[Array]]] = {}
    runs: list[tuple[Entry, Run]] = []
    for entry, prepare, variant, may_fail in contestants:
        if variant not in solved:
            problem = draw(shape, threads, variant)
            solved[variant] = problem, answers(problem, kind)
        problem, want = solved[variant]
        try:
            run = prepare(problem)
            entry.error = error_of([_array(value) for value in run()], want)
        except Exception as error:
            if not may_fail:
                raise
            entry.note = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:100]}"
            continue
        allowed = TOLERANCE[variant.precision]
        if entry.error <= allowed:
            runs.append((entry, run))
        else:
            entry.note = f"refused: its answer is off by {entry.error:.1e} of the largest value, allowed {allowed:.0e}"
    return runs


def timed(runs: Sequence[tuple[Entry, Run]], duration: Duration) -> None:
    """Writes into each entry how long its run takes, interleaved with the others."""
    for (entry, _), times in zip(runs, interleave([run for _, run in runs], duration), strict=True):
        first, seconds, third, late = np.percentile(times, [25, 50, 75, 99]).tolist()
        entry.spread = (third - first) / seconds
        entry.milliseconds, entry.late_milliseconds = seconds * 1e3, late * 1e3


def measure(
    kind: Kind,
    shape: Shape,
    roofline: Roofline,
    duration: Duration,
    *,
    peers: Sequence[Peer] = PEERS,
    variants: bool = False,
) -> Row:
    """Checks and times everyone on one shape."""
    row = Row(kind, shape, TARGETS[kind].get(shape), _bound(roofline, kind, shape, PLAIN) * 1e3)
    our = ours.inference if kind == "inference" else ours.training
    contestants = [Contestant(row.penstock, our)]
    for peer in peers:
        if kind in peer.functions:
            row.peers.append(entry := Entry(peer.name, note=peer.missing()))
            if entry.note is None:
                contestants.append(Contestant(entry, functools.partial(peer.prepare, kind), may_fail=True))
    for variant in VARIANTS[kind] if variants else ():
        row.variants.append(entry := Entry(variant.name, variant.target))
        contestants.append(Contestant(entry, our, variant))
    timed(checked(kind, shape, roofline.threads, contestants), duration)
    for entry, _, variant, _ in contestants:
        if entry.milliseconds is not None:
            seconds = entry.milliseconds / 1e3
            entry.gflops = operations(*shape, training=kind == "training") / seconds / 1e9
            entry.share = _bound(roofline, kind, shape, variant) / seconds
    return row


def _bound(roofline: Roofline, kind: Kind, shape: Shape, variant: Variant) -> float:
    return bound(roofline, *shape, training=kind == "training", precision=variant.precision)


def _array(value: Any) -> Array:
    """A result as NumPy has it: a tensor without its history."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def error_of(got: Sequence[Array], want: Sequence[Array]) -> float:
    """The largest error of any value, divided by the largest value of its array; infinite for NaN or a missing one.

    Leading axes of size one, as PyTorch's h_n (1, N, H) has one more, are of no account.
    """
    if [_bare(a.shape) for a in got] != [_bare(b.shape) for b in want]:
        return math.inf
    pairs = [(a.reshape(b.shape), b) for a, b in zip(got, want, strict=True)]
    errors = [float(np.abs(a - b).max() / (np.abs(b).max() or 1.0)) for a, b in pairs]
    return math.inf if any(map(math.isnan, errors)) else max(errors)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(itertools.dropwhile(lambda size: size == 1, shape))


def interleave(runs: Sequence[Run], duration: Duration) -> list[list[float]]:
    """The seconds of every call of each run: block by block, each run in turn, each block's order another.

    The threads of most programs spin for some milliseconds after a call, and would slow down whoever is next in the
    same process. So a block begins with a pause, and with a call that is not timed.
    """
    times: list[list[float]] = [[] for _ in runs]
    order = list(range(len(runs)))
    gc.collect()
    gc.disable()
    try:
        for block in range(duration.blocks):
            for k in order[block % len(order) :] + order[: block % len(order)] if order else ():
                time.sleep(PAUSE)
                runs[k]()
                until = time.perf_counter() + duration.seconds
                now = 0.0
                while now < until:
                    begin = time.perf_counter()
                    runs[k]()
                    now = time.perf_counter()
                    times[k].append(now - begin)
    finally:
        gc.enable()
    return times
