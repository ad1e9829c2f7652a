"""Streams read every token once, in order, and know where documents start."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.tasks.language.streams import IGNORED, TextStreams
from penstock.text.tokens import Tokens


def tokens_of(count: int, starts: list[int]) -> Tokens:
    return Tokens(np.arange(count, dtype=np.uint16), np.array(sorted({0, *starts}), np.int64), count)


@given(
    count=st.integers(2, 200),
    start=st.integers(0, 20),
    N=st.integers(1, 9),
    L=st.integers(1, 30),
    starts=st.lists(st.integers(0, 219), max_size=8),
)
def test_streams(count: int, start: int, N: int, L: int, starts: list[int]) -> None:
    tokens = tokens_of(start + count, [s for s in starts if s < start + count])
    streams = TextStreams(tokens, start, start + count, N=N, L=L)
    chunks = [streams.chunk(k) for k in range(len(streams))]
    part = slice(streams.N // 3, streams.N)
    for k, chunk in enumerate(chunks):
        assert chunk.predictions == int((chunk.targets != IGNORED).sum())
        of_part = streams.chunk(k, part)
        assert of_part.predictions == chunk.predictions
        assert torch.equal(of_part.inputs, chunk.inputs[:, part])
        assert torch.equal(of_part.targets, chunk.targets[:, part])
        assert (of_part.resets is None) == (chunk.resets is None)
        assert of_part.resets is None or torch.equal(of_part.resets, chunk.resets[:, part])
    read = torch.cat([chunk.inputs for chunk in chunks])  # (steps, N)
    targets = torch.cat([chunk.targets for chunk in chunks])
    assert read.shape == (streams.length, streams.N)
    assert all(len(chunk.inputs) <= L for chunk in chunks)
    # ids are their own positions here: contiguous, in order, from the start on, at most N left over at the end
    assert read.T.flatten().tolist() == list(range(start, start + streams.N * streams.length))
    assert start + count - 1 - (start + streams.N * streams.length) < streams.N
    begins_document = torch.isin(read + 1, torch.from_numpy(tokens.starts))
    assert torch.equal(targets, torch.where(begins_document, IGNORED, read + 1))
    if len(tokens.starts) == 1:
        assert all(chunk.resets is None for chunk in chunks)
    else:
        resets = torch.cat([chunk.resets for chunk in chunks if chunk.resets is not None])
        assert torch.equal(resets, torch.isin(read, torch.from_numpy(tokens.starts)))


def test_the_corpus_stays_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "tokens.bin"
    np.arange(1000, dtype=np.uint16).tofile(path)
    tokens = Tokens(np.memmap(path, np.uint16, "r"), np.zeros(1, np.int64), 1000)
    assert TextStreams(tokens, 0, 1000, N=4, L=8).chunk(0).inputs[:, 1].tolist() == list(range(249, 257))
