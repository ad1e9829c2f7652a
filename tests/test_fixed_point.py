"""w8a16 beside the equations in float64, and what it promises of its own."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import equations, fixed_point
from penstock.fixed_point import MOST, ONE

FORMS = "before", "after"


def drawn(H: int, D: int, seed: int = 0) -> list[NDArray[np.float64]]:
    """A layer's weights as PyTorch begins with."""
    rng, most = np.random.default_rng(seed), H**-0.5
    return [rng.uniform(-most, most, shape) for shape in ((3 * H, D), (3 * H, H), 3 * H, 3 * H)]


def whole(x: NDArray[np.float64], scale: float) -> NDArray[np.int16]:
    return np.floor(x / scale + 0.5).astype(np.int16)


@pytest.mark.parametrize("reset", FORMS)
@pytest.mark.parametrize("H", [64, 128, 256])
def test_it_is_close_to_the_equations(H: int, reset: str) -> None:
    rng, weights = np.random.default_rng(H), drawn(H, H)
    x, h = rng.uniform(-1, 1, (150, 3, H)), rng.uniform(-0.9, 0.9, (3, H))
    layer = fixed_point.quantize(*weights, reset=reset, x_scale=1 / MOST)
    state = whole(h, 2.0**-ONE)
    expected = equations.gru(x, state * 2.0**-ONE, equations.by_gate(*weights), reset=reset).hidden
    found = np.zeros_like(expected)
    for t in range(len(x)):
        state = fixed_point.step(layer, whole(x[t], 1 / MOST), state, reset)
        found[t] = state * 2.0**-ONE
    assert np.sqrt(np.mean((found - expected) ** 2)) < 8e-4


@pytest.mark.parametrize("reset", FORMS)
def test_a_unit_that_keeps_holds_its_state_exactly(reset: str) -> None:
    H, D = 5, 3
    w_ih, w_hh, b_ih, b_hh = drawn(H, D)
    b_ih[H : 2 * H] = 15  # 1 − z is below 2⁻¹⁶
    layer = fixed_point.quantize(w_ih, w_hh, b_ih, b_hh, reset=reset, x_scale=1e-4)
    rng = np.random.default_rng(1)
    state = before = rng.integers(-MOST, MOST, (1000, H)).astype(np.int16)
    for _ in range(10):
        state = fixed_point.step(layer, rng.integers(-99, 99, (1000, D)), state, reset)
    np.testing.assert_array_equal(state, before)


@pytest.mark.parametrize("reset", FORMS)
def test_states_that_last_stay_near_the_equations(reset: str) -> None:
    H, D = 6, 3
    weights = drawn(H, D)
    weights[2][H : 2 * H] = np.linspace(2, 6, H)  # z up to 0.9975
    layer = fixed_point.quantize(*weights, reset=reset, x_scale=1 / MOST)
    rng = np.random.default_rng(2)
    x, state = rng.uniform(-1, 1, (1000, 1, D)), np.full((1, H), 20_000, np.int16)
    expected = equations.gru(x, state * 2.0**-ONE, equations.by_gate(*weights), reset=reset).hidden
    for t in range(len(x)):
        state = fixed_point.step(layer, whole(x[t], 1 / MOST), state, reset)
        np.testing.assert_allclose(state * 2.0**-ONE, expected[t], atol=0.01)


def test_its_tanh_is_odd_ends_at_one_and_never_falls_by_more_than_a_step() -> None:
    u = np.arange(-MOST, MOST + 1)
    found = fixed_point.tanh(u)
    np.testing.assert_array_equal(found, -found[::-1])
    assert found[MOST] == 0
    assert found.max() == found[-1] == MOST
    assert np.diff(found).min() >= -1
    assert np.abs(found - 2**15 * np.tanh(u / 4096)).max() < 3.4


@pytest.mark.parametrize("reset", FORMS)
def test_a_state_stays_within_its_bounds_whatever_comes(reset: str) -> None:
    H, D = 7, 4
    weights = [10 * w for w in drawn(H, D)]
    layer = fixed_point.quantize(*weights, reset=reset, x_scale=1 / 300)
    rng = np.random.default_rng(3)
    state = rng.choice([-MOST, MOST], (64, H)).astype(np.int16)
    for _ in range(200):
        state = fixed_point.step(layer, rng.choice([-MOST, 0, MOST], (64, D)), state, reset)
        assert np.abs(state.astype(int)).max() <= MOST
    assert np.abs(state.astype(int)).max() > MOST // 2


def test_the_sum_of_the_state_and_what_is_written_cannot_overflow() -> None:
    w, n, h = np.meshgrid(np.arange(0, 32768, 7), [-MOST, MOST], np.r_[-MOST:MOST:97, MOST], indexing="ij")
    new = h + fixed_point.times(w, n) - fixed_point.times(w, h)
    assert np.abs(new).max() <= MOST


def test_a_long_row_gives_way_so_that_its_sum_fits() -> None:
    q, scale = fixed_point.rounded(np.array([[1.0, -1.0] * 400, [0.0, 1e-300] * 400]))
    assert np.abs(q.astype(np.int64)).sum(1).max() * MOST < 2**31
    assert np.abs(q).min(1).tolist() == [81, 0]
    np.testing.assert_allclose(q[0] * scale[0], [1, -1] * 400, rtol=0.01)


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(k: int, value: float) -> None:
    weights = drawn(4, 3)
    weights[k][-1] = value
    with pytest.raises(ValueError, match=r"expected finite|too large"):
        fixed_point.quantize(*weights, reset="after", x_scale=1.0)


@pytest.mark.parametrize(
    ("k", "row", "value"), [(0, 5, 1e9), (1, 2, -1e7), (2, 11, 1e8), (3, 9, -3e4)], ids=["ih", "hh", "b_ih", "b_hh"]
)
def test_weights_too_large_are_refused_with_their_row(k: int, row: int, value: float) -> None:
    weights = drawn(4, 3)
    weights[k][row] = value
    with pytest.raises(ValueError, match=rf"^weights too large for w8a16 \(row {row}\)$"):
        fixed_point.quantize(*weights, reset="after", x_scale=1e-4)


def test_an_embedding_reaches_the_largest_number_and_no_further() -> None:
    weight = np.random.default_rng(4).normal(size=(50, 9)) * np.logspace(-3, 0, 50)[:, None]
    embedding, scale = fixed_point.quantize_embedding(weight)
    x = fixed_point.embed(embedding, np.arange(50))
    assert np.abs(x).max() == MOST
    assert np.abs(x * scale - weight).max() <= np.abs(weight).max() / 254 + scale
    none, _ = fixed_point.quantize_embedding(np.zeros((2, 3)))
    assert not fixed_point.embed(none, np.arange(2)).any()


def test_an_output_layer_of_a_sum_of_layers() -> None:
    rng = np.random.default_rng(5)
    weight, bias, states = rng.normal(size=(11, 9)), rng.normal(size=11), rng.integers(-MOST, MOST, (3, 2, 9))
    x = fixed_point.total(states)
    assert fixed_point.halvings(3) == 2
    layer = fixed_point.quantize_output(weight, bias, bits=ONE - 2)
    found = fixed_point.output(layer, x) * 2.0**-16
    np.testing.assert_allclose(found, (states.sum(0) * 2.0**-ONE) @ weight.T + bias, atol=0.15)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_the_sum_of_states_fits(m: int) -> None:
    states = np.full((m, 3), MOST, np.int16) * np.array([1, -1, 1], np.int16)
    found: Any = fixed_point.total(states).astype(float) * 2.0 ** fixed_point.halvings(m)
    np.testing.assert_allclose(found, states.sum(0, dtype=float), atol=2.0 ** fixed_point.halvings(m) / 2)


def test_an_unknown_form_is_refused() -> None:
    layer = fixed_point.quantize(*drawn(2, 2), reset="before", x_scale=1e-4)
    with pytest.raises(ValueError, match="reset"):
        fixed_point.step(layer, np.zeros(2), np.zeros(2), "during")
