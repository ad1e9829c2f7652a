"""What is tried before a run: only what was not said, and only where held-out windows can tell."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.series import Column, SeriesSet, by_time
from penstock.tasks.forecast import contest
from penstock.tasks.forecast.contest import ahead
from penstock.tasks.forecast.data import ForecastData
from penstock.tasks.forecast.settings import ForecastSettings
from penstock.tasks.forecast.task import TASK
from penstock.train.settings import Settings
from penstock.train.task import Begun


def begun(holdout: float = 0.3, **own: Any) -> Begun:
    values = np.random.default_rng(0).standard_normal((120, 2)).astype(np.float32)
    series = SeriesSet(("a",), np.array([0, 120]), values, (Column("v", "target"), Column("other")))
    said = ForecastSettings(target=("v",), horizon=4, season=1, **own)
    settings = Settings(hidden=4, chunk=2, minutes=0.001, device="cpu", dropout=0.0)
    return Begun(settings, said, ForecastData(series, by_time(series, holdout, least=4), said), "series")


def test_nothing_is_tried_where_all_was_said(tmp_path: Path) -> None:
    for own in (
        {"segment": 2, "others": False},
        {"segment": 1, "features": ("other",)},
        {"segment": 4, "others": True},
    ):
        one = begun(**own)
        assert ahead(TASK, one, ["file"], tmp_path) == (one, "")


def test_what_there_is_no_time_for_is_not_tried(tmp_path: Path) -> None:
    one = begun()
    best, line = ahead(TASK, one, ["file"], tmp_path)
    assert line.endswith("too short to try step by step or reading other too; the run takes segments of 4")
    assert best.own == one.own
    assert best.data is one.data


def test_what_was_not_said_is_tried_and_the_best_is_what_the_run_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "LEAST", 1)  # on any machine there is time for one step
    monkeypatch.setattr(contest, "FIRST", 0)
    one = begun()
    best, line = ahead(TASK, one, ["file"], tmp_path)
    assert [part.split(":")[0] for part in line.split("; ")[:3]] == [
        "segments of 4",
        "step by step",
        "reading other too",
    ]
    name = line.split("the run goes on with ")[1]
    expected = {
        "segments of 4": one.own,
        "step by step": dataclasses.replace(one.own, segment=1),
        "reading other too": dataclasses.replace(one.own, others=True),
    }
    assert best.own == expected[name]
    assert (best.data.around is None) == (name != "reading other too")
    again = TASK.config(best.settings, best.own, None, best.data)
    assert again.inputs == best.data.streams(2, 1).chunk(0).inputs.shape[-1]
    assert not list(tmp_path.iterdir())
