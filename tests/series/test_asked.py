"""New files are read as the training data were."""

from pathlib import Path

import numpy as np
import pytest

from penstock import PenstockError
from penstock.series import Roles, description
from penstock.series.asked import read_asked, read_heard

soundfile = pytest.importorskip("soundfile")


def write(folder: Path, name: str, rate: int = 8000) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, np.sin(np.arange(rate // 4) * 0.3), rate)
    return folder


def test_sound_is_frames_of_its_spectrum_with_its_label(tmp_path: Path) -> None:
    for name in ("low_a_0.wav", "high_a_1.wav"):
        write(tmp_path / "train", name)
    pattern = "{label}_{speaker}_{take}.wav"
    trained = read_heard([str(tmp_path / "train")], Roles(), pattern)
    reads = {**description(trained), "pattern": pattern}
    asked = read_asked([str(write(tmp_path / "new", "high_b_7.wav"))], reads)
    assert [column.name for column in asked.columns] == [column.name for column in trained.columns]
    label = asked.index("label")
    assert asked.columns[label].categories == ("high", "low")
    assert (asked.values[:, label] == 0).all()
    one = trained.one(0).values
    bands = [k for k, column in enumerate(trained.columns) if column.role == "seen"]
    assert np.array_equal(asked.values[:, bands], one[:, bands])  # the same sound

    with pytest.raises(PenstockError, match=r"expected 8000 samples a second, as in training, got 16000"):
        read_asked([str(write(tmp_path / "fast", "low_a_0.wav", 16_000))], reads)


def test_a_table_is_matched_by_names(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,a,b\np,1,2\np,3,4\n")
    reads = {**description(read_heard([str(tmp_path / "train.csv")], Roles(), None)), "pattern": None}
    (tmp_path / "new.csv").write_text("b,more,a,id\n5,x,6,q\n")
    found = read_asked([str(tmp_path / "new.csv")], reads)
    assert found.ids == ("q",)
    assert found.values.tolist() == [[6, 5]]
