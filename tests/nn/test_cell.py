"""One step is a sequence of one, and torch's in its form."""

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle
from torch import nn

import penstock
from penstock import GRUCell

L, N, D, H = 5, 3, 2, 4
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def cell_of(weights: list[torch.Tensor], reset: str) -> GRUCell:
    cell = GRUCell(D, H, reset=reset, dtype=torch.float64)
    cell.load_state_dict(
        {**dict(zip(NAMES, weights, strict=True)), "reset_after": torch.tensor(float(reset == "after"))}
    )
    return cell


def test_the_cell_step_by_step_is_the_equations(reset: str) -> None:
    x, h, w = draw(L, N, D), draw(N, H), draw_weights(D, H)
    cell = cell_of(w, reset)
    expected = oracle(x, h, w, reset=reset).hidden
    output, _ = penstock.gru(x, h, *w, reset=reset)
    for t in range(L):
        unbatched = cell(input=x[t, 0], hx=h[0])
        h = cell(input=x[t], hx=h)
        np.testing.assert_allclose(h.detach(), expected[t], rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(h, output[t], rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(unbatched, h[0], rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(cell(x[0, 0]), cell(x[0], torch.zeros_like(h))[0], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_the_cell_is_torchs_forward_and_backward(bias: bool) -> None:
    theirs = nn.GRUCell(D, H, bias, dtype=torch.float64)
    ours = GRUCell(D, H, bias, reset="after", dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    for batch in ((N,), ()):
        x, h = draw(*batch, D).requires_grad_(), draw(*batch, H).requires_grad_()
        found = []
        for cell in (ours, theirs):
            output = cell(x, h)
            wanted = [x, h, *cell.parameters()]
            found.append([output, *torch.autograd.grad((output * draw(*batch, H, seed=1)).sum(), wanted)])
        for mine, other in zip(*found, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-13)
    assert repr(ours) == f"GRUCell(2, 4, bias={bias}, reset='after')"


def test_without_bias(reset: str) -> None:
    cell = GRUCell(D, H, bias=False, reset=reset)
    assert [name for name, _ in cell.named_parameters()] == ["weight_ih", "weight_hh"]
    assert cell.bias_ih is None
    assert cell.bias_hh is None
    assert cell(torch.randn(N, D)).shape == (N, H)


@pytest.mark.parametrize("size", [(D, 0), (0, H), (0, 0)])
def test_no_features_and_no_units(reset: str, size: tuple[int, int]) -> None:
    D, H = size
    cell = GRUCell(D, H, reset=reset)
    theirs = nn.GRUCell(D, H)
    theirs.load_state_dict({name: value for name, value in cell.state_dict().items() if name != "reset_after"})
    x, h = torch.zeros(N, D), torch.randn(N, H, requires_grad=True)
    output = cell(x, h)
    assert output.shape == (N, H)
    if reset == "after":
        torch.testing.assert_close(output, theirs(x, h))
    output.sum().backward()
    assert h.grad.shape == (N, H)


def test_autocast_keeps_the_state_in_float32(reset: str) -> None:
    cell = GRUCell(D, H, reset=reset)
    x, h = torch.randn(N, D), torch.randn(N, H)
    with torch.autocast("cpu", torch.bfloat16):
        found = [cell(x.bfloat16(), h), cell(x, h.bfloat16()), cell(x.bfloat16()[0])]
    assert {value.dtype for value in found} == {torch.float32}
    assert (found[0] - cell(x, h)).abs().max() < 2e-2  # eight bits of mantissa
    with pytest.raises(TypeError, match=r"input: expected torch.float32, as the weights are, got torch.bfloat16"):
        cell(x.bfloat16(), h)
