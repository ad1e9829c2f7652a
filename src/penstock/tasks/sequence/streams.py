"""Whole sequences as training reads them: those of about one length side by side, each with one answer at its end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.train.task import Chunk

BATCHES = 6
"""Of few sequences, in a pass over those that train at least."""


class SequenceStreams:
    """Whole sequences, N at a time, those of about one length together; in another order in each pass.

    Args:
        inputs: what is read of the sequence of a number, (L, …).
        lengths: (S,) steps of each; those without any are left out.
        answers: (S, T) what is answered at its last step; NaN where nothing is.
        N: at most so many side by side.
        shuffled: they train.
    """

    def __init__(
        self,
        inputs: Callable[[int], NDArray[Any]],
        lengths: NDArray[np.int64],
        answers: NDArray[np.float32],
        N: int,
        shuffled: bool,
    ) -> None:
        self._inputs, self._lengths, self._answers, self._shuffled = inputs, lengths, answers, shuffled
        self._which = np.flatnonzero(lengths > 0)
        most = min(N, max(1, len(self._which) // BATCHES)) if shuffled else N
        self.N = max(1, min(most, len(self._which)))
        self._total = int(lengths.sum())

    def __len__(self) -> int:
        """Chunks in one pass."""
        return -(-len(self._which) // self.N)

    def _chosen(self, k: int) -> NDArray[np.int64]:
        """The sequences of the k-th chunk."""
        passed, at = divmod(k, len(self))
        order = self._which
        lengths = self._lengths[order]
        if self._shuffled:
            random = np.random.default_rng(passed)
            order = order[np.argsort(lengths * random.uniform(0.8, 1.25, len(lengths)), kind="stable")]
            at = int(random.permutation(len(self))[at])
        return order[at * self.N : (at + 1) * self.N]

    def chunk(self, k: int, part: slice = slice(None)) -> Chunk:
        """The k-th chunk, counted over all passes: inputs (L, N, …), targets (L, N, T), NaN but at the last step."""
        chosen = self._chosen(k)
        wholes = [self._inputs(one) for one in chosen.tolist()]
        L = max(map(len, wholes))
        x = np.zeros((L, self.N, *wholes[0].shape[1:]), wholes[0].dtype)
        y = np.full((L, self.N, self._answers.shape[1]), np.nan, np.float32)
        for n, (whole, one) in enumerate(zip(wholes, chosen, strict=True)):
            x[: len(whole), n], y[len(whole) - 1, n] = whole, self._answers[one]
        resets = np.zeros((L, self.N), bool)
        resets[0] = True
        return chunk_of(x[:, part], y, resets[:, part], part)

    def read(self, passes: int, chunks: int) -> int:
        """How many steps so many passes, and about how many so many chunks of another, read."""
        return passes * self._total + chunks * self._total // len(self)


def chunk_of(x: NDArray[Any], y: NDArray[np.float32], resets: NDArray[np.bool_], part: slice) -> Chunk:
    """Of targets of all streams, and the rest of those in ``part``."""
    answered = int((~np.isnan(y)).any(-1).sum())
    inputs, targets, starts = (torch.from_numpy(np.ascontiguousarray(one)) for one in (x, y[:, part], resets))
    return Chunk(inputs, targets, starts, answered)
