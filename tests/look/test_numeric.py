"""What is read off a model's answers: when they were decided, and how little each row was expected."""

import dataclasses

import numpy as np
import pytest

from penstock.look.numeric import Numeric


def answered(answers: list[list[float]], truths: list[list[float]], **fields: object) -> Numeric:
    R = len(answers)
    names = tuple("abc"[: len(answers[0])])
    plain: dict[str, object] = {
        "asked": "class",
        "id": "x",
        "columns": ("v",),
        "size": 1,
        "names": names,
        "account_of": "a",
    }
    values = {"values": np.zeros((R, 1)), "account": np.zeros((R, 1))}
    return Numeric(**{**plain, **values, "answers": np.array(answers), "truths": np.array(truths), **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "decided"),
    [([0.9, 0.8, 0.7], 0), ([0.1, 0.8, 0.7], 1), ([0.9, 0.1, 0.7], 2), ([0.9, 0.9, 0.4], 2), ([0.4], 0)],
)
def test_it_is_decided_where_the_answer_never_changes_again(first: list[float], decided: int) -> None:
    numeric = answered([[p, 1 - p] for p in first], [[0.0]] * len(first))
    assert numeric.decided() == decided
    assert numeric.told() == ("a" if first[-1] > 0.5 else "b")


def test_surprise_is_about_the_row_that_came() -> None:
    nan = float("nan")
    classes = answered([[0.25, 0.75], [0.5, 0.5], [1, 0]], [[0.0], [nan], [nan]], next=True)
    np.testing.assert_allclose(classes.surprise(), [nan, 2, nan])
    labels = answered([[0.25, 0.5], [0.5, 0.5]], [[1, 0], [nan, nan]], asked="labels", next=True)
    np.testing.assert_allclose(labels.surprise(), [nan, 3])
    numbers = answered([[1, 0], [5, 5]], [[4, nan], [nan, nan]], asked="numbers", next=True, spread=(1.5, 1.0))
    np.testing.assert_allclose(numbers.surprise(), [nan, 2])
    assert dataclasses.replace(numbers, next=False).surprise() is None


def test_a_part_has_the_rows_of_its_steps() -> None:
    whole = answered([[k, 0] for k in range(8)], [[0.0]] * 8, size=3, when=tuple("abcdefgh"))
    part = whole.between(1, 3)
    assert (part.first, part.when, part.answers[:, 0].tolist()) == (3, tuple("defgh"), [3, 4, 5, 6, 7])
    assert whole.between(1, 2).between(0, 1).first == 3
