"""Tables prepared part by part are the series that reading them at once gives, however they are cut and by whomever."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import PenstockError
from penstock.series import Roles, SeriesSet, parts, prepare, read_series
from penstock.series.mapped import map_of
from penstock.series.prepare import prepare_series
from penstock.series.prepared import INDEX, SERIES, TIMES, VALUES, open_prepared
from penstock.series.saved import ARRAYS, about_of, digest


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of some hundreds of rows are cut into many parts and stretches."""
    monkeypatch.setattr(parts, "SIZE", 2000)
    monkeypatch.setattr(prepare, "STRETCH", 1500)


def table(rows: int, series: int, mixed: bool, dates: str = "%Y-%m-%d %H:%M:%S") -> pl.DataFrame:
    """Series side by side in time, or rows of any of them, each in order."""
    random = np.random.default_rng(rows)
    whose = random.integers(0, series, rows) if mixed else np.arange(rows) % series
    ids = [f"s{k}" for k in whose]
    minutes = np.arange(rows).astype("timedelta64[m]") * 700 + np.datetime64("2024-01-01T00:00:00")
    frame = {
        "id": ids,
        "time": pl.Series(minutes.astype("datetime64[ms]")).dt.strftime(dates),
        "a": [None if random.random() < 0.2 else round(float(x), 3) for x in random.standard_normal(rows)],
        "empty": [None] * rows,
        "city": [None if k % 7 == 3 else f"city {int(k) % 5}" for k in random.integers(0, 99, rows)],
        "note": [f"note {k}" for k in range(rows)],
        "run": [str(k // 9) for k in range(rows)],
    }
    return pl.DataFrame(frame, schema_overrides={"empty": pl.Float64})


def same(one: SeriesSet, other: SeriesSet) -> None:
    assert about_of(one) == about_of(other)
    assert one.ids == other.ids
    for name in ARRAYS:
        assert (getattr(one, name) is None) == (getattr(other, name) is None), name
        if getattr(one, name) is not None:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert digest(one) == digest(other)


WRITERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "t.csv": lambda frame, path: frame.write_csv(path),
    "t.tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "crlf.csv": lambda frame, path: path.write_text(frame.write_csv().replace("\n", "\r\n") + "\r\n\r\n"),
    "t.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv().encode())),
    "t.jsonl": lambda frame, path: frame.write_ndjson(path),
    "t.parquet": lambda frame, path: frame.write_parquet(path, row_group_size=70),
    "t.arrow": lambda frame, path: frame.write_ipc(path),
    "stream.arrow": lambda frame, path: frame.write_ipc_stream(path),
    "quoted.csv": lambda frame, path: frame.with_columns(
        pl.col("city").str.replace("city", 'a "city",\nin two lines', literal=True)
    ).write_csv(path),
}


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_it_is_what_reading_at_once_gives(tmp_path: Path, name: str, mixed: bool) -> None:
    path = tmp_path / name
    WRITERS[name](table(400, 7, mixed), path)
    said = Roles(episode="run")
    made = prepare_series([str(path)], tmp_path / "out", said)
    same(made, read_series([str(path)], said))
    assert map_of(made.values) is not None
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        [INDEX, SERIES, VALUES, TIMES, "episodes", "penstock.json"]
    )


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(1, 300),
    series=st.integers(1, 40),
    files=st.integers(1, 3),
    named=st.booleans(),
    mixed=st.booleans(),
)
def test_any_cut_of_any_files(
    tmp_path_factory: pytest.TempPathFactory, rows: int, series: int, files: int, named: bool, mixed: bool
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    frame = table(rows, series, mixed).select("id", "time", "a", "city")
    frame = frame if named else frame.drop("id")
    cuts = np.linspace(0, rows, min(files, rows) + 1).astype(int)
    for k in range(min(files, rows)):
        frame[cuts[k] : cuts[k + 1]].write_csv(folder / f"{k}.csv")
    said = Roles(time="time", category=("city",))
    same(prepare_series([str(folder)], folder.with_name(folder.name + "-out"), said), read_series([str(folder)], said))


@pytest.mark.parametrize(("dates", "first"), [("%d/%m/%Y %H:%M", "01/01/2024"), ("%m/%d/%Y %H:%M", "01/01/2024")])
def test_days_and_months_are_told_apart_by_the_whole_table(tmp_path: Path, dates: str, first: str) -> None:
    frame = table(400, 3, False, dates)
    assert frame["time"][0].startswith(first)
    frame.write_csv(tmp_path / "t.csv")
    same(prepare_series([str(tmp_path / "t.csv")], tmp_path / "out", Roles()), read_series([str(tmp_path / "t.csv")]))


def test_what_is_no_long_table_is_read_at_once(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((5, 30, 3)).astype(np.float32))
    wide = "id,v1,v2,v3,v4,v5\nx,1,2,3,4,5\ny,1,2,3,,\n"
    (tmp_path / "wide.csv").write_text(wide)
    for name in ("a.npy", "wide.csv"):
        made = prepare_series([str(tmp_path / name)], tmp_path / f"{name} out", Roles())
        same(made, read_series([str(tmp_path / name)]))


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "penstock.json"}


def test_any_number_of_workers_writes_the_same_bytes(tmp_path: Path) -> None:
    table(300, 9, True).write_csv(tmp_path / "t.csv")
    for workers in (1, 3):
        prepare_series([str(tmp_path / "t.csv")], tmp_path / str(workers), Roles(), workers=workers)
    # a worker of another process cuts as the one that asks says
    assert files_in(tmp_path / "1") == files_in(tmp_path / "3")


BAD: list[tuple[Callable[[list[str]], None], str]] = [
    (
        lambda rows: rows.__setitem__(1150, "s0,2024-01-01 00:00:00,x,c"),
        "row 1150, column 'a': expected a number, got 'x'",
    ),
    (lambda rows: rows.__setitem__(1150, rows[1150] + ",more,cells"), "row 1150: expected 4 columns, got 6"),
    (lambda rows: rows.__setitem__(1150, "s0,2024-01-01 00:00:00,inf,c"), "row 1150, column 'a': infinite"),
    (lambda rows: rows.__setitem__(1150, "s0,2023-01-01 00:00:00,1,c"), "time runs backwards; sort the rows"),
    (lambda rows: rows.__setitem__(1150, rows[1150 - 7]), "stands twice, also in row 1143"),
    (lambda rows: rows.__setitem__(1150, "," + rows[1150].split(",", 1)[1]), "the id of the series is missing"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_rows_are_named_as_where_the_table_is_read_at_once(
    tmp_path: Path, spoil: Callable[[list[str]], None], message: str, workers: int
) -> None:
    rows = table(1200, 7, False).select("id", "time", "a", "city").write_csv().splitlines()
    spoil(rows)
    path = tmp_path / "t.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(PenstockError) as at_once:
        read_series([str(path)])
    with pytest.raises(PenstockError) as in_parts:
        prepare_series([str(path)], tmp_path / "out", Roles(), workers=workers)
    assert str(in_parts.value) == str(at_once.value)
    assert message in str(at_once.value)
    assert not (tmp_path / "out").exists()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "out"
    table(300, 5, False).write_csv(path)
    prepare_series([str(path)], out, Roles())
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.name != "penstock.json"}
    prepare_series([str(path)], out, Roles())
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.name != "penstock.json"} == before
    with pytest.raises(PenstockError, match=r"--target: .* was begun without it, got with a; add --force"):
        prepare_series([str(path)], out, Roles(target=("a",)))
    path.write_text(path.read_text() + "s0,2030-01-01 00:00:00,1,,city 1,note,1\n")
    with pytest.raises(PenstockError, match="has changed since"):
        prepare_series([str(path)], out, Roles())
    assert len(prepare_series([str(path)], out, Roles(), force=True).values) == 301


@pytest.mark.parametrize("name", [VALUES, TIMES, SERIES])
@pytest.mark.parametrize("damage", ["a bit", "the end", "all"])
def test_damage_is_told(tmp_path: Path, name: str, damage: str) -> None:
    table(100, 5, False).write_csv(tmp_path / "t.csv")
    prepare_series([str(tmp_path / "t.csv")], tmp_path / "out", Roles())
    path = tmp_path / "out" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "all":
        path.unlink()
    else:
        path.write_bytes(content if damage == "a bit" else content[:-8])
    with pytest.raises(PenstockError, match="not the file that was written"):
        open_prepared(tmp_path / "out")


def test_an_unfinished_folder_says_so(tmp_path: Path) -> None:
    table(100, 5, False).write_csv(tmp_path / "t.csv")
    out = tmp_path / "out"
    prepare_series([str(tmp_path / "t.csv")], out, Roles())
    index = json.loads((out / INDEX).read_text())
    index.pop("digest")
    (out / "unfinished").mkdir()
    (out / INDEX).unlink()
    with pytest.raises(PenstockError, match="run the same penstock prepare again"):
        open_prepared(out)
