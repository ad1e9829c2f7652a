"""What a person may say about texts that are answered for."""

import dataclasses

from penstock.errors import PenstockError
from penstock.text.prepare import Tokenization


@dataclasses.dataclass(frozen=True)
class TextSettings(Tokenization):
    """Settings of the task; the command line has the same names.

    Attributes:
        vocab: What a token is; chosen by the texts unless you say.
        vocab_size: Tokens at most.
        min_frequency: Words that come fewer times than this are unknown, and spelled in bytes.
        column: Where the text stands.
        errors: What to do with bytes that are no UTF-8.
        embedding: Features of a token's embedding.
        target: The columns to answer for.
        category: Those of them whose numbers are names of classes.
        validation: Files that validate, instead of a held-out part.
    """

    embedding: int | None = None
    target: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("target", "category", "validation"):  # from a checkpoint they come as lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.embedding is not None and not 0 < self.embedding < 2**31:
            raise PenstockError(f"--embedding: expected more than 0 and less than {2**31}, got {self.embedding}")
        if self.column in self.target:
            raise PenstockError(f"--target: expected another column than that of the text, got {self.column!r}")
        for name in self.category:
            if name not in self.target:
                raise PenstockError(f"--category: expected one of the targets, got {name!r}")
