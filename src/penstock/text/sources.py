"""Where text comes from: files, folders, globs and pipes, and every place that fsspec has a name for."""

import bz2
import contextlib
import glob
import gzip
import hashlib
import io
import lzma
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from penstock.errors import NotText, PenstockError
from penstock.files import is_utf8, replacing
from penstock.folder import LIST
from penstock.text import recognise, reference
from penstock.text.walk import ROWS, TABLES, LeftOut, account, walk

SUFFIXES = (".txt", *ROWS, *(f"{of}{packed}" for of in (".txt", ".jsonl", ".ndjson") for packed in recognise.ENDINGS))
"""What is read from a remote folder, whose files are not looked into; any is that is named outright."""

STANDARD_INPUT = Path("/dev/stdin")
BLOCK = 1 << 20


class Source(NamedTuple):
    """A file, wherever it is."""

    name: str
    """What a person calls it; its suffix tells how it is read."""
    path: str
    """Where its content is: a path, or a URL."""
    size: int | None
    """In bytes; None where it can only be read from its beginning to its end."""
    stamp: str
    """Another one when the content is another."""
    packing: str | None = None
    """gzip, xz, bzip2 or zstd, unpacked on the way."""
    encoding: str = "utf-8"
    """Of its text."""

    @property
    def remote(self) -> bool:
        """Whether fsspec reads it."""
        return "://" in self.path

    @property
    def named(self) -> bool:
        """Whether it is a file that a person named, or in a folder that they did."""
        return not self.remote and self.name == self.path

    @property
    def stem(self) -> str:
        """Its name in small letters, without that of a compression."""
        return recognise.stem_and_packing(self.name)[0]

    @property
    def codec(self) -> str:
        """That of its text, with a mark at its beginning or without."""
        return "utf-8-sig" if self.encoding == "utf-8" else self.encoding

    @property
    def of_rows(self) -> bool:
        """Whether each of its rows is a document; else it is one itself."""
        return self.stem.endswith((*ROWS, *TABLES))

    @property
    def divides(self) -> bool:
        """Whether it can be read in parts."""
        whole = self.packing is not None or self.encoding != "utf-8" or self.stem.endswith((".arrow", *TABLES))
        return self.size is not None and not whole

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its content, unpacked.

        Raises:
            PenstockError: it cannot be read, now or while the block reads it.
        """
        try:
            with self._opened() as raw, io.BufferedReader(raw, BLOCK) as file:
                yield self._unpacked(file) if self.packing else file
        except PenstockError:
            raise
        except Exception as error:
            of_bzip2 = self.packing == "bzip2" and isinstance(error, OSError | ValueError)
            broken = isinstance(error, EOFError | gzip.BadGzipFile | lzma.LZMAError)
            if of_bzip2 or broken or type(error).__module__ == "zlib" or type(error).__name__ == "ZstdError":
                raise PenstockError(f"{self.name}: not a whole {self.packing} file: {error}") from None
            if self.remote or isinstance(error, OSError):
                raise cannot_read(self.name, error) from None
            raise

    def _unpacked(self, file: BinaryIO) -> Any:
        if self.packing == "zstd":
            try:
                zstd = recognise.zstd()
            except ModuleNotFoundError:
                raise PenstockError(
                    f"{self.name}: needs the package backports.zstd: pip install 'penstock[zstd]'"
                ) from None
            return zstd.open(file)
        unpack: dict[str | None, Any] = {"gzip": gzip.open, "xz": lzma.open, "bzip2": bz2.open}
        return unpack[self.packing](file)

    def _opened(self) -> Any:
        if self.path == reference.NAME:
            return io.BytesIO(reference.text().encode())
        if not self.remote:
            return open(self.path, "rb", buffering=0)
        files, path = _filesystem(self.path)
        return files.open(path, "rb", **({"block_size": 0} if self.size is None else {}))


class FilePart(NamedTuple):
    """One of so many about equal parts of a file. A line belongs to the part that it begins in."""

    source: Source
    number: int = 0
    parts: int = 1


ADVICE = "name text files, folders, globs, or - for standard input"


def find(name: str, spool: Path, left_out: list[LeftOut], raw: bool = False) -> list[Source]:
    """The files of one input.

    Args:
        name: what a person calls it.
        spool: keeps what can be read once only.
        left_out: is told what a folder holds and is not read.
        raw: bytes are read as they are, and only a name says that they are packed.

    Raises:
        PenstockError: there are none.
    """
    if "://" in name:
        return _found_remotely(name, left_out)
    path = Path("/dev/stdin" if name == "-" else name)
    try:
        if path == STANDARD_INPUT or (path.exists() and not path.is_file() and not path.is_dir()):
            return [_kept(name, path, spool)]
        return [local(str(found), found, raw) for found in files_of(name, left_out, raw)]
    except OSError as error:
        raise cannot_read(name, error) from None


def files_of(name: str, left_out: list[LeftOut], raw: bool = False, advice: str = ADVICE) -> list[Path]:
    """The files on this machine that one input stands for: itself, those in a folder, those that a pattern matches, be
    it in folders that match. Arguments and errors as for ``find``; ``advice``: what can be named.
    """
    path = Path(name)
    if path.is_dir():
        if (path / LIST).is_file():
            raise PenstockError(f"{name}: expected text, got a folder that Penstock made; name files in it")
        inside, others = walk(path, raw)
        left_out += others
        return inside or _nothing_in(name, others)
    if path.exists():
        return [path]
    found: list[Path] = []
    for match in sorted(map(Path, glob.glob(name, recursive=True))):
        if match.is_file():
            found.append(match)
        elif match.is_dir() and "**" not in name:  # by which what is in it matches too
            found += files_of(str(match), left_out, raw)
    return found or _not_there(name, advice)


def default() -> Source:
    """The text that is on every machine with Python."""
    return Source(reference.NAME, reference.NAME, len(reference.text().encode()), sys.version)


def local(name: str, path: Path, raw: bool = False) -> Source:
    """A file on this machine; ``raw`` as for ``find``.

    Raises:
        PenstockError: its name is no UTF-8, or it is known to be no text.
    """
    if not is_utf8(name):
        raise PenstockError(f"{name!a}: expected a name in UTF-8; rename it")
    about, encoding = path.stat(), "utf-8"
    stem, packing = recognise.stem_and_packing(name)
    if not raw:
        with path.open("rb") as file:
            sample = file.read(recognise.SAMPLE)
        packing = recognise.packing(sample)
        if packing is None and not stem.endswith((".parquet", ".arrow")):
            if what := recognise.other(sample):
                raise NotText(f"{name}: expected text, got {what}")
            encoding = recognise.encoding(sample) or encoding
    return Source(name, str(path), about.st_size, str(about.st_mtime_ns), packing, encoding)


def _kept(name: str, path: Path, spool: Path) -> Source:
    """Copies what can be read once only."""
    if path != STANDARD_INPUT:
        opened: Any = path.open("rb")
    elif sys.stdin is None:
        raise PenstockError("standard input is closed; name files, or give it some text")
    else:
        opened = contextlib.nullcontext(sys.stdin.buffer)
    with opened as source, replacing(spool) as file:
        shutil.copyfileobj(source, file)
    digest = hashlib.sha256()
    with spool.open("rb") as kept:
        while block := kept.read(BLOCK):
            digest.update(block)
    return Source(name, str(spool), spool.stat().st_size, digest.hexdigest())


def _found_remotely(name: str, left_out: list[LeftOut]) -> list[Source]:
    try:
        files, path = _filesystem(name)
        try:
            # a web server calls every address a file
            folder = name.endswith("/") or files.info(path)["type"] == "directory"
        except FileNotFoundError:
            if not glob.has_magic(name):
                raise
            return [_remote(files, p) for p in sorted(files.glob(path))] or _not_there(name)
        if folder:
            everything = sorted(files.find(path))
            inside = [p for p in everything if p.lower().endswith(SUFFIXES)]
            left_out += [LeftOut(p, "far away and of another ending") for p in everything if p not in set(inside)]
            return [_remote(files, p) for p in inside] or _nothing_in(name, [])
        return [_remote(files, path)._replace(name=name)]
    except PenstockError:
        raise
    except FileNotFoundError as error:
        # what a web server refuses, or one that cannot be reached, is no file to fsspec either, but it says why
        if error.__cause__ is None or getattr(error.__cause__, "status", None) == 404:
            return _not_there(name)
        raise cannot_read(name, error.__cause__) from None
    except Exception as error:  # each file system raises its own
        raise cannot_read(name, error) from None


def _remote(files: Any, path: str) -> Source:
    about = files.info(path)
    stamps = ("ETag", "etag", "md5Hash", "blob_id", "Last-Modified", "LastModified", "mtime", "created")
    stamp = next((str(about[key]) for key in stamps if about.get(key)), "")
    name = files.unstrip_protocol(path)
    size = about.get("size") if _gives_parts(files, path, about) else None
    return Source(name, name, size, stamp, recognise.stem_and_packing(name)[1])


def _gives_parts(files: Any, path: str, about: dict[str, Any]) -> bool:
    """Whether a place gives a file from the middle on, which not every web server does."""
    if "http" not in files.protocol or not about.get("size"):
        return True
    try:
        with files.open(path, cache_type="none") as file:
            file.seek(about["size"] - 1)
            file.read(1)
    except ValueError:
        return False
    return True


def _filesystem(name: str) -> tuple[Any, str]:
    try:
        import fsspec.core
    except ModuleNotFoundError:
        raise PenstockError(f"{name}: needs the package fsspec: pip install 'penstock[remote]'") from None
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(name)
    except (ImportError, ValueError) as error:  # names the package that this kind of place needs
        raise PenstockError(f"{name}: {error}") from None
    return found


def _nothing_in(name: str, left_out: list[LeftOut]) -> NoReturn:
    why = f": {account(0, 0, left_out)}" if left_out else ""
    raise PenstockError(f"{name}: the folder holds no text{why}")


def _not_there(name: str, advice: str = ADVICE) -> NoReturn:
    what = "nothing matches it" if glob.has_magic(name) else "no such file or folder"
    raise PenstockError(f"{name}: {what}; {advice}")


def cannot_read(name: str, error: BaseException) -> PenstockError:
    """The error to raise where a file could not be read."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return PenstockError(f"{name}: cannot be read: {why}")
