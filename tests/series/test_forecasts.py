"""Naive forecasts and metrics, against figures computed by hand."""

import numpy as np
import pytest

from penstock.series import Column, SeriesSet
from penstock.series.forecasts import DRIFT, LAST, MEAN, SEASON, measured_forecasts, naive_error, naive_forecasts

NAN = np.nan


def series(*rows: list[float]) -> SeriesSet:
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    values = np.array([value for row in rows for value in row], np.float32)[:, None]
    return SeriesSet(tuple(map(str, range(len(rows)))), starts, values, (Column("v", "target"),))


def test_naive_forecasts_by_hand() -> None:
    values = np.array([9, 9, 1, 2, 4, 7, 5], np.float64)  # the first two rows are another series'
    found = naive_forecasts(values, np.array([2]), np.array([6]), 5, season=2)
    assert found[LAST][0].tolist() == [7, 7, 7, 7, 7]
    assert found[SEASON][0].tolist() == [4, 7, 4, 7, 4]
    assert found[DRIFT][0].tolist() == [9, 11, 13, 15, 17]  # (7 − 1) / 3 a step
    assert found[MEAN][0].tolist() == [3.5] * 5
    assert SEASON not in naive_forecasts(values, np.array([2]), np.array([6]), 5, None)


def test_naive_forecasts_of_what_is_short_or_begins_with_gaps() -> None:
    one = naive_forecasts(np.array([9.0, 3.0]), np.array([1]), np.array([2]), 2, season=4)
    assert {name: found[0].tolist() for name, found in one.items()} == {name: [3, 3] for name in one}
    late = naive_forecasts(np.array([9.0, NAN, 3.0, 5.0]), np.array([1]), np.array([4]), 2, season=3)
    assert late[DRIFT][0].tolist() == [7, 9]
    assert late[MEAN][0].tolist() == [4, 4]
    assert late[SEASON][0].tolist() == [5, 3]


def test_what_mase_divides_by() -> None:
    both = series([1, 2, 4, 8, NAN, 8], [5], [3, 3, 3])
    part = np.array([[0, 6], [0, 1], [0, 3]])
    assert np.allclose(naive_error(both, both.values[:, 0], part, None), [7 / 3, NAN, 0], equal_nan=True)
    assert np.allclose(naive_error(both, both.values[:, 0], part, 2), [(3 + 6 + 0) / 3, NAN, 0], equal_nan=True)


def test_metrics_by_hand() -> None:
    truths = np.array([[2.0, 4.0], [10.0, NAN]])
    forecast = np.array([[[0, 1, 4], [4, 6, 7]], [[8, 8, 9], [0, 0, 0]]], np.float64)
    found = measured_forecasts(forecast, (0.25, 0.5, 0.75), truths, np.array([0, 1]), np.array([0.5, 4.0]), spread=2.0)
    assert found["mae"] == pytest.approx((1 + 2 + 2) / 3)
    assert found["mase"] == pytest.approx(((1 + 2) / 2 / 0.5 + 2 / 4) / 2)  # the mean over series
    assert found["smape"] == pytest.approx(200 * (1 / 3 + 2 / 10 + 2 / 18) / 3)
    means = np.array([5 / 3, 17 / 3, 25 / 3])
    squared = ((means - [2, 4, 10]) ** 2).mean()
    assert found["rmse"] == pytest.approx(np.sqrt(squared))
    assert found["mse_scaled"] == pytest.approx(squared / 4)
    losses = [0.25 * 2, 0.5, 0.25 * 2, 0, 0.5 * 2, 0.25 * 3, 0.25 * 2, 0.5 * 2, 0.75 * 1]
    assert found["pinball"] == pytest.approx(np.mean(losses))
    assert found["coverage"] == pytest.approx(2 / 3)


def test_a_forecast_without_intervals_has_a_pinball_loss_and_no_coverage() -> None:
    found = measured_forecasts(
        np.array([[[1.0]]]), (0.1, 0.5, 0.9), np.array([[3.0]]), np.array([0]), np.array([NAN]), 1.0
    )
    assert found["pinball"] == pytest.approx(2 * 0.5)
    assert "coverage" not in found
    assert "mase" not in found


def test_zero_forecast_as_zero_is_no_error() -> None:
    found = measured_forecasts(np.zeros((1, 2, 1)), (0.5,), np.zeros((1, 2)), np.array([0]), np.array([1.0]), 1.0)
    assert found["smape"] == found["mase"] == 0
