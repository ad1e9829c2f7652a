"""Tables of every kind of file and way of writing are read alike."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from series_made import made, read, shared

from penstock.series import Roles, SeriesSet, read_series
from penstock.series.sniff import kind_of, sniffed

FRAME = pl.DataFrame(
    {
        "id": ["a", "a", "b", "b", "b"],
        "time": ["2024-01-01", "2024-01-02", "2024-01-01", "2024-01-02", "2024-01-03"],
        "x": [1.5, None, -3.0, 4.0, 5e-3],
        "city": ["Rome", "Rome", "Oslo", None, "Oslo"],
    }
)
DATED = FRAME.with_columns(pl.col("time").str.to_date())
TEXT = FRAME.write_csv()


def zstd(content: bytes) -> bytes:
    return bytes(pytest.importorskip("backports.zstd").compress(content))


WRITERS: dict[str, Callable[[Path], Any]] = {
    "t.csv": lambda p: p.write_text(TEXT),
    "t.tsv": lambda p: p.write_text(TEXT.replace(",", "\t")),
    "semicolons.csv": lambda p: p.write_text(TEXT.replace(",", ";").replace(".", ",")),
    "bars.txt": lambda p: p.write_text(TEXT.replace(",", "|")),
    "marked.csv": lambda p: p.write_text("\ufeff" + TEXT.replace("\n", "\r\n")),
    "empty lines.csv": lambda p: p.write_text(TEXT + "\n\n"),
    "[0].csv": lambda p: p.write_text(TEXT),
    "t.csv.gz": lambda p: p.write_bytes(gzip.compress(TEXT.encode())),
    "t.csv.bz2": lambda p: p.write_bytes(bz2.compress(TEXT.encode())),
    "t.csv.xz": lambda p: p.write_bytes(lzma.compress(TEXT.encode())),
    "t.csv.zst": lambda p: p.write_bytes(zstd(TEXT.encode())),
    "t.parquet": DATED.write_parquet,
    "t.arrow": DATED.write_ipc,
    "t.feather": lambda p: DATED.write_ipc(p, compression="zstd"),
    "stream.arrow": DATED.write_ipc_stream,
    "t.jsonl": FRAME.write_ndjson,
    "t.ndjson.gz": lambda p: p.write_bytes(gzip.compress(FRAME.write_ndjson().encode())),
}


def same(one: SeriesSet, other: SeriesSet) -> None:
    assert one.ids == other.ids
    assert one.columns == other.columns
    np.testing.assert_array_equal(one.starts, other.starts)
    np.testing.assert_array_equal(one.values, other.values)
    for a, b in ((one.times, other.times), (one.episodes, other.episodes)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", WRITERS)
def test_all_kinds_of_file_are_read_alike(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    found = read_series([str(tmp_path / name)])
    assert found.ids == ("a", "b")
    assert found.starts.tolist() == [0, 2, 5]
    assert [(column.name, column.role, column.kind) for column in found.columns] == [
        ("x", "seen", "number"),
        ("city", "seen", "category"),
    ]
    assert found.columns[1].categories == ("Oslo", "Rome")
    np.testing.assert_array_equal(found.values[:, 0], np.array([1.5, np.nan, -3, 4, 5e-3], np.float32))
    np.testing.assert_array_equal(found.values[:, 1], np.array([1, 1, 0, np.nan, 0], np.float32))
    day = 86_400_000_000
    assert found.times is not None
    assert found.dated
    np.testing.assert_array_equal(found.times, 19723 * day + np.array([0, 1, 0, 1, 2]) * day)
    assert found.values.flags.c_contiguous


def test_without_names_and_apart_by_spaces(tmp_path: Path) -> None:
    rows = [f"{unit} {step}  {unit * 10 + step}.5   7  " for unit in (3, 4) for step in (1, 2, 3)]
    found = read(tmp_path / "t.txt", "\n".join(rows) + "\n")
    assert found.ids == ("3", "4")
    assert found.keys.id == ("c0",)
    assert found.keys.time == "c1"
    assert [column.name for column in found.columns] == ["c2", "c3"]
    assert found.values[:, 0].tolist() == [31.5, 32.5, 33.5, 41.5, 42.5, 43.5]


def test_rows_of_series_may_stand_in_any_order_and_files_may_go_on(tmp_path: Path) -> None:
    mixed = read(tmp_path / "t.csv", "id,t,x\na,1,1\nb,1,2\na,2,3\nb,5,4\n")
    sorted_ = read(tmp_path / "u.csv", "id,t,x\na,1,1\na,2,3\nb,1,2\nb,5,4\n")
    same(mixed, sorted_)
    one = made(tmp_path / "v.csv", "id,t,x\na,1,1\nb,1,2\n")
    two = made(tmp_path / "w.csv", "x,t,id\n3,2,a\n4,5,b\n")
    both = read_series([str(one), str(two)])
    same(both, sorted_)
    assert both.sources == (str(one), str(two))


def test_without_ids_a_file_is_a_series(tmp_path: Path) -> None:
    made(tmp_path / "one.csv", "x,y\n1,2\n3,4\n")
    made(tmp_path / "two.csv", "x,y\n5,6\n")
    made(tmp_path / "notes.md", "none")
    found = read_series([str(tmp_path)])
    assert found.ids == ("one", "two")
    assert found.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [unused.name for unused in found.unused] == [str(tmp_path / "notes.md")]
    same(found, read_series([str(tmp_path / "*.csv")]))


def test_roles(tmp_path: Path) -> None:
    text = "shop,when,sales,price,size,kind,start,fold\nA,1,5,9,30,x,1,t\nA,2,6,8,30,y,0,t\nB,1,7,7,40,x,1,v\n"
    roles = {
        "target": ("sales",),
        "known": ("price",),
        "static": ("size",),
        "category": ("kind",),
        "id": ("shop",),
        "time": "when",
        "episode": "start",
        "split": "fold",
    }
    found = read(tmp_path / "t.csv", text, **roles)
    assert [(column.name, column.role) for column in found.columns] == [
        ("sales", "target"),
        ("price", "known"),
        ("size", "static"),
        ("kind", "seen"),
        ("fold", "split"),
    ]
    assert found.of_role("known", "static") == [1, 2]
    assert found.episodes is not None
    assert found.episodes.tolist() == [True, False, True]
    assert found.one(1).values[0, :3].tolist() == [7, 7, 40]
    narrow = read(tmp_path / "t.csv", text, **roles, features=("kind",))
    assert [column.name for column in narrow.columns] == ["sales", "price", "size", "kind", "fold"]
    without = read(tmp_path / "t.csv", text, target=("sales",), features=("price",), id=("shop",))
    assert [column.name for column in without.columns] == ["sales", "price"]
    assert ("size", "not among the features that were named") in without.unused


def test_episodes_that_are_counted_begin_where_the_count_changes(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "id,game,x\na,7,1\na,7,1\na,8,1\nb,8,1\n", episode="game")
    assert found.episodes is not None
    assert found.episodes.tolist() == [True, False, True, True]


def test_ids_of_several_columns(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "shop,item,x\n1,a,1\n1,b,2\n2,a,3\n1,a,4\n", id=("shop", "item"))
    assert found.ids == ("1/a", "1/b", "2/a")
    assert found.one(0).values.tolist() == [[1], [4]]


def test_text_of_many_values_is_left_out_unless_it_is_said_to_be_a_category(tmp_path: Path) -> None:
    text = "x,note\n" + "".join(f"{k},note {k}\n" for k in range(50))
    assert read(tmp_path / "t.csv", text).unused == (("note", "text, 50 different"),)
    assert len(read(tmp_path / "t.csv", text, category=("note",)).columns[1].categories or ()) == 50


@given(
    st.lists(
        st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-9, 9)),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
@settings(max_examples=60)
def test_what_is_written_is_read(tmp_path: Path, rows: list[tuple[float, int]], separator: str, header: bool) -> None:
    text = "".join(f"{x!r}{separator}{n}\n" for x, n in rows)
    found = read(tmp_path / "t.csv", f"x{separator}n\n" * header + text)
    assert found.values.tolist() == [[np.float32(x), n] for x, n in rows]


def test_a_number_of_many_digits_is_rounded_as_python_does(tmp_path: Path) -> None:
    """By way of float64, so that a stream of lines, which Python reads, gives the same bits."""
    digits = "1.00000005960464477540"  # half way between two float32, but for the last digits
    found = read(tmp_path / "t.csv", f"x,y\n{digits},1\n")
    assert found.values[0, 0] == np.float32(float(digits))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.5e3", "", "NA", " 7 "], "number"),
        (["inf", "1"], "number"),
        (["2024-01-01", "2024-01-02T03:04:05Z"], "time"),
        (["2024-01", "2024-02"], "time"),
        (["31.12.2024 23:59"], "time"),
        (["1.5", "x"], "text"),
        (["2024.5", "2024.6"], "number"),
        (["12:30"], "text"),
    ],
)
def test_kinds_of_cells(cells: list[str], kind: str) -> None:
    assert kind_of(cells) == kind


@pytest.mark.parametrize(
    ("text", "header", "names"),
    [
        ("1,2\n3,4\n", False, ("c0", "c1")),
        ("a,b\n3,4\n", True, ("a", "b")),
        (",b\n3,4\n", True, ("c0", "b")),
        ("shop,2023,2024\nA,1,2\n", False, ("c0", "c1", "c2")),  # years as names are not told from numbers
        ("shop,2024-01,2024-02\nA,1,2\n", True, ("shop", "2024-01", "2024-02")),
        ("A,1\nB,2\n", False, ("c0", "c1")),
        ("id,kind\nA,x\n", True, ("id", "kind")),
    ],
)
def test_whether_names_stand_above(text: str, header: bool, names: tuple[str, ...]) -> None:
    found = sniffed(text.encode(), True, "t.csv")
    assert (found.header, found.names) == (header, names)


def test_a_table_with_its_index(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", ",x\n0,5\n1,6\n2,7\n")
    assert found.unused == (("c0", "has no name and counts the rows"),)
    assert found.values.tolist() == [[5], [6], [7]]
    assert read(tmp_path / "t.csv", ",x\n3,5\n9,6\n").values.tolist() == [[3, 5], [9, 6]]


def test_series_are_told_apart_by_what_repeats(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "when,place,mood,x\n2024-01-01,A,b,1\n2024-01-01,B,b,2\n2024-01-02,A,b,3\n")
    assert found.ids == ("A", "B")
    assert found.keys.id == ("place",)
    assert found.keys.why_id == "when repeats, but not within it"


def test_real_tables() -> None:
    etth = read_series([shared("etth/ETTh1.csv")], Roles(target=("OT",)))
    assert etth.values.shape == (17_420, 7)
    assert etth.columns[-1].role == "target"
    exchange = read_series([shared("exchange_rate/exchange_rate.txt.gz")])
    assert exchange.values.shape == (7_588, 8)
    engines = read_series([shared("cmapss/train_FD001.txt")])
    assert len(engines) == 100
    assert engines.values.shape == (20_631, 24)
