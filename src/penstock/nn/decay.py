"""How a state fades over time gaps, learned: GRU-D (Che et al. 2018, section "Decay")."""

import torch
from torch import Tensor, nn

SLOWEST, FASTEST = 0.01, 1.0
"""Rates that units begin with, a step."""


class Decay(nn.Module):
    """γ = exp(−max(0, w δ + b)) of each of K layers and H units, δ the time in steps since the row before, beyond one.

    At usual steps nothing fades but what b says, which begins at zero.
    """

    def __init__(self, K: int, H: int) -> None:
        super().__init__()
        rates = torch.logspace(0, 1, H, FASTEST / SLOWEST) * SLOWEST if H > 1 else torch.full((1,), SLOWEST)
        self.weight = nn.Parameter(rates.repeat(K, 1))
        self.bias = nn.Parameter(torch.zeros(K, H))

    def forward(self, over: Tensor) -> Tensor:
        """(K, L, N, H) from δ (L, N)."""
        return torch.exp(-torch.relu(over[None, ..., None] * self.weight[:, None, None] + self.bias[:, None, None]))
