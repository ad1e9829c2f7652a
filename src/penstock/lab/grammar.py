"""A little English whose verbs agree with their subjects across a clause: `the cat , which already ate … , was full .`

The clause's own verb is in the past, which shows no number, so that the subject alone tells which verb form is right.
The clause's nouns are singular or plural by the toss of a coin; those of the other number than the subject's are
attractors (Linzen et al. 2016, arXiv:1611.01368). Held-out nouns and verbs occur in sentences without a clause alone:
that a clause may come between the two, a model can have learned of other words only.
"""

import random
from typing import NamedTuple

Pairs = list[tuple[str, str]]

NOUNS: Pairs = [
    *[("cat", "cats"), ("dog", "dogs"), ("mouse", "mice"), ("goose", "geese"), ("child", "children"), ("fox", "foxes")],
    *[("king", "kings"), ("girl", "girls"), ("wolf", "wolves"), ("bird", "birds"), ("man", "men"), ("nurse", "nurses")],
]
HELD_OUT_NOUNS: Pairs = [("hen", "hens"), ("woman", "women"), ("thief", "thieves"), ("pilot", "pilots")]
VERBS: Pairs = [("was", "were"), ("is", "are"), ("sleeps", "sleep"), ("sings", "sing"), ("waits", "wait")]
HELD_OUT_VERBS: Pairs = [("laughs", "laugh"), ("hides", "hide")]
AFTER_BE = ["full", "hungry", "happy", "old"]
AFTER_OTHERS = ["quietly", "alone", "here", "now"]
HEAR: Pairs = [("hears", "hear"), ("sees", "see"), ("chases", "chase"), ("knows", "know")]
ALREADY = ["already", "slowly", "often"]

WORDS = [word for pair in NOUNS + HELD_OUT_NOUNS + VERBS + HELD_OUT_VERBS + HEAR for word in pair]
WORDS += [*AFTER_BE, *AFTER_OTHERS, *ALREADY, "and", "the", "which", "slept", ",", "."]
ID = {word: k for k, word in enumerate(WORDS)}


class Sentence(NamedTuple):
    """A sentence, as far as its agreement is concerned."""

    words: list[str]
    subject: int
    """Where the subject stands in ``words``."""
    verb: int
    wrong: str
    """The verb's other form."""
    nouns: list[int]
    """Where the clause's nouns stand."""
    attractors: int
    """How many of them are of the other number than the subject."""


def sentence(draw: random.Random, clause: int, *, held_out: bool = False, attractors: int | None = None) -> Sentence:
    """Draws a sentence; all of one ``clause`` have the same number of words.

    Args:
        draw: what draws.
        clause: words after `which`, of which every third is a noun; 0 for a sentence without a clause.
        held_out: subject and verb are held-out words. If not, they are so by chance, in sentences without a clause.
        attractors: how many of the clause's nouns are attractors; None lets a coin decide for each.
    """
    every = not clause
    subjects = HELD_OUT_NOUNS if held_out else NOUNS + HELD_OUT_NOUNS * every
    verbs = HELD_OUT_VERBS if held_out else VERBS + HELD_OUT_VERBS * every
    number = draw.randrange(2)
    count = (clause + 1) // 4
    others = [draw.random() < 0.5 for _ in range(count)]
    if attractors is not None:
        others = draw.sample([k < attractors for k in range(count)], count)
    words = ["the", draw.choice(subjects)[number]]
    if clause:
        inside = _clause(draw, clause, [1 - number if other else number for other in others])
        words += [",", "which", *inside, ","]
    verb, right = len(words), draw.choice(verbs)
    rest = AFTER_BE if right in VERBS[:2] else AFTER_OTHERS
    words += [right[number], draw.choice(rest), "."]
    nouns = [k + 1 for k, word in enumerate(words) if word == "the"][1:]
    return Sentence(words, 1, verb, right[1 - number], nouns, sum(others))


def _clause(draw: random.Random, length: int, numbers: list[int]) -> list[str]:
    """`the dogs often hear and the mouse sees`: adverbs fill what four words a noun leave of ``length``."""
    if not numbers:
        return [*(draw.choice(ALREADY) for _ in range(length - 1)), "slept"]
    words: list[str] = []
    spare = [draw.randrange(len(numbers)) for _ in range(length + 1 - 4 * len(numbers))]
    for k, number in enumerate(numbers):
        adverbs = [draw.choice(ALREADY) for _ in range(spare.count(k))]
        words += ["and"] * (k > 0) + ["the", draw.choice(NOUNS)[number], *adverbs, draw.choice(HEAR)[number]]
    return words
