"""Vocabularies: what goes in comes out, in every script, as a stream too."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.text import UNKNOWN, ByteVocabulary, CharVocabulary, Vocabulary, build_vocabulary
from penstock.text.vocabulary import BpeVocabulary, WordVocabulary, load_vocabulary

TEXT = "The cat, which already ate …, was full.\n门控循环单元：更新门与重置门。\n🐈 naïve Ω\t\0"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def decoded(vocabulary: Vocabulary, text: str) -> str:
    return "".join(vocabulary.pieces(int(i) for i in vocabulary.encode(text)))


@pytest.fixture(params=["byte", "char", "bpe", "word"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return build_vocabulary(request.param, [TEXT] * 3, 300)


def test_there_and_back(vocabulary: Vocabulary) -> None:
    assert decoded(vocabulary, TEXT) == TEXT
    ids = vocabulary.encode(TEXT)
    assert ids.dtype == np.int64
    assert 0 <= ids.min() <= ids.max() < len(vocabulary)


def test_saved_and_loaded(vocabulary: Vocabulary) -> None:
    config, tokenizer = vocabulary.saved()
    other = load_vocabulary(config, tokenizer)
    assert len(other) == len(vocabulary)
    np.testing.assert_array_equal(other.encode(TEXT), vocabulary.encode(TEXT))


def test_utf8_is_the_bytes_of_the_text(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode(TEXT)
    assert vocabulary.utf8(ids) == TEXT.encode()
    assert b"".join(vocabulary.utf8(ids[k : k + 1]) for k in range(len(ids))) == TEXT.encode()


def test_pieces_stream(vocabulary: Vocabulary) -> None:
    """A piece is given out before the next id is asked for, but for the bytes of one character."""
    asked = 0

    def ids() -> Iterator[int]:
        nonlocal asked
        for i in vocabulary.encode("abc"):
            asked += 1
            yield int(i)

    assert next(iter(vocabulary.pieces(ids())))
    assert asked == 1


@given(TEXTS)
def test_bytes_know_every_text(text: str) -> None:
    assert decoded(ByteVocabulary(), text) == text


@given(TEXTS)
def test_characters_know_their_own_text(text: str) -> None:
    assert decoded(CharVocabulary(text), text) == text


@given(TEXTS, TEXTS)
def test_a_character_outside_is_the_unknown_one(known: str, text: str) -> None:
    expected = "".join(c if c in known else UNKNOWN for c in text)
    assert decoded(CharVocabulary(known), text) == expected


@given(TEXTS)
def test_byte_pairs_know_every_text(text: str) -> None:
    assert decoded(BPE, text) == text


BPE = build_vocabulary("bpe", [TEXT, "the cat and the cats " * 20], 300)


def test_a_lone_surrogate_is_an_unknown_character() -> None:
    """As in an argument of the command line that is no UTF-8."""
    for vocabulary in (BPE, CharVocabulary("ab"), WordVocabulary(["ab"])):
        assert decoded(vocabulary, "a\udcffb\ud83d") == f"a{UNKNOWN}b{UNKNOWN}"


@given(TEXTS)
def test_words_know_every_text(text: str) -> None:
    """One that has no token is spelled in bytes."""
    assert decoded(WORDS, text) == text


WORDS = build_vocabulary("word", [TEXT, "the cat and the cats " * 20], 10_000)


def test_a_word_is_a_token() -> None:
    assert len(WORDS.encode(" the cat and the cats")) == 5
    assert len(WORDS.encode(" the cat and the dogs")) == 4 + len(" dogs")
    assert len(WordVocabulary(["cat"]).encode("cat cat")) == 3  # the second one after a space


def test_the_most_frequent_words_have_a_token() -> None:
    text = ["a cat, a cat; the dog, the dog, the dog"]
    assert WordVocabulary([]).encode("ab").tolist() == [97, 98]
    for size, least, known in ((999, 2, [" dog", " the", " cat"]), (257, 2, [" dog"]), (9, 1, []), (999, 4, [])):
        assert build_vocabulary("word", text, size, least).saved()[0] == {"kind": "word", "words": known}


def test_byte_pairs_are_fewer_than_bytes() -> None:
    assert len(BPE.encode("the cat and the cats ")) < 12
    assert len(BPE) <= 300


@pytest.mark.parametrize("alphabet", ["ACGT", "的一是在不了"])
def test_byte_pairs_of_text_without_white_space(alphabet: str) -> None:
    """Learning takes the square of a word's length, which here would be hours."""
    text = "".join(np.random.default_rng(0).choice(list(alphabet), 300_000))
    vocabulary = BpeVocabulary.trained_on([text], 400)
    ids = vocabulary.encode(text)
    assert vocabulary.utf8(ids).decode() == text
    assert len(ids) < 150_000


@given(st.lists(st.integers(0, 255)))
def test_broken_bytes_are_shown_as_such(ids: list[int]) -> None:
    assert "".join(ByteVocabulary().pieces(ids)) == bytes(ids).decode("utf-8", "replace")


def test_an_unusable_description_is_refused() -> None:
    for config in (
        {"kind": "bpe"},
        {"kind": "words"},
        {"kind": "char"},
        {"kind": "char", "characters": 3},
        [],
        "bpe",
        {"kind": "word", "words": ["\ud800"]},
    ):
        with pytest.raises(PenstockError, match=r"expected byte, char .* with its tokenizer.json, got ") as caught:
            load_vocabulary(config, None)  # type: ignore[arg-type]
        assert str(caught.value).endswith(str(config))
    for tokenizer in ("{", "{}", BPE.saved()[1].replace('"a"', '"\\u4e00"')):  # type: ignore[union-attr]
        with pytest.raises(PenstockError, match=r"tokenizer.json: not a byte-level tokenizer: "):
            load_vocabulary({"kind": "bpe"}, tokenizer)
