"""Traces of models that forecast: the forecast is the model's, and so are the gates that it was read from."""

from typing import Any

import numpy as np
import pytest
from traces import forecaster, rows_of_series

from penstock import PenstockError
from penstock.look.forecast_trace import trace_forecast
from penstock.runtime.forecast_model import ForecastRuntime
from penstock.series.lookback import carried

STACKS: list[dict[str, Any]] = [{}, {"num_layers": 3, "residual": True, "reset": "after"}]


@pytest.mark.parametrize("target", ["flow", "noise"])
def test_the_forecast_and_what_came(target: str) -> None:
    model, series = forecaster(), rows_of_series()
    trace = trace_forecast(model, series, 1, after=26, target=target)
    numeric, one = trace.numeric, series.one(1)
    assert numeric is not None
    column = series.index(target)
    expected = model.forecast(series.only([1]).cut(26))[0][:, column]
    np.testing.assert_array_equal(numeric.answers, expected[:, [0, 4, 8]])
    np.testing.assert_array_equal(numeric.truths[:5, 0], one.values[26:, column].astype(float))
    assert np.isnan(numeric.truths[5:]).all()
    np.testing.assert_array_equal(numeric.values[:, 0], one.values[14:26, column].astype(float))
    assert numeric.when is not None
    assert (numeric.first, numeric.when[0], numeric.when[-1]) == (14, "1970-01-01 14:00", "1970-01-02 08:00")
    assert len(trace) == 3


@pytest.mark.parametrize("stack", STACKS)
def test_the_state_after_the_last_patch_gives_the_forecast(stack: dict[str, Any]) -> None:
    """The layers that the forecaster ran over its patches leave these states."""
    model, series = forecaster(**stack), rows_of_series()
    trace = trace_forecast(model, series)
    left = []
    for k, run in enumerate(model._layers):

        def noted(x: Any, h: Any, run: Any = run) -> Any:
            found = run(x, h)
            left.append(found[1][0])
            return found

        noted.step = run.step  # type: ignore[attr-defined]
        model._layers[k] = noted  # type: ignore[call-overload]
    model.forecast_at(0, carried(series, 0), np.zeros(1, np.int64), np.array([31]))
    assert len(left) == len(trace.layers)
    for layer, state in zip(trace.layers, left, strict=True):
        # states below 1 in float32, whose last bit is 6e-8, added up in two orders
        np.testing.assert_allclose(layer.hidden[-1], state, rtol=0, atol=1e-6)


def test_the_account_is_the_gradient_times_the_distance_from_the_last_value() -> None:
    model, series = forecaster(), rows_of_series()
    numeric = trace_forecast(model, series).numeric
    assert numeric is not None
    assert numeric.account.shape == (12, 1)
    values = carried(series, 0)

    def mean(moved: np.ndarray[Any, Any]) -> float:
        return float(model.forecast_at(0, moved, np.zeros(1, np.int64), np.array([31]))[0, :, 4].mean())

    for patch in range(3):
        rows = slice(19 + 4 * patch, 23 + 4 * patch)
        way = np.zeros_like(values)
        way[rows] = values[rows] - values[30]
        rate = (mean(values + 0.001 * way) - mean(values - 0.001 * way)) / 0.002
        found = numeric.account[4 * patch : 4 * patch + 4, 0]
        assert found.sum() == pytest.approx(rate, rel=0.05, abs=1)
        assert (found == found[0]).all()


def test_a_series_shorter_than_the_window_and_none_at_all() -> None:
    model, series = forecaster(), rows_of_series(dated=False)
    numeric = trace_forecast(model, series, after=5).numeric
    assert numeric is not None
    assert (numeric.first, np.isnan(numeric.values[:7]).all(), np.isfinite(numeric.answers).all()) == (-7, True, True)
    assert numeric.when is not None
    assert numeric.when[6:9] == ("", "0", "2.5")
    assert np.isfinite(numeric.account).all()
    with pytest.raises(PenstockError, match="series 'one': no value of flow is known to forecast from"):
        trace_forecast(model, series, after=0)
    with pytest.raises(PenstockError, match="--target: expected one of flow, noise, got kind"):
        trace_forecast(model, series, target="kind")
    assert isinstance(model, ForecastRuntime)
