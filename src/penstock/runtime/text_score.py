"""How well a language model expects a corpus, document by document, of which a piece at a time is in memory."""

from collections.abc import Iterator

from penstock.runtime.model import Model
from penstock.runtime.score import Score
from penstock.text import Corpus, Piece


def score_corpus(model: Model, corpus: Corpus) -> Score:
    """The figures of all documents together; raises NotText for bytes that are no text."""
    return sum(map(model.score_pieces, _documents(corpus)), Score())


def _documents(corpus: Corpus) -> Iterator[Iterator[str]]:
    """The pieces of each document; to be read in their order."""
    pieces = corpus.pieces()
    first = next(pieces, None)

    def rest(piece: Piece) -> Iterator[str]:
        nonlocal first
        first = None
        yield piece.text
        for following in pieces:
            if following.starts_document:
                first = following
                return
            yield following.text

    while first is not None:
        yield rest(first)
