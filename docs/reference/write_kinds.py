"""Writes kinds-of-file.md, what Penstock does with every kind of file, by doing it: `make reference`. A test says when
it is old."""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from penstock.errors import NotText, PenstockError
from penstock.score import inputs, rows
from penstock.text import Corpus
from penstock.text.rows import Bad

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = Path(__file__).with_name("kinds-of-file.md")
OPENING = """\
<!-- Written by write_kinds.py, which gives Penstock each of these files: `make reference`. -->

# Kinds of file

What becomes of a file that is *named* (`penstock train notes.txt`, the same for `prepare`, `eval`, `look`), of one in a
*folder* that is (`penstock train notes/`), and of one that `score` is given in `--in`, where every row is scored. A
text file is one document; of tables and lines of JSON each row is, and `--column` says where its text stands.

| the file | named | in a folder | scored |
|---|---|---|---|
"""

TEXT = "The cat, which already ate, was full.\nThe cats were full.\n"
ROWS = [{"n": k, "text": line} for k, line in enumerate(TEXT.splitlines())]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def _arrow(stream: bool) -> bytes:
    table, sink = pyarrow.Table.from_pylist(ROWS), io.BytesIO()
    make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet() -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), sink)
    return sink.getvalue()


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("a.txt", "\N{CAT}" * 9, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


class Kind(NamedTuple):
    """A kind of file."""

    says: str
    name: str
    content: bytes | Callable[[Path], object]


def _link(path: Path) -> None:
    (path.parent.parent / "elsewhere.txt").write_text(TEXT)
    path.symlink_to("../elsewhere.txt")


KINDS = [
    Kind("text in UTF-8, `.txt`", "a.txt", TEXT.encode()),
    Kind("text of any other name: `.py`, `.md`, none", "a.py", TEXT.encode()),
    Kind("UTF-8 with a mark (BOM)", "a.txt", TEXT.encode("utf-8-sig")),
    Kind("UTF-16 or UTF-32 with a mark", "a.txt", TEXT.encode("utf-16")),
    Kind("UTF-16 or UTF-32 without one", "a.txt", TEXT.encode("utf-16-le")),
    Kind(
        "Windows-1252, Latin-1 and others of one byte a letter",
        "a.txt",
        ("Le chat était rassasié. " * 9).encode("cp1252"),
    ),
    Kind("gzip, whatever its name", "a.txt", gzip.compress(TEXT.encode(), mtime=0)),
    Kind("xz", "a.txt.xz", lzma.compress(TEXT.encode())),
    Kind("bzip2", "a.txt.bz2", bz2.compress(TEXT.encode())),
    Kind("zstd", "a.txt.zst", zstd.compress(TEXT.encode())),
    Kind("a packed file that was cut short", "a.txt.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9]),
    Kind("`.jsonl`, `.ndjson`", "a.ndjson", LINES),
    Kind("the same, packed", "a.jsonl.gz", gzip.compress(LINES, mtime=0)),
    Kind("`.json`, an array of rows", "a.json", json.dumps(ROWS).encode()),
    Kind("`.json`, anything else", "a.json", json.dumps({"text": TEXT}).encode()),
    Kind(
        "`.csv` with a line of names",
        "a.csv",
        ("n,text\n" + "".join(f'{r["n"]},"{r["text"]}"\n' for r in ROWS)).encode(),
    ),
    Kind(
        "`.tsv` with a line of names",
        "a.tsv",
        ("n\ttext\n" + "".join(f"{r['n']}\t{r['text']}\n" for r in ROWS)).encode(),
    ),
    Kind("a table without that column", "a.csv", b"n,body\n1,x\n"),
    Kind("Parquet", "a.parquet", _parquet()),
    Kind("Arrow, as `datasets` saves", "a.arrow", _arrow(stream=True)),
    Kind("an Arrow file", "a.arrow", _arrow(stream=False)),
    Kind("a packed table", "a.csv.xz", lzma.compress(b"n,text\n1,x\n")),
    Kind("a packed file that is no text", "a.tar.gz", gzip.compress(b"\x89PNG\0" * 99, mtime=0)),
    Kind("zip", "a.zip", _zip()),
    Kind("PDF", "a.pdf", b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n" * 9),
    Kind("a picture", "a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9),
    Kind("a program, or other bytes", "a.bin", bytes(range(256)) * 9),
    Kind("an empty file", "a.txt", b""),
    Kind("a copy of another file", "b.txt", b"copy"),
    Kind("a hidden file", ".a.txt", TEXT.encode()),
    Kind("a link to a file", "a.txt", _link),
    Kind(
        "a link to a folder",
        "a",
        lambda path: (path.parent.parent / "elsewhere").mkdir() or path.symlink_to("../elsewhere"),
    ),
    Kind("a folder that Penstock made", "a", lambda path: path.mkdir() or (path / "penstock.json").write_text("{}")),
]


def page() -> str:
    """The text of the page."""
    return OPENING + "".join(f"| {kind.says} | {' | '.join(_becomes(kind))} |\n" for kind in KINDS)


def _becomes(kind: Kind) -> tuple[str, str, str]:
    """What becomes of a file that is named, in a folder, and scored."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "folder")
        folder.mkdir()
        path = folder / kind.name
        if callable(kind.content):
            kind.content(path)
        else:
            path.write_bytes(kind.content)
        if kind.content == b"copy":
            path.write_text(TEXT)
        other = folder / "0.txt"  # never the only one
        other.write_text(TEXT if kind.content == b"copy" else "another one\n")
        named = _said(lambda: _named(path, other, kind), path)
        inside = _said(lambda: _inside(folder, path, Path(place)), path)
        if path.is_dir():
            return ("–", inside, "–")
        return named, inside, _said(lambda: _scored(path, Path(place, "out")), path, advised=False)


def _named(path: Path, other: Path, kind: Kind) -> str:
    corpus = Corpus([str(other)] * (kind.content == b"copy") + [str(path)], spool=path.parent)
    pieces = list(corpus.pieces())
    if corpus.left_out:
        return f"left out: {corpus.left_out[0].why}"
    documents = sum(piece.starts_document for piece in pieces)
    if not documents:
        return "nothing to read"
    return "read" if not corpus.sources[0].of_rows else f"read, {documents} document{'s' * (documents != 1)}"


def _inside(folder: Path, path: Path, spool: Path) -> str:
    corpus = Corpus([str(folder)], spool=spool)
    left_out = {one.name.split(" of ")[0]: one.why for one in corpus.left_out}
    if str(path) in left_out:
        return f"left out: {left_out[str(path)]}"
    list(corpus.pieces())
    return "read"


def _scored(path: Path, out: Path) -> str:
    jobs, _ = inputs.find([str(path)], out)
    texts = [text for job in jobs for window in rows.read(job.source, "text") for text in window.texts]
    bad = [text for text in texts if isinstance(text, Bad)]
    said = f"{len(texts)} row{'s' * (len(texts) != 1)}"
    return f"{said}, {len(bad)} of them not: {bad[0].reason}" if bad else said


def _said(act: Callable[[], str], path: Path, advised: bool = True) -> str:
    try:
        return act()
    except PenstockError as error:
        error = error.advised(vocab=True) if isinstance(error, NotText) and advised else error
        words = str(error).removeprefix("--in: ").replace(f"{path}: ", "").replace(os.fspath(path), "it")
        return f"refused: {words}".replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
