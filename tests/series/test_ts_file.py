"""Files of the UEA and UCR archives."""

from pathlib import Path

import numpy as np
import pytest
from series_made import made, refused, shared

from penstock.series import read_series

HEAD = "# a comment\n@problemName P\n@timeStamps false\n@univariate false\n@equalLength false\n"
CLASSES = HEAD + "@classLabel true walks runs\n@data\n"


def test_unequal_lengths_missing_cells_and_labels(tmp_path: Path) -> None:
    text = CLASSES + "1,2,3:4,?,6:runs\n\n7:8:walks\n1,2,?:3,4,?:?\n"
    found = read_series([str(made(tmp_path / "p.ts", text))])
    assert found.ids == ("p.ts:1", "p.ts:2", "p.ts:3")
    assert found.lengths.tolist() == [3, 1, 2]
    assert [(column.name, column.role) for column in found.columns] == [
        ("x0", "seen"),
        ("x1", "seen"),
        ("label", "target"),
    ]
    assert found.columns[2].categories == ("walks", "runs")
    nan = np.nan
    expected = [[1, 4, 1], [2, nan, 1], [3, 6, 1], [7, 8, 0], [1, 3, nan], [2, 4, nan]]
    np.testing.assert_array_equal(found.values, np.array(expected, np.float32))


def test_numbers_to_predict_and_two_files(tmp_path: Path) -> None:
    text = HEAD + "@targetlabel true\n@data\n1,2,3:0.5\n4,5:-2\n"
    one, two = made(tmp_path / "TRAIN.ts", text), made(tmp_path / "TEST.ts", text)
    found = read_series([str(one), str(two)])
    assert found.columns[1].kind == "number"
    assert found.values[:, 1].tolist() == [0.5, 0.5, 0.5, -2, -2] * 2
    assert found.sources == (str(one), str(two))
    assert found.source_of is not None
    assert found.source_of.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CLASSES + "1,2:3,4:swims\n", "line 8: the class 'swims' is none of walks, runs"),
        (CLASSES + "1,2:3,x:runs\n", "line 8, channel 1, step 1: expected a number, got 'x'"),
        (CLASSES + "1,inf:3,4:runs\n", "line 8, channel 0, step 1: infinite; write ? if it is missing"),
        (CLASSES + "1,2:3,4:runs\n1:runs\n", "line 9: expected 2 channels, got 1"),
        (CLASSES, "empty: no sequence below @data"),
        ("@problemName P\n", "empty: expected @data and sequences below it"),
        ("1,2,3\n", "line 1: expected @data before the first sequence"),
        (
            "@timeStamps true\n@data\n",
            "@timeStamps true: cannot be read; write the values alone, or a table with a time",
        ),
    ],
)
def test_bad_input(tmp_path: Path, text: str, line: str) -> None:
    assert refused(tmp_path / "p.ts", text) == f"p.ts: {line}"


@pytest.mark.parametrize(
    ("name", "count", "channels", "classes", "lengths"),
    [
        ("JapaneseVowels", 270, 12, 9, (7, 26)),
        ("BasicMotions", 40, 6, 4, (100, 100)),
        ("ItalyPowerDemand", 67, 1, 2, (24, 24)),
        ("ArrowHead", 36, 1, 3, (251, 251)),
        ("GunPoint", 50, 1, 2, (150, 150)),
    ],
)
def test_archives(name: str, count: int, channels: int, classes: int, lengths: tuple[int, int]) -> None:
    found = read_series([shared(f"ucr/{name}/{name}_TRAIN.ts")])
    assert (len(found), len(found.columns) - 1) == (count, channels)
    assert len(found.columns[-1].categories or ()) == classes
    assert (found.lengths.min(), found.lengths.max()) == lengths
