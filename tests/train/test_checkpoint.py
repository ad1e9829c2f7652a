"""A checkpoint that is cut short, foreign or of another version says so."""

from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from penstock import PenstockError
from penstock.nn import LanguageModel
from penstock.text import CharVocabulary, Prepared, Tokens
from penstock.train.checkpoint import Progress, read_checkpoint, restore, save_checkpoint
from penstock.train.plan import Plan, make_plan
from penstock.train.settings import Settings
from penstock.train.step import Stepper

VOCABULARY = CharVocabulary("ab")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Plan, Stepper]:
    tokens = Tokens(np.array([1, 2] * 50, np.uint8), np.zeros(1, np.int64), 100)
    prepared = Prepared(tokens, 90, VOCABULARY, {}, "digest")
    plan = make_plan(Settings(hidden=4, steps=9, dropout=0.0, device="cpu"), prepared, "corpus", "tokens")
    torch.manual_seed(0)
    stepper = Stepper(LanguageModel(plan.model, VOCABULARY), learning_rate=0.1, weight_decay=0, clip=1)
    x = torch.ones(3, 1, dtype=torch.int64)
    state = stepper.step(x, x, None, stepper.initial_state(1)).state
    save_checkpoint(tmp_path / "checkpoint", plan, Progress(step=1, seconds=0.1 + 0.2), stepper, state)
    return tmp_path / "checkpoint", plan, stepper


def test_all_of_it_comes_back(saved: tuple[Path, Plan, Stepper]) -> None:
    path, plan, stepper = saved
    random = torch.rand(3)
    again_plan, progress, tensors = read_checkpoint(path)
    assert again_plan == plan
    assert progress == Progress(step=1, seconds=0.1 + 0.2)
    other = Stepper(LanguageModel(plan.model, VOCABULARY), learning_rate=0.1, weight_decay=0, clip=1)
    state = restore(tensors, other)
    assert torch.equal(torch.rand(3), random)
    x = torch.ones(3, 1, dtype=torch.int64)
    assert stepper.step(x, x, None, state).loss == other.step(x, x, None, state).loss
    for mine, theirs in zip(stepper.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_cut_short_anywhere(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, _ = saved
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(PenstockError, match=r"not a whole checkpoint: .*; start anew with --force"):
            read_checkpoint(path)


@pytest.mark.parametrize("damage", [{"plan": "{}"}, {"plan": "[]"}, {"progress": '{"stpe": 1}'}, {"progress": "{"}])
def test_a_plan_that_means_nothing(saved: tuple[Path, Plan, Stepper], damage: dict[str, str]) -> None:
    path, _, _ = saved
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, about | damage)
    with pytest.raises(PenstockError, match=r"its plan and progress cannot be understood: .*; start anew with --force"):
        read_checkpoint(path)


def test_tensors_of_another_model(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, stepper = saved
    tensors = read_checkpoint(path)[2]
    for damage in ({"model.output.bias": torch.zeros(9)}, {"random.cpu": torch.zeros(1)}):
        with pytest.raises(PenstockError, match=r"its tensors are not those of its plan: "):
            restore(tensors | damage, stepper)
    del tensors["adam.step.output.bias"]
    with pytest.raises(PenstockError, match=r"its tensors are not those of its plan: 'adam.step.output.bias'"):
        restore(tensors, stepper)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot be read: Is a directory$"):
        read_checkpoint(tmp_path)


def test_foreign_and_of_another_version(saved: tuple[Path, Plan, Stepper]) -> None:
    path, _, _ = saved
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(PenstockError, match=r"expected a penstock-checkpoint, got a file of something else"):
        read_checkpoint(path)
    safetensors.torch.save_file(tensors, path, {"format": "penstock-checkpoint", "penstock": "9.9"})
    with pytest.raises(PenstockError, match=r"written by Penstock 9.9, this is"):
        read_checkpoint(path)
