"""Whatever stands in a file, it is read or refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.series import SeriesSet, account, description, find_season, read_series, spacing

TIMES = ["2024-01-01", "2024-01-02 03:00", "2024-01-01 00:00+01:00"]
CELL = st.sampled_from(["1", "2.5", "-3e2", "", "NA", "x", "id", "time", "1,5", '"', "inf", *TIMES])
TABLE = st.builds(
    lambda rows, separator, end: end.join(separator.join(row) for row in rows),
    st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=7),
    st.sampled_from([",", ";", "\t", " ", "|"]),
    st.sampled_from(["\n", "\r\n"]),
).map(str.encode)


def holds(series: SeriesSet) -> None:
    """What every set of series keeps."""
    assert series.starts[0] == 0
    assert series.starts[-1] == len(series.values)
    assert (series.lengths > 0).all()
    assert len(series.ids) == len(set(series.ids)) == len(series.starts) - 1
    assert series.values.shape[1] == len(series.columns)
    assert series.values.dtype == np.float32
    assert not np.isinf(series.values).any()
    for k, column in enumerate(series.columns):
        if column.categories is not None:
            codes = series.values[:, k][~np.isnan(series.values[:, k])]
            assert set(codes.tolist()) <= set(range(len(column.categories)))
    if series.times is not None:
        for k in range(len(series)):
            times = series.one(k).times
            assert times is not None
            assert (np.diff(times) > 0).all()
    spacing(series), find_season(series), description(series)
    assert account(series, 40)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.jsonl", "t.ts", "t.npy"])
@given(st.binary(max_size=40) | TABLE | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=60)
@example(b"time,x\n2024-01-01,1\n2024-01-02,2\n")
@example(b'a,b\n"1,2\n3,4\n')
@example(b"\xef\xbb\xbf")
@example(b"@data\n1,2:3,4\n")
@example(b'{"a": [1, 2]}\n')
@example(b'{"a": {"b": 1}, "c": null}\n{"a": null, "c": 2}\n')
def test_read_or_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        series = read_series([str(path)])
    except PenstockError as error:
        said = str(error)
    else:
        return holds(series)
    assert said.startswith(str(path))
    assert "\n" not in said
    return None
