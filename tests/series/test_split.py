"""Splits are honest: nothing that trains is what validates, nor later; and a saved one is found again."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from series_made import made, read, shared

from penstock import PenstockError
from penstock.series import (
    Column,
    SeriesSet,
    Split,
    by_column,
    by_id,
    by_source,
    by_time,
    continued,
    read_series,
    rows_of,
    split_line,
    taken_up,
    windows,
)


def of_lengths(lengths: list[int], times: Any = None, dated: bool = False) -> SeriesSet:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.arange(starts[-1], dtype=np.float32)[:, None]
    return SeriesSet(tuple(f"s{k}" for k in range(len(lengths))), starts, values, (Column("x"),), times, dated)


def apart(series: SeriesSet, split: Split) -> None:
    """No row is in both parts, and no window that trains reaches a row that another validates on."""
    training, validation = rows_of(series, split.training), rows_of(series, split.validation)
    assert not set(training) & set(validation)
    assert len(training)
    assert len(validation)
    trained: set[int] = set()
    for k, at in windows(series, split.training, 3, 2).tolist():
        trained |= {*range(at - 3, at + 2)}
        assert series.starts[k] + split.training[k, 0] <= at - 3
    for _, at in windows(series, split.validation, 3, 2, reach_back=True).tolist():
        assert not trained & {at, at + 1}
    again = taken_up(series, json.loads(json.dumps(split.to_json())))
    np.testing.assert_array_equal(again.training, split.training)
    np.testing.assert_array_equal(again.validation, split.validation)


@given(st.lists(st.integers(1, 20), min_size=2, max_size=60), st.floats(0.05, 0.5), st.integers(0, 5))
def test_by_series(lengths: list[int], share: float, seed: int) -> None:
    series = of_lengths(lengths)
    split = by_id(series, share, seed)
    apart(series, split)
    whole = split.validation[:, 1] > 0
    assert (split.training[whole] == 0).all()
    assert (split.training[~whole, 1] == series.lengths[~whole]).all()


@given(st.lists(st.integers(1, 30), min_size=2, max_size=20), st.floats(0.05, 0.5), st.integers(0, 5))
def test_those_of_one_id_stay_together(copies: list[int], share: float, seed: int) -> None:
    ids = tuple(f"text {k}" for k, count in enumerate(copies) for _ in range(count))
    split = by_id(dataclasses.replace(of_lengths([1] * len(ids)), ids=ids), share, seed)
    train, validate = ({ids[k] for k in np.flatnonzero(part[:, 1])} for part in (split.training, split.validation))
    assert train.isdisjoint(validate)
    assert train
    assert validate


def test_by_series_is_the_same_whatever_others_are_there() -> None:
    many = of_lengths([1] * 1000)
    drawn = by_id(many, 0.2, 1).validation[:, 1] > 0
    assert 150 < drawn.sum() < 250
    half = by_id(many.only(range(500)), 0.2, 1).validation[:, 1] > 0
    np.testing.assert_array_equal(half, drawn[:500])
    assert (drawn != (by_id(many, 0.2, 2).validation[:, 1] > 0)).any()
    with pytest.raises(PenstockError, match="1 series cannot be split by series; split it by time"):
        by_id(of_lengths([5]), 0.2)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=20), st.floats(0.05, 0.5), st.integers(1, 3), st.data())
def test_by_time(lengths: list[int], share: float, least: int, data: st.DataObject) -> None:
    """One moment cuts all series of dates: what trains is never later than what validates."""
    begins = [data.draw(st.integers(0, 10)) for _ in lengths]
    times = np.concatenate([np.arange(begin, begin + length) for begin, length in zip(begins, lengths, strict=True)])
    series = of_lengths(lengths, times.astype(np.int64) * 86_400_000_000, dated=True)
    try:
        split = by_time(series, share, least=least)
    except PenstockError as error:
        said = str(error)
    else:
        said = ""
    if said:  # there may be too few rows
        assert "the split leaves nothing to" in said
        return
    apart(series, split)
    assert series.times is not None
    latest = series.times[rows_of(series, split.training)].max()
    assert latest < series.times[rows_of(series, split.validation)].min()
    for part in (split.training, split.validation):
        lengths_of = part[:, 1] - part[:, 0]
        assert ((lengths_of == 0) | (lengths_of >= least)).all()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.floats(0.05, 0.5), st.integers(1, 3))
def test_without_times_each_series_is_cut_at_its_own_row(lengths: list[int], share: float, least: int) -> None:
    series = of_lengths(lengths)
    if max(lengths) < 2 * least:
        with pytest.raises(PenstockError, match="the split leaves nothing to"):
            by_time(series, share, least=least)
        return
    split = by_time(series, share, least=least)
    apart(series, split)
    assert (split.validation[:, 1] == lengths).all()


def test_series_that_count_their_own_steps_are_cut_one_by_one() -> None:
    times = np.concatenate([np.arange(1.0, 11), np.arange(1.0, 101)])
    split = by_time(of_lengths([10, 100], times), 0.2)
    assert split.validation.tolist() == [[8, 10], [80, 100]]


def test_at_a_moment_or_a_row(tmp_path: Path) -> None:
    text = "time,x\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 11))
    series = read(tmp_path / "t.csv", text)
    split = by_time(series, at="2024-01-08")
    assert split.validation.tolist() == [[7, 10]]
    assert split_line(series, split) == (
        "by time: training 7 rows of 1 series, 2024-01-01 to 2024-01-07; "
        "validation 3 rows of 1 series, 2024-01-08 to 2024-01-10"
    )
    apart(series, split)
    assert by_time(of_lengths([10, 3]), at=8).validation.tolist() == [[8, 10], [3, 3]]
    for at, line in [
        ("soon", "--after: 'soon' is no time that can be read; write it as 2024-01-31 12:00:00"),
        ("2025-01-01", f"{tmp_path}/t.csv: the split leaves nothing to validate on"),
    ]:
        with pytest.raises(PenstockError) as error:
            by_time(series, at=at)
        assert str(error.value) == line


def test_by_a_column(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", "id,x,fold\na,1,train\na,2,valid\nb,3,train\nc,4,valid\n", split="fold")
    split = by_column(series, "fold", ["valid"])
    assert split.training.tolist() == [[0, 1], [0, 1], [0, 0]]
    assert split.validation.tolist() == [[1, 2], [1, 1], [0, 1]]
    apart(series, split)
    with pytest.raises(PenstockError, match="column 'fold': no value 'test'; it has train, valid"):
        by_column(series, "fold", ["test"])
    with pytest.raises(PenstockError, match="no column 'flod'; did you mean 'fold'"):
        by_column(series, "flod", ["valid"])
    with pytest.raises(PenstockError, match="in series 'a' training rows come after validation's"):
        by_column(series, "fold", ["train"])


def test_by_a_second_file(tmp_path: Path) -> None:
    one = made(tmp_path / "train.csv", "id,time,x\na,1,1\na,2,2\nb,1,3\n")
    two = made(tmp_path / "later.csv", "id,time,x\nb,2,4\na,3,5\na,4,6\nnew,1,7\n")
    series, split = continued(read_series([str(one)]), read_series([str(two)]))
    assert series.ids == ("a", "b", "new")
    assert series.values[:, 0].tolist() == [1, 2, 5, 6, 3, 4, 7]
    assert split.training.tolist() == [[0, 2], [0, 1], [0, 0]]
    assert split.validation.tolist() == [[2, 4], [1, 2], [0, 1]]
    apart(series, split)
    assert split_line(series, split).startswith("by the second file: training 3 rows of 2 series, 1 to 2; validation 4")
    made(two, "id,time,x\na,2,4\n")
    with pytest.raises(PenstockError, match=r"later\.csv: series 'a': 2 is not after 2, where it ends in .*train\.csv"):
        continued(read_series([str(one)]), read_series([str(two)]))


def test_by_file(tmp_path: Path) -> None:
    paths = [str(made(tmp_path / f"{name}.csv", "x\n1\n2\n")) for name in ("a", "b", "c")]
    series = read_series(paths)
    split = by_source(series, [paths[1]])
    assert split.validation.tolist() == [[0, 0], [0, 2], [0, 0]]
    apart(series, split)
    with pytest.raises(PenstockError, match=r"d\.csv: none of what was read"):
        by_source(series, ["d.csv"])


def test_other_series_are_noticed() -> None:
    saved = by_time(of_lengths([10]), 0.2).to_json()
    with pytest.raises(PenstockError, match="expected 8 training rows, got 16; the series are others"):
        taken_up(of_lengths([20]), saved)
    with pytest.raises(PenstockError, match="split: cannot be taken up: "):
        taken_up(of_lengths([20]), {"by": "magic"})


def test_windows() -> None:
    series = of_lengths([6, 3, 9])
    part = np.array([[0, 6], [0, 3], [5, 9]])
    assert windows(series, part, 2, 1).tolist() == [[0, 2], [0, 3], [0, 4], [0, 5], [1, 8], [2, 16], [2, 17]]
    assert windows(series, part, 2, 2, every=2).tolist() == [[0, 2], [0, 4], [2, 16]]
    assert windows(series, part, 2, 4, reach_back=True).tolist() == [[0, 2], [2, 14]]
    assert windows(series, part, 9, 9).shape == (0, 2)


def test_m4_goes_on_in_its_test_file() -> None:
    series, split = continued(*(read_series([shared(f"m4/Hourly-{name}.csv")]) for name in ("train", "test")))
    assert len(series) == 414
    assert set((split.validation[:, 1] - split.validation[:, 0]).tolist()) == {48}
