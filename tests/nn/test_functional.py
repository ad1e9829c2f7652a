"""The functional form: one layer in one direction is the equations."""

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle

import penstock

L, N, D, H = 5, 3, 2, 4


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [None, 1, H])
def test_the_function_is_the_equations(reset: str, reverse: bool, units: int | None) -> None:
    x, h_0, w = draw(L, N, D), draw(N, H), draw_weights(D, H)
    resets, lengths = torch.rand(L, N) < 0.3, torch.tensor([5, 2, 0])
    options = {"reset": reset, "lengths": lengths, "resets": resets, "reverse": reverse}
    options["decay"] = None if units is None else draw(L, N, units).sigmoid()
    output, h_n, gates = penstock.gru(x, h_0, *w, **options, return_gates=True)
    steps = oracle(x, h_0, w, **options)
    for ours, expected in zip((*gates, output, h_n), steps, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)
