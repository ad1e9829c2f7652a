"""A gate that is taken away is at its end, and training leaves it there."""

import pytest
import torch

from penstock import GRU
from penstock.lab.gates_taken_away import TAKEN_AWAY, force
from penstock.lab.training import Reader, fit

SMALLEST = float(torch.finfo(torch.float32).tiny)
NOTHING = 2 * SMALLEST
"""What the compiled core's σ ends at; added to anything else it is nothing."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("name", ["reset", "update"])
def test_a_forced_gate_is_one_or_nothing(name: str, to_one: bool, reset: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    gru = force(GRU(3, 5, num_layers=2, reset=reset, dtype=dtype), **{name: to_one})
    gates = gru(torch.randn(7, 2, 3, dtype=dtype), return_gates=True)[2]
    forced, other = getattr(gates, name), getattr(gates, "reset" if name == "update" else "update")
    assert (forced == 1).all() if to_one else (forced <= NOTHING).all()
    assert ((other > 0.01) & (other < 0.99)).all()


@pytest.mark.parametrize("gates", TAKEN_AWAY)
def test_training_moves_no_forced_gate(gates: str) -> None:
    model = Reader(2, 4, 1, gates=gates, longest=10, seed=0)
    x = torch.randn(9, 3, 2)
    before = [weight.detach().clone() for weight in model.gru.parameters()]
    fit(model, lambda _: (model(x) - 1).square().mean(), what=gates, steps=20, rate=0.1, seed=0)
    found = model.gru(x, return_gates=True)[2]
    for name, to_one in TAKEN_AWAY[gates].items():
        gate = getattr(found, name)
        assert (gate == 1).all() if to_one else (gate <= NOTHING).all()
    moved = [
        [bool((a != b).any()) for a, b in zip(old.chunk(3), new.chunk(3), strict=True)]
        for old, new in zip(before, model.gru.parameters(), strict=True)
    ]
    assert all(candidate for _, _, candidate in moved)
    if "update" not in TAKEN_AWAY[gates]:
        assert all(update for _, update, _ in moved)


def test_the_same_seed_trains_the_same_model() -> None:
    def trained() -> torch.Tensor:
        model = Reader(2, 4, 1, gates="GRU", longest=10, seed=3)
        fit(model, lambda g: model(torch.randn(5, 3, 2, generator=g)).square().mean(), what="GRU", steps=5, seed=3)
        return torch.cat([weight.detach().flatten() for weight in model.parameters()])

    state = torch.get_rng_state()
    assert torch.equal(trained(), trained())
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's draws are moved
