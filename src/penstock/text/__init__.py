"""Text in, token ids out: vocabularies, corpora, and the token file that training reads. No torch."""

from penstock.text.corpus import Corpus, Piece
from penstock.text.tokens import Tokens, write_tokens
from penstock.text.vocabulary import (
    UNKNOWN,
    BpeVocabulary,
    ByteVocabulary,
    CharVocabulary,
    Vocabulary,
    build_vocabulary,
)

__all__ = [
    "UNKNOWN",
    "BpeVocabulary",
    "ByteVocabulary",
    "CharVocabulary",
    "Corpus",
    "Piece",
    "Tokens",
    "Vocabulary",
    "build_vocabulary",
    "write_tokens",
]
