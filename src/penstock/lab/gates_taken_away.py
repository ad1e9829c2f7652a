"""A GRU with a gate taken away: forced to 1 or to 0, on the same weights' shapes and the same compiled core.

A gate that hears nothing and has a bias far from zero is σ(±10⁴): 1, or 0 (in float32 the compiled core's σ ends at
1.6e-38, which added to anything else is nothing). Its slope there is as small, so that training never moves it.
"""

import torch

from penstock.lab.claim import Words, same
from penstock.nn import GRU

FAR = 1e4
"""A bias at which σ is 0 or 1."""

TAKEN_AWAY: dict[str, dict[str, bool]] = {
    "GRU": {},
    "without update gate": {"update": False},
    "without reset gate": {"reset": True},
    "plain RNN": {"update": False, "reset": True},
}
"""Which gates are forced, and whether to 1: z = 0 always takes the candidate, r = 1 always shows it all of the past."""

NAMES = {
    "GRU": same("GRU"),
    "without update gate": Words("without update gate", "没有更新门"),
    "without reset gate": Words("without reset gate", "没有重置门"),
    "plain RNN": Words("plain RNN", "普通循环神经网络"),
}
"""What they are called."""


def force(gru: GRU, *, reset: bool | None = None, update: bool | None = None) -> GRU:
    """Forces gates of every layer to 1 (True) or 0 (False); None leaves a gate as it is."""
    with torch.no_grad():
        for name, weight in gru.named_parameters():
            r, z, _ = weight.chunk(3)  # views, as the rows are in the order r, z, n
            for rows, to_one in ((r, reset), (z, update)):
                if to_one is not None:
                    # one of the two biases carries the whole force
                    rows.fill_((FAR if to_one else -FAR) if name.startswith("bias_ih") else 0.0)
    return gru
