"""A layer and an output layer with the compiled core and without it."""

import numpy as np
import pytest
from helpers import draw, draw_weights, oracle

from penstock import native
from penstock.runtime.layer import layer, log_softmax, surprise


@pytest.fixture(params=[native.unavailable, "hidden"], autouse=True)
def unavailable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "unavailable", request.param)


def test_a_layer_is_the_equations(reset: str) -> None:
    x, h_0, w = (draw(7, 2, 3).float(), draw(2, 9).float(), [value.float() for value in draw_weights(3, 9)])
    run = layer(*(value.numpy() for value in w), reset=reset)
    for lengths in (None, np.array([7, 4]), np.array([0, 2])):
        steps = oracle(x, h_0, w, reset=reset, lengths=lengths)
        output, h_n = run(x.numpy(), h_0.numpy(), lengths, None)
        assert output.dtype == h_n.dtype == np.float32
        np.testing.assert_allclose(output, steps.hidden, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h_n, steps.h_n, rtol=1e-5, atol=1e-6)
    empty, same = run(x[:0].numpy(), h_0.numpy(), None, None)
    assert empty.shape == (0, 2, 9)
    np.testing.assert_array_equal(same, h_0)


def test_surprise_is_the_log_softmax() -> None:
    weight, bias, hidden = (draw(*shape).float().numpy() for shape in ((5, 3), (5,), (4, 3)))
    tokens = np.array([0, 4, 2, 2])
    expected = -log_softmax(hidden @ weight.T + bias)[np.arange(4), tokens]
    nats = surprise(weight, bias)(hidden, tokens, None)
    assert nats.dtype == np.float64
    np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=1e-6)
    assert surprise(weight, bias)(hidden[:0], tokens[:0], None).shape == (0,)
