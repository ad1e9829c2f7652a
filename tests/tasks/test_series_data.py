"""Rows as training reads them: the same whether features are held or computed as they are asked for."""

from typing import Any

import numpy as np
import pytest

from penstock.runtime.series_score import answered_at
from penstock.series import Column, SeriesSet, by_id, by_time, learn_features, rows_of
from penstock.series.blocks import PartRows
from penstock.series.row_features import RowFeatures, RowTargets
from penstock.tasks.series_data import SeriesData


def gaps(seed: int, timed: bool) -> SeriesSet:
    """Series of unequal lengths, one of them empty, of columns that miss many cells, and times at which rows miss."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 700, 6)
    lengths[2] = 0
    values = random.standard_normal((lengths.sum(), 4)).astype(np.float32)
    values[random.random(values.shape) < [0.0, 0.3, 0.97, 0.5]] = np.nan
    values[:, 3] = np.where(np.isnan(values[:, 3]), np.nan, random.integers(0, 3, len(values)))
    columns = (Column("a", "target"), Column("b"), Column("c"), Column("d", categories=("x", "y", "z")))
    times = np.concatenate([np.cumsum(random.integers(1, 4, length)) for length in lengths]).astype(np.float64)
    episodes = random.random(len(values)) < 0.02
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return SeriesSet(tuple("uvwxyz"), starts, values, columns, times if timed else None, episodes=episodes)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_features_and_targets_of_any_rows_are_those_of_whole_series(seed: int, timed: bool) -> None:
    series, random = gaps(seed, timed), np.random.default_rng(seed)
    part = by_time(series, 0.3).training
    features = learn_features(series, part, ["a", "b", "c", "d"])
    ones = [one for one in map(series.one, range(len(series))) if len(one.values)]
    whole = np.concatenate([features.whole(one.values, one.times) for one in ones])
    rows, found = len(series.values), RowFeatures(series, features)
    np.testing.assert_array_equal(found[0:rows], whole)
    np.testing.assert_array_equal(found[rows:rows], whole[:0])
    for L, N in random.integers(1, 40, (8, 2)):
        places = np.minimum(random.integers(0, rows, N) + np.arange(L)[:, None], rows - 1)
        np.testing.assert_array_equal(found[places], whole[places])
    of_part = PartRows(series, part)
    np.testing.assert_array_equal(of_part.at(np.arange(len(of_part))), rows_of(series, part))
    inside = [of_part.inside(slice(row, min(row + 37, rows))) for row in range(0, rows, 37)]
    np.testing.assert_array_equal(np.flatnonzero(np.concatenate(inside)), rows_of(series, part))
    for next, last in ((False, False), (True, False), (False, True)):
        y = answered_at(series, np.array([0, 1, 2]), next, last)
        targets = RowTargets(series, [0, 1, 2], next, last)
        np.testing.assert_array_equal(targets[np.arange(rows)], y)
        answered = int((~np.isnan(y[rows_of(series, part)])).any(1).sum())
        assert targets.answered(of_part, rows) == answered


@pytest.mark.parametrize("last", [False, True])
def test_chunks_are_the_same_however_features_are_kept(last: bool) -> None:
    series = gaps(4, True)
    split = by_id(series, 0.3) if last else by_time(series, 0.3)
    held, asked = (
        SeriesData(series, split, ["b", "c", "d"], ["a"], next=False, last=last, held=held) for held in (1 << 30, 0)
    )
    assert [type(data.x) for data in (held, asked)] == [np.ndarray, RowFeatures]
    pairs: list[tuple[Any, Any]] = [
        (held.streams(3, 20), asked.streams(3, 20)),
        (held.held_out_streams(2), asked.held_out_streams(2)),
    ]
    for one, other in pairs:
        assert len(one) == len(other)
        for k in range(2 * len(one)):
            for a, b in zip(one.chunk(k), other.chunk(k), strict=True):
                np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert (held.tells, held.training, held.held_out) == (asked.tells, asked.training, asked.held_out)
    assert held.answers()
