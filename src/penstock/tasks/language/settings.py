"""What a person may say about a language model, beside what every run has."""

import dataclasses

from penstock.errors import PenstockError
from penstock.text.prepare import Tokenization


@dataclasses.dataclass(frozen=True)
class LanguageSettings(Tokenization):
    """Settings of a language model; the command line has the same names.

    Attributes:
        vocab: What a token is: a byte of UTF-8, a Unicode character, a byte pair encoding learned from the corpus, or
            a word with the space before it. Characters unless you say; byte pairs for a text of more than 2,000,000, or
            of more than 512 kinds of them.
        vocab_size: Tokens of a bpe vocabulary: 1,024 unless you say, 2,048 for a text of more than 512 characters,
            4,096 for one of more than 100 MB. Of words at most, 65,536 unless you say. The other kinds are as large as
            they must be.
        min_frequency: Words that come fewer times than this are unknown, and spelled in bytes; 2 unless you say.
        column: Of tables and lines of JSON, where the text stands.
        errors: What to do with bytes that are no UTF-8: stop and say where, or read U+FFFD in their place.
        embedding: Features of a token's embedding; half of --hidden.
        tied: The output layer's weight is the embedding's.
    """

    embedding: int | None = None
    tied: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding is not None and not 0 < self.embedding < 2**31:
            raise PenstockError(f"--embedding: expected more than 0 and less than {2**31}, got {self.embedding}")
