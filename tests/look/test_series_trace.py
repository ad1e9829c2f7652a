"""Traces of models of series: the answers are the model's, and the account is a gradient."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traces import forecaster, of_series, rows_of_series, series_model

import penstock
from penstock import PenstockError
from penstock.look.series_trace import trace_series
from penstock.look.trace import Trace
from penstock.runtime.series_model import SeriesRuntime

KINDS = [("class", 3), ("class", 0), ("labels", 0), ("numbers", 4), ("numbers", 0), ("next", 0)]
STACKS: list[dict[str, Any]] = [{}, {"num_layers": 3, "residual": True, "reset": "after"}]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(("asked", "segment"), KINDS)
def test_the_answers_are_those_to_every_beginning_of_the_series(
    asked: str, segment: int, stack: dict[str, Any]
) -> None:
    model, series = series_model(asked, segment, **stack), rows_of_series()
    trace = trace_series(model, series, 1)
    numeric, one = trace.numeric, series.one(1)
    assert numeric is not None
    assert one.times is not None
    for row in (0, 4, 30):
        expected = model.predict(one.values[: row + 1, :3], one.times[: row + 1])
        np.testing.assert_array_equal(numeric.answers[row], expected if segment else expected[-1])
    assert len(trace) == -(-31 // (segment or 1))
    outputs = model.read(series)[1]
    top = np.sum([layer.hidden for layer in trace.layers], 0) if stack else trace.layers[-1].hidden
    if not segment:
        # float32 in two orders, over up to 31 steps, layers and the output's sum
        np.testing.assert_allclose(
            top @ model.weights["output.weight"].T + model.weights["output.bias"], outputs, rtol=0, atol=2e-5
        )


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(("asked", "segment"), KINDS)
def test_the_account_is_the_gradient_times_the_features(asked: str, segment: int, stack: dict[str, Any]) -> None:
    """Moved along one column's features at one row, the answer changes at this rate."""
    model, series = series_model(asked, segment, **stack), rows_of_series()
    numeric = trace_series(model, series, 0).numeric
    assert numeric is not None
    one = series.one(0)
    x = model.features.whole(one.values[:, :3], one.times).astype(np.float64)
    starts = [0, 1, 1 + len(model.features.columns[1].features), x.shape[1]]
    chosen = numeric.names.index(numeric.account_of)

    def answer(features: np.ndarray[Any, Any]) -> float:
        from penstock.series.segments import in_segments

        read = in_segments(features.astype(np.float32), segment) if segment else features.astype(np.float32)
        outputs = model._read([read])[0][-1].astype(np.float64)
        if asked in ("numbers", "next"):
            return float(outputs[chosen] * model.answer.spread[chosen])
        return float(outputs[chosen] - (outputs.mean() if asked == "class" else 0))

    largest = float(np.abs(numeric.account).max())
    for row in (0, 1, 2, 17, 29, 30):
        for c in range(3):
            moved = np.zeros_like(x)
            moved[row, starts[c] : starts[c + 1]] = x[row, starts[c] : starts[c + 1]] * 0.01
            rate = (answer(x + moved) - answer(x - moved)) / 0.02
            assert numeric.account[row, c] == pytest.approx(rate, abs=3e-3 * largest)


def test_it_is_kept_in_a_file_and_taken_apart(tmp_path: Path) -> None:
    trace = of_series()
    trace.between(2, 9).save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace").numeric
    assert trace.numeric is not None
    assert again is not None
    assert (again.first, again.when) == (6, trace.numeric.when and trace.numeric.when[6:27])
    assert again.columns == ("flow", "noise", "pump")
    np.testing.assert_array_equal(again.answers, trace.numeric.answers[6:27])


def test_penstock_trace_takes_the_rows_as_an_array() -> None:
    model, one = series_model("class", 3), rows_of_series().one(0)
    trace = penstock.trace(model, (one.values[:, :3], one.times))
    assert trace.numeric is not None
    expected = trace_series(model, rows_of_series(), 0).numeric
    assert expected is not None
    np.testing.assert_array_equal(trace.numeric.answers, expected.answers)
    assert np.isnan(trace.numeric.truths).all()
    assert "flow" in penstock.look(model, (one.values[:, :3], one.times)).html
    forecasts, rows = forecaster(), one.values[:, :2]
    ahead = penstock.trace(forecasts, (rows, one.times)).numeric
    assert ahead is not None
    np.testing.assert_array_equal(ahead.answers, forecasts.predict(rows, one.times)[:, 0, [0, 4, 8]])
    with pytest.raises(ValueError, match=r"x: expected \(L, C=3\) of flow, noise, pump, got \(31, 2\)"):
        penstock.trace(model, one.values[:, :2])
    with pytest.raises(ValueError, match="channels: a whole model has its own"):
        penstock.trace(model, (one.values[:, :3], one.times), channels=["a", "b", "c"])


def test_what_cannot_be_shown_is_refused() -> None:
    model, series = series_model("class", 3), rows_of_series()
    with pytest.raises(PenstockError, match="series 'one': expected at least one row, got none"):
        trace_series(model, dataclasses.replace(series, starts=np.array([0, 0, 62])), 0)
    files = model._files
    stack = files.config.stack
    fading = {
        name: np.zeros((stack.num_layers, stack.hidden_size), np.float32) for name in ("decay.weight", "decay.bias")
    }
    config = dataclasses.replace(files.config, decay=True)
    faded = SeriesRuntime(files._replace(config=config, weights=files.weights | fading))
    with pytest.raises(PenstockError, match="trained with --decay"):
        trace_series(faded, series, 0)
