"""Arrays of every kind of file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from series_made import shared

from penstock import PenstockError
from penstock.series import Roles, by_source, read_series

RNG = np.random.default_rng(0)
LONG, MANY = RNG.normal(size=(7, 2)), RNG.normal(size=(3, 5, 2))


def as_npy(path: Path, array: Any) -> Path:
    np.save(path.with_suffix(".npy"), array)
    return path.with_suffix(".npy")


def test_one_series_and_many(tmp_path: Path) -> None:
    one = read_series([str(as_npy(tmp_path / "one", LONG))])
    assert one.ids == ("one",)
    np.testing.assert_array_equal(one.values, LONG.astype(np.float32))
    many = read_series([str(as_npy(tmp_path / "many", MANY))], Roles(target=("c1",)))
    assert many.ids == ("many/0", "many/1", "many/2")
    np.testing.assert_array_equal(many.one(2).values, MANY[2].astype(np.float32))
    assert [column.role for column in many.columns] == ["seen", "target"]
    flat = read_series([str(as_npy(tmp_path / "flat", np.arange(4)))])
    assert flat.values.tolist() == [[0], [1], [2], [3]]


@pytest.mark.parametrize("kind", ["npz", "h5", "mat"])
def test_arrays_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "npz":
        np.savez(path, train=LONG, test=MANY, words=np.array(["a"]))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["words"], file["train"], file["test"] = "a", LONG, MANY
    else:
        ragged = np.empty((1, 3), object)
        for k in range(3):
            ragged[0, k] = MANY[k]
        scipy.io.savemat(path, {"train": LONG, "test": ragged, "words": "a"})
    found = read_series([str(path)])
    assert set(found.ids) == {"train", "test/0", "test/1", "test/2"}
    np.testing.assert_array_equal(found.one(found.ids.index("train")).values, LONG.astype(np.float32))
    np.testing.assert_array_equal(found.one(found.ids.index("test/1")).values, MANY[1].astype(np.float32))
    assert [unused.name for unused in found.unused] == [f"{path}:words"]
    split = by_source(found, ["test"])
    assert split.to_json()["training_rows"] == 7
    assert split.to_json()["validation_rows"] == 15


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.array([[1.0, 2.0], [np.inf, 4.0]]), "row 2, column 'c0': infinite, or too large for float32; leave the "
         "cell empty if it is missing"),
        (np.array(["a"]), "empty: expected arrays of numbers: {path} holds no numbers"),
        (np.zeros((2, 2, 2, 2)), "empty: expected arrays of numbers: {path} has 4 axes, not (L, C) or (N, L, C)"),
        (np.zeros((0, 2)), "empty: expected arrays of numbers"),
        (np.array([[1.0], [None]], object), "an array of Python objects, which only pickle reads and Penstock does "
         "not; save an array a series with numpy.savez"),
    ],
)  # fmt: skip
def test_bad_input(tmp_path: Path, array: Any, line: str) -> None:
    path = as_npy(tmp_path / "t", array)
    with pytest.raises(PenstockError) as error:
        read_series([str(path)])
    assert str(error.value) == f"{path}: {line.format(path=path)}"


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "mat"])
def test_not_what_its_name_says(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(PenstockError, match="that can be read"):
        read_series([str(path)])


def test_other_widths(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=LONG, b=LONG[:, :1])
    with pytest.raises(PenstockError, match=r"t\.npz:b: expected 2 columns as in .*t\.npz:a, got 1$"):
        read_series([str(tmp_path / "t.npz")])


def test_chorales() -> None:
    found = read_series([shared("poly_music/JSB_Chorales.mat")])
    of = [source.rpartition(":")[2] for source in found.sources]
    assert found.source_of is not None
    assert dict(zip(of, np.bincount(found.source_of).tolist(), strict=True)) == {
        "traindata": 229,
        "validdata": 76,
        "testdata": 77,
    }
    assert found.values.shape[1] == 88
