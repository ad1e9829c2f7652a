"""Texts that are written side by side: each is what it is alone, whoever joins or leaves, to the last token."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import native
from penstock.model_folder import StackConfig
from penstock.runtime import Model, load
from penstock.runtime.batch import NUMBERS, Place, Sampling, WritingBatch, fresh
from penstock.runtime.layer import log_softmax

HOWS = [Sampling(), Sampling(0.0), Sampling(0.7, 3), Sampling(1.3, None, 0.8), Sampling(2.5, 7, 0.95)]
LENGTHS = st.integers(0, 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    root = tmp_path_factory.mktemp("models")
    before = made.language(root / "before", StackConfig(11, 37, 2, "before"))
    tied = made.language(root / "tied", StackConfig(33, 33, 3, "after", residual=True), tied=True)
    return {"before": load(before), "tied": load(tied), "w8a16": load(made.in_8_bits(before))}


def begun(model: Model, prompt: str, seed: int) -> Place:
    ids = model.vocabulary.encode(prompt)
    return Place(model.state_after(ids[:-1]), int(ids[-1]), seed)


def alone(model: Model, prompt: str, seed: int, how: Sampling, length: int) -> str:
    temperature, top_k, top_p = how
    return "".join(model.generate(prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))


def text_of(model: Model, tokens: list[int]) -> str:
    return "".join(model.vocabulary.pieces(tokens))


def check_side_by_side(model: Model, texts: list[tuple[str, int, Sampling, int, int]]) -> None:
    """Texts that each join at a step, and leave once they are long enough; some steps leave their logits, some not."""
    batch, written, step = WritingBatch(model), [list[int]() for _ in texts], 0
    places = [begun(model, prompt, seed) for prompt, seed, *_ in texts]
    joins = {id(place): text for place, text in zip(places, texts, strict=True)}
    while True:
        done = [place for place in batch.places if len(written[places.index(place)]) == joins[id(place)][3]]
        new = [(place, text[2]) for place, text in zip(places, texts, strict=True) if text[4] == step and text[3]]
        batch.change(done, new)
        if not batch.places and all(text[4] <= step for text in texts):
            break
        if batch.places:
            for place, token in zip(batch.places, batch.step(step % 3 == 0).tolist(), strict=True):
                written[places.index(place)].append(token)
        step += 1
    for (prompt, seed, how, length, _), place, tokens in zip(texts, places, written, strict=True):
        assert text_of(model, tokens) == alone(model, prompt, seed, how, length)
        assert place.drawn == length
        if tokens:
            assert place.token == tokens[-1]
            read = np.concatenate([model.vocabulary.encode(prompt), tokens[:-1]]).astype(np.int64)
            assert np.array_equal(place.state, model.state_after(read))


@pytest.mark.parametrize("name", ["before", "tied", "w8a16"])
@given(
    st.lists(
        st.tuples(
            st.text(made.CHARACTERS, min_size=1, max_size=9),
            st.integers(0, 2**63),
            st.sampled_from(HOWS),
            LENGTHS,
            st.integers(0, 30),
        ),
        min_size=1,
        max_size=9,
    )
)
@settings(max_examples=15)
def test_a_text_is_what_it_is_alone(
    models: dict[str, Model], name: str, texts: list[tuple[str, int, Sampling, int, int]]
) -> None:
    check_side_by_side(models[name], texts)


@pytest.mark.parametrize("name", ["before", "w8a16"])
def test_without_the_core_too(
    models: dict[str, Model], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(native, "unavailable", "hidden")
    model = Model(*models[name].__reduce__()[1])  # anew, for it packed its weights for the core
    texts = [("the cat", 5, HOWS[0], 20, 0), ("on", 6, HOWS[2], 12, 3), ("a mat\n", 7, HOWS[3], 9, 3)]
    check_side_by_side(model, [*texts, ("猫", 8, HOWS[1], 5, 11)])


@pytest.mark.parametrize("name", ["before", "w8a16"])
@pytest.mark.parametrize("breaks", [[1], [NUMBERS - 1, NUMBERS, NUMBERS + 1], [3, 100, 555]])
def test_a_text_goes_on_from_its_place(models: dict[str, Model], name: str, breaks: list[int]) -> None:
    model, length, how = models[name], 600, Sampling(0.9, None, 0.97)
    place, tokens = begun(model, "the ", 11), list[int]()
    for end in [*breaks, length]:
        batch, beside = WritingBatch(model), begun(model, "on", end)
        batch.change([], [(beside, HOWS[0]), (place, how)])
        tokens += [int(batch.step()[1]) for _ in range(end - len(tokens))]
        batch.change([place], [])
        place = Place(place.state.copy(), place.token, place.seed, place.drawn)
    assert text_of(model, tokens) == alone(model, "the ", 11, how, length)


def test_what_a_place_was_made_of_is_not_written_to(models: dict[str, Model]) -> None:
    batch = WritingBatch(models["before"])
    state = np.full((2, 37), 0.25, np.float32)
    places = [Place(state, 1, seed) for seed in range(3)]
    batch.change([], [(place, HOWS[0]) for place in places])
    for _ in range(5):
        batch.step()
    batch.change(places, [])
    assert (state == 0.25).all()
    assert not np.array_equal(places[0].state, places[1].state)
    assert len(batch) == 0


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ["before", "tied", "w8a16"])
def test_logits_are_those_of_the_model(models: dict[str, Model], name: str, count: int) -> None:
    model, batch = models[name], WritingBatch(models[name])
    places = [begun(model, prompt, k) for k, prompt in enumerate(["the", "a c", "猫"][:count])]
    batch.change([], [(place, HOWS[0]) for place in places])
    streams = [(place.state.copy(), place.token) for place in places]
    for _ in range(9):
        tokens = batch.step(logits=True).copy()
        for k, (state, token) in enumerate(streams):
            log_p, after = model.step(token, state)
            assert np.abs(log_softmax(batch.logits[k].astype(np.float64)) - log_p).max() < 1e-5
            streams[k] = after, int(tokens[k])


def test_the_unknown_character_is_never_written(models: dict[str, Model]) -> None:
    model, batch = models["before"], WritingBatch(models["before"])
    batch.change([], [(begun(model, "€€", seed), Sampling(100.0)) for seed in range(20)])
    assert all((batch.step() != model.vocabulary.unknown).all() for _ in range(50))


def test_seeds() -> None:
    assert fresh(7) == 7
    assert fresh(0) == 0
    found: Any = {fresh(None) for _ in range(20)}
    assert len(found) == 20
    assert all(0 <= seed < 1 << 63 for seed in found)
