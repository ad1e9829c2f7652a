"""A second table says what whole series are."""

from pathlib import Path

import numpy as np
import pytest
from series_made import made, read, shared

from penstock import PenstockError
from penstock.series import Roles, labelled, read_series

SERIES = "id,x\na,1\na,2\nb,3\nc,4\n"


def test_by_ids(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", SERIES)
    table = made(tmp_path / "l.csv", "size,name,sort\n3,b,big\n5,a,small\n7,z,big\n")
    found = labelled(series, table, Roles(target=("sort",)))
    assert found.ids == ("a", "b")
    assert [(column.name, column.role) for column in found.columns] == [
        ("x", "seen"),
        ("size", "static"),
        ("sort", "target"),
    ]
    assert found.columns[2].categories == ("big", "small")
    assert found.values.tolist() == [[1, 5, 1], [2, 5, 1], [3, 3, 0]]
    assert found.unused == (("1 series (c)", f"not in {table}"),)
    assert labelled(series, table, Roles(target=("sort",), id=("name",))).ids == ("a", "b")


def test_in_their_order(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", SERIES)
    found = labelled(series, made(tmp_path / "l.txt", "112  \n98  \n69  \n\n"))
    assert found.columns[1].role == "target"
    assert found.values[:, 1].tolist() == [112, 112, 98, 69]


def test_files_by_their_names(tmp_path: Path) -> None:
    for name in ("one", "two"):
        made(tmp_path / f"{name}.csv", "x\n1\n")
    series = read_series([str(tmp_path / "*.csv")])
    found = labelled(series, made(tmp_path / "labels.tsv", "file\tlabel\nold/two\tno\none\tyes\n"))
    assert found.ids == ("one",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,y\na,1\nb,2\na,3\n", "row 3, column 'id': 'a' stands twice"),
        ("id,x\na,1\nb,2\nc,3\n", "column 'x': stands in {t} too; leave one out"),
        (
            "y,z\n1,2\n3,4\n",
            "no column has the ids of the series, such as 'a', nor are there as many rows, 2, as series, 3",
        ),
        ("id,y\na,1\nb,x\nc,inf\n", None),
        (
            "id,y\na,1\nb,2\nc,inf\n",
            "row 3, column 'y': infinite, or too large for float32; leave the cell empty if it is missing",
        ),
    ],
)
def test_bad_input(tmp_path: Path, text: str, line: str | None) -> None:
    series, table = read(tmp_path / "t.csv", SERIES), made(tmp_path / "l.csv", text)
    if line is None:
        assert labelled(series, table).columns[1].categories == ("1", "inf", "x")
        return
    with pytest.raises(PenstockError) as error:
        labelled(series, table)
    assert str(error.value) == f"{table}: {line.format(t=tmp_path / 't.csv')}"


def test_remaining_lives() -> None:
    engines = read_series([shared("cmapss/test_FD001.txt")])
    found = labelled(engines, Path(shared("cmapss/RUL_FD001.txt")))
    assert found.columns[-1].role == "target"
    assert found.one(0).values[-1, -1] == 112
    assert not np.isnan(found.values).any()
