"""A checkpoint that is cut short, foreign or of another version says so."""

from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from penstock import PenstockError
from penstock.folder import held
from penstock.nn import LanguageModel
from penstock.tasks.language.data import TextData
from penstock.tasks.language.settings import LanguageSettings
from penstock.tasks.language.streams import nats
from penstock.tasks.language.task import TASK
from penstock.text import CharVocabulary, Prepared, Tokens
from penstock.train.checkpoint import (
    Checkpoints,
    Progress,
    _checksum,
    found,
    newest,
    put_away,
    read_checkpoint,
    restore,
)
from penstock.train.plan import Plan, make_plan
from penstock.train.settings import Settings
from penstock.train.step import Stepper
from penstock.train.task import Begun, Chunk

VOCABULARY = CharVocabulary("ab")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Plan, Stepper]:
    tokens = Tokens(np.array([1, 2] * 50, np.uint8), np.zeros(1, np.int64), 100)
    prepared = Prepared(tokens, 90, VOCABULARY, {}, "digest")
    settings = Settings(hidden=4, steps=9, dropout=0.0, device="cpu")
    begun = Begun(settings, LanguageSettings(), TextData(prepared), "tokens")
    plan = make_plan(TASK, begun, ["corpus"])
    torch.manual_seed(0)
    stepper = Stepper(LanguageModel(plan.model, VOCABULARY), nats, learning_rate=0.1, weight_decay=0, clip=1)
    x = torch.ones(3, 1, dtype=torch.int64)
    state = stepper.step(Chunk(x, x, None, 3), stepper.model.layers.initial_state(1)).state
    with held(tmp_path, "run") as place, Checkpoints(place, keep=2) as checkpoints:
        checkpoints.save(plan, Progress(step=1, seconds=0.1 + 0.2), stepper, state)
    return tmp_path / "checkpoint-000000001.safetensors", plan, stepper


def test_all_of_it_comes_back(saved: tuple[Path, Plan, Stepper]) -> None:
    path, plan, stepper = saved
    again_plan, progress, tensors = read_checkpoint(path, TASK)
    assert again_plan == plan
    assert progress == Progress(step=1, seconds=0.1 + 0.2)
    other = Stepper(LanguageModel(plan.model, VOCABULARY), nats, learning_rate=0.1, weight_decay=0, clip=1)
    state = restore(tensors, other)
    x = torch.ones(3, 1, dtype=torch.int64)
    assert stepper.step(Chunk(x, x, None, 3), state).loss == other.step(Chunk(x, x, None, 3), state).loss
    for mine, theirs in zip(stepper.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_cut_short_anywhere(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, _ = saved
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(PenstockError, match=r"not a whole checkpoint: .*; start anew with --force"):
            read_checkpoint(path, TASK)


def test_a_flipped_bit_anywhere(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, _ = saved
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(PenstockError):
            read_checkpoint(path, TASK)


def test_the_newest_are_kept_and_a_broken_one_is_passed_over(saved: tuple[Path, Plan, Stepper]) -> None:
    path, plan, stepper = saved
    folder, state = path.parent, stepper.model.layers.initial_state(1)
    with held(folder, "run") as place, Checkpoints(place, keep=2) as checkpoints:
        for step in (2, 3, 10):
            checkpoints.save(plan, Progress(step=step), stepper, state)
            stepper.model.output.bias.data += 1  # what is written is what stood at the call
    assert [p.name for p in found(folder)] == ["checkpoint-000000010.safetensors", "checkpoint-000000003.safetensors"]
    assert newest(folder, TASK)[1].step == 10
    biases = [read_checkpoint(p, TASK)[2]["model.output.bias"] for p in found(folder)]
    torch.testing.assert_close(biases[0], biases[1] + 1)
    found(folder)[0].write_bytes(found(folder)[0].read_bytes()[:-1])
    told: list[str] = []
    with held(folder, "run") as place:
        assert newest(folder, TASK, put_away(place, told.append))[1].step == 3
    assert len(told) == 1
    assert "checkpoint-000000010.safetensors: not a whole checkpoint" in told[0]
    assert told[0].endswith("; going on from the checkpoint before")
    assert [p.name for p in folder.glob("*.broken")] == ["checkpoint-000000010.broken"]
    found(folder)[0].write_bytes(b"")
    with pytest.raises(PenstockError, match=r"not a whole checkpoint: .*start anew with --force"):
        newest(folder, TASK)
    found(folder)[0].unlink()
    with pytest.raises(PenstockError, match="nothing to resume: no checkpoint here; start without --resume"):
        newest(folder, TASK)


def test_what_cannot_be_written_is_told_and_loses_nothing(saved: tuple[Path, Plan, Stepper]) -> None:
    path, plan, stepper = saved
    before = path.read_bytes()
    with held(path.parent / "gone", "run") as place:
        checkpoints = Checkpoints(place, keep=2)
        place.path.rmdir()
        checkpoints.save(plan, Progress(step=5), stepper, stepper.model.layers.initial_state(1))
        with pytest.raises(PenstockError, match="cannot be written: No such file or directory"), checkpoints:
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [{"plan": "{}"}, {"plan": "[]"}, {"progress": '{"stpe": 1}'}, {"progress": "{"}])
def test_a_plan_that_means_nothing(saved: tuple[Path, Plan, Stepper], damage: dict[str, str]) -> None:
    path, _, _ = saved
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
    tensors, about = safetensors.torch.load_file(path), about | damage
    safetensors.torch.save_file(tensors, path, about | {"checksum": _checksum(tensors, about)})
    with pytest.raises(PenstockError, match=r"its plan and progress cannot be understood: .*; start anew with --force"):
        read_checkpoint(path, TASK)


def test_tensors_of_another_model(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, stepper = saved
    tensors = read_checkpoint(path, TASK)[2]
    for damage in ({"model.output.bias": torch.zeros(9)},):
        with pytest.raises(PenstockError, match=r"its tensors are not those of its plan: "):
            restore(tensors | damage, stepper)
    del tensors["adam.step.output.bias"]
    with pytest.raises(PenstockError, match=r"its tensors are not those of its plan: 'adam.step.output.bias'"):
        restore(tensors, stepper)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot be read: Is a directory$"):
        read_checkpoint(tmp_path, TASK)


def test_foreign_and_of_another_version(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, _ = saved
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(PenstockError, match=r"expected a penstock-checkpoint, got a file of something else"):
        read_checkpoint(path, TASK)
    about = {"format": "penstock-checkpoint", "penstock": "9.9"}
    safetensors.torch.save_file(tensors, path, about | {"checksum": _checksum(tensors, about)})
    with pytest.raises(PenstockError, match=r"written by Penstock 9.9, this is"):
        read_checkpoint(path, TASK)
