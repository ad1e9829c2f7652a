"""Corpora: files, folders, globs and standard input, read as documents without holding them in memory."""

import codecs
import contextlib
import glob
import gzip
import json
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import PenstockError
from penstock.files import replacing
from penstock.text import reference

SUFFIXES = (".txt", ".jsonl", ".parquet", ".txt.gz", ".jsonl.gz")
"""What is read from a folder. A file named outright is read as plain text if it has none of them."""

BLOCK = 1 << 20
STANDARD_INPUT = Path("/dev/stdin")
GO_ON = "go on with --errors replace, or train on bytes with --vocab byte"

SURROGATE = re.compile("[\ud800-\udfff]")
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates but for those by which "surrogateescape" keeps a byte."""


class Piece(NamedTuple):
    """A stretch of one document, cut after a line where that is possible."""

    text: str
    starts_document: bool


class Corpus:
    """Documents: a text file is one, a JSON line is one, a Parquet row is one. Can be read again and again.

    Args:
        inputs: files, folders (searched through), glob patterns, ``-`` for standard input. None at all means the
            Python language reference that comes with Python.
        field: the field of JSON lines and the column of Parquet files that holds the text.
        errors: what to do with bytes that are no UTF-8: ``"strict"`` refuses, ``"replace"`` reads U+FFFD,
            ``"surrogateescape"`` keeps them for a byte vocabulary.
        spool: the folder that keeps what can be read once only, such as standard input and pipes.

    Raises:
        PenstockError: there is no such file, or nothing to read. Reading raises it for a file's content.
    """

    def __init__(self, inputs: Sequence[str], *, field: str = "text", errors: str = "strict", spool: Path) -> None:
        self._field, self._errors = field, errors
        self.name = ", ".join(inputs) if inputs else reference.NAME
        self._files = [file for k, name in enumerate(inputs) for file in _found(name, spool / f"input-{k}")] or None

    def pieces(self) -> Iterator[Piece]:
        """Every document's pieces, in the order of the inputs; folders and globs in order of their names."""
        if self._files is None:
            yield Piece(reference.text(), True)
            return
        for name, path in self._files:
            read = _reader(name)
            try:
                with _opened(name, path) as file:
                    yield from read(_Source(name, file, self._field, self._errors))
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise PenstockError(f"{name}: not a whole gzip file: {error}") from None
            except OSError as error:
                raise PenstockError(f"{name}: cannot be read: {error.strerror or error}") from None

    def texts(self) -> Iterator[str]:
        """The text of every piece."""
        return (piece.text for piece in self.pieces())


class _Source(NamedTuple):
    name: str
    file: BinaryIO
    field: str
    errors: str


def _found(name: str, spool: Path) -> list[tuple[str, Path]]:
    """The files of one input: what to call each, and where its content is."""
    path = Path("/dev/stdin" if name == "-" else name)
    try:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.name.lower().endswith(SUFFIXES) and _is_text(p))
            if not inside:
                raise PenstockError(f"{name}: the folder holds no {', '.join(SUFFIXES)} file")
            return [(str(p), p) for p in inside]
        if path == STANDARD_INPUT or (path.exists() and not path.is_file()):
            _keep(path, spool)
            return [(name, spool)]
        if path.exists():
            return [(name, path)]
    except OSError as error:
        raise PenstockError(f"{name}: cannot be read: {error.strerror or error}") from None
    files = sorted(match for match in map(Path, glob.glob(name, recursive=True)) if match.is_file())
    if not files:
        what = "nothing matches it" if glob.has_magic(name) else "no such file or folder"
        raise PenstockError(f"{name}: {what}; name text files, folders, globs, or - for standard input")
    return [(str(match), match) for match in files]


def _is_text(path: Path) -> bool:
    """Whether it is a file, and not the log of a training run, which lies beside its checkpoint."""
    return path.is_file() and not any(path.parent.glob("checkpoint-*.safetensors"))


def _keep(path: Path, spool: Path) -> None:
    """Copies what can be read once only."""
    if path != STANDARD_INPUT:
        opened: Any = path.open("rb")
    elif sys.stdin is None:
        raise PenstockError("standard input is closed; name files, or give it some text")
    else:
        opened = contextlib.nullcontext(sys.stdin.buffer)
    with opened as source, replacing(spool) as file:
        shutil.copyfileobj(source, file)


def _opened(name: str, path: Path) -> BinaryIO:
    return gzip.open(path) if name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _reader(name: str) -> Callable[[_Source], Iterator[Piece]]:
    stem = name.lower().removesuffix(".gz")
    return _jsonl if stem.endswith(".jsonl") else _parquet if stem.endswith(".parquet") else _text


def _text(source: _Source) -> Iterator[Piece]:
    decoder = codecs.getincrementaldecoder("utf-8")(source.errors)
    at, first, rest = 0, True, ""
    while True:
        block = source.file.read(BLOCK)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise _not_utf8(source.name, at - pending + error.start) from None
        at += len(block)
        text = rest + (text.removeprefix("\ufeff") if first and not rest else text)
        # whole lines now, the begun one with the next block; a line longer than a block is cut
        end = len(text) if not block or len(text) > 2 * BLOCK else text.rfind("\n") + 1
        whole, rest = text[:end], text[end:]
        if whole:
            yield Piece(whole, first)
            first = False
        if not block:
            return


def _jsonl(source: _Source) -> Iterator[Piece]:
    at = 0
    for number, line in enumerate(source.file, 1):
        where = f"{source.name}: line {number}"
        try:
            text = line.decode("utf-8", source.errors)
        except UnicodeDecodeError as error:
            raise _not_utf8(source.name, at + error.start) from None
        at += len(line)
        if not text.strip():
            continue
        try:
            row = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise PenstockError(f"{where}: not JSON: {error}") from None
        if not isinstance(row, dict) or source.field not in row:
            has = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
            raise PenstockError(f"{where}: expected a field {source.field!r}, got {has}; name it with --field")
        yield from _document(source, where, row[source.field])


def _parquet(source: _Source) -> Iterator[Piece]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise PenstockError(
            f"{source.name}: Parquet needs the package pyarrow: pip install 'penstock[parquet]'"
        ) from None
    try:
        table = pyarrow.parquet.ParquetFile(source.file)
        names = table.schema_arrow.names
        if source.field not in names:
            raise PenstockError(
                f"{source.name}: expected a column {source.field!r}, got {', '.join(map(repr, names))}; "
                "name it with --field"
            )
        row = 0
        for batch in table.iter_batches(columns=[source.field], batch_size=4096):
            for value in batch.column(0).to_pylist():
                row += 1
                yield from _document(source, f"{source.name}: row {row}", value)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise PenstockError(f"{source.name}: not a Parquet file that can be read: {error}") from None


def _document(source: _Source, where: str, value: Any) -> Iterator[Piece]:
    if value is None or value == "":
        return
    if not isinstance(value, str):
        raise PenstockError(f"{where}: expected text, got {type(value).__name__}; name another with --field")
    # JSON can spell half of a surrogate pair, which is no character
    if lone := (NO_BYTE if source.errors == "surrogateescape" else SURROGATE).search(value):
        if source.errors == "strict":
            raise PenstockError(f"{where}: expected Unicode, got a lone surrogate, {lone[0]!a}; {GO_ON}")
        value = lone.re.sub("\ufffd", value)
    yield Piece(value, True)


def _not_utf8(name: str, offset: int) -> PenstockError:
    return PenstockError(f"{name}: not UTF-8 at byte {offset}; {GO_ON}")
