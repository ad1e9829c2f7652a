"""One step at a time, as users call it: beside what each call replaces, or beside what it cannot do without."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from penstock.bench import ours
from penstock.bench.measure import Contestant, Duration, Entry, checked, ratio, timed
from penstock.bench.problem import Problem, Run, draw
from penstock.bench.roofline import Roofline, bound
from penstock.bench.shapes import Kind, Shape
from penstock.errors import PenstockError
from penstock.runtime.sampling import numbers, sample


class Sizes(NamedTuple):
    """What is measured, and how long."""

    N: tuple[int, ...]
    H: tuple[int, ...]
    """Of the modules; D is the same."""
    cells: Shape
    """Of a cell in a loop over L steps."""
    duration: Duration


LARGEST = Shape(1, 1, 1024, 1024)
"""Waits for memory, whoever computes."""

FULL = Sizes((1, 32), (8, 32, 64, 128, 256, 512, LARGEST.H), Shape(32, 64, 128, 128), Duration(7, 0.03))
QUICK = Sizes((1, 32), (32, 256), FULL.cells, Duration(3, 0.01))

OVER_CORE = {64: 2.2, 128: 1.5, 256: 1.1}
"""By H: how much of the core's own time a call from NumPy may take."""

Prepare = Callable[[Problem], Run]
Entries = dict[str, Entry]
"""By name."""

CHARACTERS = 100
"""That ``generate`` writes in one call."""

TOKENS = (ours.FEW_TOKENS, 50_000)
"""Of the language models that it writes with."""


@dataclass
class Comparison:
    """One call of ours, beside another's. Without gradients but where the group's title says so."""

    shape: Shape
    threads: int
    ours: Entry
    other: Entry
    target: float | None = None
    """How much of the other's time ours may take at most."""
    promised: bool = True
    """Whether it counts in the group's mean."""

    @property
    def ratio(self) -> float | None:
        """Our time, divided by the other's."""
        return ratio(self.ours, self.other)


@dataclass
class Group:
    """Steps of one kind, which are promised together."""

    name: str
    other: str
    """What they stand beside."""
    target: float | None
    """For the geometric mean of the promised ratios."""
    steps: list[Comparison] = field(default_factory=list)

    def add(
        self, shape: Shape, roofline: Roofline, entries: Entries, target: float | None = None, *, promised: bool = True
    ) -> None:
        """One more step, of the two entries that this group is about."""
        ours, other = entries[self.name], entries[self.other]
        self.steps.append(Comparison(shape, roofline.threads, ours, other, target, promised))

    @property
    def promised(self) -> list[tuple[float, Comparison]]:
        """The ratios that count."""
        return [(step.ratio, step) for step in self.steps if step.promised and step.ratio is not None]

    @property
    def mean(self) -> float | None:
        """The geometric mean of the promised ratios."""
        return geometric_mean(ratio for ratio, _ in self.promised)

    @property
    def worst(self) -> tuple[float, Comparison] | None:
        """The largest of them, by its target."""
        return max(self.promised, key=lambda one: one[0] / (one[1].target or 1), default=None)


def geometric_mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def measure(roofline: Roofline, sizes: Sizes, say: Callable[[str], None]) -> list[Group]:
    """Checks and times all groups, on one thread and on all of them.

    From NumPy first: ``penstock.GRU``, once imported, moves the core to the threads of torch.

    Raises:
        PenstockError: ``generate`` writes another text than its steps.
    """
    each = [roofline.on_one_thread()] + [roofline] * (roofline.threads > 1)
    return [*_from_numpy(roofline, sizes, say), *_modules(each, sizes, say), _cells(each, sizes, say)]


def _from_numpy(roofline: Roofline, sizes: Sizes, say: Callable[[str], None]) -> list[Group]:
    layer = Group("native.RecurrentLayer.step", "the core alone", None)
    step = Group("Stream.step", "core and output", None)
    generate = [Group(f"generate, a token of {V:,}", "Stream.step", 1.3) for V in TOKENS]
    calls: dict[str, Prepare] = {
        layer.name: ours.layer_step,
        layer.other: ours.core_step,
        step.name: ours.stream_step,
        step.other: ours.core_step_and_output,
    }
    for H, target in OVER_CORE.items():
        say(f"one step from NumPy, H = {H}")
        shape = Shape(1, 1, H, H)
        entries = _contest("inference", shape, roofline, sizes.duration, calls)
        for group in (layer, step):
            group.add(shape, roofline, entries, target)
        for V, group in zip(TOKENS, generate, strict=True):
            group.add(shape, roofline, _generating(shape, sizes.duration, group, V))
    return [layer, step, *generate]


def _modules(each: Sequence[Roofline], sizes: Sizes, say: Callable[[str], None]) -> list[Group]:
    from penstock.bench.peers import in_torch

    plain, packed, trained = (
        Group(name, "torch.nn.GRU", target)
        for name, target in (
            ("penstock.GRU", 0.75),
            ("penstock.GRU, packed", 0.35),
            ("penstock.GRU, training", 0.8),
        )
    )
    forward: dict[str, Prepare] = {
        plain.name: ours.module,
        plain.other: in_torch.without_gradients,
        packed.name: ours.packed_module,
    }
    backward: dict[str, Prepare] = {trained.name: ours.training, trained.other: in_torch.training}
    for N, H, roofline in itertools.product(sizes.N, sizes.H, each):
        say(f"{plain.name}, N = {N}, H = {H}, threads: {roofline.threads}")
        shape = Shape(N, 1, H, H)
        entries = _contest("inference", shape, roofline, sizes.duration, forward)
        plain.add(shape, roofline, entries, 1.0)
        packed.add(shape, roofline, entries, promised=N == 1 and H >= 128)
        trained.add(shape, roofline, _contest("training", shape, roofline, sizes.duration, backward), 1.0)
    return [plain, packed, trained]


def _cells(each: Sequence[Roofline], sizes: Sizes, say: Callable[[str], None]) -> Group:
    from penstock.bench.peers import in_torch

    group = Group(f"penstock.GRUCell × {sizes.cells.L}, training", "torch.nn.GRUCell", 0.6)
    calls: dict[str, Prepare] = {group.name: ours.cells_in_a_loop, group.other: in_torch.cells_in_a_loop}
    for roofline in each:
        say(f"{group.name}, threads: {roofline.threads}")
        group.add(sizes.cells, roofline, _contest("training", sizes.cells, roofline, sizes.duration, calls))
    return group


def _contest(kind: Kind, shape: Shape, roofline: Roofline, duration: Duration, calls: dict[str, Prepare]) -> Entries:
    entries = {name: Entry(name) for name in calls}
    contestants = [Contestant(entries[name], prepare) for name, prepare in calls.items()]
    timed(checked(kind, shape, roofline.threads, contestants), duration)
    for entry in entries.values():
        if entry.milliseconds is not None:
            entry.share = bound(roofline, *shape, training=kind == "training") * 1e3 / entry.milliseconds
    return entries


def _generating(shape: Shape, duration: Duration, group: Group, V: int) -> Entries:
    """``generate`` and the steps that it takes, a token each."""
    model = ours.model(draw(shape, 1), V)
    ids = model.vocabulary.encode("a")
    text = "".join(model.generate("a", length=CHARACTERS, seed=0))
    tokens, stream = [*ids.tolist(), *model.vocabulary.encode(text).tolist()], model.stream()
    for (token, following), number in zip(itertools.pairwise(tokens), numbers(0, CHARACTERS), strict=True):
        log_probabilities = stream.step(token)
        log_probabilities[model.vocabulary.unknown] = -np.inf
        if sample(log_probabilities, number) != following:
            raise PenstockError("generate writes another text than its steps: not timed")

    def steps() -> list[int]:
        for token in tokens[:-1]:
            stream.step(token)
        return tokens

    def generate() -> list[str]:
        return list(model.generate("a", length=CHARACTERS, seed=0))

    entries = {name: Entry(name) for name in (group.name, group.other)}
    timed(list(zip(entries.values(), (generate, steps), strict=True)), duration)
    for entry in entries.values():
        entry.milliseconds = (entry.milliseconds or math.nan) / CHARACTERS
        entry.late_milliseconds = (entry.late_milliseconds or math.nan) / CHARACTERS
    return entries
