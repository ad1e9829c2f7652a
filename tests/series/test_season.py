"""Seasons are found where there are some, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from series_made import made, read, shared

from penstock.series import Column, Season, SeriesSet, find_season, read_series


def found(*series: NDArray[np.floating]) -> Season | None:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in series])]).astype(np.int64)
    values = np.concatenate(series).astype(np.float32)[:, None]
    return find_season(SeriesSet(tuple(map(str, range(len(series)))), starts, values, (Column("x"),)))


def steps(*series: NDArray[np.floating]) -> int | None:
    season = found(*series)
    return None if season is None else season.steps


RNG = np.random.default_rng(0)
T = np.arange(600)


@pytest.mark.parametrize("period", [4, 7, 12, 24, 52])
@pytest.mark.parametrize("noise", [0, 0.3, 0.7])
def test_waves(period: int, noise: float) -> None:
    wave = np.sin(2 * np.pi * T / period) + noise * RNG.normal(size=600)
    assert steps(wave) == period
    assert steps(100 + 0.05 * T + wave, 3 * wave) == period  # with a trend, and of several sizes


def test_a_day_within_a_week_is_the_shorter() -> None:
    shape = np.array([0, 0, 0, 1, 2, 4, 5, 3])
    week = np.tile(np.concatenate([shape] * 5 + [0.5 * shape] * 2), 20)
    assert steps(week + 0.1 * RNG.normal(size=len(week))) == 8


def test_missing_cells_are_bridged() -> None:
    wave = np.sin(2 * np.pi * T / 12)
    wave[RNG.random(600) < 0.2] = np.nan
    wave[:5] = np.nan
    assert steps(wave) == 12


def test_none() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert found(rng.normal(size=500)) is None
        assert found(rng.normal(size=2000).cumsum()) is None
    for few in ([], [1.0], [1.0, 2.0], [3.0] * 50, [np.nan] * 50, list(range(100))):
        assert found(np.array(few)) is None


def test_columns_and_the_calendar(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    hours = [f"2024-01-{1 + k // 24:02} {k % 24:02}:00" for k in range(24 * 20)]
    wave = np.sin(2 * np.pi * np.arange(480) / 24) + 0.3 * rng.normal(size=480)
    rows = [f"{hour},{rng.normal():.3f},{x:.3f},a\n" for hour, x in zip(hours, wave, strict=True)]
    series = read(tmp_path / "t.csv", "time,x,load,kind\n" + "".join(rows))
    assert find_season(series) is None
    season = find_season(series, "load")
    assert season is not None
    assert season.steps == 24
    assert season.how.startswith("the calendar's day: 24 steps explain ")
    assert find_season(read_series([str(made(tmp_path / "u.csv", "kind,n\na,x\nb,y\n"))])) is None


def test_real_series() -> None:
    for name, steps in (
        ("m4/Hourly-train.csv", 24),
        ("etth/ETTh1.csv", 24),
        ("exchange_rate/exchange_rate.txt.gz", None),
    ):
        season = find_season(read_series([shared(name)]))
        assert (season.steps if season else None) == steps


def test_days_that_look_otherwise_later_in_the_year() -> None:
    t = np.arange(24 * 300)
    later = np.pi * t / len(t)  # the peak wanders by half a day
    assert steps(np.sin(2 * np.pi * t / 24 + later) + 0.5 * RNG.normal(size=len(t))) == 24


def test_a_weak_season_that_stays_as_it_is() -> None:
    t = np.arange(700)
    assert steps(np.sin(2 * np.pi * t / 7) + 1.6 * np.random.default_rng(3).normal(size=700)) == 7


def test_only_the_rows_of_a_part_are_looked_at() -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal(600)
    wave = np.sin(2 * np.pi * np.arange(600) / 12) + 0.1 * random.standard_normal(600)
    values = np.concatenate([noise, wave]).astype(np.float32)[:, None]
    series = SeriesSet(("a",), np.array([0, 1200]), values, (Column("v", "target"),))
    assert find_season(series, part=np.array([[0, 600]])) is None
    found = find_season(series, part=np.array([[600, 1200]]))
    assert found is not None
    assert found.steps == 12
