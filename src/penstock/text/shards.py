"""What one worker does: read a unit of a corpus, and write its characters or its shard of tokens."""

import dataclasses
import hashlib
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from penstock.files import replacing, write
from penstock.sealed import checksum, read_sealed, write_sealed
from penstock.text import words
from penstock.text.readers import Piece, read
from penstock.text.sources import FilePart, Source
from penstock.text.tokens import shard_path
from penstock.text.vocabulary import Vocabulary, characters_of

UNIT = 1 << 24
"""Bytes of text in a unit, about, and at least; what a killed run can lose of each worker's work."""
UNITS = 256
"""At most: each is a file that training keeps open."""
WORDS = 1 << 18
"""Words of a unit that are counted at most: the most frequent."""


class Unit(NamedTuple):
    """Some parts of files, one after the other; they become one shard."""

    number: int
    parts: list[FilePart]
    bytes: float


def units_of(sources: Sequence[Source]) -> list[Unit]:
    """The corpus in units of about the same size; the same ones wherever and by however many they are read."""
    weights = [source.size or UNIT for source in sources]
    size = max(UNIT, -(-sum(weights) // UNITS))
    units: list[Unit] = []
    parts: list[FilePart] = []
    weight = 0.0
    for source, bytes_ in zip(sources, weights, strict=True):
        count = max(1, -(-bytes_ // size)) if source.divides else 1
        for k in range(count):
            parts.append(FilePart(source, k, count))
            weight += bytes_ / count
            if weight >= size:
                units.append(Unit(len(units), parts, weight))
                parts, weight = [], 0.0
    return [*units, Unit(len(units), parts, weight)] if parts else units


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What a worker must know."""

    folder: Path
    column: str
    errors: str
    holdout: float
    vocabulary: Vocabulary | None = None
    """None while its characters are being found."""

    def read(self, part: FilePart) -> Iterator[Piece]:
        """The pieces of a part of the corpus."""
        return read(part, self.column, self.errors)

    def characters_path(self, number: int) -> Path:
        """The file of the characters of a unit."""
        return self.folder / f"{number:05}.characters"

    def words_path(self, number: int) -> Path:
        """The file of how often each word comes in a unit."""
        return self.folder / f"{number:05}.words"

    def starts_path(self, number: int) -> Path:
        """The file of where the documents of a shard start."""
        return self.folder / f"{number:05}.starts"

    def tokens_path(self, number: int) -> Path:
        """The file of a shard's tokens."""
        return shard_path(self.folder, number)

    def digests_path(self, number: int) -> Path:
        """The file of the documents' digests of a shard, by which copies are found."""
        return self.folder / f"{number:05}.digests"

    def record_path(self, number: int) -> Path:
        """The file that says what is in a shard; written last."""
        return self.folder / f"{number:05}.json"


def find_characters(job: ShardJob, unit: Unit) -> None:
    """Writes the characters that occur in a unit."""
    found = characters_of(piece.text for part in unit.parts for piece in job.read(part))
    write_sealed(job.characters_path(unit.number), {"characters": found})


def found_characters(job: ShardJob, number: int) -> str | None:
    """The characters that were found in a unit, if they were."""
    try:
        return str(read_sealed(job.characters_path(number))["characters"])
    except (OSError, ValueError):
        return None


def find_words(job: ShardJob, unit: Unit) -> None:
    """Writes how often each word comes in a unit."""
    counts = words.counted(piece.text for part in unit.parts for piece in job.read(part))
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:WORDS]
    write_sealed(job.words_path(unit.number), {"words": dict(most), "all": counts.total()})


def found_words(job: ShardJob, number: int) -> tuple[dict[str, int], int] | None:
    """How often each word comes in a unit, and how many they are, if they were counted."""
    try:
        found = read_sealed(job.words_path(number))
        return found["words"], found["all"]
    except (OSError, ValueError):
        return None


class _Side:
    """The tokens to train on, or those held out, of one shard."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.tokens, self.starts, self.digests = file, 0, array("q"), bytearray()
        self._document: Any = None  # a digest that is not finished

    def add(self, piece: Piece) -> None:
        """Counts a piece's text into the digest of its document, unless that begins in another shard."""
        if piece.starts_document:
            self.end()
            self._document = hashlib.blake2b(digest_size=8)
        if self._document is not None:
            self._document.update(piece.text.encode("utf-8", "surrogatepass"))

    def end(self) -> None:
        """Ends the document at hand."""
        if self._document is not None:
            self.digests += self._document.digest()


def write_shard(job: ShardJob, unit: Unit) -> None:
    """Writes the tokens of a unit, where its documents start, and what is in both."""
    assert job.vocabulary is not None
    dtype = token_type(job.vocabulary)
    characters = 0
    path = job.tokens_path(unit.number)
    with replacing(path) as file, tempfile.TemporaryFile(dir=job.folder) as beside:
        sides = (_Side(file), _Side(beside))
        for piece, held_out in _drawn(job, unit):
            side = sides[held_out]
            ids = job.vocabulary.encode(piece.text)
            if piece.starts_document:
                side.starts.append(side.tokens)
            side.add(piece)
            side.file.write(ids.astype(dtype).tobytes())
            side.tokens += len(ids)
            characters += len(piece.text)
        beside.seek(0)
        shutil.copyfileobj(beside, file)
    for side in sides:
        side.end()
    write(job.digests_path(unit.number), bytes(sides[0].digests + sides[1].digests))
    starts = job.starts_path(unit.number)
    write(starts, b"".join(side.starts.tobytes() for side in sides))
    record = {
        "training": sides[0].tokens,
        "held_out": sides[1].tokens,
        "training_documents": len(sides[0].starts),
        "held_out_documents": len(sides[1].starts),
        "characters": characters,
        "crc32": checksum(path),
        "starts_crc32": checksum(starts),
        "digests_crc32": checksum(job.digests_path(unit.number)),
    }
    write_sealed(job.record_path(unit.number), record)


def _drawn(job: ShardJob, unit: Unit) -> Iterator[tuple[Piece, bool]]:
    """The pieces of a unit, and whether each one's document is held out."""
    for part in unit.parts:
        held_out: bool | None = None
        for piece in job.read(part):
            if piece.starts_document or held_out is None:
                # where a text file is read in parts, its beginning decides for all of them
                whole = part.parts == 1 or part.source.of_rows
                first = piece if whole else next(job.read(FilePart(part.source)))
                held_out = is_held_out(first.text, job.holdout)
            yield piece, held_out


def is_held_out(text: str, share: float) -> bool:
    """Whether the document that begins with this piece is one of the ``share`` of all that are drawn to be held out.

    Drawn by its hash: equal documents are on the same side, and whether others are there makes no difference.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2**64


def token_type(vocabulary: Vocabulary) -> np.dtype[Any]:
    """The smallest type that holds every id, little-endian."""
    smallest: np.dtype[Any] = np.min_scalar_type(max(len(vocabulary) - 1, 0)).newbyteorder("<")
    return smallest


def finished(job: ShardJob, number: int) -> dict[str, Any] | None:
    """What is in a shard, if it was written to its end and is still what was written."""
    try:
        record = read_sealed(job.record_path(number))
        whole = record["crc32"] == checksum(job.tokens_path(number))
        whole = whole and record["starts_crc32"] == checksum(job.starts_path(number))
        whole = whole and record["digests_crc32"] == checksum(job.digests_path(number))
    except (OSError, ValueError):
        return None
    return record if whole else None
