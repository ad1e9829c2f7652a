"""A busy machine: calls while other processes spin, on each number of threads, beside torch under the same load."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.bench import ours
from penstock.bench.measure import Contestant, Duration, Entry, checked, ratio, timed
from penstock.bench.peers import PEERS
from penstock.bench.problem import Problem, Run
from penstock.bench.shapes import Kind, Shape

TO_BEST, TO_TORCH = 1.3, 1.0
"""How much of the time on the best number of threads, and of torch's, the default number may take; geometric means."""


class Case(NamedTuple):
    """A call. Inference from NumPy is on the core's own threads, what goes through torch on those of torch."""

    name: str
    kind: Kind
    shape: Shape


class Conditions(NamedTuple):
    """What is measured, and how long."""

    cases: tuple[Case, ...]
    loads: tuple[int, ...]
    """Other processes that spin."""
    duration: Duration


LAYER, MODULE, TRAINED = "native.RecurrentLayer", "penstock.GRU", "penstock.GRU, training"

FULL = Conditions(
    (
        *(
            Case(LAYER, "inference", shape)
            for shape in (
                Shape(1, 1, 512, 512),
                Shape(1, 100, 256, 256),
                Shape(1, 200, 128, 128),
                Shape(8, 100, 256, 256),
                Shape(32, 50, 256, 256),
            )
        ),
        Case(MODULE, "inference", Shape(1, 100, 256, 256)),
        Case(MODULE, "inference", Shape(8, 100, 256, 256)),
        Case(TRAINED, "training", Shape(32, 35, 28, 256)),
        Case(TRAINED, "training", Shape(32, 32, 128, 128)),
    ),
    (0, 1, 2, 4),
    Duration(4, 0.4),
)
QUICK = Conditions((FULL.cases[1], FULL.cases[5], FULL.cases[8]), (0, 1, 2), Duration(2, 0.1))

TORCH = next(peer for peer in PEERS if peer.name == "torch.nn.GRU")

SPIN = """
import os, sys
print(flush=True)
while os.getppid() == int(sys.argv[1]):  # it ends with the process that started it
    for _ in range(100_000):
        pass
"""


@dataclass
class Busy:
    """One case under one load."""

    case: Case
    load: int
    by_threads: dict[int, Entry]
    """Ours; the largest number is the default."""
    torch: Entry

    @property
    def default(self) -> Entry:
        """With as many threads as there are."""
        return self.by_threads[max(self.by_threads)]

    @property
    def best_threads(self) -> int:
        """The number of threads that was fastest."""
        return min(self.by_threads, key=lambda threads: self.by_threads[threads].milliseconds or 0)

    @property
    def to_best(self) -> float | None:
        """The default's time, divided by that of the best number."""
        return ratio(self.default, self.by_threads[self.best_threads])

    @property
    def to_torch(self) -> float | None:
        """The default's time, divided by torch's."""
        return ratio(self.default, self.torch)


def measure(threads: int, conditions: Conditions, say: Callable[[str], None]) -> list[Busy]:
    """Checks and times every case under every load."""
    rows = []
    for case in conditions.cases:
        runs = _prepared(case, threads)
        for load in conditions.loads:
            say(f"{load} busy: {case.name} {case.shape}")
            under_load = [(dataclasses.replace(entry), run) for entry, run in runs]
            with spinning(load):
                timed(under_load, conditions.duration)
            *mine, torch = (entry for entry, _ in under_load)
            rows.append(Busy(case, load, dict(zip(numbers(threads), mine, strict=True)), torch))
    return rows


def numbers(threads: int) -> list[int]:
    """Of threads that are tried: 1, 2, 4 and so on, and all."""
    return [*(1 << k for k in range((threads - 1).bit_length())), threads]


def _prepared(case: Case, threads: int) -> Sequence[tuple[Entry, Run]]:
    """Ours on each number of threads, then ``torch.nn.GRU``."""
    our = {LAYER: ours.inference, MODULE: ours.module, TRAINED: ours.training}[case.name]

    def on(count: int, problem: Problem) -> Run:
        run = our(problem._replace(threads=count))
        return run if case.name == LAYER else _on_threads(count, run)

    def by_torch(problem: Problem) -> Run:
        return _on_threads(threads, TORCH.prepare(case.kind, problem))

    contestants = [Contestant(Entry(f"threads: {k}"), functools.partial(on, k)) for k in numbers(threads)]
    return checked(case.kind, case.shape, threads, [*contestants, Contestant(Entry(TORCH.name), by_torch)])


def _on_threads(threads: int, run: Run) -> Run:
    import torch

    def on_threads() -> Any:
        torch.set_num_threads(threads)
        return run()

    return on_threads


@contextlib.contextmanager
def spinning(count: int) -> Iterator[None]:
    """Inside it, so many other processes use all the time of the processors that they are given."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-IS", "-c", SPIN, str(os.getpid())]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()
