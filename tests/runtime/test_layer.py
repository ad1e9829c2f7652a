"""A layer and an output layer with the compiled core and without it."""

import numpy as np
import pytest
from helpers import draw, draw_weights, oracle

from penstock import native
from penstock.runtime.layer import layer, log_softmax, output_layer


@pytest.fixture(params=[native.unavailable, "hidden"], autouse=True)
def unavailable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "unavailable", request.param)


def test_a_layer_is_the_equations(reset: str) -> None:
    x, h_0, w = (draw(7, 2, 3).float(), draw(2, 9).float(), [value.float() for value in draw_weights(3, 9)])
    run = layer(*(value.numpy() for value in w), reset=reset)
    for lengths in (None, np.array([7, 4]), np.array([0, 2])):
        steps = oracle(x, h_0, w, reset=reset, lengths=lengths)
        output, h_n = run(x.numpy(), h_0.numpy(), lengths=lengths)
        assert output.dtype == h_n.dtype == np.float32
        np.testing.assert_allclose(output, steps.hidden, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h_n, steps.h_n, rtol=1e-5, atol=1e-6)
    empty, same = run(x[:0].numpy(), h_0.numpy())
    assert empty.shape == (0, 2, 9)
    np.testing.assert_array_equal(same, h_0)


def test_a_step_is_a_sequence_of_one(reset: str) -> None:
    x, h, w = draw(5, 3, 4).float().numpy(), draw(3, 9).float().numpy(), draw_weights(4, 9)
    run = layer(*(value.float().numpy() for value in w), reset=reset)
    output, h_n = run(x, h)
    for t in range(5):
        before = h.copy()
        stepped = run.step(x[t], h)
        np.testing.assert_array_equal(stepped, output[t])
        np.testing.assert_array_equal(h, before)
        h = stepped
    np.testing.assert_array_equal(h, h_n)


def test_nats_are_of_the_log_softmax() -> None:
    weight, bias, hidden = (draw(*shape).float().numpy() for shape in ((5, 3), (5,), (4, 3)))
    tokens = np.array([0, 4, 2, 2])
    output = output_layer(weight, bias)
    logits = output.logits(hidden)
    np.testing.assert_allclose(logits, hidden @ weight.T + bias, rtol=1e-5, atol=1e-6)
    assert output.logits(hidden[2:3]).tobytes() == logits[2:3].tobytes()
    log_p = output.log_probabilities(hidden)
    expected = -log_softmax(logits)[np.arange(4), tokens]
    np.testing.assert_allclose(log_p[np.arange(4), tokens], -expected, rtol=1e-5, atol=1e-6)
    nats = output.nats(hidden, tokens)
    assert nats.dtype == np.float64
    np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=1e-6)
    assert output.nats(hidden[:0], tokens[:0]).shape == (0,)


@pytest.mark.parametrize("V", [1, 2, 65, 3000])
def test_log_softmax(V: int) -> None:
    logits = draw(4, V).float().numpy() * 30
    logits[0, 0], logits[1] = -np.inf, 3e38
    if V == 1:
        logits[0] = 5
    exact = logits.astype(np.float64)
    exact -= exact.max(-1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(-1, keepdims=True))
    rows = [log_softmax(row.copy()) for row in logits]
    for found in (log_softmax(logits), np.stack(rows)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)
    in_place = np.zeros(V, np.float32)
    assert log_softmax(in_place) is in_place
    assert np.isnan(log_softmax(np.array([0, np.nan, 1], np.float32))).all()
