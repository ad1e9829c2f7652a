"""The learning rate over a run."""

import math


def learning_rate_share(done: float, warmup: float) -> float:
    """The share of the full learning rate once ``done`` of the run (0 … 1) is over.

    Rises in a line over the first ``warmup`` of the run, then falls in half a cosine to 0 (Loshchilov & Hutter 2017,
    arXiv:1608.03983, section 3).
    """
    if done < warmup:
        return 0.05 + 0.95 * done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) if warmup < 1 else 1.0
