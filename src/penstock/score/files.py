"""Scores of whole files: each is written when all of it is scored, or not at all."""

import contextlib
import dataclasses
import itertools
import json
import math
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from penstock.errors import PenstockError
from penstock.files import cannot_write, replacing, write
from penstock.runtime import Model, Reading, Score
from penstock.runtime.bulk import read_windows
from penstock.score import rows
from penstock.score.inputs import Job
from penstock.text.rows import Bad


@dataclasses.dataclass(frozen=True)
class ScoreSettings:
    """What scores depend on, beside the model."""

    column: str = "text"
    """Of Parquet files and lines of JSON, where the text stands."""
    embed: bool = False


@dataclasses.dataclass
class Done:
    """What became of a file."""

    name: str
    rows: int = 0
    bad: int = 0
    """Rows that could not be scored."""
    reason: str | None = None
    """That of the first of them; or, of a file that could not be read, why."""
    failed: bool = False
    score: Score = dataclasses.field(default_factory=Score)
    """Of all its rows together."""


class _Piece(NamedTuple):
    """A window on its way through the scorer, or what went wrong instead."""

    job: Job
    texts: list[str | Bad]
    rest: Any
    failure: PenstockError | None = None


def score_files(model: Model, jobs: Sequence[Job], settings: ScoreSettings, workers: int) -> Generator[Done]:
    """Scores files one after the other; a file that cannot be read is passed over.

    Raises:
        PenstockError: a file cannot be written. What was written before is whole.
    """
    # as everywhere, a byte vocabulary reads bytes that are no UTF-8 as the bytes that they are
    errors = "surrogateescape" if model.vocabulary.kind == "byte" else "strict"
    pieces = (piece for job in jobs for piece in _pieces(job, settings, errors))
    windows = ((piece, [text for text in piece.texts if isinstance(text, str)]) for piece in pieces)
    read = read_windows(model, windows, workers=workers, to_the_end=settings.embed)
    for job, of_file in itertools.groupby(read, lambda window: window[0].job):
        try:
            yield _write(job, of_file, settings, model.config.stack.hidden_size if settings.embed else None)
        except _Unreadable as error:
            _make_folder(job.errors.parent)
            write(job.errors, _error(job, None, str(error)))
            yield Done(job.name, reason=str(error), failed=True)


class _Unreadable(Exception):
    """A file cannot be read, whatever becomes of the others."""


def _pieces(job: Job, settings: ScoreSettings, errors: str) -> Iterator[_Piece]:
    """A file's windows; one at least."""
    try:
        for texts, rest in rows.read(job.source, settings.column, errors):
            yield _Piece(job, texts, rest)
    except PenstockError as error:
        yield _Piece(job, [], None, error)


def _write(
    job: Job, windows: Iterator[tuple[_Piece, list[Reading]]], settings: ScoreSettings, embedding: int | None
) -> Done:
    done = Done(job.name)
    _make_folder(job.out.parent)
    with tempfile.SpooledTemporaryFile(1 << 20) as errors, replacing(job.out) as file:
        try:
            writer = rows.writer(job.source, file, settings.column, embedding)
            with contextlib.closing(writer):
                for (_, texts, rest, failure), readings in windows:
                    if failure is not None:
                        raise failure
                    read = iter(readings)
                    of_rows = [_checked(next(read)) if isinstance(text, str) else text for text in texts]
                    for row in of_rows:
                        done.rows += 1
                        if isinstance(row, Bad):
                            done.bad += 1
                            done.reason = done.reason or f"row {done.rows}: {row.reason}"
                            errors.write(_error(job, done.rows, row.reason))
                        else:
                            done.score += row.score
                    writer.write(rest, _columns(of_rows, embedding is not None))
        except PenstockError as error:
            raise _Unreadable(str(error).removeprefix(f"{job.source}: ")) from None
        _write_errors(job, errors)
    return done


def _checked(reading: Reading) -> Reading | Bad:
    if not reading.score.tokens:
        return Bad("a single token: the first one of a text is given, not scored")
    return reading if math.isfinite(reading.score.perplexity) else Bad("the model's score is no finite number")


def _columns(of_rows: Sequence[Reading | Bad], embed: bool) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in rows.SCORES[: 4 + embed]}
    for row in of_rows:
        values: tuple[Any, ...] = (None,) * 5
        if isinstance(row, Reading):
            score = row.score
            values = (score.tokens, score.nats, score.bits_per_byte, score.perplexity, row.state)
        for column, value in zip(columns.values(), values, strict=False):
            column.append(value)
    return columns


def _error(job: Job, row: int | None, reason: str) -> bytes:
    return json.dumps({"file": job.name, "row": row, "reason": reason}).encode() + b"\n"


def _write_errors(job: Job, errors: IO[bytes]) -> None:
    """Before the scores take their place, so that they are never without."""
    if not errors.tell():
        job.errors.unlink(missing_ok=True)
        return
    errors.seek(0)
    _make_folder(job.errors.parent)
    with replacing(job.errors) as file:
        shutil.copyfileobj(errors, file)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
