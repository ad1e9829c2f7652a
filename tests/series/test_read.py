"""Several files as one set, and what is said of the columns of files that name no roles."""

from pathlib import Path

import numpy as np
import pytest
from series_made import made

from penstock import PenstockError
from penstock.series import Roles, read_series

HEAD = "@timeStamps false\n@classLabel true {}\n@data\n"


def test_classes_of_two_files_become_one_list(tmp_path: Path) -> None:
    one = made(tmp_path / "a.ts", HEAD.format("x y") + "1,2:y\n")
    two = made(tmp_path / "b.ts", HEAD.format("z y") + "3:z\n4:y\n5:?\n")
    found = read_series([str(one), str(two)])
    assert found.columns[1].categories == ("x", "y", "z")
    np.testing.assert_array_equal(found.values[:, 1], np.array([1, 1, 2, 1, np.nan], np.float32))


def test_an_id_that_stands_in_two_files_bears_the_files_name(tmp_path: Path) -> None:
    wide = "id,V1,V2,V3,V4\na,1,2,3,4\n"
    one, two = made(tmp_path / "a.csv", wide), made(tmp_path / "b.csv", wide)
    assert read_series([str(one), str(two)]).ids == (f"{one}:a", f"{two}:a")


def test_what_is_said_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.arange(12.0).reshape(2, 6))
    roles = Roles(target=("c0",), known=("c1",), static=("c2",), split="c3", features=("c4",))
    found = read_series([str(tmp_path / "t.npy")], roles)
    assert [(column.name, column.role) for column in found.columns] == [
        ("c0", "target"),
        ("c1", "known"),
        ("c2", "static"),
        ("c3", "split"),
        ("c4", "seen"),
    ]
    assert found.values.tolist() == [[0, 1, 2, 3, 4], [6, 7, 8, 9, 10]]
    assert found.unused == (("c5", "not among the features that were named"),)
    with pytest.raises(PenstockError, match=r"t\.npy: no column 'c9'; it has 'c0', 'c1'"):
        read_series([str(tmp_path / "t.npy")], Roles(target=("c9",)))


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    for name, array in (("a", np.zeros((2, 1))), ("b", np.zeros((2, 2)))):
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(PenstockError, match=r"b\.npy: other columns than in .*a\.npy$"):
        read_series([str(tmp_path)])


def test_a_folder_without_series(tmp_path: Path) -> None:
    made(tmp_path / "notes.md", "none")
    with pytest.raises(PenstockError, match=r": the folder holds no series; expected files ending in \.csv, "):
        read_series([str(tmp_path)])
