"""Models of texts without torch: they agree with the module, whatever else is read beside a text."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock import PenstockError
from penstock.folder import held
from penstock.model_folder import StackConfig
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles
from penstock.nn.series_model import SeriesModel
from penstock.runtime.text_model import TextRuntime, load_text
from penstock.text.vocabulary import build_vocabulary

TEXTS = ["the cat sat on the mat", "a", "", "the dog ran 门控 over the hill and far away, " * 4, "the cat", "zz\0ü"]
LONGEST = 40
ANSWERS = (
    SeriesAnswer("class", ("mood",), ("good", "bad", "so-so")),
    SeriesAnswer("labels", ("a", "b")),
    SeriesAnswer("numbers", ("n",), (), (2.0,), (5.0,)),
)


def made(folder: Path, vocab: str, answer: SeriesAnswer, **stack: Any) -> SeriesModel:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(vocab, TEXTS[:2], 300)
    outputs = len(answer.classes or answer.targets)
    config = SeriesConfig(outputs, StackConfig(5, 7, **stack), segment=1, vocabulary_size=len(vocabulary))
    reads = {"column": "text", "texts": 3, "longest": LONGEST}
    model = SeriesModel(config, SeriesFiles("text", reads, answer, config, {}, vocabulary))
    with held(folder, "model") as place:
        model.save_into(place)
    return model.eval()


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.kind)
@pytest.mark.parametrize("vocab", ["char", "byte", "bpe", "word"])
def test_it_agrees_with_the_module(tmp_path: Path, vocab: str, answer: SeriesAnswer) -> None:
    stack = {"num_layers": 2, "residual": True, "reset": "after"} if vocab == "byte" else {}
    module = made(tmp_path, vocab, answer, **stack)
    model = penstock.load(tmp_path)
    assert isinstance(model, TextRuntime)
    found = model.predict(TEXTS)
    assert found.shape == (len(TEXTS), module.config.outputs)
    assert np.isnan(found).all(1).tolist() == [not text for text in TEXTS]
    assert module.about.vocabulary is not None
    for text, row in zip(TEXTS, found, strict=True):
        ids = torch.from_numpy(module.about.vocabulary.encode(text)[:LONGEST])
        if len(ids):
            with torch.no_grad():
                outputs = module(ids[:, None])[0][-1, 0].numpy()
            np.testing.assert_allclose(row, model.answers(outputs), rtol=1e-5, atol=1e-6)


def test_a_text_does_not_depend_on_the_others_by_a_bit(tmp_path: Path) -> None:
    made(tmp_path, "char", ANSWERS[0])
    model = load_text(tmp_path)
    many = (TEXTS * 40)[::-1]
    of_text = dict(zip(many, model.read(many), strict=True))
    for text in TEXTS:
        np.testing.assert_array_equal(model.read([text])[0], of_text[text])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.read(TEXTS), model.read(TEXTS))
    assert again.digest == model.digest
    assert model.read([]).shape == (0, 3)


def test_what_stands_after_the_longest_is_not_read(tmp_path: Path) -> None:
    made(tmp_path, "char", ANSWERS[0])
    model = load_text(tmp_path)
    begun = ("the cat sat on the mat " * 9)[:LONGEST]
    np.testing.assert_array_equal(model.read([begun + "dog"]), model.read([begun]))


def test_another_vocabulary_is_another_model(tmp_path: Path) -> None:
    made(tmp_path, "char", ANSWERS[0])
    before = load_text(tmp_path).digest
    config = json.loads((tmp_path / "config.json").read_text())
    about = config["input"]["vocabulary"]
    about["characters"] = about["characters"].replace("t", "T")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_text(tmp_path).digest != before


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    made(tmp_path, "bpe", ANSWERS[0])
    config = tmp_path / "config.json"
    whole = config.read_text()
    for old, new, message in (
        ('"longest": 40', '"longest": 0', "longest: expected a positive integer, got 0"),
        ('"task": "text"', '"task": "sequence"', "embedding.weight: expected nothing, got (268, 5)"),
        ('"kind": "bpe"', '"kind": "none"', "config.json: vocabulary: expected byte, char with"),
    ):
        assert old in whole
        config.write_text(whole.replace(old, new))
        with pytest.raises(PenstockError) as caught:
            load_text(tmp_path)
        assert message in str(caught.value)
    config.write_text(whole)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(PenstockError, match=r"tokenizer.json: no such file, though config.json says"):
        load_text(tmp_path)
