"""Dropout by bytes: the right share, the right scale, and nothing where nothing is to be dropped."""

import pytest
import torch

from penstock.nn.dropout import dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_it_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.full((37, 41, 53), 2.0, requires_grad=True)
    y = dropout(x, p, True)
    rounded = round(p * 256) / 256
    assert (y == 0).double().mean() == pytest.approx(rounded, abs=0.01)
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 2 / (1 - rounded)))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient == 0, y == 0)
    # neighbours, which share a random number, are dropped independently of each other
    dropped = (y.detach().flatten() == 0).double()
    for distance in (1, 4, 7, 8):
        together = (dropped[distance:] * dropped[:-distance]).mean()
        assert together == pytest.approx(rounded**2, abs=0.02)


def test_it_is_repeated_by_its_seed_and_does_nothing_at_rest() -> None:
    x = torch.randn(5, 7)
    torch.manual_seed(1)
    first = dropout(x, 0.3, True)
    torch.manual_seed(1)
    assert torch.equal(dropout(x, 0.3, True), first)
    assert dropout(x, 0.3, False) is x
    assert torch.equal(dropout(x, 0.0, True), x)
    assert dropout(x[:0], 0.3, True).shape == (0, 7)
