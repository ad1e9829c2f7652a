"""Drawing the next token from a distribution, and where to stop."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock import native

COLDEST = 1e-200
"""A lower temperature draws as this one does, and here nothing overflows."""
NUMBERS = 256
"""That are drawn at once: a call costs as much as a step of a small model."""

Text = TypeVar("Text", str, bytes)


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


def numbers(seed: int | None, count: int) -> Iterator[float]:
    """So many numbers in 0 … 1, without 1, one for each token: those of ``generator.random()``."""
    generator = np.random.default_rng(seed)
    blocks = (generator.random(min(NUMBERS, count - start)).tolist() for start in range(0, count, NUMBERS))
    return itertools.chain.from_iterable(blocks)


def draw(
    logits: NDArray[np.float32],
    numbers: NDArray[np.float64],
    temperature: float,
    top_k: int,
    top_p: float,
    never: int,
    tokens: NDArray[np.int64],
) -> None:
    """Draws a token (rows,) from each row of logits (rows, V) by a number (rows,), as ``sample`` does; not ``never``,
    unless that is −1."""
    if native.unavailable is None:
        native.core.sample(logits, numbers, temperature, top_k, top_p, never, tokens)
        return
    for row, one in enumerate(logits.copy()):
        if never >= 0:
            one[never] = -np.inf
        nucleus = top_p if top_p < 1 else None
        tokens[row] = sample(one, numbers[row], temperature=temperature, top_k=top_k, top_p=nucleus)


def sample(
    log_probabilities: NDArray[np.floating],
    number: float,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> int:
    """One index of (V,) log-probabilities, or of logits, which differ from them by a constant.

    ``temperature`` divides them first, 0 takes the most likely; ``top_k`` keeps the k most likely; ``top_p`` keeps the
    fewest that together have at least that probability (Holtzman et al. 2020, arXiv:1904.09751, section 3.1). Of two
    that are equally likely the first is kept. What is kept shares 0 … 1 out in the order of the indices, and the index
    in whose share ``number`` falls is taken. ``core/sampling.hpp`` draws the same.
    """
    likeliest = int(log_probabilities.argmax())
    if temperature == 0:
        return likeliest
    p = log_probabilities.astype(np.float64)
    p -= p[likeliest]
    if top_k is not None and top_k < len(p):
        _keep_largest(p, top_k)
    if temperature != 1:
        p /= max(temperature, COLDEST)
    np.exp(p, p)
    if top_p is not None:
        p = _nucleus(p, top_p)
    cumulative = np.add.accumulate(p)
    drawn = int(cumulative.searchsorted(number * cumulative[-1], "right"))
    return drawn if drawn < len(p) else likeliest  # the product was rounded up to the sum


def _keep_largest(logits: NDArray[np.float64], k: int) -> None:
    """Makes all but the k largest impossible; k is fewer than there are."""
    least = np.partition(logits, -k)[-k]
    kept = logits >= least
    if surplus := np.count_nonzero(kept) - k:
        kept[np.flatnonzero(logits == least)[-surplus:]] = False
    logits[~kept] = -np.inf


def _nucleus(p: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """p, normalised, of the fewest, largest first, that together have at least this share; 0 of the others."""
    p = p / p.sum()
    # what is smaller has together less than what is left out
    candidates = np.flatnonzero(p >= (1 - share) / len(p))
    order = candidates[(-p[candidates]).argsort(kind="stable")]
    largest = p[order]
    kept = order[largest.cumsum() - largest < share]
    nucleus = np.zeros_like(p)
    nucleus[kept] = p[kept]
    return nucleus


class Until(Generic[Text]):
    """What comes before the first of some texts, none of them empty, wherever the pieces that are fed are cut.

    What may be the begin of one waits for what follows.
    """

    def __init__(self, stops: Sequence[Text]) -> None:
        self.found = False
        """Whether one came."""
        self._stops: Sequence[Text] = stops
        self._longest = max(map(len, stops))
        self._held: Text = stops[0][:0]

    def feed(self, piece: Text) -> Text:
        """What can be said now, after another piece."""
        held = self._held + piece
        if found := [at for stop in self._stops if (at := held.find(stop)) >= 0]:
            self.found, self._held = True, held[:0]
            return held[: min(found)]
        ends = range(max(len(held) - self._longest + 1, 0), len(held))
        keep = next((at for at in ends if any(stop.startswith(held[at:]) for stop in self._stops)), len(held))
        self._held = held[keep:]
        return held[:keep]

    def rest(self) -> Text:
        """What was held back, once nothing follows."""
        return self._held


def until(pieces: Iterable[Text], stops: Sequence[Text]) -> Iterator[Text]:
    """What ``Until`` lets through of pieces."""
    gate = Until(stops)
    for piece in pieces:
        if said := gate.feed(piece):
            yield said
        if gate.found:
            return
    if rest := gate.rest():
        yield rest
