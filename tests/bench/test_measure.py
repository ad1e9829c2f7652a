"""Answers come first: a wrong contestant is refused, a broken one stops nobody."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bench.machine import MACHINE

from penstock import native
from penstock.bench.measure import Duration, error_of, interleave, measure
from penstock.bench.peers import Peer
from penstock.bench.problem import Problem, Run, answers, draw
from penstock.bench.shapes import VARIANTS, Kind, Shape, parse
from penstock.errors import PenstockError

pytestmark = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")

SHAPE, BRIEF = Shape(3, 5, 4, 6), Duration(blocks=2, seconds=0)
KINDS: list[Kind] = ["inference", "training"]


class Made(Peer):
    """A peer that returns the right answers, changed."""

    def prepare(self, kind: Kind, problem: Problem) -> Run:
        right = answers(problem, kind)
        return lambda: CHANGES[self.name]([value.astype(np.float32) for value in right])


def one_off(values: list[Any]) -> list[Any]:
    values[-1][0] += 0.01 * np.abs(values[-1]).max()
    return values


def one_nan(values: list[Any]) -> list[Any]:
    values[0][0, 0, 0] = np.nan
    return values


def broken(values: list[Any]) -> list[Any]:
    raise MemoryError("no room\nat all")


CHANGES: dict[str, Callable[[list[Any]], list[Any]]] = {
    "right": lambda values: values,
    "off": one_off,
    "nan": one_nan,
    "missing": lambda values: values[:-1],
    "broken": broken,
}


def made(name: str, *packages: str) -> Peer:
    return Made(name, packages, "", {"inference": "", "training": ""})


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_answers_are_refused_and_never_timed(kind: Kind) -> None:
    row = measure(kind, SHAPE, MACHINE, BRIEF, peers=[made(name) for name in CHANGES])
    right, *wrong, failed = row.peers
    assert row.best_peer is right
    assert right.milliseconds is not None
    assert row.to_best_peer(row.penstock) == row.penstock.milliseconds / right.milliseconds  # type: ignore[operator]
    for entry in wrong:
        assert entry.milliseconds is None
        assert entry.share is None
        assert str(entry.note).startswith("refused: its answer is off by")
        assert row.to_best_peer(entry) is None
    assert failed.note == "failed: MemoryError: no room at all"


def test_without_a_peer_there_is_no_ratio() -> None:
    row = measure("inference", SHAPE, MACHINE, BRIEF, peers=[made("right", "no_such_package")])
    assert row.peers[0].note == "no_such_package not installed"
    assert row.best_peer is None
    assert row.to_best_peer(row.penstock) is None
    assert row.target is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [SHAPE, Shape(1, 4, 3, 5), Shape(1, 1, 2, 1)])
def test_every_variant_is_right(kind: Kind, shape: Shape) -> None:
    row = measure(kind, shape, MACHINE, BRIEF, peers=[], variants=True)
    assert [entry.name for entry in row.variants] == [variant.name for variant in VARIANTS[kind]]
    for entry in (row.penstock, *row.variants):
        assert entry.note is None
        assert entry.milliseconds > 0  # type: ignore[operator]
    assert row.to_plain(row.penstock) == 1


def test_ragged_lengths_have_as_many_steps_as_the_plain_call() -> None:
    (variant,) = (v for v in VARIANTS["inference"] if v.lengths)
    for shape in (Shape(7, 10, 2, 3), Shape(32, 35, 2, 3), Shape(1, 9, 2, 3)):
        problem = draw(shape, 1, variant)
        assert problem.lengths is not None
        assert problem.lengths.sum() == shape.N * shape.L
        assert problem.lengths.min() >= 1
        assert len(problem.x) == problem.lengths.max()


def test_an_error_is_a_share_of_the_largest_value() -> None:
    one, other = np.array([1.0, -4.0]), np.array([1.0, -4.4])
    assert error_of([one], [other]) == pytest.approx(0.4 / 4.4)
    assert error_of([one, one], [one]) == math.inf
    assert error_of([one[:1]], [one]) == math.inf
    assert error_of([one[:, None]], [one[None]]) == math.inf
    assert error_of([one[None], one], [one, one[None, None]]) == 0
    assert error_of([np.zeros(2)], [np.zeros(2)]) == 0


def test_runs_take_turns() -> None:
    calls: list[str] = []
    runs = [lambda name=name: calls.append(name) or [] for name in "ab"]  # type: ignore[func-returns-value]
    times = interleave(runs, Duration(blocks=2, seconds=0))
    assert "".join(calls) == "aabbbbaa"  # each block: one call that is not timed, one that is
    assert [len(some) for some in times] == [2, 2]
    assert interleave([], BRIEF) == []


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,0", "1,2,3,x", "", "1,2,3,-4"])
def test_a_shape_is_four_positive_integers(text: str) -> None:
    assert parse("(1, 20,3,4)") == (1, 20, 3, 4)
    with pytest.raises(PenstockError, match=r"--shape: expected N,L,D,H, four positive integers, got "):
        parse(text)
