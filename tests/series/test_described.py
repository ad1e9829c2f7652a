"""What is predicted is matched with what was trained on, from files and row by row."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from series_made import made, read, shared

from penstock import PenstockError
from penstock.series import RowReader, account, description, read_as_described, read_series

TEXT = (
    "shop,when,sales,price,city\nA,2024-01-01 00:00,5,9.1,Rome\nA,2024-01-01 01:00,6,8,\nB,2024-01-01 00:00,7,,Oslo\n"
)
ROLES: dict[str, Any] = {"target": ("sales",), "known": ("price",), "id": ("shop",)}


def described(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads(json.dumps(description(read(tmp_path / "t.csv", TEXT, **ROLES)))))


def test_columns_by_name_in_any_order_and_categories_by_name(tmp_path: Path) -> None:
    about = described(tmp_path)
    other = "city,extra,price,when,shop\nParis,1,3,2024-02-01 00:00,C\nRome,2,4,2024-02-01 01:00,C\n"
    found = read_as_described([str(made(tmp_path / "u.csv", other))], about)
    assert [column.name for column in found.columns] == ["sales", "price", "city"]
    np.testing.assert_array_equal(found.values, np.array([[np.nan, 3, 2], [np.nan, 4, 1]], np.float32))
    assert [unused.name for unused in found.unused] == ["extra"]
    assert "extra" in "".join(account(found))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "shop,when,prise,city\nA,2024-01-01,1,Rome\n",
            "no column 'price', which the model was trained on; did you mean 'prise'?",
        ),
        (
            "shop,when,price,city\nA,2024-01-01,x,Rome\n",
            "column 'price': expected a number as in training, got a category",
        ),
        ("when,price,city\n2024-01-01,1,Rome\n", "no column 'shop'; it has 'when', 'price', 'city'"),
    ],
)
def test_columns_that_lack(tmp_path: Path, text: str, line: str) -> None:
    path = made(tmp_path / "u.csv", text)
    with pytest.raises(PenstockError) as error:
        read_as_described([str(path)], described(tmp_path))
    assert str(error.value) == f"{path}: {line}"


def test_a_column_that_is_empty_now_is_missing_throughout(tmp_path: Path) -> None:
    path = made(tmp_path / "u.csv", "shop,when,price,city\nA,2024-01-01,,Rome\n")
    found = read_as_described([str(path)], described(tmp_path))
    assert np.isnan(found.values[:, 1]).all()


def test_rows_one_by_one_are_those_of_the_file(tmp_path: Path) -> None:
    about = described(tmp_path)
    whole = read_as_described([str(made(tmp_path / "u.csv", TEXT))], about)
    reader = RowReader(about)
    for number, line in enumerate(csv.DictReader(io.StringIO(TEXT))):
        row = reader.read(line)
        one = whole.one(whole.ids.index(row.id))
        assert one.times is not None
        at = one.times.tolist().index(row.time)
        np.testing.assert_array_equal(np.array(row.values), one.values[at].astype(np.float64), err_msg=str(number))
    row = reader.read({"shop": 7, "when": "2024-01-01T00:00", "price": 1, "city": None})
    assert (row.id, row.values[1]) == ("7", 1)
    assert np.isnan(row.values).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"price": "x"}, "line 3, column 'price': expected a number, got 'x'"),
        (
            {"price": "1e39"},
            "line 3, column 'price': infinite, or too large for float32; leave it empty if it is missing",
        ),
        (
            {"when": "noon"},
            "line 3, column 'when': 'noon' is no time that can be read; write it as 2024-01-31 12:00:00",
        ),
        ({"when": None}, "line 3, column 'when': is missing"),
        ({"price": ...}, "line 3: no column 'price', which the model was trained on; it has 'shop', 'when', 'city'"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    row = {"shop": "A", "when": "2024-01-01", "price": 1, "city": "Rome"} | change
    with pytest.raises(PenstockError) as error:
        RowReader(described(tmp_path)).read({k: v for k, v in row.items() if v is not ...}, "line 3")
    assert str(error.value) == line


def test_files_without_names_and_other_kinds() -> None:
    for train, test in (
        ("cmapss/train_FD001.txt", "cmapss/test_FD001.txt"),
        ("m4/Hourly-train.csv", "m4/Hourly-test.csv"),
        ("ucr/GunPoint/GunPoint_TRAIN.ts", "ucr/GunPoint/GunPoint_TEST.ts"),
    ):
        about = description(read_series([shared(train)]))
        found = read_as_described([shared(test)], about)
        assert [column.name for column in found.columns] == [one["name"] for one in about["columns"]]
        assert len(found) > 99
