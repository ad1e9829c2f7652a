"""Drawing the next token from a distribution."""

import numpy as np
from numpy.typing import NDArray


def check_sampling(temperature: float, top_k: int | None, top_p: float | None, seed: int | None) -> None:
    """Raises ValueError for settings that mean nothing."""
    if not (temperature >= 0 and np.isfinite(temperature)):
        raise ValueError(f"temperature: expected 0 or more, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k: expected 1 or more, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p: expected more than 0 and at most 1, got {top_p}")
    if seed is not None and seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {seed}")


def sample(
    log_probabilities: NDArray[np.floating],
    generator: np.random.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> int:
    """One index drawn from (V,) log-probabilities.

    ``temperature`` divides them first, 0 takes the most likely; ``top_k`` keeps the k most likely; ``top_p`` keeps the
    fewest that together have at least that probability (Holtzman et al. 2020, arXiv:1904.09751, section 3.1).
    """
    if temperature == 0:
        return int(np.argmax(log_probabilities))
    logits = np.asarray(log_probabilities, np.float64)
    order = np.argsort(-logits, kind="stable")
    with np.errstate(over="ignore"):  # far below the best, at a temperature near 0: exp(−∞) is right
        probabilities = np.exp((logits[order] - logits[order[0]]) / temperature)
    if top_k is not None:
        probabilities[top_k:] = 0
    probabilities /= probabilities.sum()
    if top_p is not None:
        probabilities[np.cumsum(probabilities) - probabilities >= top_p] = 0
    cumulative = np.cumsum(probabilities)
    drawn = np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right")
    return int(order[min(drawn, np.count_nonzero(probabilities) - 1)])
