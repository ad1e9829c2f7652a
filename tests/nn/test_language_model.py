"""The torch language model, and the same model without torch."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock import LanguageModel, PenstockError
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary, Vocabulary, build_vocabulary

TEXT = "the cat sat on the mat"
# make() puts the vocabulary's size in place
CONFIGS = [
    LanguageConfig(1, StackConfig(5, 7)),
    LanguageConfig(1, StackConfig(5, 7, 3, reset="after", dropout=0.2)),
    LanguageConfig(1, StackConfig(7, 7, 3, residual=True), tied=True),
]


def make(config: LanguageConfig, vocabulary: Vocabulary | None = None) -> LanguageModel:
    torch.manual_seed(0)
    vocabulary = vocabulary or CharVocabulary(TEXT)
    return LanguageModel(dataclasses.replace(config, vocabulary_size=len(vocabulary)), vocabulary)


@pytest.mark.parametrize("config", CONFIGS)
def test_saved_and_loaded_with_and_without_torch(config: LanguageConfig, tmp_path: Path) -> None:
    model = make(config).eval()
    model.save(tmp_path / "model")
    again = LanguageModel.load(tmp_path / "model")
    light = penstock.load(tmp_path / "model")
    assert again.config == light.config == model.config
    ids = model.vocabulary.encode(TEXT)
    logits, state = model(torch.from_numpy(ids)[:, None])
    assert torch.equal(again(torch.from_numpy(ids)[:, None])[0], logits)
    light_state = None
    for t, token in enumerate(ids):
        log_probabilities, light_state = light.step(token, light_state)
        np.testing.assert_allclose(log_probabilities, logits[t, 0].log_softmax(-1).detach(), rtol=0, atol=2e-6)
    np.testing.assert_allclose(light_state, state[:, 0].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_state_carries_a_text_across_calls_and_resets_clear_it(config: LanguageConfig) -> None:
    model = make(config).eval()
    tokens = torch.from_numpy(model.vocabulary.encode(TEXT))[:, None]
    whole, _ = model(tokens)
    first, state = model(tokens[:9])
    second, _ = model(tokens[9:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    resets = torch.zeros_like(tokens, dtype=torch.bool)
    resets[9] = True
    torch.testing.assert_close(model(tokens, None, resets)[0][9:], model(tokens[9:])[0])


@pytest.mark.parametrize("config", CONFIGS)
def test_a_widened_model_expects_of_what_it_knew_the_same(config: LanguageConfig) -> None:
    old = make(config).eval()
    with torch.no_grad():
        old.output.bias.uniform_(-1, 1)
    new = old.widened(CharVocabulary("dog bat on the zebra")).eval()
    known = "the tan on that note "
    ids = [torch.from_numpy(model.vocabulary.encode(known)) for model in (old, new)]
    logits, state = zip(*(model(i[:, None]) for model, i in zip((old, new), ids, strict=True)), strict=True)
    assert torch.equal(*state)
    both = "".join(sorted(set(TEXT) & set("dog bat on the zebra"))) + "\ufffd"
    rows = [model.vocabulary.encode(both) for model in (old, new)]
    # a product with more rows adds up in another order: some units in the last place of logits near 1
    torch.testing.assert_close(logits[0][..., rows[0]], logits[1][..., rows[1]], rtol=0, atol=1e-6)
    added = new.vocabulary.encode("dgbrz")
    assert torch.equal(new.output.bias[added], old.output.bias.min().expand(5))
    assert (new.output.weight[added] == 0).all() or config.tied
    assert (new.embedding.weight[added] != 0).all()
    same = old.widened(old.vocabulary)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in old.state_dict().items())


def test_a_model_is_not_widened_to_tokens_of_another_kind() -> None:
    with pytest.raises(
        PenstockError, match=r"vocabulary: expected 11 tokens \(char\) as the model has, got 256 \(byte"
    ):
        make(CONFIGS[0]).widened(build_vocabulary("byte", [], 0))


def test_a_state_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"state: expected \(num_layers=1, N=2, H=7\), got \(2, 2, 7\)"):
        make(CONFIGS[0])(torch.zeros(3, 2, dtype=torch.int64), torch.zeros(2, 2, 7))


def test_loaded_in_float32_whatever_the_default(tmp_path: Path) -> None:
    make(CONFIGS[2]).save(tmp_path)
    torch.set_default_dtype(torch.float64)
    try:
        model = LanguageModel.load(tmp_path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.output.weight is model.embedding.weight


def test_dropout_acts_in_training_only() -> None:
    model = make(CONFIGS[1])
    tokens = torch.from_numpy(model.vocabulary.encode(TEXT))[:, None]
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    assert torch.equal(model.eval()(tokens)[0], model(tokens)[0])


def test_the_unknown_character_is_heard_as_nothing() -> None:
    model = make(CONFIGS[0])
    assert not model.embedding.weight[0].any()
    assert model.embedding.weight[1:].all()


def test_tied_weights_are_one(tmp_path: Path) -> None:
    model = make(CONFIGS[2])
    assert model.output.weight is model.embedding.weight
    model.save(tmp_path)
    again = LanguageModel.load(tmp_path)
    assert again.output.weight is again.embedding.weight


@pytest.mark.parametrize("kind", ["byte", "char", "bpe"])
def test_every_vocabulary_is_saved_with_the_model(kind: str, tmp_path: Path) -> None:
    model = make(CONFIGS[0], build_vocabulary(kind, [TEXT, "门控循环单元"], 280))
    model.save(tmp_path)
    assert (tmp_path / "tokenizer.json").exists() == (kind == "bpe")
    np.testing.assert_array_equal(
        LanguageModel.load(tmp_path).vocabulary.encode("门 cat"), model.vocabulary.encode("门 cat")
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 0}, "hidden_size: expected a positive integer, got 0"),
        ({"reset": "x"}, "reset: expected"),
        ({"dropout": 1.0}, "dropout: expected 0 or more and less than 1, got 1.0"),
        ({"tied": True}, "input_size: tied weights need the hidden size, 7, got 5"),
    ],
)
def test_sizes_that_cannot_be(change: dict[str, Any], message: str) -> None:
    tied, sizes = change.pop("tied", False), {"input_size": 5, "hidden_size": 7, **change}
    with pytest.raises(PenstockError, match=message):
        LanguageConfig(3, StackConfig(**sizes), tied=tied)
