"""Corpora: files, folders, globs, standard input and remote places, read as documents, never all in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.text import sources
from penstock.text.readers import Part, Piece, read
from penstock.text.sources import Source


class Corpus:
    """Documents: a text file is one, a JSON line is one, a row of a table is one. Can be read again and again.

    Args:
        inputs: files, folders (searched through), glob patterns, ``-`` for standard input, or what fsspec has a name
            for, such as ``s3://…``. None at all means the Python language reference that comes with Python.
        field: the field of JSON lines and the column of Parquet and Arrow files that holds the text.
        errors: what to do with bytes that are no UTF-8: ``"strict"`` refuses, ``"replace"`` reads U+FFFD,
            ``"surrogateescape"`` keeps them for a byte vocabulary.
        spool: the folder that keeps what can be read once only, such as standard input and pipes.

    Raises:
        PenstockError: there is no such file, or nothing to read. Reading raises it for a file's content.
    """

    def __init__(self, inputs: Sequence[str], *, field: str = "text", errors: str = "strict", spool: Path) -> None:
        self._field, self._errors = field, errors
        found = [source for k, name in enumerate(inputs) for source in sources.find(name, spool / spool_name(k))]
        self.sources: list[Source] = found or [sources.default()]
        self.name = ", ".join(inputs) if inputs else self.sources[0].name

    def pieces(self) -> Iterator[Piece]:
        """Every document's pieces, in the order of the inputs; folders and globs in order of their names."""
        return (piece for source in self.sources for piece in self.read(Part(source)))

    def read(self, part: Part) -> Iterator[Piece]:
        """The pieces of a part of one of the sources."""
        return read(part, self._field, self._errors)

    def texts(self) -> Iterator[str]:
        """The text of every piece."""
        return (piece.text for piece in self.pieces())


def spool_name(number: int) -> str:
    """The file that keeps an input which can be read once only."""
    return f"input-{number}"
