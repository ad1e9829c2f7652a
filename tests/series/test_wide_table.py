"""A row a series: recognised, with trailing cells empty."""

from pathlib import Path

import numpy as np
import pytest
from series_made import made, read, refused, shared

from penstock.series import Roles, account, read_series

WIDE = '"V1","V2","V3","V4","V5","V6"\n"H1","1","2","3","4","5"\n"H2","6","7",,"9",\n"H3","8",,,,\n'


def test_a_wide_table_is_recognised(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", WIDE)
    assert found.ids == ("H1", "H2", "H3")
    assert found.lengths.tolist() == [5, 4, 1]
    np.testing.assert_array_equal(found.one(1).values[:, 0], [6, 7, np.nan, 9])
    assert found.columns[0].role == "target"
    assert "id       V1" in account(found)
    assert read(tmp_path / "t.csv", WIDE, wide=False).values.shape == (3, 6)


def test_dates_as_names_are_times(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "shop,2024-01,2024-02,2024-03,2024-04\nA,1,2,3,4\nB,5,6,,\n")
    assert found.lengths.tolist() == [4, 2]
    assert found.dated
    assert any("every 1 month, 2024-01-01 to 2024-04-01" in line for line in account(found, 120))


def test_columns_of_a_long_table_are_no_steps(tmp_path: Path) -> None:
    for text in (
        "id,x1,x2,x3,x4\na,1,2,3,4\na,5,6,7,8\n",
        "x1,x2,x3,x4,x5\n1,2,3,4,5\n,2,3,4,5\n",
        "a,b,c,d,e\nx,1,2,3,4\n",
    ):
        assert read(tmp_path / "t.csv", text).values.shape[1] > 1


def test_many_series_side_by_side_are_no_wide_table(tmp_path: Path) -> None:
    """An id stands again only after more rows than a table is judged by."""
    rows = "".join(f"s{k % 1500},{k // 1500},{k},{k},{k},{k}\n" for k in range(3000))
    found = read(tmp_path / "t.csv", f"id,t,x1,x2,x3,x4\n{rows}")
    assert found.lengths.tolist() == [2] * 1500


def test_a_wide_table_without_names_is_said(tmp_path: Path) -> None:
    found = read(tmp_path / "t.csv", "1.5,2,3\n4,5,6\n", wide=True)
    assert found.ids == ("row 1", "row 2")
    assert found.values[:, 0].tolist() == [1.5, 2, 3, 4, 5, 6]


def test_what_stands_beside_the_steps(tmp_path: Path) -> None:
    text = "id,region,V1,V2,V3,V4\na,north,1,2,3,4\nb,south,1,2,,\nc,north,,,,\n"
    found = read(tmp_path / "t.csv", text, static=("region",), wide=True)
    assert found.ids == ("a", "b")
    assert found.columns[1].categories == ("north", "south")
    assert found.one(1).values.tolist() == [[1, 1], [2, 1]]
    assert found.unused == (("c", "an empty row"),)
    assert ("region", "beside the steps of a row; say static to keep it") in read(tmp_path / "t.csv", text).unused


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (WIDE.replace("H2", "H1"), "t.csv: row 2: the series 'H1' stands twice"),
        (WIDE.replace('"7"', "inf"), "t.csv: row 2, column 'V3': infinite, or too large for float32; leave the cell "
         "empty if it is missing"),
        ("a,b\n1,x\n", "t.csv: expected a row a series with numbers at its end, got text in the last column"),
    ],
)  # fmt: skip
def test_bad_input(tmp_path: Path, text: str, line: str) -> None:
    roles = {"wide": True, "id": ("V1",)} if "V1" in text else {"wide": True}
    assert refused(tmp_path / "t.csv", text, **roles) == line


def test_m4() -> None:
    found = read_series([shared("m4/Hourly-train.csv")])
    assert len(found) == 414
    assert (found.lengths.min(), found.lengths.max()) == (700, 960)
    assert found.one(0).values[:3, 0].tolist() == [605, 586, 586]


def test_two_wide_files(tmp_path: Path) -> None:
    one, two = made(tmp_path / "a.csv", WIDE), made(tmp_path / "b.csv", WIDE.replace("H", "G"))
    assert read_series([str(one), str(two)], Roles()).ids == ("H1", "H2", "H3", "G1", "G2", "G3")
