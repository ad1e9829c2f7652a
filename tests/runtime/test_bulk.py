"""Many texts at once give each what it gives alone, to the last bit."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock import native
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime import Model, bulk, model
from penstock.runtime.bulk import read_windows
from penstock.text import ByteVocabulary, CharVocabulary, Vocabulary

WORDS = "the cat, which already ate the food, was full. "


def draw_model(config: LanguageConfig, vocabulary: Vocabulary) -> Model:
    rng = np.random.default_rng(0)
    weights: Any = {name: rng.normal(size=s).astype(np.float32) * 0.4 for name, s in config.shapes().items()}
    return Model(config, vocabulary, weights)


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {
        "chars": draw_model(LanguageConfig(12, StackConfig(5, 70, 2, residual=True)), CharVocabulary("the cat,.fu")),
        "bytes": draw_model(LanguageConfig(256, StackConfig(33, 33, reset="after"), tied=True), ByteVocabulary()),
    }


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, str, bool], Any]:
    """What each text that was drawn before gives alone."""
    return {}


def bits(readings: Any) -> list[Any]:
    return [(reading.score, reading.state.tobytes()) for reading in readings]


texts = st.lists(st.one_of(st.text(max_size=80), st.integers(0, 400).map(lambda n: (WORDS * 10)[:n])), max_size=90)


@pytest.mark.parametrize("name", ["chars", "bytes"])
@given(windows=st.lists(texts, max_size=4), batch=st.integers(1, 70), block=st.integers(1, 40_000), data=st.data())
@example(windows=[[], [""], ["", "a", "ab"]], batch=2, block=1, data=None)
def test_a_text_does_not_feel_its_window_batch_cuts_or_threads(
    models: dict[str, Model],
    known: dict[tuple[str, str, bool], Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    windows: list[list[str]],
    batch: int,
    block: int,
    data: Any,
) -> None:
    reader, whole = models[name], data is None or data.draw(st.booleans())
    for text in {text for window in windows for text in window}:
        if (name, text, whole) not in known:
            known[name, text, whole] = bits(reader.read([text], to_the_end=whole))[0]
    alone = [[known[name, text, whole] for text in window] for window in windows]
    with monkeypatch.context() as patch:
        patch.setattr(model, "BLOCK", block)
        patch.setattr(bulk, "BATCH", batch)
        workers = 1 if data is None else data.draw(st.integers(1, 3))
        found = [*read_windows(reader, enumerate(windows), workers=workers, to_the_end=whole)]
    assert [key for key, _ in found] == [*range(len(windows))]
    assert [bits(readings) for _, readings in found] == alone


def test_without_the_core_too(models: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "unavailable", "hidden")
    for of_core in models.values():
        reader = Model(of_core.config, of_core.vocabulary, of_core.weights)
        window = ["the cat", "", "the cat, which already ate", "a"]
        alone = [reader.score(text) for text in window]
        ((_, together),) = read_windows(reader, [(0, window)], workers=2)
        assert [reading.score for reading in together] == alone
        for score, text in zip(alone, window, strict=True):
            assert score.nats == pytest.approx(of_core.score(text).nats, rel=1e-5)


def test_the_state_is_the_top_layers_after_the_last_token(models: dict[str, Model]) -> None:
    reader = models["chars"]
    (reading,) = reader.read(["the cat"], to_the_end=True)
    np.testing.assert_array_equal(reading.state, reader.state_after(reader.vocabulary.encode("the cat"))[-1])
    assert reading.score == reader.score("the cat")


def test_a_few_windows_are_in_memory_however_many_there_are(models: dict[str, Model]) -> None:
    taken = 0

    def windows() -> Iterator[tuple[int, list[str]]]:
        nonlocal taken
        for taken in range(1, 1001):
            yield taken, ["the cat"] * bulk.BATCH

    read = read_windows(models["chars"], windows(), workers=1)
    for key, _ in read:
        assert taken <= key + bulk.AHEAD
        if key == 20:
            break
    read.close()
    assert taken < 30


def test_an_error_in_a_thread_comes_out(models: dict[str, Model]) -> None:
    with pytest.raises(UnicodeEncodeError):
        [*read_windows(models["bytes"], [(0, ["fine", "\ud800"])], workers=2)]


def test_a_model_that_overflows_has_an_infinite_perplexity(models: dict[str, Model]) -> None:
    of = models["chars"]
    weights = of.weights | {"output.bias": np.where(np.arange(12) == 3, np.float32(3000), np.float32(0))}
    score = Model(dataclasses.replace(of.config), of.vocabulary, weights).score("tttt")
    assert score.nats_per_token > 709
    assert score.perplexity == np.inf
