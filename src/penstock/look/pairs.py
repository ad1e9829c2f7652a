"""Minimal pairs: does a language model expect the good sentence more than the bad one?

A file of pairs has one a line, its columns apart by a tab:

    The cat is full.<TAB>The cat are full.              a good and a bad sentence
    The cat near the dogs<TAB>is<TAB>are                what both begin with, a good and a bad continuation

A sentence's score is its total log-probability, as a document of its own that begins after a newline, like a line of
the text that the model learned from. The newline is given, so that a sentence's first token is scored too.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

from penstock.errors import PenstockError
from penstock.runtime import Model


class Pair(NamedTuple):
    """Two sentences, one of which is right."""

    good: str
    bad: str


class Wrong(NamedTuple):
    """A pair whose bad sentence was expected as much or more, and the nats of both."""

    good: str
    bad: str
    good_nats: float
    bad_nats: float


class Agreement(NamedTuple):
    """How often the good sentence was expected more."""

    pairs: int
    right: int
    ties: int
    """Pairs whose sentences are to the model the same; they count as wrong."""
    unknown: int
    """Characters that the vocabulary does not have, in both sentences."""
    wrong: tuple[Wrong, ...] = ()
    """Those that are not right, where the bad sentence was expected most above the good one first."""

    @property
    def accuracy(self) -> float:
        """The share of right ones."""
        return self.right / self.pairs

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson's score interval of the accuracy (Wilson 1927)."""
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        n, p = self.pairs, self.accuracy
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file in UTF-8; empty lines are passed over.

    Raises:
        PenstockError: it cannot be read, or a line, which is named, is no pair.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PenstockError(
            f"{path}: line {line}: expected UTF-8, got byte 0x{error.object[error.start]:02x}"
        ) from None
    pairs = list(_pairs(path, text))
    if not pairs:
        raise PenstockError(f"{path}: expected a pair a line, good and bad apart by a tab, got no line with text")
    return pairs


def _pairs(path: Path, text: str) -> Iterator[Pair]:
    for number, line in enumerate(text.split("\n"), 1):
        columns = line.removesuffix("\r").split("\t")
        if columns == [""]:
            continue
        if len(columns) not in (2, 3):
            raise PenstockError(
                f"{path}: line {number}: expected good<TAB>bad or prefix<TAB>good<TAB>bad, got "
                + (f"{len(columns)} columns" if len(columns) > 1 else "no tab")
            )
        good, bad = columns[-2:]
        if not (good.strip() and bad.strip()):
            raise PenstockError(f"{path}: line {number}: expected a good and a bad text, got an empty one")
        if good == bad:
            raise PenstockError(f"{path}: line {number}: expected two different texts, got the same twice")
        prefix = columns[0] if len(columns) == 3 else ""
        yield Pair(joined(prefix, good), joined(prefix, bad))


def joined(prefix: str, continuation: str) -> str:
    """Both, with a space between where the continuation begins with a letter of an alphabet that has capitals.

    Such are written with spaces between words; Chinese, say, is not. White space that is there already is enough.
    """
    first = continuation[0]
    words = first.lower() != first.upper() and prefix != "" and not prefix[-1].isspace()
    return f"{prefix} {continuation}" if words else prefix + continuation


def agree(model: Model, pairs: Sequence[Pair]) -> Agreement:
    """Scores every pair."""
    right = ties = unknown = 0
    wrong = []
    for pair in pairs:
        good, bad = (model.score("\n" + text) for text in pair)
        right += good.nats < bad.nats
        ties += good.nats == bad.nats
        if good.nats >= bad.nats:
            wrong.append(Wrong(*pair, good.nats, bad.nats))
        unknown += good.unknown + bad.unknown
    wrong.sort(key=lambda one: one.bad_nats - one.good_nats)
    return Agreement(len(pairs), right, ties, unknown, tuple(wrong))
