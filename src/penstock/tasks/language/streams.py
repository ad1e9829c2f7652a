"""The corpus as N contiguous streams read in order, chunk by chunk: truncated backpropagation through time."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from penstock.text.tokens import Tokens
from penstock.train.task import Chunk

IGNORED = -100
"""The target where nothing is to be predicted; ``torch.nn.functional.cross_entropy`` skips it."""


def nats(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of all targets together, in float32: logits (L, N, V) and tokens (L, N)."""
    return cross_entropy(outputs.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")


class TextStreams:
    """``tokens.ids[start:stop]`` as N contiguous streams; the state is carried from chunk to chunk within a pass.

    A corpus shorter than N × 2 tokens makes fewer streams. At most N − 1 tokens at the end are left out.
    """

    def __init__(self, tokens: Tokens, start: int, stop: int, *, N: int, L: int) -> None:
        count = stop - start
        self.N = max(1, min(N, count // 2))
        self.length = (count - 1) // self.N  # predictions in a stream
        self._L = max(1, min(L, self.length))
        self._tokens, self._start = tokens, start

    def __len__(self) -> int:
        """Chunks in one pass; the last may be shorter."""
        return -(-self.length // self._L)

    def chunk(self, k: int, part: slice = slice(None)) -> Chunk:
        """The k-th chunk, counted over all passes, of the streams in ``part``.

        Its inputs are tokens (L, N) int64, its targets the tokens after them; ``IGNORED`` where that one starts a
        document.
        """
        k %= len(self)
        begins, length = self._begins(k)[part], self._length(k)
        ids = np.empty((length + 1, len(begins)), np.int64)
        for n, a in enumerate(begins):
            ids[:, n] = self._tokens.ids[a : a + length + 1]
        tokens, targets, resets = torch.from_numpy(ids[:-1]), torch.from_numpy(ids[1:].copy()), None
        if len(self._tokens.starts) > 1:
            starts = np.zeros(ids.shape, bool)
            for n, a in enumerate(begins):
                low, high = np.searchsorted(self._tokens.starts, [a, a + length + 1])
                starts[self._tokens.starts[low:high] - a, n] = True
            resets = torch.from_numpy(starts[:-1].copy())
            targets.masked_fill_(torch.from_numpy(starts[1:]), IGNORED)
        return Chunk(tokens, targets, resets, self.predictions(k))

    def predictions(self, k: int) -> int:
        """How many tokens are to be predicted in the k-th chunk of all streams: those that start no document."""
        length = self._length(k)
        bounds = np.searchsorted(self._tokens.starts, np.add.outer(self._begins(k), [1, length + 1]))
        return self.N * length - int((bounds[:, 1] - bounds[:, 0]).sum())

    def read(self, passes: int, chunks: int) -> int:
        """How many tokens so many passes, and so many chunks of another, read."""
        return self.N * (passes * self.length + min(chunks * self._L, self.length))

    def _length(self, k: int) -> int:
        return min(self._L, self.length - k * self._L)

    def _begins(self, k: int) -> range:
        """Where the k-th chunk of each stream begins in the text."""
        first = self._start + k * self._L
        return range(first, first + self.N * self.length, self.length)
