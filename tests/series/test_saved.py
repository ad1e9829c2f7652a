"""A set of series comes back whole from its file, or not at all."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from penstock import PenstockError
from penstock.series import Column, Keys, SeriesSet, Unused
from penstock.series.saved import digest, open_series_set, save_series_set

WHOLE = SeriesSet(
    ("p", "q"),
    np.array([0, 2, 3]),
    np.array([[1, np.nan], [2, 0], [3, 1]], np.float32),
    (Column("a", "target"), Column("b", "seen", ("x", "y"), "by default")),
    times=np.array([1, 2, 1], np.int64),
    dated=True,
    zone="+01:00",
    episodes=np.array([True, False, True]),
    sources=("a.csv",),
    source_of=np.array([0, 0]),
    keys=Keys(("id",), "t", why_id="by its name"),
    unused=(Unused("c", "constant"),),
)
BARE = SeriesSet(("p",), np.array([0, 0]), np.zeros((0, 1), np.float32), (Column("a"),))


@pytest.mark.parametrize("series", [WHOLE, BARE])
def test_it_comes_back(series: SeriesSet, tmp_path: Path) -> None:
    save_series_set(tmp_path / "set", series)
    again = open_series_set(tmp_path / "set")
    assert digest(again) == digest(series)
    for name in ("ids", "columns", "dated", "zone", "sources", "keys", "unused", "rate"):
        assert getattr(again, name) == getattr(series, name), name
    for name in ("starts", "values", "times", "episodes", "source_of"):
        np.testing.assert_array_equal(getattr(again, name), getattr(series, name))


def test_what_is_not_whole_is_refused(tmp_path: Path) -> None:
    save_series_set(tmp_path / "set", WHOLE)
    content = (tmp_path / "set").read_bytes()
    for k in range(0, len(content), 29):
        (tmp_path / "set").write_bytes(content[:k])
        with pytest.raises(PenstockError, match="not the file that was written"):
            open_series_set(tmp_path / "set")
        (tmp_path / "set").write_bytes(content[:k] + bytes([content[k] ^ 0x20]) + content[k + 1 :])
        with contextlib.suppress(PenstockError):  # another number is as good as the one before; nothing else is raised
            open_series_set(tmp_path / "set")
    with pytest.raises(PenstockError, match="not the file that was written"):
        open_series_set(tmp_path / "nothing")


def test_the_digest_is_of_all(tmp_path: Path) -> None:
    other = WHOLE.only([0, 1])
    assert digest(other) == digest(WHOLE)
    values = WHOLE.values.copy()
    values[1, 1] = 1
    assert digest(dataclasses.replace(WHOLE, values=values)) != digest(WHOLE)
    assert digest(dataclasses.replace(WHOLE, ids=("p", "r"))) != digest(WHOLE)
