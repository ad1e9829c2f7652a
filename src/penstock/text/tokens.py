"""The token folder: a corpus as ids in memory-mapped shards, so that it may be larger than memory.

    index.json        what the tokens are, of what, and the sizes and checksums of the rest
    00000.tokens …    a shard's ids: of the documents to train on, then of those drawn to be held out
    documents         the index of each document's first token, int64

The shards are read as one array: every shard's first half, then every shard's second half. ``penstock.text.prepare``
writes the folder.
"""

import itertools
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock import sealed
from penstock.errors import PenstockError
from penstock.sealed import INDEX, PLAN, UNFINISHED, checksum
from penstock.text.vocabulary import Vocabulary, load_vocabulary

DOCUMENTS = "documents"
FORMAT, VERSION = "penstock-tokens", 2

KINDS: dict[str, type] = {
    "recipe": dict,
    "inputs": list,
    "vocabulary": dict,
    "dtype": str,
    "shards": list,
    "documents": int,
    "documents_crc32": int,
    "characters": int,
    "training": int,
}
"""What the index holds beside its format, and what each is."""
DTYPES = ("|u1", "<u2", "<u4")

RESIDENT = 1 << 26
"""Bytes that are read before the pages of the mapped files are given back."""


class Ids:
    """The ids of several mapped files, one after the other: sliced as the one array that they stand for."""

    def __init__(self, parts: Sequence[NDArray[Any]], maps: Sequence[mmap.mmap] = ()) -> None:
        self._parts, self._maps, self._read = parts, maps, 0
        self._ends = np.cumsum([len(part) for part in parts])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, stretch: slice) -> NDArray[Any]:
        """The ids of a stretch; copied only where it lies in more than one file."""
        start, stop, _ = stretch.indices(len(self))
        found = []
        for k in range(int(np.searchsorted(self._ends, start, "right")), len(self._parts)):
            begin = int(self._ends[k]) - len(self._parts[k])
            if begin >= stop:
                break
            found.append(self._parts[k][max(start - begin, 0) : stop - begin])
        self._give_back((stop - start) * self.dtype.itemsize)
        return found[0] if len(found) == 1 else np.concatenate([self._parts[0][:0], *found])

    def _give_back(self, count: int) -> None:
        """Lets go of the pages read, so that memory stays flat; what is used again comes back from the page cache."""
        self._read += count
        if self._read > RESIDENT:
            self._read = 0
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)


class Tokens(NamedTuple):
    """All documents, one after the other."""

    ids: NDArray[Any] | Ids  # (tokens,) uint8, uint16 or uint32, mapped from the shards
    starts: NDArray[np.int64]  # (documents,) index of each document's first token, ascending from 0
    characters: int  # of the text that the ids were made of


class Prepared(NamedTuple):
    """A token folder, opened."""

    tokens: Tokens
    training: int
    """The tokens to train on; those after them are held out."""
    vocabulary: Vocabulary
    recipe: dict[str, Any]
    """How they were prepared; see ``penstock.text.prepare.Recipe``."""
    digest: str
    """The same where the tokens are the same."""


def token_folder(inputs: Sequence[str]) -> Path | None:
    """The token folder that ``inputs`` names, if they are one, finished or not."""
    if len(inputs) != 1:
        return None
    folder = Path(inputs[0])
    return folder if (folder / INDEX).is_file() or (folder / UNFINISHED / PLAN).is_file() else None


def open_tokens(folder: Path) -> Prepared:
    """Maps a token folder, once all of it has been read and found to be what was written.

    Raises:
        PenstockError: a file is not there, or not whole.
    """
    index = read_index(folder)
    dtype = np.dtype(index["dtype"])
    sizes = [(shard["training"] + shard["held_out"]) * dtype.itemsize for shard in index["shards"]]
    paths = [shard_path(folder, k) for k in range(len(sizes))]
    for path, size, shard in zip(paths, sizes, index["shards"], strict=True):
        _check(path, size, shard["crc32"])
    _check(folder / DOCUMENTS, 8 * index["documents"], index["documents_crc32"])
    maps = [_mapped(path) for path in paths]
    whole = [np.frombuffer(mapped if mapped is not None else b"", dtype) for mapped in maps]
    cuts = [shard["training"] for shard in index["shards"]]
    parts = [ids[:cut] for ids, cut in zip(whole, cuts, strict=True)]
    parts += [ids[cut:] for ids, cut in zip(whole, cuts, strict=True)]
    ids = Ids(parts, [mapped for mapped in maps if mapped is not None])
    starts = np.frombuffer(_mapped(folder / DOCUMENTS) or b"", "<i8")
    try:
        vocabulary = load_vocabulary(index["vocabulary"], index.get("tokenizer"))
    except PenstockError as error:
        raise _broken(folder / INDEX, str(error)) from None
    return Prepared(
        Tokens(ids, starts, index["characters"]), index["training"], vocabulary, index["recipe"], index["digest"]
    )


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"{number:05}.tokens"


def read_index(folder: Path) -> dict[str, Any]:
    """The content of index.json.

    Raises:
        PenstockError: it is not there, not whole, or of another version.
    """
    path = folder / INDEX
    content = sealed.read_index(folder, FORMAT, VERSION, KINDS, _broken)
    for shard in content["shards"]:
        if not all(isinstance(shard.get(name), int) for name in ("training", "held_out", "crc32")):
            raise _broken(path, f"shards: expected training, held_out and crc32 of each, got {shard!r:.60}")
    tokens = sum(shard["training"] + shard["held_out"] for shard in content["shards"])
    if not 0 <= content["training"] <= tokens:
        raise _broken(path, f"training: expected at most {tokens:,} tokens, got {content['training']:,}")
    if content["dtype"] not in DTYPES:
        raise _broken(path, f"dtype: expected one of {', '.join(DTYPES)}, got {content['dtype']!r:.40}")
    return content


def _check(path: Path, size: int, crc32: int) -> None:
    try:
        found = path.stat().st_size
        if found != size:
            raise _broken(path, f"expected {size:,} bytes, got {found:,}")
        if checksum(path) != crc32:
            raise _broken(path, "its checksum is that of another content")
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from None


def _broken(path: Path, why: str) -> PenstockError:
    return PenstockError(f"{path}: not the file that was written: {why}; make the tokens anew with --force")


def _mapped(path: Path) -> mmap.mmap | None:
    """None for an empty file, which cannot be mapped."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if path.stat().st_size else None


def documents(tokens: Tokens, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """The ids from ``start`` to ``stop``, document by document; the first may be the rest of one."""
    low, high = np.searchsorted(tokens.starts, [start + 1, stop])
    # a document at a time: there may be more of them than memory holds
    begins = itertools.chain([start], map(int, tokens.starts[low:high]), [stop])
    return (tokens.ids[a:b] for a, b in itertools.pairwise(begins))
