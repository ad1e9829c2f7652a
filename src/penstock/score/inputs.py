"""Which files are scored, and where the scores of each go."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.errors import PenstockError
from penstock.text.recognise import stem_and_packing
from penstock.text.sources import files_of
from penstock.text.walk import LeftOut, account


class Job(NamedTuple):
    """One file to score."""

    name: str
    """What to call it."""
    source: Path
    """Absolute, as is ``out``: a worker on a cluster starts somewhere else."""
    out: Path
    errors: Path

    def finished(self) -> bool:
        """Whether it has been scored since it was last written."""
        return self.out.exists() and self.out.stat().st_mtime >= self.source.stat().st_mtime


class Inputs(NamedTuple):
    """What is scored, and what is not."""

    jobs: list[Job]
    left_out: list[LeftOut]

    def account(self) -> str:
        """One line: what is read, and what is left out and why."""
        return account(len(self.jobs), sum(job.source.stat().st_size for job in self.jobs), self.left_out)


def find(inputs: Sequence[str], out: Path, raw: bool = False) -> Inputs:
    """The files of all inputs, in order; folders are walked as everywhere, for any bytes if ``raw``.

    A file's scores lie in ``out`` under its own name, with the folders that it has below the input folder or the fixed
    part of the glob. Text has no columns to keep: its scores are JSON lines, ``.jsonl`` after the name.

    Raises:
        PenstockError: nothing is found, or two files would be written to one.
    """
    place = out.resolve()
    jobs: dict[Path, Job] = {}
    left_out: list[LeftOut] = []
    for name in inputs:
        root = _root(Path(name))
        for path in _scored(name, left_out, raw):
            source, below = path.resolve(), path.relative_to(root)
            if place in source.parents:  # scores of an earlier run are no input of the next
                continue
            to = below if below.name.lower().endswith(TABULAR) else below.with_name(f"{below.name}.jsonl")
            job = Job(str(path), source, place / to, place / "_errors" / below.with_name(f"{below.name}.jsonl"))
            other = jobs.setdefault(job.out, job)
            if other.source != source:
                raise PenstockError(
                    f"--in: {other.name} and {path} would both be written to {out / to}; score them into two folders"
                )
    if not jobs:
        raise PenstockError(f"--in: every file of {', '.join(inputs)} lies in the output folder, {out}; choose another")
    return Inputs(list(jobs.values()), left_out)


LINES = (".jsonl", ".ndjson")
TABULAR = (".parquet", *LINES, *(f"{ending}.gz" for ending in LINES))
"""Endings of files whose scores are a file of the same kind, with their other columns."""
INSTEAD = {".arrow": "an Arrow file", ".csv": "a table", ".tsv": "a table", ".json": "an array of JSON"}
"""What is not scored as it is."""
ADVICE = "name files of text, JSON lines or Parquet, folders that hold some, or globs in quotes"


def _scored(name: str, left_out: list[LeftOut], raw: bool) -> list[Path]:
    """The files of one input."""
    try:
        files = files_of(name, left_out, raw, ADVICE)
    except PenstockError as error:
        raise PenstockError(f"--in: {error}") from None
    found = []
    for path in files:
        if (why := _instead(path)) is None:
            found.append(path)
        elif Path(name).is_dir():
            left_out.append(LeftOut(str(path), why))
        else:
            raise PenstockError(f"--in: {path}: {why}")
    if not found:
        raise PenstockError(f"--in: {name}: nothing in it is scored: {account(0, 0, left_out)}; {ADVICE}")
    return found


def _root(path: Path) -> Path:
    """The folder from which on a file's scores lie as it does: the one that was named, or the fixed part of a glob."""
    root = path if path.is_dir() else path.parent
    while glob.has_magic(str(root)) and not path.exists():
        root = root.parent
    return root


def _instead(path: Path) -> str | None:
    """What helps with a file that is not scored as it is."""
    stem, _ = stem_and_packing(path.name)
    what = next((what for ending, what in INSTEAD.items() if stem.endswith(ending)), None)
    what = what if path.is_file() else "a pipe or a device"
    return what and f"{what} is not scored as it is; save it as Parquet or JSON lines"
