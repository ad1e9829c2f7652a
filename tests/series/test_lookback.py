"""What a forecast reads: never the future, never another series, and no gap."""

import numpy as np
import pytest

from penstock.series import Column, SeriesSet
from penstock.series.lookback import as_read, as_written, carried, floor_of, lookback, places, varies

NAN = np.nan


def series(*rows: list[float]) -> SeriesSet:
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    values = np.array([value for row in rows for value in row], np.float32)[:, None]
    return SeriesSet(tuple(map(str, range(len(rows)))), starts, values, (Column("v", "target"),))


def test_gaps_are_carried_on_within_a_series() -> None:
    found = carried(series([NAN, 2, NAN, NAN, 5], [NAN, 7], []), 0)
    assert np.array_equal(found, [NAN, 2, 2, 2, 5, NAN, 7], equal_nan=True)


def test_windows_are_about_their_last_value_and_by_their_spread() -> None:
    found = lookback(np.array([1.0, 3, 1, 3, 99]), np.array([0]), np.array([4]), 4)
    assert found.values[0].tolist() == [-2, 0, -2, 0]
    assert (found.last[0], found.spread[0]) == (3, 1)


def test_before_a_series_stands_its_first_value_and_never_another_series() -> None:
    found = lookback(np.array([100.0, 2, 4]), np.array([1]), np.array([3]), 4)
    assert (
        found.values[0].tolist()
        == lookback(np.array([2.0, 2, 2, 4]), np.array([0]), np.array([4]), 4).values[0].tolist()
    )
    assert found.last[0] == 4


def test_constant_and_empty_windows() -> None:
    found = lookback(np.array([5.0, 5, NAN, NAN]), np.array([0, 2]), np.array([2, 4]), 2)
    assert not found.values.any()
    assert found.spread.tolist() == [0, 0]
    assert found.last[0] == 5
    assert np.isnan(found.last[1])


def test_the_future_makes_no_difference() -> None:
    values = np.random.default_rng(0).standard_normal(50)
    first, at = np.zeros(30, np.int64), np.arange(1, 31)
    before = lookback(values, first, at, 8)
    values[30:] = 1e9
    assert all(np.array_equal(a, b) for a, b in zip(before, lookback(values, first, at, 8), strict=True))


def test_places_lie_in_their_part_and_short_series_are_read_as_far_as_they_go() -> None:
    both = series([0.0] * 20, [0.0] * 6)
    found = places(both, np.array([[0, 15], [0, 6]]), 8, 3, 2, reach_back=False)
    assert found.target.tolist() == [0] * 8 + [1] * 8
    assert found.at[:8].tolist() == [8, 9, 10, 11, 12, 21, 22, 23]
    held = places(both, np.array([[15, 20], [6, 6]]), 8, 3, 1, reach_back=True)
    assert held.at.tolist() == [15, 16, 17]


def test_logarithms_are_for_what_changes_by_shares() -> None:
    random = np.random.default_rng(0)
    level = np.exp(np.cumsum(0.05 * random.standard_normal(400)))
    shares = (level * np.exp(0.2 * random.standard_normal(400))).tolist()
    sizes = (level + 20 + 0.5 * random.standard_normal(400)).tolist()
    part = np.array([[0, 400]])
    assert floor_of(series(shares), 0, part, None) == pytest.approx(min(shares) / 10)
    assert floor_of(series(sizes), 0, part, None) is None
    assert floor_of(series([0.0, *shares[1:]]), 0, part, None) is None
    assert floor_of(series([1.0]), 0, np.array([[0, 1]]), None) is None


def test_logarithms_and_back() -> None:
    values = np.array([0.1, 2.0, 300.0, NAN])
    assert np.allclose(as_written(as_read(values, 0.5), 0.5), [0.5, 2, 300, NAN], equal_nan=True)
    assert as_read(values, None) is values


@pytest.mark.parametrize("W", [1, 2, 7])
def test_windows_vary_where_they_have_a_spread(W: int) -> None:
    random = np.random.default_rng(W)
    values = np.cumsum(random.integers(0, 2, 300) * random.normal(size=300) * (random.random(300) < 0.3)) + 1e3
    values[100:130] = values[100] + 1e-7 * random.normal(size=30)  # as good as constant
    values[:5] = np.nan
    first, at = np.repeat([0, 150], [150, 149]), np.concatenate([np.arange(1, 151), np.arange(151, 300)])
    expected = lookback(values, first, at, W).spread > 0
    assert np.array_equal(varies(values, first, at, W), expected)
    assert expected.any() == (W > 1)
    assert not expected.all()
