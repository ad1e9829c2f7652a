"""A text as training reads it: the tokens of a folder, and what the first of the held-out ones are good for."""

import functools
from typing import Any

from numpy.typing import NDArray

from penstock.tasks.language.streams import TextStreams
from penstock.text.tokens import Prepared
from penstock.text.vocabulary import Vocabulary

PROMPT, PROMPTED = 80, 2000
"""Characters of the prompt at most, and of the text that it is chosen from."""


class TextData:
    """Tokens to train on, and those after them, which are held out."""

    def __init__(self, prepared: Prepared) -> None:
        self.tokens, self.vocabulary = prepared.tokens, prepared.vocabulary
        self.training, self.digest, self.recipe = prepared.training, prepared.digest, prepared.recipe
        self.end = len(self.tokens.ids)
        self.held_out = self.end - self.training
        self.tells = True

    def streams(self, N: int, L: int) -> TextStreams:
        """To train on: at most N, in chunks of at most L tokens."""
        return TextStreams(self.tokens, 0, self.training, N=N, L=L)

    def held_out_streams(self, N: int) -> TextStreams | None:
        """To validate on; None where nothing was held out."""
        return TextStreams(self.tokens, self.training, self.end, N=N, L=256) if self.held_out > 1 else None

    @functools.cached_property
    def prompt(self) -> str:
        """A line of the held-out text."""
        return prompt_of(self.vocabulary, self.tokens.ids[self.training : self.training + 4 * PROMPTED])

    def per_unit(self) -> tuple[float, str]:
        """In what the loss is told beside nats a token: how many tokens are one, and what it is called."""
        if self.vocabulary.kind == "byte":
            return 1.0, "byte"
        return len(self.tokens.ids) / max(self.tokens.characters, 1), "character"


def prompt_of(vocabulary: Vocabulary, ids: NDArray[Any]) -> str:
    """The line with the most letters, of the first few of a text: prose rather than a table, in any script."""
    lines = vocabulary.utf8(ids[: 4 * PROMPTED]).decode("utf-8", "replace")[:PROMPTED].splitlines() or [""]
    line = max(lines, key=lambda line: sum(character.isalpha() for character in line[:PROMPT]))
    return line[:PROMPT] + ("\n" if len(line) <= PROMPT else "")
