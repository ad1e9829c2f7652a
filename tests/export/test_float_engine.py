"""The engine's step in float32 beside the equations in float64, on every vector path that this processor has."""

import ctypes
from typing import Any

import numpy as np
import pytest
from export import compiled

from penstock import engine, equations
from penstock.export.arrays import padded
from penstock.export.model import layer_array, output_array

SHIM = """
void step(int after, size_t D, size_t H, const float *weights, const float *x, float *h, float *scratch);
void step(int after, size_t D, size_t H, const float *weights, const float *x, float *h, float *scratch) {
    gru_float_step(after, D, H, weights, x, h, scratch);
}
void output(size_t V, size_t H, const float *weights, const float *h, float *y);
void output(size_t V, size_t H, const float *weights, const float *h, float *y) {
    gru_float_output(V, H, weights, h, y);
}
"""
PATHS = compiled.vector_flags()


@pytest.fixture(scope="module", params=PATHS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = tmp_path_factory.mktemp("engine") / "engine.c"
    source.write_text(engine.text("gru_float.h") + SHIM)
    return compiled.library(source.with_suffix(".so"), [source], *PATHS[request.param])


def given(values: np.ndarray) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def size(value: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(value)


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize(("D", "H"), [(1, 1), (3, 16), (17, 5), (33, 49), (64, 150), (2, 257)])
def test_steps_are_the_equations(path: Any, reset: str, D: int, H: int) -> None:
    rng = np.random.default_rng(D * H)
    shapes = {"weight_ih": (3 * H, D), "weight_hh": (3 * H, H), "bias_ih": (3 * H,), "bias_hh": (3 * H,)}
    weights = {
        f"layers.0.{name}_l0": rng.uniform(-2, 2, shape).astype(np.float32) / H**0.5 for name, shape in shapes.items()
    }
    array = layer_array(weights, 0, reset)
    h = padded(rng.uniform(-1, 1, H).astype(np.float32))
    scratch = np.full(4 * len(h), np.nan, np.float32)
    expected, wide = h[:H].astype(np.float64), equations.by_gate(*(w.astype(np.float64) for w in weights.values()))
    for _ in range(5):
        x = rng.normal(size=D).astype(np.float32)
        path.step(reset == "after", size(D), size(H), given(array), given(x), given(h), given(scratch))
        expected = equations.step(x.astype(np.float64), expected, wide, reset)[3]
        np.testing.assert_allclose(h[:H], expected, atol=2e-6)
    assert not h[H:].any()


@pytest.mark.parametrize(("V", "H"), [(1, 1), (16, 7), (50, 33), (129, 64)])
def test_outputs_are_the_product_and_nothing_behind_them_is_written(path: Any, V: int, H: int) -> None:
    rng = np.random.default_rng(V)
    weight, bias = rng.normal(size=(V, H)).astype(np.float32), rng.normal(size=V).astype(np.float32)
    h, y = rng.uniform(-1, 1, H).astype(np.float32), np.full(V + 16, np.nan, np.float32)
    path.output(size(V), size(H), given(output_array(weight, bias)), given(h), given(y))
    np.testing.assert_allclose(y[:V], weight.astype(np.float64) @ h + bias, atol=1e-5)
    assert np.isnan(y[V:]).all()


@pytest.mark.parametrize("size_of_gates", [1e-4, 30.0, 1e4])
def test_gates_are_right_where_they_are_nothing_and_where_they_are_full(path: Any, size_of_gates: float) -> None:
    H = 64
    values = np.linspace(-size_of_gates, size_of_gates, H).astype(np.float32)
    zeros = np.zeros((3 * H, 1), np.float32), np.zeros((3 * H, H), np.float32)
    bias = np.concatenate([values, values[::-1], values]).astype(np.float32)
    named = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (*zeros, bias, bias * 0), strict=True))
    array = layer_array({f"layers.0.{name}_l0": value for name, value in named.items()}, 0, "after")
    h, scratch, x = np.full(H, 0.5, np.float32), np.zeros(4 * H, np.float32), np.ones(1, np.float32)
    path.step(1, size(1), size(H), given(array), given(x), given(h), given(scratch))
    wide = equations.by_gate(*(w.astype(np.float64) for w in named.values()))
    expected = equations.step(x.astype(np.float64), np.full(H, 0.5), wide, "after")[3]
    np.testing.assert_allclose(h, expected, atol=2e-7)
