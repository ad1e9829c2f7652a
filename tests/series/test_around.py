"""What is read beside a target: places, sizes, the calendar; nothing from before a series begins."""

import dataclasses

import numpy as np
import pytest

from penstock import PenstockError
from penstock.series import Column, SeriesSet
from penstock.series.around import Around, learn_around

HOUR = 3_600_000_000


def drawn(dated: bool = True) -> SeriesSet:
    random = np.random.default_rng(0)
    values = random.standard_normal((50, 5)).astype(np.float32)
    values[:, 3] = random.integers(0, 2, 50)
    values[:, 4] = np.repeat([1, 2], 25)
    columns = (
        Column("v", "target"),
        Column("seen"),
        Column("price", "known"),
        Column("holiday", "known", ("no", "yes")),
        Column("size", "static"),
    )
    times = np.tile(np.arange(25), 2) * (HOUR if dated else 1)
    return SeriesSet(("a", "b"), np.array([0, 25, 50]), values, columns, times, dated)


TRAINING = np.array([[0, 25], [0, 25]])


def test_sizes_count_what_is_read_known_and_constant() -> None:
    around = learn_around(drawn(), TRAINING, ("seen",))
    assert around is not None
    assert around.columns == ("price", "holiday", "seen", "size")
    assert around.sizes == (1 + 3 + 1, 1, 1 + 3)  # categories have a place for others
    assert around.of(drawn()).shape == (50, around.size)
    dated = learn_around(drawn(), TRAINING, ("seen",), calendar=True)
    assert dated is not None
    assert dated.calendar == ("day", "week", "year")
    assert dated.sizes == (5 + 6, 1, 4 + 6)
    alone = dataclasses.replace(drawn(), values=drawn().values[:, :1], columns=drawn().columns[:1])
    assert learn_around(alone, TRAINING) is None
    counted = dataclasses.replace(alone, times=np.tile(np.arange(25.0), 2), dated=False)
    assert learn_around(counted, TRAINING, calendar=True) is None


def test_a_window_holds_its_steps_its_series_and_what_is_known_ahead() -> None:
    series = drawn()
    around = learn_around(series, TRAINING, ("seen",))
    assert around is not None
    x, W, K = around.of(series), 4, 3
    A, S, B = around.sizes
    first, at = np.array([0, 25]), np.array([10, 27])
    found = around.windows(x, first, at, W, K)
    read, static, ahead = np.split(found, [W * A, W * A + S], axis=1)
    assert ahead.shape == (2, K * B)
    assert np.array_equal(read[0].reshape(W, A)[:, 0], x[6:10, 0])
    assert (read[1].reshape(W, A)[:2] == 0).all()  # before the series begins
    assert np.array_equal(read[1].reshape(W, A)[2:, 0], x[25:27, 0])
    assert np.array_equal(ahead[1].reshape(K, B), x[27:30, :B])
    assert static[0] != static[1]
    given = around.windows(x, first, at, W, K, np.zeros((2, K, around.size), np.float32))
    assert (given[:, W * A + S :] == 0).all()


def test_the_calendar_goes_round() -> None:
    around = learn_around(drawn(), TRAINING, ("seen",), calendar=True)
    assert around is not None
    days = around.dates(np.arange(49) * HOUR)
    assert days.shape == (49, 6)
    assert np.array_equal(days[0, :2], days[24, :2])
    assert not np.array_equal(days[0, 2:], days[24, 2:])
    assert np.allclose(days[6, :2], [1, 0], atol=1e-6)
    assert np.array_equal(np.concatenate([around.dates(np.array([t * HOUR])) for t in range(49)]), days)
    with pytest.raises(ValueError, match="times: expected those of the rows"):
        around.of(dataclasses.replace(drawn(), times=None))


def test_it_is_saved_and_what_is_none_is_refused() -> None:
    around = learn_around(drawn(), TRAINING, ("seen",), calendar=True)
    assert around is not None
    again = Around.from_json(around.to_json())
    assert np.array_equal(again.of(drawn()), around.of(drawn()))
    assert (again.known, again.static, again.calendar) == (around.known, around.static, around.calendar)
    with pytest.raises(PenstockError, match="around: expected features"):
        Around.from_json({"features": around.features.to_json()})
    with pytest.raises(PenstockError, match="calendar: expected some of day, week, year, got moon"):
        Around.from_json({**around.to_json(), "calendar": ["moon"]})
