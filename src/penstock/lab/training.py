"""One small model and one small loop, which every trained experiment uses."""

import math
from collections.abc import Callable
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from penstock.lab.gates_taken_away import TAKEN_AWAY, force
from penstock.nn import GRU


class Reader(nn.Module):
    """A GRU and an output layer that reads its state.

    The recurrent matrices begin orthogonal (Saxe et al. 2014, arXiv:1312.6120), the plain RNN's best chance at a long
    memory. The update gate's biases begin at log U(1, longest), so that the units' memories begin spread over 1 to
    ``longest`` steps (chrono initialisation, Tallec & Ollivier 2018, arXiv:1804.11188).

    Args:
        D: input features.
        H: hidden units.
        outputs: what is read of the state.
        gates: a key of ``TAKEN_AWAY``.
        longest: the longest memory that the task asks for, in steps.
        seed: of the weights.
    """

    def __init__(self, D: int, H: int, outputs: int, *, gates: str, longest: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.gru, self.output = GRU(D, H), nn.Linear(H, outputs)
            weights = dict(self.gru.named_parameters())
            with torch.no_grad():
                for gate in weights["weight_hh_l0"].chunk(3):
                    nn.init.orthogonal_(gate)
                weights["bias_ih_l0"].zero_()
                weights["bias_hh_l0"].zero_()
                weights["bias_ih_l0"][H : 2 * H] = torch.empty(H).uniform_(1, longest).log()
        force(self.gru, **TAKEN_AWAY[gates])

    def forward(self, x: Tensor) -> Tensor:
        """(L, N, D) to what is read after each step, (L, N, outputs)."""
        output: Tensor = self.output(self.gru(x)[0])
        return output


told: ContextVar[Callable[[str, float], None]] = ContextVar("told", default=lambda what, share: None)
"""Whom ``fit`` tells what is being trained, and how much of it is done, 0 … 1."""


def fit(
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    *,
    what: str,
    steps: int,
    rate: float = 0.005,
    seed: int,
) -> None:
    """Adam on ``loss``, which draws a batch of its own; the learning rate falls from ``rate`` to 0 on a cosine.

    ``what`` is trained is told of as it goes on.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99), fused=True)
    for step in range(steps):
        told.get()(f"{what}, seed {seed}", step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        torch.autograd.backward(loss(generator))
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def one_hot(ids: Tensor, kinds: int) -> Tensor:
    """(…) to (…, kinds) float32."""
    return nn.functional.one_hot(ids, kinds).float()
