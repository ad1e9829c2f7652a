"""Text in, token ids out: vocabularies, corpora, and the token folder that training reads. No torch."""

from penstock.text.corpus import Corpus
from penstock.text.prepare import Recipe, prepare
from penstock.text.readers import Piece
from penstock.text.tokens import Prepared, Tokens, open_tokens, token_folder
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
    "Prepared",
    "Recipe",
    "Tokens",
    "Vocabulary",
    "build_vocabulary",
    "open_tokens",
    "prepare",
    "token_folder",
]
