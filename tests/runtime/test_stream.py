"""Streams: the bits of whole texts and series in any order of steps and resets, and states that are values."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError, native
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.native import RecurrentLayer
from penstock.runtime import Model
from penstock.runtime.layer import network
from penstock.runtime.stream import Stream
from penstock.text import CharVocabulary

TEXT = "the cat, which already ate the food, was full. "
N = st.integers(1, 5)


def language(seed: int = 0, layers: int = 2) -> Model:
    """Of characters, with layers of 19 units."""
    rng, vocabulary = np.random.default_rng(seed), CharVocabulary(TEXT)
    config = LanguageConfig(len(vocabulary), StackConfig(6, 19, layers, residual=True))
    shapes = config.shapes().items()
    weights = {name: np.asarray(0.6 * rng.normal(size=shape) if shape else 0, np.float32) for name, shape in shapes}
    return Model(config, vocabulary, weights)


@pytest.fixture(params=[native.unavailable, "hidden"])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Model:
    """With the compiled core and without it."""
    monkeypatch.setattr(native, "unavailable", request.param)
    return language()


def expected_of(model: Model, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log-probabilities (L, V) after each token of a whole text, and the state (K, H) at its end."""
    state = model.initial_state()[:, None]
    tops, after = model.hidden(ids[:, None], state)
    return model.output.log_probabilities(np.ascontiguousarray(tops[:, 0])), after[:, 0]


@given(n=N, data=st.data())
def test_texts_side_by_side_that_begin_anew_at_any_time(n: int, data: st.DataObject) -> None:
    model = language()
    stream, rng = model.stream(n), np.random.default_rng(n)
    read: list[list[int]] = [[] for _ in range(n)]
    for _ in range(data.draw(st.integers(1, 12), label="steps")):
        if rows := data.draw(st.lists(st.integers(0, n - 1), max_size=n), label="reset"):
            stream.reset(np.isin(np.arange(n), rows) if data.draw(st.booleans(), label="bool") else rows)
            for row in rows:
                read[row] = []
        if data.draw(st.booleans(), label="save"):
            other = model.stream(n)
            other.restore(bytes(stream))
            stream = other
        if data.draw(st.booleans(), label="copy"):
            state = stream.state
            stream.step(rng.integers(0, len(model.vocabulary), n))
            stream.state = state
        tokens = rng.integers(0, len(model.vocabulary), n)
        found = stream.step(tokens)
        assert found.shape == (n, len(model.vocabulary))
        for row, token in enumerate(tokens.tolist()):
            read[row].append(token)
            expected, after = expected_of(model, np.array(read[row]))
            assert found[row].tobytes() == expected[-1].tobytes()
            assert stream.state[row].tobytes() == np.ascontiguousarray(after).tobytes()


def test_a_text_in_any_pieces(model: Model) -> None:
    ids = model.vocabulary.encode(TEXT)
    expected, after = expected_of(model, ids)
    stream = model.stream()
    stream.state = model.state_after(ids[:7])[None]
    for k, token in enumerate(ids[7:].tolist(), 7):
        assert stream.step(token).tobytes() == expected[k].tobytes()  # a token: no axis for streams
    assert stream.state[0].tobytes() == np.ascontiguousarray(after).tobytes()
    log_p, state = model.step(3, stream.state[0])
    assert stream.step(np.array([3]))[0].tobytes() == log_p.tobytes()
    assert stream.state[0].tobytes() == state.tobytes()


def test_where_the_answers_go(model: Model) -> None:
    V = len(model.vocabulary)
    stream, own = model.stream(), np.full((1, V), np.nan, np.float32)
    first = stream.step([5])
    assert stream.step([6]) is first  # its own array
    stream.reset()
    assert stream.step([5], own) is own
    assert stream.step([6], out=own) is own
    assert own.tobytes() == first.tobytes()
    stream.reset()
    flat = np.empty(V, np.float32)
    stream.step(5)
    assert stream.step(np.int64(6), flat) is flat
    assert flat.tobytes() == own.tobytes()


def test_nothing_is_allocated() -> None:
    if native.unavailable is not None:
        pytest.skip(f"no compiled core: {native.unavailable}")
    n = 500  # whose smallest array, of tokens, takes 4,000 bytes
    for stream, x in ((language().stream(n), np.ones(n, np.int64)), (rows_of_numbers(n), np.ones((n, 4), np.float32))):
        stream.step(x)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for _ in range(100):
                stream.step(x)
            assert tracemalloc.get_traced_memory()[1] - before < 2000  # the loop's own, and a coverage tool's
        finally:
            tracemalloc.stop()


def rows_of_numbers(n: int, seed: int = 0) -> Stream:
    """Of bare layers that read four numbers."""
    rng = np.random.default_rng(seed)
    shapes = [((3 * 9, D), (3 * 9, 9), (3 * 9,), (3 * 9,)) for D in (4, 9)]
    layers = [RecurrentLayer(*(rng.normal(size=shape) for shape in of), reset="before") for of in shapes]
    return Stream(network(layers), n, lambda: str(seed))


def test_rows_of_whatever_numbers() -> None:
    if native.unavailable is not None:
        pytest.skip(f"no compiled core: {native.unavailable}")
    stream, x = rows_of_numbers(2), np.arange(8, dtype=np.float32).reshape(2, 4)
    expected = stream.step(x).copy()
    for other in (x.tolist(), x.astype(np.float64), np.asfortranarray(x), x.astype(np.int64)):
        stream.reset()
        assert stream.step(other).tobytes() == expected.tobytes()


def test_what_a_step_cannot_read(model: Model) -> None:
    stream = model.stream(3)
    stream.step([1, 2, 3])
    before, V = stream.state, len(model.vocabulary)
    wrong: list[tuple[Any, str]] = [
        ([1, 2], r"^x: expected \(n=3,\), got \(2,\)$"),
        (4, r"^x: expected \(n=3,\), got \(\)$"),
        ([[1, 2, 3]], r"^x: expected \(n=3,\), got \(1, 3\)$"),
        ([1, 2, V], rf"^token: expected 0 … V − 1={V - 1}, got {V}$"),
        ([1, -1, 2], rf"^token: expected 0 … V − 1={V - 1}, got -1$"),
    ]
    for x, message in wrong:
        with pytest.raises(ValueError, match=message):
            stream.step(x)
    with pytest.raises(ValueError, match=r"^out: expected"):
        stream.step([1, 2, 3], np.empty((3, 4), np.float32))
    assert stream.state.tobytes() == before.tobytes()
    with pytest.raises(ValueError, match=r"^n: expected 1 or more streams, got 0$"):
        model.stream(0)


def test_a_state_is_a_value(model: Model) -> None:
    stream = model.stream(2)
    stream.step([1, 2])
    kept, saved = stream.state, bytes(stream)
    assert kept.shape == (2, 2, 19)
    expected = stream.step([3, 4]).copy()
    kept_too, alone = kept.copy(), model.stream()
    kept[0] = 0  # a copy, which the stream does not see
    stream.restore(saved)
    assert stream.state.tobytes() == kept_too.tobytes()
    assert stream.step([3, 4]).tobytes() == expected.tobytes()
    alone.state = kept_too[1:]  # one of them goes on alone
    assert alone.step(4).tobytes() == expected[1].tobytes()
    with pytest.raises(ValueError, match=r"^state: expected \(n=2, K=2, H=19\), got \(1, 2, 19\)$"):
        stream.state = kept_too[1:]


def test_rows_that_are_none(model: Model) -> None:
    stream = model.stream(3)
    stream.step([1, 2, 3])
    before = stream.state
    for rows in ([3], [-1], [0.5], [True, False], [[0]], "a"):
        with pytest.raises(ValueError, match=r"^rows: expected numbers of streams"):
            stream.reset(rows)
    stream.reset([])
    stream.reset([False] * 3)
    assert stream.state.tobytes() == before.tobytes()
    stream.reset([0, 2])
    assert not stream.state[[0, 2]].any()
    assert stream.state[1].tobytes() == before[1].tobytes()
    stream.reset()
    assert not stream.state.any()


def test_the_state_of_another_model_is_refused(model: Model) -> None:
    stream = model.stream(2)
    stream.step([1, 2])
    saved, other = bytes(stream), language(seed=1).stream(2)
    other.step([3, 4])
    before = other.state
    wrong: list[tuple[bytes, str]] = [
        (saved, "^state: of another model, or of one with other weights: it means nothing here$"),
        (saved[:-1], "^state: of another model"),
        (b"", "^state: expected the bytes of a stream: "),
        (b"[]\n", "^state: expected the bytes of a stream: expected a penstock-state-1$"),
        (b"\xff" * 100, "^state: expected the bytes of a stream: "),
        (b"[" * 100_000, "^state: expected the bytes of a stream: "),
    ]
    for content, message in wrong:
        with pytest.raises(PenstockError, match=message):
            other.restore(content)
    assert other.state.tobytes() == before.tobytes()
    with pytest.raises(PenstockError, match=r"^state: expected one of n=3 streams, got 2$"):
        model.stream(3).restore(saved)
    for cut in (saved[:-1], saved + b"0"):
        with pytest.raises(PenstockError, match=r"^state: expected 304 bytes of numbers, got 30[35]: it is not whole$"):
            stream.restore(cut)
    again = language().stream(2)  # the same weights, loaded anew
    again.restore(saved)
    assert again.state.tobytes() == stream.state.tobytes()
