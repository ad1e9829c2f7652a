"""The model without torch: scoring is what torch scores, and writing is reproducible."""

import copy
import itertools
import math
import pickle
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock import LanguageModel, native
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime import Model, Score, model
from penstock.text import UNKNOWN, CharVocabulary, build_vocabulary

pytestmark = pytest.mark.usefixtures("fine_grain")
TEXT = "the cat, which already ate the food, was full. " * 4


@pytest.fixture(params=[native.unavailable, "hidden"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Two layers, with the compiled core and without it."""
    monkeypatch.setattr(native, "unavailable", request.param)
    rng, vocabulary = np.random.default_rng(0), CharVocabulary(TEXT)
    config = LanguageConfig(len(vocabulary), StackConfig(6, 19, 2, residual=True))
    shapes = config.shapes().items()
    weights = {name: np.asarray(0.6 * rng.normal(size=shape) if shape else 0, np.float32) for name, shape in shapes}
    return Model(config, vocabulary, weights)


@pytest.fixture(params=["byte", "char", "bpe"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LanguageModel, Model]:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(request.param, [TEXT, "猫"], 270)
    module = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9, 2)), vocabulary).eval()
    with torch.no_grad():
        module.output.weight *= 20  # expectations that differ
    module.save(tmp_path)
    return LanguageModel.load(tmp_path), penstock.load(tmp_path)


@pytest.mark.parametrize("cuts", [[], [1], [5, 6, 7, 90], [0, 0, 20, 20]])
def test_the_score_of_a_document_in_pieces_is_that_of_the_whole(
    models: tuple[LanguageModel, Model], monkeypatch: pytest.MonkeyPatch, cuts: list[int]
) -> None:
    _, light = models
    text = "Ω" + TEXT + "猫"
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    score, whole = light.score_pieces(iter(pieces)), light.score(text)
    assert (score.characters, score.bytes, score.unknown) == (whole.characters, whole.bytes, whole.unknown)
    if light.vocabulary.kind != "bpe" or not any(cuts):
        assert score.tokens == whole.tokens
        assert score.nats == pytest.approx(whole.nats, rel=1e-12)
    ids = light.vocabulary.encode(text)
    monkeypatch.setattr(model, "PART", 13)
    assert light.score_documents([ids, ids[:1], ids[:0]]).nats == pytest.approx(whole.nats, rel=1e-12)
    assert light.score_pieces([]) == light.score_pieces([""]) == Score()


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


def test_a_step_is_what_torch_expects(models: tuple[LanguageModel, Model]) -> None:
    module, light = models
    ids = module.vocabulary.encode(TEXT)[:30]
    logits, state = module(torch.from_numpy(ids)[:, None])
    expected, stepped = torch.log_softmax(logits[:, 0].detach(), -1), None
    for token, row in zip(ids, expected, strict=True):
        found, stepped = light.step(token, stepped)
        assert found.dtype == stepped.dtype == np.float32
        np.testing.assert_allclose(found, row, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(stepped, state[:, 0].detach(), rtol=1e-4, atol=1e-5)


def test_stepping_leaves_the_state_that_reading_leaves(small: Model) -> None:
    ids, state = small.vocabulary.encode("the cat, which"), None
    for token in ids:
        before = None if state is None else state.copy()
        _, after = small.step(token, state)
        if state is not None:
            np.testing.assert_array_equal(state, before)
        state = after
    assert state.tobytes() == small.state_after(ids).tobytes()


def test_a_step_writes_where_it_is_told(small: Model) -> None:
    log_p, state = np.empty(small.config.vocabulary_size, np.float32), small.initial_state()
    expected, expected_state = small.step(5)
    given = (log_p, state)
    assert small.step(5, state, out=given) is given
    np.testing.assert_array_equal(log_p, expected)
    np.testing.assert_array_equal(state, expected_state)
    wide = np.empty((2, small.config.stack.hidden_size + 1), np.float64)[:, 1:]
    small.step(7, state, out=(log_p, wide))
    np.testing.assert_array_equal(wide, small.step(7, state)[1])


def test_what_a_step_cannot_read(small: Model) -> None:
    V, H = small.config.vocabulary_size, small.config.stack.hidden_size
    for token in (-1, V):
        with pytest.raises(ValueError, match=rf"^token: expected 0 … V − 1={V - 1}, got {token}$"):
            small.step(token)
    with pytest.raises(ValueError, match=rf"^state: expected \(K=2, H={H}\), got \(1, {H}\)$"):
        small.step(0, np.zeros((1, H), np.float32))
    log_p, state = np.empty(V, np.float32), small.initial_state()
    with pytest.raises(ValueError, match=rf"^out: expected log-probabilities \({V},\), got \(3, {V}\)$"):
        small.step(0, out=(np.empty((3, V), np.float32), state))
    with pytest.raises(ValueError, match=rf"^out: expected state \(2, {H}\), got \({H},\)$"):
        small.step(0, out=(log_p, state[0]))


def test_a_copy_and_a_pickle_are_the_same_model(models: tuple[LanguageModel, Model]) -> None:
    _, light = models
    for other in (copy.copy(light), copy.deepcopy(light), pickle.loads(pickle.dumps(light))):
        assert other.config == light.config
        assert other.score(TEXT) == light.score(TEXT)
        assert "".join(other.generate("the ", length=20, seed=3)) == "".join(light.generate("the ", length=20, seed=3))
        assert other.step(3)[0].tobytes() == light.step(3)[0].tobytes()


def test_a_change_of_the_weights_is_an_error(small: Model) -> None:
    for weight in (*small.weights.values(), *pickle.loads(pickle.dumps(small)).weights.values()):
        with pytest.raises(ValueError, match="read-only"):
            weight[...] = 0


def test_many_threads_step_one_model(small: Model) -> None:
    expected, wrong = "".join(small.generate("the ", length=60, seed=0)), []

    def write() -> None:
        for _ in range(5):
            if "".join(small.generate("the ", length=60, seed=0)) != expected:
                wrong.append(1)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not wrong


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seed": 0}, "uffafsfffsiasfrfsfffffffffuufffffffffisf"),
        ({"seed": 1}, "uufuffrffffffffffffffffsuffffsfffffrffff"),
        ({"seed": 0, "temperature": 0.8}, "uffffrfffis.ffffffffffffffuuffffffffffrf"),
        ({"seed": 0, "temperature": 0}, "uufffffffffsffffffffffffffffffffffffffff"),
        ({"seed": 0, "top_k": 3}, "uffffsfffsffffffffffffffffrufffffffffiuf"),
        ({"seed": 0, "top_p": 0.5}, "uufffffffsufffffffffffffffffffffffffffff"),
        ({"seed": 0, "temperature": 3.0, "top_k": 5, "top_p": 0.9}, "ufffsussruufufsfurffffrosluusrsffsrfhuuh"),
    ],
)
def test_a_seed_goes_on_to_write_what_it_has_written(small: Model, options: dict[str, Any], text: str) -> None:
    assert "".join(small.generate("the ", length=40, **options)) == text


def test_it_streams(models: tuple[LanguageModel, Model]) -> None:
    pieces = models[1].generate(length=10**12, seed=0)
    assert isinstance(pieces, Iterator)
    assert len([*islice(pieces, 5)]) == 5


def test_the_unknown_character_is_counted_and_never_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vocabulary = CharVocabulary("abc")
    module = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(2, 3)), vocabulary)
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


def test_the_writing_ends_before_a_stop(models: tuple[LanguageModel, Model]) -> None:
    _, light = models
    text = "".join(light.generate("the ", length=60, seed=4))
    for begin, end in ((20, 23), (7, 8), (0, 5)):
        stop = text[begin:end]
        found = "".join(light.generate("the ", length=60, seed=4, stop=[stop, "no such text"]))
        assert found == text[: text.index(stop)]
        assert "".join(light.generate("the ", length=60, seed=4, stop=stop)) == found
        in_bytes = b"".join(light.generate_bytes("the ", length=60, seed=4, stop=[stop]))
        if "\ufffd" not in text:
            assert in_bytes.decode() == found
    with pytest.raises(ValueError, match=r"^stop: expected texts, got an empty one$"):
        light.generate("the ", stop=["", "a"])
