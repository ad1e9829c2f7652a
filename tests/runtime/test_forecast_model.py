"""Forecasts without torch: the numbers of the torch module, and the same bits whatever else is forecast."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penstock import PenstockError
from penstock.folder import held
from penstock.model_folder import CONFIG, StackConfig
from penstock.model_folder.forecast import ForecastAnswer, ForecastConfig, ForecastFiles, load_forecast_model, set_share
from penstock.nn.forecast_model import ForecastModel
from penstock.runtime.answers import as_lines
from penstock.runtime.forecast_model import ForecastRuntime, load_forecast
from penstock.runtime.forecast_score import forecasts_to, score_forecasts
from penstock.series import Column, Keys, SeriesSet, description
from penstock.series.lookback import as_read, carried, lookback

LENGTHS = (40, 3, 1, 25, 0)


def drawn(lengths: tuple[int, ...] = LENGTHS, missing: float = 0.1) -> SeriesSet:
    random = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.exp(random.standard_normal((starts[-1], 2))).astype(np.float32)
    values[random.random(values.shape) < missing] = np.nan
    columns = (Column("a", "target"), Column("b", "target"))
    times = np.concatenate([np.arange(length) for length in lengths]).astype(np.float64)
    return SeriesSet(tuple("pqrst"[: len(lengths)]), starts, values, columns, times, keys=Keys(("id",), "t"))


def made(folder: Path, **stack: Any) -> tuple[ForecastModel, ForecastRuntime]:
    config = ForecastConfig(12, 7, 4, 3, 4, StackConfig(5, 6, **stack))
    answer = ForecastAnswer(("a", "b"), 4, (1.0, 2.0), (None, 0.05))
    torch.manual_seed(0)
    model = ForecastModel(config, ForecastFiles(description(drawn()), answer, config, {})).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    with held(folder, "model") as place:
        model.save_into(place)
    return model, load_forecast(folder)


STACKS: list[dict[str, Any]] = [{}, {"num_layers": 3, "residual": True, "reset": "after"}]


@pytest.mark.parametrize("stack", STACKS)
def test_it_forecasts_what_the_torch_module_does(tmp_path: Path, stack: dict[str, Any]) -> None:
    module, model = made(tmp_path / "m", **stack)
    windows = np.random.default_rng(1).standard_normal((11, 12)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(windows)[None])[0][0].numpy()
    assert np.abs(model.quantiles(windows) - expected).max() <= 1e-5


@pytest.mark.parametrize("stack", STACKS)
def test_the_same_bits_whatever_else_is_forecast(tmp_path: Path, stack: dict[str, Any]) -> None:
    _, model = made(tmp_path / "m", **stack)
    series = drawn()
    together = model.forecast(series)
    for k in range(len(series)):
        alone = model.forecast(series.only([k]))[0]
        assert np.array_equal(together[k], alone, equal_nan=True)


def test_forecasts_are_in_the_columns_own_units_and_quantiles_in_order(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    series = drawn((40,), missing=0)
    found = model.forecast(series)[0]  # (K, targets, Q)
    assert found.shape == (7, 2, 9)
    assert (np.diff(found, axis=-1) >= 0).all()
    for t, floor in enumerate(model.answer.floors):
        values = as_read(carried(series, t), floor)
        read = lookback(values, np.array([0]), np.array([40]), 12)
        own = np.sort(model.quantiles(read.values).astype(np.float64)[0]) * read.spread[0] + read.last[0]
        assert np.allclose(found[:, t], np.exp(own) if floor else own)


def test_of_a_share_of_nothing_the_middle_is_the_naive_forecast(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    whole, series = model.forecast(drawn((40,), missing=0))[0], drawn((40,), missing=0)
    set_share(tmp_path / "m", 0.0)
    found = load_forecast(tmp_path / "m").forecast(series)[0]
    for step in range(7):
        assert found[step, 0, 4] == pytest.approx(series.values[36 + step % 4, 0], rel=1e-5)
    assert found[:, 0, 8] - found[:, 0, 0] == pytest.approx(whole[:, 0, 8] - whole[:, 0, 0])
    set_share(tmp_path / "m", 1.5)
    with pytest.raises(PenstockError, match="share: expected 0 to 1"):
        load_forecast(tmp_path / "m")


def test_a_constant_series_goes_on_and_an_empty_one_is_unknown(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    still = dataclasses.replace(drawn((20,)), values=np.full((20, 2), 3, np.float32))
    assert np.allclose(model.forecast(still)[0], 3)
    found = model.forecast(drawn())
    assert np.isnan(found[4]).all()
    assert [one.shape for one in found] == [(7, 2, 9)] * 5


def test_rows_have_ids_and_the_times_that_follow(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    rows = list(forecasts_to(model, drawn((40, 25))))
    assert [row["id"] for row in rows] == ["p"] * 7 + ["q"] * 7
    assert [row["t"] for row in rows[:7]] == ["40", "41", "42", "43", "44", "45", "46"]
    assert list(rows[0]) == ["id", "t", *(f"penstock_{name}{of}" for name in "ab" for of in ("", " q0.1", " q0.9"))]
    assert rows[0]["penstock_a q0.1"] <= rows[0]["penstock_a"] <= rows[0]["penstock_a q0.9"]


@pytest.mark.parametrize(
    ("last", "after"),
    [("2024-01-31", ["2024-02-29", "2024-03-31"]), ("2024-01-15", ["2024-02-15", "2024-03-15"])],
)
def test_months_keep_their_day_or_their_end(tmp_path: Path, last: str, after: list[str]) -> None:
    _, model = made(tmp_path / "m")
    ends = np.datetime64(last, "D")
    months = [ends.astype("datetime64[M]") - k for k in reversed(range(30))]
    if last.endswith("31"):
        days = [(month + 1).astype("datetime64[D]") - np.timedelta64(1, "D") for month in months]
    else:
        days = [month.astype("datetime64[D]") + np.timedelta64(14, "D") for month in months]
    times = np.array(days).astype("datetime64[us]").astype(np.int64)
    series = dataclasses.replace(drawn((30,)), times=times, dated=True)
    rows = list(forecasts_to(model, series))
    assert [str(row["t"])[:10] for row in rows[:2]] == after


def test_of_a_series_of_which_nothing_is_known_nothing_is_forecast(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    series = drawn((30, 30), missing=0)
    series.values[:30] = np.nan
    rows = list(forecasts_to(model, series))
    assert [row[f"penstock_{name}"] is None for row in rows for name in model.answer.targets] == [True] * 14 + [
        False
    ] * 14
    assert "NaN" not in "".join(as_lines(rows, ".jsonl"))


def test_scores_are_those_of_each_window(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    series = drawn((40, 5), missing=0)
    found = score_forecasts(model, series)
    assert set(found) == {"model", "the last value", "one season ago", "the drift", "the mean"}
    wrong = []
    for t in range(2):
        values = carried(series, t)
        for at in range(12, 40 - 7 + 1):
            forecast = model.forecast_at(t, values, np.array([0]), np.array([at]))[0]
            wrong.append(np.abs(forecast[:, 4] - values[at : at + 7]).mean())
    assert found["model"]["mae"] == pytest.approx(np.mean(wrong))
    with pytest.raises(PenstockError, match="no series is longer than the horizon of 7"):
        score_forecasts(model, drawn((7, 3)))


def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "m")
    config = tmp_path / "m" / CONFIG
    whole = config.read_text()
    for before, now, says in [
        ('"forecast"', '"steps"', "expected a model that forecasts, got one of the task steps"),
        ('"horizon": 7', '"horizon": 0', "horizon: expected a positive integer"),
        ('"lookback": 12', '"lookback": 13', "expected whole patches of 4"),
        ('"horizon": 7', '"horizon": 9', "direct.bias: expected"),
        ('"levels"', '"level"', "output: expected"),
        ('"season": 4', '"season": "four"', "season: expected a positive integer"),
    ]:
        config.write_text(whole.replace(before, now, 1))
        with pytest.raises(PenstockError, match=says):
            load_forecast_model(tmp_path / "m")
