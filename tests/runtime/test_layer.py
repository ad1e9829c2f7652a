"""A layer with the compiled core and without it."""

import numpy as np
import pytest
from helpers import draw, draw_weights, oracle

from penstock import native
from penstock.runtime.layer import layer


@pytest.mark.parametrize("unavailable", [native.unavailable, "hidden"])
def test_a_layer_is_the_equations(monkeypatch: pytest.MonkeyPatch, reset: str, unavailable: str | None) -> None:
    monkeypatch.setattr(native, "unavailable", unavailable)
    x, h_0, w = (draw(7, 1, 3).float(), draw(1, 9).float(), [value.float() for value in draw_weights(3, 9)])
    steps = oracle(x, h_0, w, reset=reset)
    run = layer(*(value.numpy() for value in w), reset=reset)
    output, h_n = run(x[:, 0].numpy(), h_0[0].numpy())
    assert output.dtype == h_n.dtype == np.float32
    np.testing.assert_allclose(output, steps.hidden[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(h_n, output[-1])
    empty, same = run(x[:0, 0].numpy(), h_0[0].numpy())
    assert empty.shape == (0, 9)
    np.testing.assert_array_equal(same, h_0[0])
