"""Folders of recordings, whose names hold the labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from penstock import PenstockError
from penstock.series import as_log_mel, by_column, log_mel, read_series

RATE = 8000


def recorded(path: Path, hertz: float = 440, seconds: float = 0.1, rate: int = RATE, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


def refused(folder: Path, **more: Any) -> str:
    with pytest.raises(PenstockError) as error:
        read_series([str(folder)], **more)
    return str(error.value)


def test_labels_in_names(tmp_path: Path) -> None:
    for name, seconds in (("3_ann_0.wav", 0.1), ("7_bob_0.flac", 0.05), ("3_bob_1.wav", 0.2)):
        recorded(tmp_path / name, seconds=seconds)
    found = read_series([str(tmp_path)], pattern="{label}_{speaker}_{take}.*")
    assert found.ids == ("3_ann_0.wav", "3_bob_1.wav", "7_bob_0.flac")
    assert found.lengths.tolist() == [800, 1600, 400]
    assert found.rate == RATE
    assert [(column.name, column.role, column.categories) for column in found.columns] == [
        ("x", "seen", None),
        ("label", "target", ("3", "7")),
        ("speaker", "split", ("ann", "bob")),
        ("take", "split", ("0", "1")),
    ]
    assert np.abs(found.values[:, 0]).max() == pytest.approx(0.5, abs=1e-3)
    assert by_column(found, "take", ["1"]).validation.tolist() == [[800, 800], [0, 1600], [400, 400]]
    frames = as_log_mel(found, bands=20)
    assert frames.values.shape[1] == 23
    assert frames.lengths.tolist() == [8, 18, 3]
    assert frames.one(2).values[0, 20:].tolist() == [1, 1, 0]


def test_labels_in_folders_or_none(tmp_path: Path) -> None:
    recorded(tmp_path / "yes" / "a.wav")
    recorded(tmp_path / "no" / "b.wav")
    assert read_series([str(tmp_path)]).columns[1].categories == ("no", "yes")
    assert len(read_series([str(tmp_path / "no")]).columns) == 1


def test_rates_channels_and_names_that_differ(tmp_path: Path) -> None:
    one = recorded(tmp_path / "a.wav")
    other = recorded(tmp_path / "b.wav", rate=16_000)
    assert (
        refused(tmp_path)
        == f"{other}: 16,000 Hz and 1 channel, but {one} has 8,000 Hz and 1 channel; convert them to one"
    )
    recorded(other, channels=2)
    assert (
        refused(tmp_path)
        == f"{other}: 8,000 Hz and 2 channels, but {one} has 8,000 Hz and 1 channel; convert them to one"
    )
    recorded(other)
    pattern = "{label}_{take}.wav"
    assert refused(tmp_path, pattern=pattern) == f"{one}: its name does not fit the pattern {pattern!r}"
    assert refused(tmp_path, pattern="{take}.wav") == (
        "pattern '{take}.wav': expected {label} in it, as in {label}_{speaker}.wav"
    )


def test_damaged_files_are_named_skipped_and_counted(tmp_path: Path) -> None:
    for k in range(20):
        recorded(tmp_path / f"{k:02}.wav")
    (tmp_path / "03.wav").write_bytes(b"RIFF, but no more")
    found = read_series([str(tmp_path)])
    assert len(found) == 19
    assert found.unused == (("1 of 20 files (03.wav)", "damaged"),)
    for k in range(4, 9):
        (tmp_path / f"{k:02}.wav").write_bytes(b"")
    said = refused(tmp_path)
    assert said.startswith(f"{tmp_path}/03.wav: damaged: ")
    assert said.endswith("; 6 of 20 files cannot be read")


def test_bands_hold_the_tone(tmp_path: Path) -> None:
    t = np.arange(RATE) / RATE
    loudest = [int(log_mel(np.sin(2 * np.pi * hertz * t), RATE).mean(axis=0).argmax()) for hertz in (200, 800, 3000)]
    assert loudest == sorted(loudest)
    assert len(set(loudest)) == 3
    assert log_mel(np.zeros(3), RATE).shape == (1, 40)
    assert np.isfinite(log_mel(np.zeros(3), RATE)).all()
