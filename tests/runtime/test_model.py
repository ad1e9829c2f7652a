"""The model without torch: scoring is what torch scores, and writing is reproducible."""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import penstock
from penstock import LanguageModel
from penstock.model_folder import ModelConfig
from penstock.runtime import Model, model
from penstock.text import UNKNOWN, CharVocabulary, build_vocabulary

TEXT = "the cat, which already ate the food, was full. " * 4


@pytest.fixture(params=["byte", "char", "bpe"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LanguageModel, Model]:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(request.param, [TEXT, "猫"], 270)
    module = LanguageModel(ModelConfig(len(vocabulary), 6, 9, num_layers=2), vocabulary).eval()
    with torch.no_grad():
        module.output.weight *= 20  # expectations that differ
    module.save(tmp_path)
    return LanguageModel.load(tmp_path), penstock.load(tmp_path)


def test_the_score_is_torchs(models: tuple[LanguageModel, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "BLOCK", 7 * 9)
    module, light = models
    text = TEXT + "猫"
    ids = torch.from_numpy(module.vocabulary.encode(text))
    logits, _ = module(ids[:-1, None])
    nats = float(torch.nn.functional.cross_entropy(logits[:, 0].detach(), ids[1:], reduction="sum"))
    score = light.score(text)
    assert score.nats == pytest.approx(nats, rel=1e-5)
    assert score.tokens == len(ids) - 1
    assert score.nats_per_token == pytest.approx(nats / score.tokens, rel=1e-5)
    assert score.perplexity == pytest.approx(math.exp(nats / score.tokens), rel=1e-4)
    assert score.bits_per_character == pytest.approx(nats / math.log(2) / score.characters, rel=1e-5)
    assert score.bits_per_byte < score.bits_per_character


# text, and the (characters, bytes) after its first token, a byte or a character
SIZES = [
    ("the 猫", (4, 6), (4, 6)),
    ("猫 the", (4, 6), (4, 4)),  # the rest of its bytes is scored too, and begins no character
    ("é猫é", (2, 6), (2, 5)),  # é is unknown to the characters, and still two bytes
    ("t\udcff", (1, 1), None),  # a byte that is no UTF-8
    ("t", (0, 0), (0, 0)),
    ("", (0, 0), (0, 0)),
]


@pytest.mark.parametrize(("text", "of_byte", "of_char"), SIZES)
def test_characters_and_bytes_are_those_of_the_text(
    models: tuple[LanguageModel, Model], text: str, of_byte: tuple[int, int], of_char: tuple[int, int] | None
) -> None:
    _, light = models
    if light.vocabulary.kind != "byte" and of_char is None:
        pytest.skip("only bytes read what is no UTF-8")
    score = light.score(text)
    if light.vocabulary.kind == "bpe":
        rest = light.vocabulary.utf8(light.vocabulary.encode(text)[1:])
        assert text.encode().endswith(rest)
        assert score.bytes == len(rest)
    else:
        assert (score.characters, score.bytes) == (of_byte if light.vocabulary.kind == "byte" else of_char)
    if light.vocabulary.kind == "byte" and text[1:]:
        assert score.bits_per_byte == pytest.approx(score.nats_per_token / math.log(2))


def test_documents_begin_anew(models: tuple[LanguageModel, Model]) -> None:
    _, light = models
    ids = light.vocabulary.encode(TEXT)
    together = light.score_documents([ids, ids])
    alone = light.score(TEXT)
    assert together.nats == pytest.approx(2 * alone.nats, rel=1e-12)
    assert together.tokens == 2 * alone.tokens


@pytest.mark.parametrize("text", ["", "t"])
def test_nothing_to_score(models: tuple[LanguageModel, Model], text: str) -> None:
    score = models[1].score(text)
    assert (score.nats, score.tokens) == (0, 0)
    assert math.isnan(score.nats_per_token)


def test_the_same_seed_writes_the_same(models: tuple[LanguageModel, Model]) -> None:
    _, light = models

    def written(**options: object) -> str:
        return "".join(light.generate("the ", length=40, **options))

    assert written(seed=1) == written(seed=1) != written(seed=2)
    assert written(temperature=0) == written(temperature=0, seed=2) == written(top_k=1) == written(top_p=1e-9)


def test_writing_is_stepping(models: tuple[LanguageModel, Model]) -> None:
    _, light = models
    state, text = None, []
    ids = light.vocabulary.encode("the cat").tolist()
    for token in ids:
        expected, state = light.step(token, state)
    for _ in range(20):
        if light.vocabulary.unknown is not None:
            expected[light.vocabulary.unknown] = -np.inf
        text.append(int(expected.argmax()))
        expected, state = light.step(text[-1], state)
    assert "".join(light.generate("the cat", length=20, temperature=0)) == "".join(light.vocabulary.pieces(text))


def test_it_streams(models: tuple[LanguageModel, Model]) -> None:
    pieces = models[1].generate(length=10**12, seed=0)
    assert isinstance(pieces, Iterator)
    assert len([*islice(pieces, 5)]) == 5


def test_the_unknown_character_is_counted_and_never_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vocabulary = CharVocabulary("abc")
    module = LanguageModel(ModelConfig(len(vocabulary), 2, 3), vocabulary)
    torch.nn.init.constant_(module.output.bias[:1].detach(), 100.0)
    module.save(tmp_path)
    light = penstock.load(tmp_path)
    assert light.score("abxyc").unknown == 2
    assert UNKNOWN not in "".join(light.generate("é", length=50, seed=0))


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 2},
        {"length": -1},
        {"seed": -1},
    ],
)
def test_settings_that_mean_nothing(models: tuple[LanguageModel, Model], setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=rf"{name}: expected"):
        models[1].generate("a", **setting)
