"""Each thing that is wrong with a table gets one line, which names file, row and column."""

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from series_made import made, read, refused

from penstock import PenstockError
from penstock.series import Roles, expect_targets, long_enough, read_series

HOURS = "time,x\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n"


INFINITE = "infinite, or too large for float32; leave the cell empty if it is missing"
ONE_ZONE = "write all times in one, such as UTC"
UNREADABLE = "is no time that can be read; write it as 2024-01-31 12:00:00"
SAY_ID = "; say with id whose row each is, if it holds several series"
COMMA = "a decimal comma, '1,5', in a table whose cells are separated by commas; write points, or separate cells by ;"

TABLES = [
    ("", "empty: expected a table with rows"),
    ("\n \n", "empty: expected a table with rows"),
    ("a,b\n", "no rows below the names of the columns"),
    ("a,b,a\n1,2,3\n", "row of names: 'a' stands there twice; rename one"),
    ("a,b\n1,2\n1,2,3\n4,5\n6,7\n" + "8,9\n" * 20, "row 2: expected 2 columns, got 3"),
    ("a,b\n1,inf\n", f"row 1, column 'b': {INFINITE}"),
    ("a,b\n1,2\n3,1e39\n", f"row 2, column 'b': {INFINITE}"),
    ('a,b\n1,"1,5"\n2,"2,5"\n', f"row 1, column 'b': {COMMA}"),
    (HOURS + "2024-01-01 01:00,3\n", f"row 3, column 'time': 2024-01-01 01:00 stands twice, also in row 2{SAY_ID}"),
    (
        HOURS + "2024-01-01 00:30,3\n",
        "row 3, column 'time': 2024-01-01 00:30 after 2024-01-01 01:00: time runs backwards; sort the rows" + SAY_ID,
    ),
    ("id,t,x\na,1,1\nb,1,2\na,1,3\n", "row 3, column 't': 1 of 'a' stands twice, also in row 1"),
    ("id,t,x\na,5,1\nb,1,2\na,3,3\n", "row 3, column 't': 3 of 'a' after 5: time runs backwards; sort the rows"),
    ("id,t,x\na,5,1\n,1,2\n", "row 2, column 'id': the id of the series is missing"),
    ("id,t,x\na,5,1\na,,2\n", "row 2, column 't': is missing"),
    ("time,x\n2024-01-01,1\n,2\n", "row 2, column 'time': is missing"),
    (
        "time,x\n05/06/2024,1\n06/06/2024,2\n",
        "row 1, column 'time': '05/06/2024' may be day or month first; write year-month-day",
    ),
    (
        "time,x\n2024-01-01 00:00+01:00,1\n2024-01-01 01:00+02:00,2\n",
        f"row 2, column 'time': mixed time zones, +02:00 after +01:00; {ONE_ZONE}",
    ),
    (
        "time,x\n2024-01-01 00:00Z,1\n2024-01-01 01:00,2\n",
        f"row 2, column 'time': mixed time zones, none after Z; {ONE_ZONE}",
    ),
]


@pytest.mark.parametrize(("text", "line"), TABLES)
def test_one_line_says_what_is_wrong_with_a_table(tmp_path: Path, text: str, line: str) -> None:
    assert refused(tmp_path / "t.csv", text) == f"t.csv: {line}"


@pytest.mark.parametrize(
    ("text", "roles", "line"),
    [
        ("a,price\n1,2\n3,4\n", {"target": ("prise",)}, "no column 'prise'; did you mean 'price'?"),
        ("a,price\n1,2\n", {"id": ("zzz",)}, "no column 'zzz'; it has 'a', 'price'"),
        (HOURS + "yesterday,3\n", {"time": "time"}, f"row 3, column 'time': 'yesterday' {UNREADABLE}"),
        ("time,x\nMonday,1\nTuesday,2\n", {"time": "time"}, f"row 1, column 'time': 'Monday' {UNREADABLE}"),
        (
            "a,b\n1,2\n",
            {"target": ("a",), "features": ("a", "b")},
            "column 'a': said to be target and features; it can be only one",
        ),
        (
            "a,b\n1,2\n",
            {"time": "a", "known": ("a",)},
            "column 'a': said to be time and known; it can be only one",
        ),
    ],
)
def test_one_line_says_what_cannot_be_so(tmp_path: Path, text: str, roles: dict[str, Any], line: str) -> None:
    assert refused(tmp_path / "t.csv", text, **roles) == f"t.csv: {line}"


def test_text_in_a_number_column_far_below_is_found(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" * 5000 + "3,n.v.\n" + "1,2\n" * 10
    assert refused(tmp_path / "t.csv", text) == "t.csv: row 5001, column 'b': expected a number, got 'n.v.'"


def test_a_sign_of_missing_cells_far_below_is_none(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" * 5000 + "3,NA\nnull,4\n"
    series = read(tmp_path / "t.csv", text)
    assert np.argwhere(np.isnan(series.values)).tolist() == [[5000, 1], [5001, 0]]


def test_bytes_that_are_no_table(tmp_path: Path) -> None:
    for content, line in [
        (b"a,b\n\x00\x01", "expected a table in UTF-8, got binary or another encoding"),
        (
            "a,b\n1,2\nä,3\n".encode("cp1252"),
            "line 3: not UTF-8; if it is Windows-1252, iconv -f WINDOWS-1252 -t UTF-8 makes it UTF-8",
        ),
        (
            gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-20],
            "not a whole gzip file: Compressed file ended before the end-of-stream marker was reached",
        ),
    ]:
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        with pytest.raises(PenstockError) as error:
            read_series([str(path)])
        assert str(error.value) == f"{path}: {line}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "empty: expected lines of JSON"),
        ('{"a": 1}\n{"a": 2\n', "line 2: not JSON: Expecting ',' delimiter: line 1 column 8 (char 7)"),
        ('{"a": 1}\n[2]\n', "line 2: expected an object, got list"),
    ],
)
def test_json_lines(tmp_path: Path, content: str, line: str) -> None:
    assert refused(tmp_path / "t.jsonl", content) == f"t.jsonl: {line}"


@pytest.mark.parametrize(("name", "kind"), [("t.parquet", "a Parquet"), ("t.arrow", "an Arrow")])
def test_not_what_its_name_says(tmp_path: Path, name: str, kind: str) -> None:
    assert refused(tmp_path / name, "a,b\n1,2\n").startswith(f"{name}: not {kind} file that can be read: ")


def test_files_that_are_not_there_or_of_two_kinds(tmp_path: Path) -> None:
    made(tmp_path / "a.csv", "x\n1\n2\n")
    made(tmp_path / "b.ts", "")
    for names, line in [
        ([f"{tmp_path}/c.csv"], f"{tmp_path}/c.csv: no such file or folder; name files, folders or globs"),
        ([f"{tmp_path}/*.json"], f"{tmp_path}/*.json: nothing matches it; name files, folders or globs"),
        (
            [f"{tmp_path}/a.csv", f"{tmp_path}/b.ts"],
            f"{tmp_path}/a.csv: tables beside .ts ({tmp_path}/b.ts); name files of one kind",
        ),
    ]:
        with pytest.raises(PenstockError) as error:
            read_series(names)
        assert str(error.value) == line


def test_a_second_file_lacks_a_column_or_is_in_another_zone(tmp_path: Path) -> None:
    one = made(tmp_path / "a.csv", "time,x\n2024-01-01 00:00Z,1\n2024-01-01 01:00Z,2\n")
    for text, line in [
        ("time,y\n2024-01-01 00:00Z,1\n", "no column 'x'; did you mean 'y'?"),
        (
            "time,x\n2024-01-01 00:00+01:00,1\n",
            f"column 'time': mixed time zones, +01:00 after Z in {one}; write all times in one, such as UTC",
        ),
    ]:
        other = made(tmp_path / "b.csv", text)
        with pytest.raises(PenstockError) as error:
            read_series([str(one), str(other)])
        assert str(error.value).replace("it has 'time', 'y'", "did you mean 'y'?") == f"{other}: {line}"


def test_too_short(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", "x\n1\n", wide=False)
    with pytest.raises(PenstockError, match=r"t\.csv: 1 step: expected at least 8$"):
        long_enough(series, 8)
    series = read(tmp_path / "t.csv", "id,x\na,1\na,2\nb,3\n")
    with pytest.raises(
        PenstockError, match="all 2 series are shorter than the 3 steps that are needed; the longest has 2"
    ):
        long_enough(series, 3)
    kept = long_enough(series, 2)
    assert kept.ids == ("a",)
    assert kept.unused[-1] == ("1 series (b)", "shorter than 2 steps")
    assert long_enough(series, 1) is series


def test_targets(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", "x,y,z\n1,,3\n2,,3\n")
    with pytest.raises(PenstockError, match=r"t\.csv: column 'y': all values of the target are missing$"):
        expect_targets(series)
    assert [unused.name for unused in read(tmp_path / "t.csv", "x,z,q\n1,,3\n2,,3\n").unused] == ["z"]
    series = read(tmp_path / "t.csv", "x,y\n1,5\n2,5\n")
    assert expect_targets(series) == ["y: the target is always 5; there is nothing to learn"]
    with pytest.raises(PenstockError, match="column 'y': the target is among the inputs; leave it out"):
        expect_targets(series, inputs=["x", "y"])
    with pytest.raises(PenstockError, match="no target: name one of 'x', 'z'"):
        expect_targets(read(tmp_path / "t.csv", "x,z\n1,5\n2,5\n"))
    series = read(tmp_path / "t.csv", "x,y\n1,on\n2,on\n")
    assert expect_targets(series) == ["y: the target is always 'on'; there is nothing to learn"]


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [
        ("polars", "t.csv", "series"),
        ("h5py", "t.h5", "hdf5"),
        ("scipy", "t.mat", "matlab"),
        ("soundfile", "t.wav", "series"),
    ],
)
def test_a_package_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, extra: str
) -> None:
    for module in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    path = made(tmp_path / name, "a,b\n1,2\n")
    where = tmp_path if name == "t.wav" else path
    with pytest.raises(PenstockError) as error:
        read_series([str(path)], Roles())
    assert str(error.value) == f"{where}: needs the package {package}: pip install 'penstock[{extra}]'"
