"""Scaling is undone, holds for constants and outliers, and knows the training rows alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from series_made import read

from penstock import PenstockError
from penstock.series import Scaling, SeriesScaling, by_time, learn_scaling, learn_series_scaling

FLOATS = st.floats(-(2.0**99), 2.0**99, width=32) | st.just(float("nan"))
TABLES = arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=FLOATS)


@given(TABLES, TABLES)
def test_what_is_scaled_is_undone(training: NDArray[np.float32], others: NDArray[np.float32]) -> None:
    """To float32's rounding, of the value itself and of the center that it was taken from."""
    width = min(training.shape[1], others.shape[1])
    scaling = learn_scaling(training[:, :width])
    assert (scaling.spread > 0).all()
    for values in (training[:, :width], others[:, :width]):
        with np.errstate(over="ignore"):
            scaled = scaling.apply(values)
        back = scaling.undo(scaled)
        inside = np.isfinite(scaled)
        np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
        far = np.abs(values.astype(np.float64)) + np.abs(scaling.center) + scaling.spread * 1e-37
        wrong = np.abs(back.astype(np.float64) - values) > 2**-22 * far
        assert not (wrong & inside).any()


@given(TABLES)
def test_it_is_the_same_from_json(training: NDArray[np.float32]) -> None:
    scaling = learn_scaling(training)
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    assert again.statistic == scaling.statistic
    np.testing.assert_array_equal(again.center, scaling.center)
    np.testing.assert_array_equal(again.spread, scaling.spread)


def test_what_is_learned_of_columns() -> None:
    rng = np.random.default_rng(0)
    normal, wild = rng.normal(5, 2, 1000), rng.normal(5, 2, 1000)
    wild[:5] = 1e6
    missing = np.full(1000, np.nan)
    mostly_zero = np.where(np.arange(1000) % 10 == 0, 7.0, 0.0)
    almost = np.float32(1e6) + np.where(np.arange(1000) % 2, 0.0625, 0)
    columns = [normal, wild, np.full(1000, 3.0), missing, mostly_zero, almost, np.arange(1000) % 3]
    scaling = learn_scaling(np.stack(columns, axis=1), categories=[False] * 6 + [True])
    assert scaling.statistic == ("mean", "median", "constant", "constant", "mean", "constant", "none")
    assert scaling.center[:3] == pytest.approx([5, 5, 3], abs=0.3)
    assert scaling.spread == pytest.approx([2, 2, 1, 1, 2.1, 1, 1], abs=0.3)
    assert scaling.apply(np.array([[5, 5, 3, np.nan, 0, 1e6, 2]], np.float32))[0, 2] == 0


def test_of_each_series_and_of_training_rows_alone(tmp_path: Path) -> None:
    rows = [f"a,{k}\n" for k in (1, 2, 3, 900)] + [f"b,{k}\n" for k in (10, 20, 30, 900)] + ["c,5\n"]
    series = read(tmp_path / "t.csv", "id,x\n" + "".join(rows))
    split = by_time(series, share=0.25)
    assert split.training.tolist() == [[0, 3], [0, 3], [0, 1]]
    found = learn_series_scaling(series, split.training, [0], per_series=True)
    assert found.get("a").center == pytest.approx([2])
    assert found.get("b").center == pytest.approx([20])
    assert found.get("c") is found.overall
    assert found.get("never seen").center == pytest.approx([np.mean([1, 2, 3, 10, 20, 30, 5])])
    again = SeriesScaling.from_json(json.loads(json.dumps(found.to_json())))
    assert again.get("b").center == found.get("b").center
    assert not learn_series_scaling(series, split.training, [0], per_series=False).of


@pytest.mark.parametrize("content", [{}, {"center": [1], "spread": [0], "statistic": ["mean"]}, {"center": "x"}])
def test_what_is_no_scaling(content: dict[str, object]) -> None:
    with pytest.raises(PenstockError, match="scaling: expected"):
        Scaling.from_json(content)
    with pytest.raises(PenstockError, match="scaling: expected"):
        SeriesScaling.from_json(content)
