"""Corpora: files, folders, globs, standard input and remote places, read as documents, never all in memory."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.text import sources
from penstock.text.readers import Piece, read
from penstock.text.sources import FilePart, Source
from penstock.text.walk import LeftOut, account, copies


class Corpus:
    """Documents: a text file is one, a JSON line is one, a row of a table is one. Can be read again and again.

    Args:
        inputs: files, folders (searched through), glob patterns, ``-`` for standard input, or what fsspec has a name
            for, such as ``s3://…``. None at all means the Python language reference that comes with Python.
        column: of tables and lines of JSON, where the text stands.
        errors: what to do with bytes that are no UTF-8: ``"strict"`` refuses, ``"replace"`` reads U+FFFD,
            ``"surrogateescape"`` keeps them for a byte vocabulary.
        spool: the folder that keeps what can be read once only, such as standard input and pipes.

    Raises:
        PenstockError: there is no such file, or nothing to read. Reading raises it for a file's content.
    """

    def __init__(self, inputs: Sequence[str], *, column: str = "text", errors: str = "strict", spool: Path) -> None:
        self._column, self._errors = column, errors
        self.left_out: list[LeftOut] = []
        found = [
            source
            for k, name in enumerate(inputs)
            for source in sources.find(name, spool / spool_name(k), self.left_out, errors == "surrogateescape")
        ]
        self.sources: list[Source] = self._without_copies(found) or [sources.default()]
        self.name = ", ".join(inputs) if inputs else self.sources[0].name

    def _without_copies(self, found: list[Source]) -> list[Source]:
        """Each content once: of two the one would be trained on and the other held out."""
        same = copies({Path(source.path): None for source in found if not source.remote})
        seen: set[str] = set()
        kept: list[Source] = []
        for source in found:
            if source.path in seen:
                self.left_out.append(LeftOut(source.name, "named twice"))
            elif (first := same.get(Path(source.path))) is not None:
                self.left_out.append(LeftOut(f"{source.name} of {first}", "copy"))
            else:
                kept.append(source)
            seen.add(source.path)
        return kept

    def account(self) -> str:
        """One line: what is read, and what is left out and why."""
        return account(len(self.sources), sum(source.size or 0 for source in self.sources), self.left_out)

    def pieces(self) -> Iterator[Piece]:
        """Every document's pieces, in the order of the inputs; folders and globs in order of their names."""
        return (piece for source in self.sources for piece in self.read(FilePart(source)))

    def read(self, part: FilePart) -> Iterator[Piece]:
        """The pieces of a part of one of the sources."""
        return read(part, self._column, self._errors)

    def texts(self) -> Iterator[str]:
        """The text of every piece."""
        return (piece.text for piece in self.pieces())


def account_of(inputs: Sequence[str], column: str, errors: str) -> str:
    """One line: what of these inputs would be read, and what is left out and why."""
    with tempfile.TemporaryDirectory() as spool:
        return Corpus(inputs, column=column, errors=errors, spool=Path(spool)).account()


def spool_name(number: int) -> str:
    """The file that keeps an input which can be read once only."""
    return f"input-{number}"
