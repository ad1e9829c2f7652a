"""Models in 8 bits: the oracle's numbers by every path, whatever is read together, and with which threads."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from helpers import INSTRUCTION_SETS, on_instruction_set
from hypothesis import given
from hypothesis import strategies as st

from penstock import fixed_point, native
from penstock.fixed_point import ONE
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.model_folder.quantized import layer_of, output_of, quantized
from penstock.runtime import Model
from penstock.runtime.layer import network
from penstock.runtime.quantized import QuantizedLayer, quantized_layers
from penstock.text import CharVocabulary

TEXT = "the cat, which already ate the food, was full. "


def drawn(config: LanguageConfig, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    of = {name: np.asarray(0.6 * rng.normal(size=shape), np.float32) for name, shape in config.shapes().items()}
    marks = {f"layers.{k}.reset_after": config.stack.reset == "after" for k in range(config.stack.num_layers)}
    return of | {name: np.asarray(mark, np.float32) for name, mark in marks.items()}


def language(reset: Any = "before", layers: int = 3, residual: bool = True, tied: bool = False) -> Model:
    vocabulary = CharVocabulary(TEXT)
    stack = StackConfig(19 if tied else 6, 19, layers, reset, residual=residual)
    config = LanguageConfig(len(vocabulary), stack, tied)
    return Model(config, vocabulary, quantized(drawn(config), config, None))


def by_the_oracle(model: Model, ids: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (L, V) after each token, and the last state (K, H), in whole numbers all the way."""
    stack, weights = model.config.stack, model.weights
    layers, h = [layer_of(weights, k).fixed for k in range(stack.num_layers)], [*np.rint(state * 2.0**ONE).astype(int)]
    embedding = fixed_point.FixedEmbedding(weights["embedding.weight"], weights["embedding.multiplier"])
    logits = []
    for token in ids:
        x = fixed_point.embed(embedding, token)
        for k, layer in enumerate(layers):
            h[k] = fixed_point.step(layer, x, h[k], stack.reset)
            x = fixed_point.total(np.stack(h[: k + 1])) if stack.residual else h[k]
        logits.append(fixed_point.output(output_of(weights), x))
    return np.stack(logits), np.stack(h)


@pytest.fixture(params=[native.unavailable, "hidden"])
def core_or_not(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the compiled core and without it."""
    monkeypatch.setattr(native, "unavailable", request.param)


@pytest.mark.usefixtures("core_or_not")
@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize(("layers", "residual", "tied"), [(1, False, False), (3, True, False), (2, False, True)])
def test_a_language_model_is_the_oracle(reset: str, layers: int, residual: bool, tied: bool) -> None:
    model = language(reset, layers, residual, tied)
    ids = model.vocabulary.encode(TEXT)
    before = model.state_after(ids[:7])
    assert before.any()
    logits, last = by_the_oracle(model, ids[7:], before)
    tops, after = model.hidden(ids[7:, None], before[:, None])
    np.testing.assert_array_equal(after[:, 0] * 2.0**ONE, last)
    np.testing.assert_array_equal(model.output.logits(np.ascontiguousarray(tops[:, 0])) * 2.0**16, logits)


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_every_instruction_set_has_the_same_numbers(name: str) -> None:
    text = TEXT * 3
    expected = language("after").read([text, text[:9]], to_the_end=True)
    with on_instruction_set(name):
        found = language("after").read([text, text[:9]], to_the_end=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.state, other.state)
        assert one.score == other.score


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=9),
    threads=st.integers(1, 3),
    cut=st.integers(0, 40),
    reset=st.sampled_from(["before", "after"]),
)
def test_what_is_read_does_not_depend_on_batch_chunks_or_threads(
    lengths: list[int], threads: int, cut: int, reset: str
) -> None:
    model = language(reset)
    texts = [(TEXT * 2)[k : k + length] for k, length in enumerate(lengths)]
    together = model.read(texts, to_the_end=True, threads=threads)
    for text, reading in zip(texts, together, strict=True):
        (alone,) = model.read([text], to_the_end=True, threads=1)
        np.testing.assert_array_equal(alone.state, reading.state)
        assert alone.score == reading.score
    ids = model.vocabulary.encode(TEXT)[:40]
    whole, stream = model.state_after(ids), model.stream(2)
    for token in ids[:cut]:
        stream.step(np.array([token, ids[0]]))
    other = model.stream(2)
    other.restore(bytes(stream))
    for token in ids[cut:]:
        other.step(np.array([token, ids[1]]))
    np.testing.assert_array_equal(other.state[0], whole)


@pytest.mark.usefixtures("core_or_not")
def test_a_stream_has_the_bits_of_a_text() -> None:
    model = language()
    ids = model.vocabulary.encode(TEXT)
    tops, _ = model.hidden(ids[:, None], model.initial_state()[:, None])
    expected = model.output.log_probabilities(np.ascontiguousarray(tops[:, 0]))
    stream, out = model.stream(), np.empty(model.config.vocabulary_size, np.float32)
    for token, row in zip(ids.tolist(), expected, strict=True):
        assert stream.step(token, out) is out
        np.testing.assert_array_equal(out, row)
    np.testing.assert_allclose(np.exp(expected).sum(1), 1, rtol=1e-5)


def test_the_core_draws_what_numpy_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"length": 60, "temperature": 0.9, "top_k": 9, "top_p": 0.9, "seed": 3}
    found = "".join(language().generate("the ", **settings))
    monkeypatch.setattr(native, "unavailable", "hidden")
    assert "".join(language().generate("the ", **settings)) == found


def test_it_can_be_pickled_and_copied() -> None:
    model = language()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.score(TEXT) == model.score(TEXT)
        assert other.digest == model.digest


def rows_of_numbers(reset: Any) -> tuple[list[QuantizedLayer], Any]:
    """Two layers that read numbers of the size of 3, and as a network."""
    stack = StackConfig(5, 18, 2, reset, residual=True)
    config = LanguageConfig(7, stack)
    layers = quantized_layers(
        quantized(drawn(config), config, None) | {"layers.0.input_scale": np.float32(1e-4)}, stack
    )
    return layers, network(layers, residual=True)


@pytest.mark.usefixtures("core_or_not")
@pytest.mark.parametrize("reset", ["before", "after"])
def test_layers_of_numbers_with_lengths_and_decays(reset: str) -> None:
    (first, _), made = rows_of_numbers(reset)
    rng, lengths = np.random.default_rng(0), np.array([6, 0, 3])
    x, decay = rng.normal(size=(6, 3, 5)).astype(np.float32), rng.uniform(size=(6, 3, 18)).astype(np.float32)
    x[1, 0, 0], x[2, 0, 1] = np.nan, 1e9
    h_0 = rng.uniform(-0.9, 0.9, (3, 18)).astype(np.float32)
    output, h_n = first(x, h_0, lengths=lengths, decay=decay)
    assert not output[3:, 2].any()
    np.testing.assert_array_equal(h_n[1], h_0[1])
    for n, length in enumerate(lengths):
        h = h_0[n : n + 1]
        for t in range(length):
            h = first.step(x[t, n : n + 1], h * decay[t, n])
            np.testing.assert_array_equal(h[0], output[t, n])
    state, out = np.zeros((2, 18), np.float32), np.empty(18, np.float32)
    made.step(x[0, 0], state, out, None, out)
    np.testing.assert_array_equal(state[0], first.step(x[0, :1], np.zeros((1, 18), np.float32))[0])
    np.testing.assert_array_equal(out, state.sum(0))


@pytest.mark.usefixtures("core_or_not")
def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    _, made = rows_of_numbers("before")
    state, out = np.zeros((2, 1, 18), np.float32), np.full((1, 18), np.nan, np.float32)
    for x, h, to in [
        (np.zeros((1, 6), np.float32), state, out),
        (np.zeros((2, 5), np.float32), state, out),
        (np.zeros((1, 5), np.float32), state[:1], out),
        (np.zeros((1, 5), np.float32), state, out[:, :9]),
    ]:
        with pytest.raises(ValueError, match="expected"):
            made.step(x, h, to, None, None)
    model = language()
    for token in (-1, model.config.vocabulary_size, 1 << 70):
        with pytest.raises((ValueError, OverflowError)):
            model.step(token)
    assert np.isnan(out).all()
    assert not state.any()


def test_weights_in_8_bits_are_not_rounded_again() -> None:
    model = language()
    with pytest.raises(ValueError, match=r"in 8 bits .* already"):
        quantized(model.weights, model.config, None)


@pytest.mark.parametrize("name", ["embedding.weight", "layers.1.weight_hh_l0", "layers.0.bias_ih_l0", "output.bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(name: str, value: float) -> None:
    config = LanguageConfig(7, StackConfig(5, 6, 2))
    weights = drawn(config)
    weights[name].flat[-1] = value
    with pytest.raises(ValueError, match=rf"^{name.rpartition('.')[0]}.*: (expected finite|weights too large)"):
        quantized(weights, config, None)
