"""The token file: a corpus as ids in a memory-mapped file, so that it may be larger than memory."""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.files import replacing, write
from penstock.text.corpus import Piece
from penstock.text.vocabulary import Vocabulary


class Tokens(NamedTuple):
    """All documents, one after the other."""

    ids: NDArray[Any]  # (tokens,) uint8, uint16 or uint32, mapped from the file
    starts: NDArray[np.int64]  # (documents,) index of each document's first token, ascending from 0
    characters: int  # of the text that the ids were made of


def write_tokens(pieces: Iterable[Piece], vocabulary: Vocabulary, folder: Path) -> Tokens:
    """Encodes pieces into ``folder`` and opens the result; memory stays flat but for 8 bytes a document.

    Raises:
        PenstockError: there was no text in them, or the folder cannot be written.
    """
    dtype = np.min_scalar_type(max(len(vocabulary) - 1, 0))
    starts, count, characters = [], 0, 0
    with replacing(folder / "tokens.bin") as file:
        for text, starts_document in pieces:
            ids = vocabulary.encode(text)
            if starts_document and len(ids):
                starts.append(count)
            file.write(ids.astype(dtype).tobytes())
            count += len(ids)
            characters += len(text)
    with replacing(folder / "documents.npy") as file:
        np.save(file, np.array(starts, np.int64))
    about = {"dtype": np.dtype(dtype).str, "tokens": count, "characters": characters}
    write(folder / "tokens.json", json.dumps(about))
    return open_tokens(folder)


def open_tokens(folder: Path) -> Tokens:
    """Maps what ``write_tokens`` wrote.

    Raises:
        PenstockError: the files are not there, or not whole.
    """
    try:
        about = json.loads((folder / "tokens.json").read_text())
        starts = np.load(folder / "documents.npy", allow_pickle=False)
        path, dtype = folder / "tokens.bin", np.dtype(about["dtype"])
        if path.stat().st_size != about["tokens"] * dtype.itemsize:
            raise ValueError(f"{path.name} is not whole")
        ids = np.memmap(path, dtype, "r") if about["tokens"] else np.zeros(0, dtype)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise PenstockError(f"{folder}: no usable token file: {error}; train anew with --force") from None
    return Tokens(ids, starts, about["characters"])


def documents(tokens: Tokens, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """The ids from ``start`` to ``stop``, document by document; the first may be the rest of one."""
    inside = tokens.starts[(tokens.starts > start) & (tokens.starts < stop)]
    bounds = [start, *inside.tolist(), stop]
    return (tokens.ids[a:b] for a, b in itertools.pairwise(bounds))
