"""A learned decay keeps the state at usual steps, and less of it the longer the gap."""

import torch

from penstock.nn.decay import Decay


def test_usual_steps_keep_everything_and_longer_gaps_less() -> None:
    decay = Decay(2, 5)
    left = decay(torch.tensor([[0.0], [1.0], [30.0]]))
    assert left.shape == (2, 3, 1, 5)
    assert (left[:, 0] == 1).all()
    assert (left[:, 1] > left[:, 2]).all()
    assert (left[..., :-1] >= left[..., 1:]).all()  # the last units forget soonest
    assert torch.allclose(-left[0, 1, 0].log(), torch.logspace(-2, 0, 5), rtol=1e-4)


def test_rates_learn_where_there_are_gaps() -> None:
    decay = Decay(1, 3)
    decay(torch.tensor([[0.0, 2.0]])).sum().backward()
    assert decay.weight.grad is not None
    assert (decay.weight.grad < 0).all()
    assert Decay(1, 1)(torch.tensor([[1.0]])).item() < 1
