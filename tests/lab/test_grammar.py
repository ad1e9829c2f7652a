"""The grammar: agreement is always right, and what is held out is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.lab.agreement import CLAUSES, LONGEST, corpus
from penstock.lab.grammar import (
    HEAR,
    HELD_OUT_NOUNS,
    HELD_OUT_VERBS,
    ID,
    NOUNS,
    VERBS,
    WORDS,
    sentence,
)

NUMBER = {word: number for pair in NOUNS + HELD_OUT_NOUNS for number, word in enumerate(pair)}
VERB_NUMBER = {word: number for pair in VERBS + HELD_OUT_VERBS for number, word in enumerate(pair)}
HELD_OUT = {word for pair in HELD_OUT_NOUNS + HELD_OUT_VERBS for word in pair}
seeds, clauses = st.integers(0, 10**6), st.integers(0, LONGEST)


def test_a_word_means_one_thing() -> None:
    assert len(ID) == len(WORDS)


@given(seeds, clauses, st.booleans())
def test_every_verb_agrees(seed: int, clause: int, held_out: bool) -> None:
    one = sentence(random.Random(seed), clause, held_out=held_out)
    number = NUMBER[one.words[one.subject]]
    assert VERB_NUMBER[one.words[one.verb]] == number
    assert VERB_NUMBER[one.wrong] == 1 - number
    right = (one.words[one.verb], one.wrong)
    assert (right if number == 0 else right[::-1]) in VERBS + HELD_OUT_VERBS
    heard = {word: number for pair in HEAR for number, word in enumerate(pair)}
    within = [NUMBER[one.words[at]] for at in one.nouns]
    assert [heard[word] for word in one.words if word in heard] == within
    assert one.attractors == sum(other != number for other in within)


@given(seeds, clauses, st.booleans())
def test_the_clause_is_as_long_as_was_asked(seed: int, clause: int, held_out: bool) -> None:
    one = sentence(random.Random(seed), clause, held_out=held_out)
    if clause:
        assert one.words[2:4] == [",", "which"]
        assert one.words[one.verb - 1] == ","
        assert one.verb - 1 - 4 == clause
    assert len(one.words) == one.verb + 3


@given(seeds, clauses)
def test_held_out_words_never_meet_a_clause_in_training(seed: int, clause: int) -> None:
    met = HELD_OUT & set(sentence(random.Random(seed), clause).words)
    assert not (clause and met)


def test_they_are_trained_on_without_one() -> None:
    batches = corpus(0, 60)
    short = {WORDS[k] for ids in batches if len(ids) == 5 for k in ids.flatten().tolist()}
    long = {WORDS[k] for ids in batches if len(ids) > 5 for k in ids.flatten().tolist()}
    assert short >= HELD_OUT
    assert not long & HELD_OUT


@given(seeds, st.integers(0, 5))
def test_attractors_are_as_many_as_were_asked(seed: int, attractors: int) -> None:
    one = sentence(random.Random(seed), 19, held_out=True, attractors=attractors)
    assert len(one.nouns) == 5
    assert one.attractors == attractors


@pytest.mark.parametrize("clause", CLAUSES)
def test_both_numbers_are_as_likely(clause: int) -> None:
    draw = random.Random(0)
    drawn = [sentence(draw, clause, held_out=True) for _ in range(2000)]
    assert 0.45 < sum(NUMBER[one.words[one.subject]] for one in drawn) / 2000 < 0.55
