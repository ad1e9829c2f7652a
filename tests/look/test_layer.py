"""One layer's trace against the oracle, and its backward pass against complex steps."""

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle, oracle_gradients

from penstock import native
from penstock.look.layer import Layer, input_gradient, run

L, D, H = 9, 3, 4
RESETS = np.arange(L) % 4 == 2


def traced(reset: str, *, reverse: bool = False, bias: bool = True, dtype: type = np.float64) -> Layer:
    weights = [np.asarray(weight, dtype) for weight in draw_weights(D, H, bias=bias)]
    stacked = (weights[0], weights[1], *(weights[2:] if bias else (None, None)))
    x, h_0 = np.asarray(draw(L, D), dtype), np.asarray(draw(H, seed=1), dtype)
    return run("gru", x, h_0, stacked, reset, reverse=reverse, resets=RESETS)  # type: ignore[arg-type]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
def test_it_is_the_oracle(reset: str, reverse: bool, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr(native, "unavailable", "not asked for")
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 2e-6)):
        layer = traced(reset, reverse=reverse, dtype=dtype)
        x, h_0, weights = draw(L, D), draw(H, seed=1), draw_weights(D, H)
        steps = oracle(x[:, None], h_0[None], weights, reset=reset, reverse=reverse, resets=RESETS[:, None])
        for name in ("reset", "update", "candidate", "hidden"):
            got = getattr(layer, name)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, getattr(steps, name)[:, 0], rtol=0, atol=tolerance)


def test_without_bias(reset: str) -> None:
    layer = traced(reset, bias=False)
    steps = oracle(
        draw(L, D)[:, None], draw(H, seed=1)[None], draw_weights(D, H, bias=False), reset=reset, resets=RESETS[:, None]
    )
    np.testing.assert_allclose(layer.hidden, steps.hidden[:, 0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
def test_its_weights_rebuild_its_states(reset: str, reverse: bool) -> None:
    layer = traced(reset, reverse=reverse)
    weights = layer.attention(each=True)
    cleared = np.cumsum(layer.entered()[::-1] if reverse else layer.entered())
    cleared = (cleared[::-1] if reverse else cleared) > 0
    state = np.einsum("tsh,sh->th", weights[:, 1:], layer.candidate)
    state += weights[:, 0] * np.where(cleared[:, None], 0, layer.h_0)
    np.testing.assert_allclose(state, layer.hidden, rtol=0, atol=1e-14)
    np.testing.assert_allclose(layer.attention([1, 2]), weights[..., [1, 2]].mean(-1), rtol=0, atol=1e-15)
    assert layer.attention(window=2).shape == (L, 3)
    assert (layer.write_strength == 1 - layer.update).all()
    assert layer.read_strength is layer.reset
    np.testing.assert_allclose(
        layer.write_strength * layer.candidate + layer.update * layer.before(), layer.hidden, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_memory_agrees_with_the_attention(reverse: bool) -> None:
    layer = traced("before", reverse=reverse)
    weights = layer.attention(each=True)
    older = layer.older_than(3)
    for t in range(L):
        recent = range(t, min(t + 3, L)) if reverse else range(max(t - 2, 0), t + 1)
        crossed = layer.entered()[list(recent)].any()
        expected = 1 - sum(weights[t, 1 + s] for s in recent)
        if crossed:  # the state of an episode's beginning is zero: nothing is left of what was before
            np.testing.assert_allclose(older[t], 0, rtol=0, atol=1e-15)
        else:
            np.testing.assert_allclose(older[t], expected, rtol=0, atol=1e-14)
    span = layer.update[4:6] if reverse else layer.update[5:7]
    kept = np.where((layer.entered()[4:6] if reverse else layer.entered()[5:7])[:, None], 0, span).prod(0)
    np.testing.assert_allclose(layer.held(4, 6), kept, rtol=1e-13)
    assert layer.half_life().shape == (H,)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_part_goes_on_where_the_whole_was(reset: str, reverse: bool) -> None:
    layer = traced(reset, reverse=reverse)
    part = layer.between(3, 7)
    again = run(
        "gru", part.x, part.h_0, (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh), part.form,
        reverse=reverse, resets=part.resets,
    )  # fmt: skip
    np.testing.assert_allclose(again.hidden, layer.hidden[3:7], rtol=0, atol=1e-15)
    assert (layer.between(0, L).h_0 == layer.h_0).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_input_gradient_is_the_oracles(reset: str, reverse: bool) -> None:
    layer, cotangent = traced(reset, reverse=reverse), draw(L, H, seed=9)
    expected, *_ = oracle_gradients(
        draw(L, D)[:, None],
        draw(H, seed=1)[None],
        draw_weights(D, H),
        {"hidden": cotangent[:, None]},
        reset=reset,
        reverse=reverse,
        resets=RESETS[:, None],
    )
    np.testing.assert_allclose(input_gradient(layer, cotangent.numpy()), expected[:, 0], rtol=1e-12, atol=1e-14)


def test_one_step_and_one_unit() -> None:
    weights = [weight.numpy() for weight in draw_weights(2, 1)]
    layer = run("gru", np.ones((1, 2)), np.ones(1), tuple(weights), "before")  # type: ignore[arg-type]
    assert layer.attention().shape == (1, 2)
    assert torch.tensor(layer.half_life()).shape == (1,)
