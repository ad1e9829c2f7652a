"""Forecasts from end to end: a series that repeats is learned, and what cannot be forecast is said."""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from penstock import PenstockError
from penstock.runtime.forecast_model import load_forecast
from penstock.series import SeriesSet, by_time, read_series
from penstock.series.asked import read_asked
from penstock.tasks.forecast import contest
from penstock.tasks.forecast.data import ForecastData
from penstock.tasks.forecast.settings import ForecastSettings
from penstock.tasks.forecast.task import TASK, pinball_loss
from penstock.train import run
from penstock.train.settings import Settings


def waves(path: Path, many: int = 6, length: int = 160, season: int = 8) -> Path:
    """Waves of unequal size and level, of which the shape changes with what came before; noise."""
    random = np.random.default_rng(0)
    lines = ["id,t,v"]
    for k in range(many):
        high = 1.0
        for t in range(length):
            if t % season == 0:
                high = 3.0 - high  # every other wave is twice as high
            value = 10 * (k + 1) * (3 + high * np.sin(2 * np.pi * t / season)) + random.normal() * (k + 1)
            lines.append(f"s{k},{t},{value:.4f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def trained(path: Path, out: Path, own: ForecastSettings, **settings: Any) -> tuple[Any, str]:
    console = Console(file=io.StringIO(), width=80)
    outcome = run.train(TASK, Settings(**settings), own, [str(path)], out, console=console)
    return outcome.results, console.file.getvalue()  # type: ignore[attr-defined]


def data_of(path: Path, **own: Any) -> ForecastData:
    settings = ForecastSettings(target=("v",), **own)
    series = read_series([str(path)], settings.roles())
    return ForecastData(series, by_time(series, 0.2, least=own["horizon"]), settings)


def test_waves_are_forecast_better_than_any_naive_answer(tmp_path: Path) -> None:
    own = ForecastSettings(target=("v",), horizon=8, season=8)
    results, printed = trained(
        waves(tmp_path / "w.csv"), tmp_path / "m", own, steps=150, hidden=16, holdout=0.2, patience=10
    )
    best = min(of["mase"] for of in results.naive.values())
    assert results.beats_naive
    assert results.model["mase"] < 0.7 * best  # the season before is wrong by half a wave
    assert 0.5 < results.model["coverage"] < 0.99
    assert "forecast" in printed
    assert "a season of 8 steps" in printed
    assert "split by time" in printed
    assert "The model is better than the best naive answer" in printed
    forecast = load_forecast(tmp_path / "m").forecast(read_series([str(tmp_path / "w.csv")]))
    assert len(forecast) == 6
    assert np.isfinite(np.stack(forecast)).all()


def test_a_random_walk_is_not_and_that_is_said(tmp_path: Path) -> None:
    walk = np.cumsum(np.random.default_rng(1).standard_normal(400))
    (tmp_path / "w.csv").write_text("v\n" + "\n".join(f"{v:.4f}" for v in walk) + "\n")
    own = ForecastSettings(target=("v",), horizon=8)
    results, printed = trained(tmp_path / "w.csv", tmp_path / "m", own, steps=20, hidden=8, learning_rate=0.02)
    assert results.beats_naive is False
    assert "does NOT beat" in printed
    assert "nothing that was learned is surely better than the last value" in " ".join(printed.split())
    assert results.model["mase"] == results.naive["the last value"]["mase"]


def test_no_target_of_validation_is_in_a_window_that_trains(tmp_path: Path) -> None:
    data = data_of(waves(tmp_path / "w.csv"), horizon=8, season=8)
    series, cut = data.series, data.split.training[:, 1]
    training = {int(row) for at in data._training.at for row in range(at - data.lookback, at + 8)}
    held_out = {int(row) for at in data._held_out.at for row in range(at, at + 8)}
    assert not training & held_out
    assert max(training) == series.starts[-2] + cut[-1] - 1
    assert data.training > 0 < data.held_out


def test_streams_give_every_window_once_and_all_ranks_theirs(tmp_path: Path) -> None:
    data = data_of(waves(tmp_path / "w.csv", many=2, length=80), horizon=8, season=8)
    streams = data.streams(5, 3)
    seen, count = [], 0
    for k in range(len(streams)):
        chunk = streams.chunk(k)
        halves = [streams.chunk(k, part).inputs for part in (slice(0, 2), slice(2, 5))]
        assert torch.equal(torch.cat(halves, 1), chunk.inputs)
        there = ~chunk.targets[..., :-1].isnan().all(-1)
        assert int(there.sum()) == chunk.predictions
        count += chunk.predictions
        seen += [tuple(row) for row in chunk.inputs[there].tolist()]
    assert count == data.training
    assert len(set(seen)) == data.training
    assert not torch.equal(streams.chunk(0).inputs, streams.chunk(len(streams)).inputs)


def test_the_loss_is_pinball_of_what_is_there() -> None:
    outputs = torch.zeros(1, 2, 2, 9)
    targets = torch.tensor([[[1.0, float("nan"), 3.0], [float("nan"), float("nan"), 5.0]]])
    assert float(pinball_loss(outputs, targets)) == pytest.approx(3 * 2 * 0.5)
    outputs.requires_grad_()
    pinball_loss(outputs, targets).backward()
    assert outputs.grad is not None
    assert outputs.grad[0, 1].abs().sum() == 0
    assert outputs.grad.isfinite().all()


def test_short_constant_and_one_point_series_break_nothing(tmp_path: Path) -> None:
    path = waves(tmp_path / "w.csv", many=3)
    rows = ["one,0,5", *(f"still,{t},7" for t in range(100)), *(f"short,{t},{t % 3}" for t in range(10))]
    path.write_text(path.read_text() + "\n".join(rows) + "\n")
    own = ForecastSettings(target=("v",), horizon=8, season=8)
    results, printed = trained(path, tmp_path / "m", own, steps=10, hidden=8)
    assert all(np.isfinite(value) for value in results.model.values())
    assert "shorter than 9 steps" in printed
    model = load_forecast(tmp_path / "m")
    series: SeriesSet = read_series([str(path)])
    found = dict(zip(series.ids, model.forecast(series), strict=True))
    assert np.allclose(found["one"], 5)
    assert np.allclose(found["still"], 7)
    assert np.isfinite(found["short"]).all()


def test_what_cannot_be_forecast_is_refused_in_a_line(tmp_path: Path) -> None:
    path = waves(tmp_path / "w.csv", many=2, length=30)

    def refused(says: str, file: Path = path, **own: Any) -> None:
        with pytest.raises(PenstockError, match=says):
            trained(file, tmp_path / "m", ForecastSettings(**own), steps=2)
        assert not (tmp_path / "m" / "config.json").exists()

    refused("--horizon: expected how many steps", target=("v",))
    refused("all 2 series are shorter than the 31 steps", target=("v",), horizon=30)
    refused("no column of numbers to forecast", id=("id",), horizon=3, known=("v",))
    still = tmp_path / "still.csv"
    still.write_text("v\n" + "3\n" * 60)
    refused("no window to learn from", still, target=("v",), horizon=4)
    refused("--episode: means nothing to forecasts", target=("v",), horizon=4, episode="e")
    refused("--decay: means nothing to forecasts", target=("v",), horizon=4, decay=True)
    for bad in ({"horizon": 0}, {"lookback": -1}, {"season": 0}, {"segment": 0}):
        with pytest.raises(PenstockError, match="--"):
            ForecastSettings(**bad)  # type: ignore[arg-type]


def test_a_run_that_died_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    path, own = waves(tmp_path / "w.csv"), ForecastSettings(target=("v",), horizon=8)
    said: dict[str, Any] = {"steps": 12, "hidden": 8, "patience": 100, "checkpoint_every": 0.5, "device": "cpu"}
    whole, _ = trained(path, tmp_path / "a", own, **said)
    console = Console(file=io.StringIO(), width=80)

    def clock(seconds: Iterator[int] = iter(range(20))) -> float:  # noqa: B008
        return float(next(seconds))  # StopIteration is what it dies of

    with pytest.raises(StopIteration):
        run.train(TASK, Settings(**said), own, [str(path)], tmp_path / "b", console=console, clock=clock)
    outcome = run.train(TASK, Settings(**said), own, [], tmp_path / "b", resume=True, console=console)
    assert "from step" in console.file.getvalue()  # type: ignore[attr-defined]
    assert outcome.results is not None
    assert (outcome.results.steps, outcome.results.model) == (12, whole.model)
    assert json.loads((tmp_path / "b" / "config.json").read_text())["task"] == "forecast"


def sales(path: Path, length: int = 240) -> Path:
    """What is sold at a price and on holidays that are drawn anew each day: only who knows them can tell."""
    random = np.random.default_rng(0)
    lines = ["day,price,holiday,sold"]
    for day in range(length):
        price, holiday = random.integers(1, 4), random.random() < 0.2
        sold = 100 - 20 * price + 30 * holiday + random.normal()
        lines.append(f"{day},{price},{'yes' if holiday else 'no'},{sold:.3f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_is_known_in_advance_is_read(tmp_path: Path) -> None:
    path, said = sales(tmp_path / "s.csv"), {"steps": 60, "hidden": 8, "holdout": 0.2, "patience": 10}
    own = ForecastSettings(target=("sold",), horizon=4, time="day", season=1)
    without, printed = trained(path, tmp_path / "a", own, **said)
    assert "not read: price, holiday, but for --others or --features" in " ".join(printed.split())
    known = dataclasses.replace(own, known=("price", "holiday"))
    found, printed = trained(path, tmp_path / "b", known, **said)
    assert found.model["mae"] < 0.4 * without.model["mae"]
    assert found.beats_naive
    assert "read beside it: price, holiday" in " ".join(printed.split())
    model, series = load_forecast(tmp_path / "b"), read_series([str(path)], known.roles())
    values = series.values.copy()
    values[-4:, series.index("sold")] = np.nan
    ahead = dataclasses.replace(series, values=values)
    truths = series.values[-4:, series.index("sold")]
    assert np.abs(model.forecast(ahead)[0][:, 0, 4] - truths).max() < 15


def test_weights_are_drawn_as_ever_where_nothing_else_is_read(tmp_path: Path) -> None:
    path = waves(tmp_path / "w.csv")
    data = data_of(path, horizon=8, season=8)
    assert data.around is None
    config = TASK.config(Settings(hidden=8), ForecastSettings(horizon=8), None, data)
    assert config.inputs == data.lookback
    torch.manual_seed(0)
    names = dict(TASK.model(config, data).named_parameters())
    assert not {"around.weight", "ahead.weight", "effect.weight"} & names.keys()
    torch.manual_seed(0)
    assert torch.equal(names["patch.weight"], torch.nn.Linear(config.patch, 8).weight)


def test_of_a_run_by_the_clock_segments_and_steps_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "LEAST", 1)  # on any machine there is time for one step
    monkeypatch.setattr(contest, "FIRST", 0)
    own = ForecastSettings(target=("v",), horizon=8, season=8)
    path, said = waves(tmp_path / "w.csv", length=80), {"hidden": 4, "holdout": 0.3, "minutes": 0.01}
    _, printed = trained(path, tmp_path / "a", own, **said)
    printed = " ".join(printed.split())
    assert "segments of 8: " in printed
    assert "step by step: " in printed
    assert "the run goes on with s" in printed
    _, printed = trained(path, tmp_path / "b", dataclasses.replace(own, segment=1), **said)
    assert "step by step: " not in " ".join(printed.split())
    config = load_forecast(tmp_path / "b").config
    assert (config.patch, config.segment, config.segments) == (1, 1, 8)


def test_other_columns_are_read_if_named_or_by_the_clock_if_they_are_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "LEAST", 1)
    monkeypatch.setattr(contest, "FIRST", 0)
    path = sales(tmp_path / "s.csv", 120)
    own = ForecastSettings(target=("sold",), horizon=4, time="day", season=1)
    named = dataclasses.replace(own, features=("price", "holiday"))
    _, printed = trained(path, tmp_path / "a", named, steps=2, hidden=4)
    assert "read beside it: price, holiday" in " ".join(printed.split())
    assert load_forecast(tmp_path / "a").columns == ("sold", "price", "holiday")
    trained(path, tmp_path / "a2", dataclasses.replace(own, others=True), steps=2, hidden=4)
    assert load_forecast(tmp_path / "a2").columns == ("sold", "price", "holiday")
    results, _ = trained(path, tmp_path / "alone", own, steps=2, hidden=4)
    model = load_forecast(tmp_path / "alone")
    marks = sum(name.endswith("reset_after") for name in model.weights)
    assert results.parameters == sum(weight.size for weight in model.weights.values()) - marks
    rows = [line.split(",") for line in path.read_text().splitlines()]
    (tmp_path / "few.csv").write_text("".join(f"{row[0]},{row[3]}\n" for row in rows))  # what it does not read may lack
    few, whole = (read_asked([str(one)], model.reads) for one in (tmp_path / "few.csv", path))
    assert np.array_equal(model.forecast(few)[0], model.forecast(whole)[0])
    _, printed = trained(path, tmp_path / "b", own, minutes=0.01, hidden=4, holdout=0.3)
    assert "reading price, holiday too: " in " ".join(printed.split())
