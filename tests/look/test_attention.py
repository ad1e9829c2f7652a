"""The exact attention against the equations: what the weights rebuild is the state."""

import doctest
import importlib
from typing import Any

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock import attention, equations
from penstock.gates import Gates
from penstock.look.attention import BLOCK, attention_of_state

L, N, D, H = 2 * BLOCK + 3, 3, 4, 5
LENGTHS = np.array([L, BLOCK + 7, 0])
RESETS = np.random.default_rng(0).random((L, N)) < 0.05


def steps(reset: str, **options: Any) -> tuple[equations.Steps, np.ndarray]:
    h_0 = draw(N, H, seed=1)
    return oracle(draw(L, N, D), h_0, draw_weights(D, H), reset=reset, **options), h_0.numpy()


def rebuilt(weights: np.ndarray, candidate: np.ndarray, h_0: np.ndarray) -> np.ndarray:
    """Σ_s a_{t,s} n_s + a_{t,0} h_0 of (L, L + 1, N, H)."""
    return np.einsum("tsnh,snh->tnh", weights[:, 1:], candidate) + weights[:, 0] * h_0


@pytest.mark.parametrize("reverse", [False, True])
def test_weights_and_candidates_rebuild_the_state(reset: str, reverse: bool) -> None:
    run, h_0 = steps(reset, reverse=reverse)
    weights = attention(run.update, each=True, reverse=reverse)
    assert weights.shape == (L, L + 1, N, H)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(rebuilt(weights, run.candidate, h_0), run.hidden, rtol=0, atol=1e-14)
    unheard = np.tril(np.ones((L, L)), -1) if reverse else np.triu(np.ones((L, L)), 1)
    assert not weights[:, 1:][unheard.astype(bool)].any()  # what is still to come weighs nothing


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
def test_resets_and_lengths(lengths: np.ndarray | None, reverse: bool) -> None:
    run, h_0 = steps("before", lengths=lengths, resets=RESETS, reverse=reverse)
    weights = attention(run.update, each=True, lengths=lengths, resets=RESETS, reverse=reverse)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-14)
    alive = np.arange(L)[:, None] < (np.full(N, L) if lengths is None else lengths)
    started = RESETS & alive
    if reverse:  # an episode is entered at its last step
        entered = np.concatenate([started[1:], np.zeros((1, N), bool)])[::-1]
        cleared = np.cumsum(entered, 0)[::-1] > 0
    else:
        cleared = np.cumsum(started, 0) > 0
    state = rebuilt(weights, run.candidate, np.where(cleared[..., None], 0, h_0))
    np.testing.assert_allclose(state[alive], run.hidden[alive], rtol=0, atol=1e-14)


def test_past_the_end_the_last_row_stays() -> None:
    run, h_0 = steps("after", lengths=LENGTHS)
    weights = attention(run.update, each=True, lengths=LENGTHS)
    np.testing.assert_allclose(rebuilt(weights, run.candidate, h_0)[-1], run.h_n, rtol=0, atol=1e-14)
    assert (weights[LENGTHS[1] :, :, 1] == weights[LENGTHS[1] - 1, :, 1]).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_the_mean_over_units_is_the_mean_of_their_maps(reverse: bool) -> None:
    run, _ = steps("before", resets=RESETS)
    options = {"resets": RESETS, "reverse": reverse}
    each = attention(run.update, each=True, **options)
    np.testing.assert_allclose(attention(run.update, **options), each.mean(-1), rtol=0, atol=1e-15)
    some = attention(run.update, units=[3, 1], **options)
    np.testing.assert_allclose(some, each[..., [3, 1]].mean(-1), rtol=0, atol=1e-15)
    mask = np.arange(H) == 2
    assert (attention(run.update, units=mask, each=True, **options) == each[..., 2:3]).all()
    np.testing.assert_allclose(attention(run.update, units=2, **options), each[..., 2], rtol=0, atol=1e-15)


@pytest.mark.parametrize("window", [1, 7, BLOCK, L, L + 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_window_is_a_band_of_the_whole(window: int, reverse: bool) -> None:
    run, _ = steps("before", resets=RESETS)
    options = {"lengths": LENGTHS, "resets": RESETS, "reverse": reverse, "each": True}
    whole, band = attention(run.update, **options), attention(run.update, window=window, **options)
    assert band.shape == (L, window + 1, N, H)
    if reverse:  # in the order of reading
        whole, band = np.concatenate([whole[:, :1], whole[:, :0:-1]], 1)[::-1], band[::-1]
    for t in range(L):
        newest = whole[t, 1 : t + 2][-window:]
        np.testing.assert_allclose(band[t, window + 1 - len(newest) :], newest, rtol=0, atol=1e-15)
    np.testing.assert_allclose(band.sum(1), 1, rtol=1e-14)
    options["each"] = False
    np.testing.assert_allclose(attention(run.update, window=window, **options).sum(1), 1, rtol=1e-14)


def test_torch_and_layouts() -> None:
    run, _ = steps("before")
    expected = attention(run.update)
    z = torch.from_numpy(run.update).requires_grad_()
    got = attention(z, lengths=torch.full((N,), L), resets=torch.zeros(L, N, dtype=torch.bool))
    assert isinstance(got, torch.Tensor)
    assert not got.requires_grad
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15)
    assert attention(z.detach().bfloat16()).dtype == torch.float32
    assert attention(run.update.astype(np.float16)).dtype == np.float32
    gates = Gates(None, torch.stack([z, z]), None)  # (K, L, N, H)
    np.testing.assert_allclose(attention(gates)[1], expected, rtol=0, atol=1e-15)
    batch_first = np.stack([run.update, run.update]).swapaxes(1, 2)  # (K, N, L, H)
    got = attention(batch_first, time_axis=2, resets=RESETS)
    assert got.shape == (2, N, L, L + 1)
    np.testing.assert_allclose(np.moveaxis(got[1], 0, -1), attention(run.update, resets=RESETS), rtol=0, atol=1e-15)
    assert (attention(run.update[:, 0]) == attention(run.update[:, :1])[..., 0]).all()
    assert attention(np.zeros((0, N, H))).shape == (0, 1, N)
    assert attention(np.zeros((3, 0, H))).shape == (3, 4, 0)


@pytest.mark.parametrize("window", [None, 500])
def test_float32_stays_exact_over_thousands_of_steps(window: int | None) -> None:
    rng = np.random.default_rng(0)
    kinds = [rng.random((3000, 8)), 1 - 10 ** -rng.uniform(3, 7, (3000, 8)), np.zeros((3000, 1)), np.ones((3000, 1))]
    kinds.append(np.where(rng.random((3000, 4)) < 0.01, 0, 1))  # keeps and writes, all or nothing
    z = np.concatenate(kinds, 1).astype(np.float32)
    weights = attention(z, window=window)
    assert weights.dtype == np.float32
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=0, atol=2e-6)
    np.testing.assert_allclose(weights, attention(z.astype(np.float64), window=window), rtol=0, atol=2e-6)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(0, 1, width=32)))
def test_any_gates_give_weights_that_sum_to_one(z: np.ndarray) -> None:
    weights = attention(z, each=True)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, rtol=0, atol=1e-6)
    for t in range(len(z)):
        np.testing.assert_allclose(attention_of_state(z, t), weights[t, : t + 2], rtol=1e-5, atol=1e-30)


def test_the_example_of_its_docstring() -> None:
    result = doctest.testmod(importlib.import_module("penstock.look.attention"))
    assert (result.failed, result.attempted) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gates": np.zeros(3)}, r"gates: expected z \(L, …, H\), got \(3,\)"),
        ({"time_axis": 2}, r"time_axis: expected an axis of z \(4, 2, 3\) but its last, got 2"),
        ({"time_axis": -4}, "time_axis: expected an axis"),
        ({"units": []}, "units: expected at least one, got none"),
        ({"units": [1, 3]}, r"units: expected indices in 0 … 2, or a bool for each of the 3, got \[1, 3\]"),
        ({"units": 0.5}, "units: expected indices"),
        ({"window": 0}, "window: expected 1 or more steps, got 0"),
        ({"lengths": [1, 2, 3]}, r"lengths: expected \(2,\), got \(3,\)"),
        ({"resets": np.zeros((2, 4), bool)}, r"resets: expected \(4, 2\), got \(2, 4\)"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention(**({"gates": np.zeros((4, 2, 3))} | arguments))
