"""The functional form and the cell: one step and many steps agree, with each other and with torch."""

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle

import penstock
from penstock import GRUCell

L, N, D, H = 5, 3, 2, 4


def cell_of(weights: list[torch.Tensor], reset: str) -> GRUCell:
    cell = GRUCell(D, H, reset=reset, dtype=torch.float64)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell.load_state_dict({**dict(zip(names, weights, strict=True)), "reset_after": torch.tensor(reset == "after")})
    return cell


@pytest.mark.parametrize("reverse", [False, True])
def test_the_function_is_the_equations(reset: str, reverse: bool) -> None:
    x, h_0, w = draw(L, N, D), draw(N, H), draw_weights(D, H)
    resets, lengths = torch.rand(L, N) < 0.3, torch.tensor([5, 2, 0])
    options = {"reset": reset, "lengths": lengths, "resets": resets, "reverse": reverse}
    output, h_n, gates = penstock.gru(x, h_0, *w, **options, return_gates=True)
    steps = oracle(x, h_0, w, **options)
    for ours, expected in zip((*gates, output, h_n), steps, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)


def test_the_cell_step_by_step_is_the_function(reset: str) -> None:
    x, h, w = draw(L, N, D), draw(N, H), draw_weights(D, H)
    cell = cell_of(w, reset)
    output, _ = penstock.gru(x, h, *w, reset=reset)
    for t in range(L):
        h = cell(x[t], h)
        torch.testing.assert_close(h, output[t], rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(cell(x[0, 0]), cell(x[0])[0], rtol=1e-13, atol=1e-14)


def test_the_cell_is_torchs() -> None:
    theirs = torch.nn.GRUCell(D, H, dtype=torch.float64)
    ours = GRUCell(D, H, reset="after", dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x, h = draw(N, D), draw(N, H)
    torch.testing.assert_close(ours(x, h), theirs(x, h), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(ours(x[0], h[0]), theirs(x[0], h[0]), rtol=1e-13, atol=1e-14)
    assert repr(ours) == "GRUCell(2, 4, bias=True, reset='after')"


def test_without_bias(reset: str) -> None:
    cell = GRUCell(D, H, bias=False, reset=reset)
    assert [name for name, _ in cell.named_parameters()] == ["weight_ih", "weight_hh"]
    assert cell(torch.randn(N, D)).shape == (N, H)
