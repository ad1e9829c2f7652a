"""Segments hold every row once, beside its change; the last is filled up."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.series.segments import CHANGE, in_segments, segment_size


@given(L=st.integers(0, 40), D=st.integers(1, 4), P=st.integers(1, 7), seed=st.integers(0, 99))
def test_every_row_is_there_once(L: int, D: int, P: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((L, D)).astype(np.float32)
    found = in_segments(x, P)
    assert found.shape == (-(-L // P), P * 2 * D)
    rows = found.reshape(-1, 2 * D)
    assert np.array_equal(rows[:L, :D], x)
    assert np.array_equal(rows[1:L, D:], np.diff(x, axis=0) * CHANGE)
    assert not rows[:1, D:].any()
    assert (rows[L:, :D] == x[-1:]).all()
    assert not rows[L:, D:].any()


def test_longer_series_have_longer_segments() -> None:
    assert [segment_size(np.array([length])) for length in (1, 24, 100, 150, 250, 10**6)] == [1, 1, 2, 3, 5, 16]
    assert segment_size(np.zeros(0, np.int64)) == 1
