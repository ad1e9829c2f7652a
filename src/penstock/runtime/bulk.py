"""Many texts, on all cores: windows of them, sorted by length, in batches that threads take in turn."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from penstock.runtime.model import Model, Reading

BATCH = 64
"""Texts that are read side by side: as many as it takes for the products to run at full speed."""

AHEAD = 4
"""Batches a worker that wait behind the window whose results are due, so that nobody waits for its last one."""

Key = TypeVar("Key")
Batch = tuple[Sequence[int], "Future[list[Reading]]"]


def read_windows(
    model: Model, windows: Iterable[tuple[Key, Sequence[str]]], *, workers: int, to_the_end: bool = False
) -> Generator[tuple[Key, list[Reading]]]:
    """What ``Model.read`` makes of every text, window by window, texts and windows in their order.

    A window's texts are sorted by length, so that those of about one length are read together. The next windows are
    taken while one is read: a few of them are in memory, however many there are.

    Args:
        model: what reads; on one thread a batch.
        windows: each with a key that comes back with its results.
        workers: batches that are read at once.
        to_the_end: see ``Model.read``.
    """
    pool = ThreadPoolExecutor(workers)

    def submitted(texts: Sequence[str]) -> list[Batch]:
        order = sorted(range(len(texts)), key=lambda n: -len(texts[n]))  # the longest, which take longest, first
        batches = [order[k : k + BATCH] for k in range(0, len(order), BATCH)]
        return [
            (batch, pool.submit(model.read, [texts[n] for n in batch], to_the_end=to_the_end, threads=1))
            for batch in batches
        ]

    def finished(batches: list[Batch]) -> list[Reading]:
        readings = {n: reading for batch, read in batches for n, reading in zip(batch, read.result(), strict=True)}
        return [readings[n] for n in range(len(readings))]

    pending: deque[tuple[Key, list[Batch]]] = deque()
    try:
        for key, texts in windows:
            pending.append((key, submitted(texts)))
            while sum(len(batches) for _, batches in islice(pending, 1, None)) >= AHEAD * workers:
                due, batches = pending.popleft()
                yield due, finished(batches)
        for due, batches in pending:
            yield due, finished(batches)
    finally:
        pool.shutdown(cancel_futures=True)
