"""One step beside what it replaces: checked, timed, and summed up as it was promised."""

from typing import Any

import numpy as np
import pytest
from bench.machine import MACHINE

from penstock import PenstockError, native
from penstock.bench import one_step, ours
from penstock.bench.measure import Duration, Entry
from penstock.bench.one_step import Comparison, Group, Sizes, geometric_mean, measure
from penstock.bench.problem import Problem, Run
from penstock.bench.shapes import Shape

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")

BRIEF = Sizes((1, 3), (5, 128), Shape(3, 4, 5, 6), Duration(1, 0))


def step(ours: float | None, other: float = 1.0, *, target: float | None = None, promised: bool = True) -> Comparison:
    entries = Entry("ours", milliseconds=ours), Entry("other", milliseconds=other)
    return Comparison(Shape(1, 1, 2, 2), 1, *entries, target, promised)


def test_the_mean_is_geometric_and_of_what_was_promised() -> None:
    group = Group("ours", "other", 0.5, [step(0.5), step(2.0), step(9.0, promised=False), step(None)])
    assert group.mean == pytest.approx(1)
    assert [ratio for ratio, _ in group.promised] == [0.5, 2]
    assert Group("ours", "other", 0.5, [step(None)]).mean is None
    assert geometric_mean([2, 4, 8]) == pytest.approx(4)


def test_the_worst_is_the_one_farthest_above_its_target() -> None:
    group = Group("ours", "other", None, [step(2.0, target=2.2), step(1.3, target=1.1), step(1.4, target=1.5)])
    assert group.worst == (1.3, group.steps[1])
    assert Group("ours", "other", None).worst is None


@needs_core
def test_every_call_is_right_and_timed_on_one_thread_and_on_all() -> None:
    said: list[str] = []
    groups = {group.name: group for group in measure(MACHINE, BRIEF, said.append)}
    assert {name: (group.other, len(group.steps)) for name, group in groups.items()} == {
        "native.RecurrentLayer.step": ("the core alone", 3),
        "Stream.step": ("core and output", 3),
        "generate, a token of 65": ("Stream.step", 3),
        "generate, a token of 50,000": ("Stream.step", 3),
        "penstock.GRU": ("torch.nn.GRU", 8),
        "penstock.GRU, packed": ("torch.nn.GRU", 8),
        "penstock.GRU, training": ("torch.nn.GRU", 8),
        "penstock.GRUCell × 4, training": ("torch.nn.GRUCell", 2),
    }
    for group in groups.values():
        for of_group in group.steps:
            assert of_group.ours.note is None, of_group.ours.note
            assert of_group.other.note is None, of_group.other.note
            assert of_group.ratio is not None
            assert of_group.ratio > 0
    assert [(s.shape.N, s.shape.H, s.threads) for s in groups["penstock.GRU"].steps] == [
        (N, H, threads) for N in (1, 3) for H in (5, 128) for threads in (1, 2)
    ]
    assert [s.shape for s in groups["penstock.GRU, packed"].steps if s.promised] == [(1, 1, 128, 128)] * 2
    assert len(said) == 3 + 8 + 2


@needs_core
def test_a_wrong_answer_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right: Any = ours.layer_step

    def wrong(problem: Problem) -> Run:
        run = right(problem)
        return lambda: [value + np.float32(0.1) for value in run()]

    monkeypatch.setattr(ours, "layer_step", wrong)
    layer, *_ = one_step._from_numpy(MACHINE, BRIEF, lambda line: None)
    assert layer.promised == []
    assert all(str(s.ours.note).startswith("refused: its answer is off by") for s in layer.steps)
    assert all(s.other.milliseconds is not None for s in layer.steps)


@needs_core
def test_generate_that_writes_another_text_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_step, "sample", lambda log_probabilities, number: 0)
    with pytest.raises(PenstockError, match="generate writes another text than its steps: not timed"):
        one_step._generating(Shape(1, 1, 8, 8), BRIEF.duration, Group("generate", "Stream.step", None), 65)
