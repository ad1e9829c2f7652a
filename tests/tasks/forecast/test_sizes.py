"""The rules by which a forecast's sizes are chosen."""

import numpy as np
import pytest

from penstock import PenstockError
from penstock.model_folder import StackConfig
from penstock.series import Column, SeriesSet
from penstock.tasks.forecast.sizes import better_repeat, lookback_of, patch_of, sizes


@pytest.mark.parametrize(
    ("horizon", "season", "patch"),
    [(48, 24, 24), (96, None, 24), (1, None, 1), (5, None, 5), (30, 365, 46), (7, 7, 7), (6, 2, 6), (12, 168, 42)],
)
def test_patches_are_seasons_or_equal_parts_of_one(horizon: int, season: int | None, patch: int) -> None:
    assert patch_of(horizon, season) == patch


def test_the_lookback_is_whole_patches_and_leaves_windows_to_train_on() -> None:
    long = np.array([10_000])
    assert lookback_of(long, 48, 24, None) == 336
    assert lookback_of(long, 96, None, None) == 192
    assert lookback_of(long, 48, 24, 100) == 120
    assert lookback_of(long, 48, 24, 100, 1) == 100
    assert lookback_of(np.array([60]), 6, 4, None) == 32
    assert lookback_of(np.array([3]), 6, 4, None) == 4
    assert lookback_of(np.array([], np.int64), 6, None, None) == 6


def test_a_lookback_shorter_than_what_is_repeated_is_refused() -> None:
    with pytest.raises(PenstockError, match="--lookback: expected at least a season of 24"):
        sizes(StackConfig(4, 4), 8, 12, 24, 24)


def test_patches_and_segments_may_be_said() -> None:
    config = sizes(StackConfig(4, 4), 8, 30, 24, 1, 1, (5, 2, 3))
    assert (config.patch, config.segment, config.segments, config.beside) == (1, 1, 8, (5, 2, 3))
    assert sizes(StackConfig(4, 4), 8, 30, 24, 1, 10).segment == 8


def test_what_is_repeated_is_the_better_naive_forecast() -> None:
    t = np.arange(400)
    random = np.random.default_rng(0)
    wave, walk = np.sin(t * 2 * np.pi / 8), np.cumsum(random.standard_normal(400))
    for values, repeats in ((wave, 8), (walk, 1)):
        series = SeriesSet(("a",), np.array([0, 400]), values[:, None].astype(np.float32), (Column("v"),))
        assert better_repeat(series, [0], np.array([[0, 400]]), 8, 8) == repeats
