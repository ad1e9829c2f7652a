"""Metrics by hand, and naive answers that learn from training alone."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from penstock import PenstockError
from penstock.series import naive
from penstock.series.metrics import measured

NAN = np.nan


def test_of_classes() -> None:
    odds = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]])
    found = measured("class", odds, np.array([[0], [1], [1], [NAN]]), "x")
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["nats"] == pytest.approx(-np.log([0.7, 0.8, 0.3]).mean())
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert "auroc" not in found


def test_of_two_classes_and_of_labels() -> None:
    odds = np.array([0.9, 0.6, 0.4, 0.2])
    two = measured("class", np.stack([1 - odds, odds], 1), np.array([[1], [0], [1], [0]]), "x")
    assert two["auroc"] == pytest.approx(3 / 4)
    labels = measured("labels", np.stack([odds, odds], 1), np.array([[1, NAN], [0, 0], [1, 1], [NAN, NAN]]), "x")
    nats = [-np.log(0.9), -2 * np.log(0.4), -2 * np.log(0.4)]
    assert labels["nats"] == pytest.approx(np.mean(nats))
    assert "auroc" not in measured("labels", odds[:, None], np.zeros((4, 1)), "x")  # nothing to tell apart
    with pytest.raises(PenstockError, match="x: expected labels of 0 and 1, as in training, got other numbers"):
        measured("labels", odds[:, None], np.array([[0], [2], [1], [NAN]]), "x")


def test_of_numbers() -> None:
    found = measured("numbers", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, NAN], [0.0, 8.0]]), "x")
    assert found == {"rmse": pytest.approx(np.sqrt(25 / 3)), "mae": pytest.approx(7 / 3)}


def test_the_same_answer_everywhere() -> None:
    assert naive.always("numbers", np.array([[1.0, NAN], [3.0, 5.0]]), 2).tolist() == [[2, 5], [2, 5]]
    odds = naive.always("class", np.array([[0], [0], [2], [NAN]]), 1, 3)
    assert odds.sum() == pytest.approx(1)
    assert odds.argmax() == 0 < odds.min()
    assert naive.always("labels", np.array([[1.0], [1.0], [0.0]]), 1)[0, 0] == pytest.approx(2.5 / 4)


def test_the_row_before() -> None:
    before, truths = np.array([[0], [0], [1], [1]]), np.array([[0], [0], [1], [0]])
    assert naive.as_before("numbers", before, truths, np.array([[7.0], [NAN]])).tolist() == [[7], [0]]
    odds = naive.as_before("class", before, truths, np.array([[0], [1]]), 2)
    assert odds == pytest.approx(np.array([[2.5 / 3, 0.5 / 3], [0.5, 0.5]]))
    labels = naive.as_before("labels", before, truths, np.array([[0.0], [1.0]]))
    assert labels.ravel() == pytest.approx([0.5 / 3, 1.5 / 3])


def test_a_linear_model_learns_what_is_linear() -> None:
    random = np.random.default_rng(0)
    x = [random.standard_normal((random.integers(2, 9), 3)) for _ in range(200)]
    means = np.array([[one[:, 1].mean()] for one in x])
    assert naive.linear("numbers", x[:150], means[:150], x[150:], 0, "x") == pytest.approx(means[150:], abs=0.05)
    codes = (means > 0).astype(float)
    codes[0] = NAN
    odds = naive.linear("class", x[:150], codes[:150], x[150:], 3, "x")
    assert (odds.argmax(1) == codes[150:, 0]).mean() > 0.9
    assert (odds[:, 2] == 0).all()
    assert naive.linear("class", x[:9], np.ones((9, 1)), x[:2], 2, "x").tolist() == [[0, 1], [0, 1]]
