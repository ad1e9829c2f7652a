"""Traces of language models, against torch's autograd on the same model."""

from pathlib import Path

import numpy as np
import pytest
import torch
import traces
from traces import LETTERS, of_numbers, of_text

import penstock
from penstock import LanguageModel, PenstockError
from penstock.look.page import Page
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import BpeVocabulary, ByteVocabulary, CharVocabulary

TEXT = "the cat, which already ate, was full."
V = len(CharVocabulary(TEXT))
SIZES = {
    "one": LanguageConfig(V, StackConfig(6, 9)),
    "tied, residual": LanguageConfig(V, StackConfig(9, 9, 3, reset="after", residual=True), tied=True),
    "stacked": LanguageConfig(V, StackConfig(5, 8, 2)),
}


@pytest.fixture(params=SIZES)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(SIZES[request.param], CharVocabulary(TEXT)).eval()


def log_probabilities(model: LanguageModel, embedded: torch.Tensor) -> torch.Tensor:
    """(L, V) from the embeddings (L, E), differentiable by them."""
    x = embedded[:, None]
    for k, layer in enumerate(model.layers):
        output, _ = layer(x)
        x = x + output if k and model.config.stack.residual else output
    return model.output(x)[:, 0].log_softmax(-1)


def test_what_it_expected_is_what_the_model_says(model: LanguageModel, tmp_path: Path) -> None:
    trace = penstock.trace(model, TEXT)
    ids = torch.from_numpy(model.vocabulary.encode(TEXT))
    expected = model(ids[:, None])[0][:, 0].log_softmax(-1).detach().numpy()
    np.testing.assert_allclose(trace.log_probabilities(), expected, rtol=0, atol=2e-6)
    surprise = trace.surprise()
    assert np.isnan(surprise[0])
    np.testing.assert_allclose(surprise[1:], -expected[np.arange(len(ids) - 1), ids[1:]] / np.log(2), rtol=1e-5)
    model.save(tmp_path)
    runtime = penstock.load(tmp_path)
    assert runtime.score(TEXT).bits_per_character == pytest.approx(float(np.nanmean(surprise)), rel=1e-5)
    same = trace_text(runtime, TEXT)
    assert (same.layers[-1].hidden == trace.layers[-1].hidden).all()
    assert same.language is not None
    assert "".join(same.language.tokens) == TEXT
    assert same.language.unknown == 0
    assert len(same) == len(TEXT)


def test_contributions_add_up_to_the_logit(model: LanguageModel) -> None:
    trace = penstock.trace(model, TEXT)
    ids = model.vocabulary.encode(TEXT)
    logits = model(torch.from_numpy(ids)[:, None])[0][:, 0].detach().numpy() - model.output.bias.detach().numpy()
    for position in (0, 5, len(TEXT) - 2):
        came, other = int(ids[position + 1]), 3
        shares = trace.contributions(position)
        assert shares.shape == (len(TEXT) + 1,)
        assert not shares[position + 2 :].any()
        assert shares.sum() == pytest.approx(logits[position, came] - logits[position].mean(), abs=1e-5)
        against = trace.contributions(position, came, against=other)
        assert against.sum() == pytest.approx(logits[position, came] - logits[position, other], abs=1e-5)
    last = trace.contributions(len(TEXT) - 1, token=2)
    assert last.sum() == pytest.approx(logits[-1, 2] - logits[-1].mean(), abs=1e-5)


def test_gradients_are_autograds(model: LanguageModel) -> None:
    trace, ids = penstock.trace(model, TEXT), torch.from_numpy(model.vocabulary.encode(TEXT))
    embedded = model.embedding(ids).detach().requires_grad_()
    expected = log_probabilities(model, embedded)
    for position, token in ((0, None), (20, None), (len(TEXT) - 1, 4)):
        of = int(ids[position + 1]) if token is None else token
        (gradient,) = torch.autograd.grad(expected[position, of], embedded, retain_graph=True)
        np.testing.assert_allclose(trace.gradients(position, token), gradient, rtol=1e-4, atol=1e-6)


def test_a_part_of_a_text(model: LanguageModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    runtime = penstock.load(tmp_path)
    whole, part = trace_text(runtime, TEXT), trace_text(runtime, TEXT, 7, 20)
    cut = whole.between(7, 20)
    for mine, theirs in zip(part.layers, cut.layers, strict=True):
        for name in ("x", "h_0", "update", "hidden"):
            assert (getattr(mine, name) == getattr(theirs, name)).all()
    assert part.language is not None
    assert cut.language is not None
    assert part.language.tokens == cut.language.tokens == tuple(TEXT[7:20])
    np.testing.assert_allclose(part.surprise()[1:], whole.surprise()[8:20], rtol=1e-6)
    assert trace_text(runtime, TEXT, 30, 10_000).language.tokens == tuple(TEXT[30:])  # type: ignore[union-attr]
    for start, stop in ((5, 5), (-1, 3), (90, 95)):
        with pytest.raises(PenstockError, match="start, stop: expected a part of the text's 37 tokens"):
            trace_text(runtime, TEXT, start, stop)
        with pytest.raises(ValueError, match="start, stop: expected 0 ≤ start < stop ≤ L=37"):
            whole.between(start, stop)


def test_what_cannot_work_is_refused(model: LanguageModel) -> None:
    trace = penstock.trace(model, TEXT)
    with pytest.raises(PenstockError, match="text: expected at least one character, got none"):
        penstock.trace(model, "")
    with pytest.raises(ValueError, match="position: expected 0 … 36, got 37"):
        trace.contributions(37)
    with pytest.raises(ValueError, match="token: nothing comes after the last position, 36: name one"):
        trace.gradients(36)
    with pytest.raises(ValueError, match=f"token: expected 0 … {V - 1}, got {V}"):
        trace.contributions(3, V)
    with pytest.raises(ValueError, match="trace: it is of layers alone, without an output layer"):
        Trace(trace.layers).surprise()


def test_unknown_characters_are_counted_and_shown() -> None:
    torch.manual_seed(0)
    trace = penstock.trace(LanguageModel(SIZES["one"], CharVocabulary(TEXT)), "the cät")
    assert trace.language is not None
    assert trace.language.unknown == 1
    assert trace.language.tokens == tuple("the cät")


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_other_vocabularies(kind: str) -> None:
    torch.manual_seed(0)
    vocabulary = ByteVocabulary() if kind == "byte" else BpeVocabulary.trained_on([TEXT], 270)
    trace = penstock.trace(LanguageModel(LanguageConfig(len(vocabulary), StackConfig(4, 5)), vocabulary), TEXT)
    assert trace.language is not None
    assert "".join(trace.language.tokens) == TEXT
    assert len(trace.language.vocabulary) == len(vocabulary)


def test_shows_itself_in_a_line() -> None:
    trace = of_text("so it goes " * 200, K=2)
    assert repr(trace) == f"<Trace of {('so it goes ' * 4)[:40] + '…'!r}: 2,200 steps, 2 layers of 12 units>"
    assert repr(trace.layers[1]) == "<Layer layers.1: 2,200 steps, 12 units, reset='before'>"
    for shown in (trace.language, Page(trace), of_numbers(), of_text("a")):
        assert len(repr(shown)) < 200
    assert repr(of_numbers().layers[1]).endswith("reset='after', read from the end>")


def test_a_part_knows_where_it_stands_and_what_is_unknown_in_it() -> None:
    trace = of_text("a ж b ж ж")
    assert trace.language
    assert trace.language.unseen() == [2, 6, 8]
    part = trace.between(3, 8).between(1, 5)
    assert (part.start, part.words()) == (4, ("b", " ", "ж", " "))
    assert part.language
    assert (part.language.unknown, part.language.unseen()) == (1, [2])
    assert trace_text(traces.model(CharVocabulary(LETTERS)), "a ж b", 2).start == 2
