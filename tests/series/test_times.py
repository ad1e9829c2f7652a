"""Times in the usual ways of writing."""

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.series.times import looks_like_a_time, moment, parsed, said

UTC = datetime.timezone.utc


def micros(*cells: str) -> list[int]:
    assert all(map(looks_like_a_time, cells))
    return list(parsed(pl.Series("time", cells), "t.csv")[0].tolist())


def of(*when: int) -> int:
    since = datetime.datetime(*when, tzinfo=UTC) - datetime.datetime(1970, 1, 1, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return since // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("cell", "when"),
    [
        ("2024-02-29", (2024, 2, 29)),
        ("2024-02-29 13:14", (2024, 2, 29, 13, 14)),
        ("2024-02-29T13:14:15", (2024, 2, 29, 13, 14, 15)),
        ("2024-02-29 13:14:15.250", (2024, 2, 29, 13, 14, 15, 250_000)),
        ("2024-02-29T13:14:15Z", (2024, 2, 29, 13, 14, 15)),
        ("2024-02-29T13:14:15+02:00", (2024, 2, 29, 11, 14, 15)),
        ("2024-02-29 13:14:15 -0330", (2024, 2, 29, 16, 44, 15)),
        ("2024/02/29", (2024, 2, 29)),
        ("29.02.2024 13:14", (2024, 2, 29, 13, 14)),
        ("29/02/2024", (2024, 2, 29)),
        ("02/29/2024 01:14 PM", (2024, 2, 29, 13, 14)),
        ("2024-02", (2024, 2, 1)),
    ],
)
def test_ways_of_writing(cell: str, when: tuple[int, ...]) -> None:
    assert micros(cell, cell) == [of(*when)] * 2
    assert moment(cell, "line 1") == of(*when)


def test_one_column_may_leave_out_what_is_zero() -> None:
    """As ``said`` does, which writes the answers that people read again."""
    cells = ("2024-02-28 23:59:30", "2024-02-29", "2024-02-29 00:30", "2024-02-29 00:30:15.5")
    when = [of(2024, 2, 28, 23, 59, 30), of(2024, 2, 29), of(2024, 2, 29, 0, 30), of(2024, 2, 29, 0, 30, 15, 500_000)]
    for turn in range(len(cells)):
        assert micros(*cells[turn:], *cells[:turn]) == when[turn:] + when[:turn]
    assert micros(*(said(time, True) for time in when)) == when
    assert micros("29.02.2024", "29.02.2024 13:14") == [of(2024, 2, 29), of(2024, 2, 29, 13, 14)]


def test_which_is_the_day_is_told_by_all_cells() -> None:
    assert micros("05/06/2024", "13/06/2024") == [of(2024, 6, 5), of(2024, 6, 13)]
    assert micros("06/05/2024", "06/13/2024") == [of(2024, 6, 5), of(2024, 6, 13)]


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
def test_what_is_written_is_read_one_by_one_too(when: datetime.datetime) -> None:
    cell = when.isoformat(sep=" ", timespec="microseconds")
    (found,) = micros(cell)
    assert found == moment(cell, "line 1")
    assert datetime.datetime.fromisoformat(said(found, True)) == when


def test_said_short() -> None:
    assert said(of(2024, 1, 31), True) == "2024-01-31"
    assert said(of(2024, 1, 31, 5), True) == "2024-01-31 05:00"
    assert said(of(2024, 1, 31, 0, 30), True) == "2024-01-31 00:30"
    assert said(of(2024, 1, 31, 0, 0, 7), True) == "2024-01-31 00:00:07"
    assert said(2.5, False) == "2.5"


def test_no_time() -> None:
    with pytest.raises(PenstockError, match=r"line 3: 'noon' is no time that can be read"):
        moment("noon", "line 3")
