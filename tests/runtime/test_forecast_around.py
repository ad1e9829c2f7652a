"""Forecasts that read more than the target: as the torch module, with the same bits, and nothing of what is to come."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock
from penstock import PenstockError
from penstock.folder import held
from penstock.model_folder import CONFIG, StackConfig
from penstock.model_folder.forecast import ForecastAnswer, ForecastConfig, ForecastFiles
from penstock.nn.forecast_model import ForecastModel
from penstock.runtime.answers import AnswerStreams, load_states, save_states
from penstock.runtime.forecast_model import ForecastRuntime, load_forecast
from penstock.runtime.forecast_network import ForecastNetwork
from penstock.runtime.forecast_score import forecasts_to, score_forecasts
from penstock.series import Column, Keys, SeriesSet, description
from penstock.series.around import learn_around

HOUR = 3_600_000_000
W, K = 12, 7


def drawn(known: bool = True, lengths: tuple[int, ...] = (40, 3, 25), missing: float = 0.1) -> SeriesSet:
    random = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.exp(random.standard_normal((starts[-1], 6))).astype(np.float32)
    values[random.random(values.shape) < missing] = np.nan
    values[:, 3], values[:, 4] = random.standard_normal(starts[-1]), random.integers(0, 2, starts[-1])
    values[:, 5] = np.repeat(np.arange(len(lengths)), lengths)
    ahead: Any = "known" if known else "seen"
    columns = (
        Column("a", "target"),
        Column("b", "target"),
        Column("other"),
        Column("price", ahead),
        Column("holiday", ahead, ("no", "yes")),
        Column("size", "static"),
    )
    times = np.concatenate([np.arange(length) for length in lengths]) * HOUR
    keys = Keys(("id",), "t")
    return SeriesSet(tuple("pqrst"[: len(lengths)]), starts, values, columns, times, True, keys=keys)


def made(folder: Path, known: bool = True, segment: int = 3, **stack: Any) -> tuple[ForecastModel, ForecastRuntime]:
    series = drawn(known)
    seen = [column.name for column in series.columns if column.role == "seen"]
    around = learn_around(series, np.array([[0, length] for length in series.lengths]), seen, calendar=True)
    assert around is not None
    A, S, B = around.sizes
    patch = 4 if segment > 1 else 1
    config = ForecastConfig(W, K, patch, segment, 4, StackConfig(5, 6, **stack), read=A, static=S, known=B)
    answer = ForecastAnswer(("a", "b"), 4, (1.0, 2.0), (None, 0.05))
    torch.manual_seed(0)
    reads = {**description(series), "around": around.to_json()}
    model = ForecastModel(config, ForecastFiles(reads, answer, config, {})).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    with held(folder, "model") as place:
        model.save_into(place)
    return model, load_forecast(folder)


@pytest.mark.parametrize("segment", [3, 1])
@pytest.mark.parametrize("stack", [{}, {"num_layers": 3, "residual": True, "reset": "after"}])
def test_it_forecasts_what_the_torch_module_does(tmp_path: Path, segment: int, stack: dict[str, Any]) -> None:
    module, model = made(tmp_path / "m", segment=segment, **stack)
    windows = np.random.default_rng(1).standard_normal((11, model.config.inputs)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(windows)[None])[0][0].numpy()
    found = model.quantiles(windows)
    assert np.abs(found - expected).max() <= 1e-5
    assert np.array_equal(np.concatenate([model.quantiles(one[None]) for one in windows]), found)


@pytest.mark.parametrize("beside", [{"static": 3}, {"read": 2}, {"read": 2, "known": 2}])
def test_any_part_of_what_is_beside_may_be_all_there_is(beside: dict[str, int]) -> None:
    config = ForecastConfig(W, K, 4, 3, 4, StackConfig(5, 6), **beside)
    answer = ForecastAnswer(("a",), 4, (1.0,), (None,))
    torch.manual_seed(0)
    module = ForecastModel(config, ForecastFiles({}, answer, config, {})).eval()
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.3)
    weights = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    windows = np.random.default_rng(1).standard_normal((5, config.inputs)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(windows)[None])[0][0].numpy()
    found = ForecastNetwork(ForecastFiles({}, answer, config, weights)).quantiles(windows)
    assert np.abs(found - expected).max() <= 1e-5


def test_the_same_bits_whatever_else_is_forecast(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    series, ends = drawn(), np.array([30, 2, 18])
    with pytest.raises(PenstockError, match=r"series q: expected price of the 7 rows .* got 1"):
        model.forecast(series, ends)
    series, ends = series.only([0, 2]), ends[[0, 2]]
    together = model.forecast(series, ends)
    for k in range(2):
        assert np.array_equal(model.forecast(series.only([k]), ends[[k]])[0], together[k])


@settings(max_examples=25, deadline=None)
@given(end=st.integers(6, 33), seed=st.integers(0, 99))
def test_what_comes_after_changes_no_bit_but_what_is_known_of_it(end: int, seed: int) -> None:
    model, series = _shared(), drawn(lengths=(40,))
    ends = np.array([end])
    before = model.forecast(series, ends)[0]
    values, random = series.values.copy(), np.random.default_rng(seed)
    values[end:, :3] = random.standard_normal((40 - end, 3))
    values[end:, 5] = 9
    values[end + K :, 3:5] = 1
    assert np.array_equal(model.forecast(dataclasses.replace(series, values=values), ends)[0], before)
    values[end, 3] += 1
    assert not np.array_equal(model.forecast(dataclasses.replace(series, values=values), ends)[0], before)


FOLDERS: dict[bool, ForecastRuntime] = {}


def _shared(known: bool = True) -> ForecastRuntime:
    """One model for all examples of a property."""
    import tempfile

    if known not in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            FOLDERS[known] = made(Path(folder) / "m", known)[1]
    return FOLDERS[known]


def test_rows_after_the_last_target_say_what_is_known(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    whole = drawn(lengths=(40,), missing=0)
    values = whole.values.copy()
    values[33:, :3] = np.nan
    rows = dataclasses.replace(whole, values=values)
    assert model.ends(rows).tolist() == [33]
    assert np.array_equal(model.forecast(rows)[0], model.forecast(whole, np.array([33]))[0])
    written = list(forecasts_to(model, rows))
    assert [row["t"][11:16] for row in written] == [f"{hour % 24:02d}:00" for hour in range(33, 40)]
    by_columns = values[:, [whole.index(name) for name in model.columns]]
    assert whole.times is not None
    assert np.array_equal(model.predict(by_columns, whole.times), model.forecast(rows)[0])
    with pytest.raises(PenstockError, match=r"expected price of the 7 rows after the last a or b.*got 0"):
        model.forecast(whole)
    values[35, 4] = np.nan
    with pytest.raises(PenstockError, match="expected holiday of the 7 rows"):
        model.forecast(dataclasses.replace(whole, values=values))
    with pytest.raises(ValueError, match=r"values: expected \(L, C=6\)"):
        model.predict(values[:, :2])
    assert (model.ends(drawn(lengths=(4, 0, 3))) == [4, 0, 3]).all()


def test_scores_read_what_is_known(tmp_path: Path) -> None:
    _, model = made(tmp_path / "m")
    series = drawn(lengths=(40,), missing=0)
    found = score_forecasts(model, series)["model"]["mae"]
    wrong = []
    for end in range(W, 40 - K + 1):
        forecast = model.forecast(series, np.array([end]))[0][:, :, 4]
        wrong.append(np.abs(forecast - series.values[end : end + K, :2]).mean())
    assert found == pytest.approx(np.mean(wrong), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations([0] * 20 + [1] * 3 + [2] * 15), split=st.integers(1, 37))
def test_a_stream_of_rows_has_the_bits_of_the_file_also_after_a_restart(order: list[int], split: int) -> None:
    import tempfile

    model, series = _shared(known=False), drawn(known=False)
    streams, seen = AnswerStreams(model), [0, 0, 0]
    for count, k in enumerate(order):
        if count == split:
            with tempfile.TemporaryDirectory() as folder:
                save_states(Path(folder) / "states", streams)
                streams = AnswerStreams(model)
                load_states(Path(folder) / "states", streams)
        one = series.one(k)
        assert one.times is not None
        row: dict[str, Any] = {"id": one.id, "t": str(one.times[seen[k]].astype("datetime64[us]"))}
        for place, column in enumerate(series.columns):
            cell = float(one.values[seen[k], place])
            row[column.name] = None if np.isnan(cell) else cell
            if column.categories is not None:
                row[column.name] = column.categories[int(cell)]
        found = streams.row(row)
        seen[k] += 1
        expected = model.forecast(series.only([k]), np.array([seen[k]]))[0]
        assert found["id"] == one.id
        for t, name in enumerate("ab"):
            for quantile, place in (("", 4), (" q0.1", 0), (" q0.9", 8)):
                got = [np.nan if value is None else value for value in found[f"penstock_{name}{quantile}"]]
                assert np.array_equal(got, expected[:, t, place], equal_nan=True)


def test_a_stream_steps_from_any_state_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    made(tmp_path / "m", known=False)
    model, series = penstock.load(tmp_path / "m"), drawn(known=False, lengths=(40,))
    assert model.columns == ("a", "b", "other", "price", "holiday", "size")
    rows = series.values[:, [series.index(name) for name in model.columns]]
    assert series.times is not None
    state = None
    for t in range(20):
        found, state = model.step(rows[t], state, series.times[t])
    assert np.array_equal(found, model.forecast(series, np.array([20]))[0])
    assert np.array_equal(found, model.predict(rows[:20], series.times[:20]))
    with pytest.raises(ValueError, match="time: expected"):
        model.step(rows[20], state)
    with pytest.raises(ValueError, match=r"row: expected \(C=6,\)"):
        model.step(rows[20, :3], state, 0)
    _, ahead = made(tmp_path / "k")
    with pytest.raises(PenstockError, match="price, holiday: expected of the 7 steps ahead, which a stream"):
        ahead.stream()


def test_a_folder_whose_sizes_do_not_fit_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "m")
    config = tmp_path / "m" / CONFIG
    whole = config.read_text()
    for before, now, says in [
        ('"static": 1', '"static": -1', "read, static, known: expected sizes of 0 or more"),
        ('"static": 1', '"static": 2', "around.weight: expected"),
        ('"day",\n', "", "around: expected sizes of"),
    ]:
        assert before in whole
        config.write_text(whole.replace(before, now))
        with pytest.raises(PenstockError, match=says):
            load_forecast(tmp_path / "m")
