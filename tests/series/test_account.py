"""What was read is said, for people on narrow terminals too, and for programs."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from series_made import read

from penstock.series import account, constant_columns, description, missing_cells, spacing

TEXT = """shop,when,sales,price,still,city,note
A,2024-01-01 00:00,5,9,1,Rome,a
A,2024-01-01 01:00,,8,1,Rome,b
A,2024-01-01 02:00,7,8,1,Rome,c
A,2024-01-02 02:00,7,8,1,Rome,d
B,2024-01-01 00:00,1,9,1,Oslo,e
B,2024-01-01 01:00,2,,1,Oslo,f
"""
ROLES = {"target": ("sales",), "known": ("price",), "static": ("city",), "id": ("shop",)}


def test_on_a_wide_terminal(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", TEXT, **ROLES)
    assert "\n".join(account(series, 100)).replace(f"{tmp_path}/", "") == (
        "read         t.csv\n"
        "series       2, of 2 to 4 steps, median 3\n"
        "id           shop\n"
        "time         when (holds times); every 1 hour, 2024-01-01 to 2024-01-02 02:00; 1 gap, the longest 1\n"
        "             day\n"
        "target       sales\n"
        "known ahead  price\n"
        "seen so far  still, note (6 categories)\n"
        "static       city (2 categories)\n"
        "missing      sales 1 of 6 (17%), price 1 of 6 (17%)\n"
        "constant     still"
    )


@pytest.mark.parametrize("width", [40, 80])
def test_on_narrow_ones(tmp_path: Path, width: int) -> None:
    series = read(tmp_path / "t.csv", TEXT, **ROLES, features=("still",))
    lines = account(series, width)
    assert all(cell_len(line) <= width or str(tmp_path) in line for line in lines)
    assert "not among the features that were named" in " ".join(" ".join(lines).split())


def test_for_a_program(tmp_path: Path) -> None:
    series = read(tmp_path / "t.csv", TEXT, **ROLES)
    found = json.loads(json.dumps(description(series)))
    assert found["columns"][0] == {"name": "sales", "role": "target", "kind": "number", "missing": 1}
    assert found["columns"][3]["categories"] == ["Oslo", "Rome"]
    assert found["step"] == 3_600_000_000
    assert (found["id"], found["time"], found["gaps"], found["series"]) == (["shop"], "when", 1, 2)
    assert found["lengths"] == [2, 3.0, 4]
    assert missing_cells(series) == [1, 1, 0, 0, 0]
    assert constant_columns(series) == [2]


@pytest.mark.parametrize(
    ("cells", "unit", "regular", "gaps"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31"], "1 month", True, 0),
        (["2021-01-01", "2022-01-01", "2023-01-01", "2024-01-01", "2025-01-01"], "1 year", True, 0),
        (["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-06"], "1 day", True, 1),
        (["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:30"], "15 minutes", True, 0),
        (["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:37", "2024-01-01 00:40"], "15 minutes", False, 0),
        (["0", "0.1", "0.2", "0.3"], "0.1", True, 0),
        (["1", "2", "3", "7"], "1", True, 1),
    ],
)
def test_spacing(tmp_path: Path, cells: list[str], unit: str, regular: bool, gaps: int) -> None:
    series = read(tmp_path / "t.csv", "time,x\n" + "".join(f"{cell},1\n" for cell in cells))
    found = spacing(series)
    assert found is not None
    assert (found.unit, found.regular, found.gaps) == (unit, regular, gaps)
    assert spacing(read(tmp_path / "t.csv", "time,x\n2024-01-01,1\n")) is None
