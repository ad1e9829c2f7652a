"""What a language model adds to its layers: the tokens that it read, and the output layer that expects the next one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.look.layer import Floats
from penstock.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Language:
    """What a language model adds to its layers. Letters: L tokens read, V tokens in the vocabulary, H hidden units."""

    ids: NDArray[np.int64]  # (L,)
    tokens: tuple[str, ...]
    """The text, token by token; a byte that is no character of its own as ‹e4›."""
    unknown: int
    """How many of them the vocabulary does not have."""
    vocabulary: tuple[str, ...]
    """All V tokens, written in the same way."""
    weight: Floats  # (V, H) of the output layer
    bias: Floats  # (V,)
    residual: bool
    """Whether the output layer reads the sum of all layers instead of the last one."""

    def __repr__(self) -> str:
        read, known = len(self.tokens), len(self.vocabulary)
        return f"<Language {shortened(self.tokens)}: {read:,} tokens, vocabulary of {known:,}>"

    def unseen(self) -> list[int]:
        """The steps whose token the vocabulary does not have."""
        if not self.unknown:
            return []
        return [t for t, token in enumerate(self.tokens) if self.vocabulary[self.ids[t]] != token]


BEGINNING = 40


def shortened(words: Sequence[str]) -> str:
    """How a text begins, in quotes."""
    text = "".join(words[: BEGINNING + 1])
    return repr(text if len(text) <= BEGINNING and len(words) <= BEGINNING else f"{text[:BEGINNING]}…")


def token_labels(vocabulary: Vocabulary, ids: NDArray[Any]) -> tuple[str, ...]:
    """Each token as text; bytes that are no whole character as ‹e4 b8›."""

    def label(utf8: bytes) -> str:
        try:
            return utf8.decode()
        except UnicodeDecodeError:
            return f"‹{utf8.hex(' ')}›"

    return tuple(label(vocabulary.utf8(ids[k : k + 1])) for k in range(len(ids)))
