"""How well a model expected a text, in the figures that people compare."""

import math
from typing import Any, NamedTuple

import numpy as np


class Score(NamedTuple):
    """How well a model expected a text. The first token of a document is given, not scored."""

    nats: float = 0.0
    tokens: int = 0
    characters: int = 0
    bytes: int = 0
    unknown: int = 0
    """Tokens that the vocabulary does not have."""

    @property
    def nats_per_token(self) -> float:
        """Cross-entropy, in nats a token."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def bits_per_character(self) -> float:
        """Cross-entropy, in bits a Unicode character."""
        return self.nats / math.log(2) / self.characters if self.characters else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Cross-entropy, in bits a byte of UTF-8."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan

    @property
    def perplexity(self) -> float:
        """exp of the nats a token: the number of equally likely tokens that would be as surprising."""
        try:
            return math.exp(self.nats_per_token)
        except OverflowError:
            return math.inf

    def __add__(self, other: Any) -> "Score":
        """The score of two documents together."""
        return Score(*(a + b for a, b in zip(self, other, strict=True)))


def count_characters(utf8: bytes) -> int:
    """The characters that begin in some bytes; every byte of UTF-8 but a character's first is 10…… in binary."""
    return int(np.count_nonzero(np.frombuffer(utf8, np.uint8) & 0xC0 != 0x80))
