"""What a person may say about a language model, beside what every run has."""

import dataclasses

from penstock.errors import PenstockError
from penstock.text.prepare import Tokenization


@dataclasses.dataclass(frozen=True)
class LanguageSettings(Tokenization):
    """Settings of a language model; the command line has the same names.

    Attributes:
        embedding: Features of a token's embedding; half of --hidden.
        tied: The output layer's weight is the embedding's.
    """

    embedding: int | None = None
    tied: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding is not None and not 0 < self.embedding < 2**31:
            raise PenstockError(f"--embedding: expected more than 0 and less than {2**31}, got {self.embedding}")
