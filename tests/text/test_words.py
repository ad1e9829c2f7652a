"""Words: joined they are the text, in every script."""

import re
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.text.words import LONGEST_WORD, PLAIN, counted, frequent, split


@given(st.text())
def test_joined_they_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat, which ate.", ["The", " cat", ",", " which", " ate", "."]),
        ("don't Tom’s 'tis dogs'", ["don", "'t", " Tom", "’s", " '", "tis", " dogs", "'"]),
        ("a  b\n\n c\u00a0d", ["a", " ", " b", "\n", "\n", " c", "\u00a0", "d"]),
        ("x_1 = 3.14", ["x_1", " =", " 3", ".", "14"]),
        ("naïve été, ete\u0301 là", ["naïve", " été", ",", " ete\u0301", " là"]),
        ("мир’s Ωραία", ["мир", "’s", " Ωραία"]),
        ("हिन्दी में है", ["हिन्दी", " में", " है"]),
        ("abc门控 日本", ["abc", "门", "控", " 日", "本"]),
        ("so—he “said”", ["so", "—", "he", " “", "said", "”"]),
        ("", []),
    ],
)
def test_what_a_word_is(text: str, words: list[str]) -> None:
    assert split(text) == words


def test_plain_letters_are_letters_or_digits() -> None:
    plain = [chr(code) for code in range(sys.maxunicode + 1) if re.fullmatch(f"[{PLAIN}]", chr(code))]
    assert all(re.fullmatch(r"\w", character) for character in plain)


def test_the_most_frequent_come_first_and_the_rare_not_at_all() -> None:
    counts = counted(["the cat the cat\nthe dog ,", " the"])
    assert counts == {"the": 2, " the": 2, " cat": 2, " dog": 1, " ,": 1}
    assert frequent(counts, 2, 9) == [" cat", " the", "the"]
    assert frequent(counts, 2, 2) == [" cat", " the"]
    assert frequent(counts, 1, 0) == []


def test_what_is_no_word_is_left_out() -> None:
    assert frequent(Counter({"a": 9, "é": 9, "x" * (LONGEST_WORD + 1): 9}), 1, 9) == ["é"]
