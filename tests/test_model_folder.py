"""A model folder that is broken, foreign or mixed up says so."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import penstock
from penstock import LanguageModel, PenstockError
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    vocabulary = CharVocabulary("abc")
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(2, 3)), vocabulary).save(tmp_path)
    return tmp_path


def configured(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        change(content)
        (folder / "config.json").write_text(json.dumps(content))

    return apply


def weighted(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = safetensors.numpy.load_file(folder / "model.safetensors")
        change(weights)
        safetensors.numpy.save_file(weights, folder / "model.safetensors")

    return apply


def marked(value: float) -> Callable[[Path], None]:
    return weighted(lambda weights: weights["layers.0.reset_after"].fill(value))


def bfloat16(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["output.bias"] = weights["output.bias"].bfloat16()
    safetensors.torch.save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "no model here: expected a folder with config.json and"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: no such file"),
        (lambda f: (f / "model.safetensors").unlink() or (f / "model.safetensors").mkdir(), "read: Is a directory"),
        (lambda f: (f / "config.json").write_text("{"), "config.json: cannot be read"),
        (lambda f: (f / "config.json").write_text("[]"), "expected the configuration of a penstock-model"),
        (configured(lambda c: c.update(format="x")), "expected the configuration of a penstock-model"),
        (configured(lambda c: c.update(version=99)), "expected version 2, got 99"),
        (configured(lambda c: c["stack"].update(hidden_size="3")), "hidden_size: expected a positive integer, got '3'"),
        (configured(lambda c: c["stack"].update(depth=3)), "stack: expected input_size, hidden_size, num_layers"),
        (configured(lambda c: c["stack"].pop("hidden_size")), "stack: expected input_size, hidden_size, num_lay"),
        (configured(lambda c: c.update(stack=[])), "config.json: stack: expected dict, got []"),
        (configured(lambda c: c["stack"].update(dropout="1")), "dropout: expected 0 or more and less than 1, got '1'"),
        (configured(lambda c: c["output"].update(tied="no")), "tied: expected true or false, got 'no'"),
        (configured(lambda c: c.update(output={"tie": True})), "output: expected tied, got tie"),
        (configured(lambda c: c["input"].pop("vocabulary")), "vocabulary: expected byte, char with its"),
        (configured(lambda c: c["input"].update(vocabulary=[])), "vocabulary: expected byte, char with its"),
        (configured(lambda c: c["input"]["vocabulary"].update(characters="ab")), "embedding.weight: expected (3, 2)"),
        (configured(lambda c: c["stack"].update(reset="after")), 'the weights are of reset="before", config.json says'),
        (configured(lambda c: c["stack"].update(hidden_size=4)), "layers.0.bias_hh_l0: expected (12,), got (9,)"),
        (
            weighted(lambda w: w.update({"output.bias": np.zeros(4, np.float16)})),
            "output.bias: expected float32, got f",
        ),
        (bfloat16, "expected float32"),
        (marked(0.5), "layers.0.reset_after: expected 0 or 1, got 0.5"),
        (marked(np.nan), "layers.0.reset_after: expected finite numbers, got nan"),
        (
            weighted(lambda w: w["output.bias"].__setitem__(1, -np.inf)),
            "model.safetensors: output.bias: expected finite numbers, got -inf: its training left them",
        ),
        (marked(1), 'the weights are of reset="after", config.json says reset="before"'),
        (weighted(lambda w: w.update({"layers.0.reset_after": np.array(False)})), "expected float32, got bool"),
        (weighted(lambda w: w.pop("output.bias")), "output.bias: expected (4,), got nothing"),
        (weighted(lambda w: w.update(extra=w["output.bias"])), "extra: expected nothing, got (4,)"),
    ],
)
def test_damage_is_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    for load in (penstock.load, LanguageModel.load):
        with pytest.raises(PenstockError, match=re.escape(message)) as caught:
            load(folder)
        assert str(folder) in str(caught.value)


def test_a_model_of_another_task(folder: Path) -> None:
    configured(lambda c: c.update(task="steps"))(folder)
    with pytest.raises(PenstockError, match=r"expected a language model, got one of the task 'steps'"):
        LanguageModel.load(folder)


def test_weights_cut_short_anywhere_are_refused(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (folder / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(PenstockError, match=r"not a whole safetensors file"):
            penstock.load(folder)


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    model = LanguageModel.load(folder)
    with pytest.raises(PenstockError, match=r"cannot be written"):
        model.save(folder / "config.json" / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"version": 2', '"version": true'), "config.json: expected version 2, got True"),
        (('"num_layers": 1', '"num_layers": true'), "config.json: num_layers: expected a positive integer, got True"),
        (('"dropout": 0.0', '"dropout": false'), "config.json: dropout: expected 0 or more and less than 1, got False"),
        (('"kind": "char"', '"kind": "bpe"'), "tokenizer.json: no such file, though config.json says that the tokens"),
    ],
)
def test_a_true_is_no_number_and_the_right_file_is_named(folder: Path, change: tuple[str, str], message: str) -> None:
    content = (folder / "config.json").read_text()
    assert change[0] in content
    (folder / "config.json").write_text(content.replace(*change))
    with pytest.raises(PenstockError, match=re.escape(message)):
        penstock.load(folder)


def test_a_stray_tokenizer_is_no_hindrance(folder: Path) -> None:
    expected = penstock.load(folder).step(1)[0]
    (folder / "tokenizer.json").write_bytes(b"\xff")
    assert np.array_equal(penstock.load(folder).step(1)[0], expected)


def test_nesting_without_end(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(PenstockError, match=r"config.json: cannot be read: "):
        penstock.load(folder)


def test_a_mark_that_an_average_rounded(folder: Path) -> None:
    expected = LanguageModel.load(folder).state_dict()
    marked(1e-4)(folder)
    assert all(torch.equal(value, expected[name]) for name, value in LanguageModel.load(folder).state_dict().items())
    assert penstock.load(folder).config.stack.reset == "before"
