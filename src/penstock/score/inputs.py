"""Which files are scored, and where the scores of each go."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.errors import PenstockError


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


def find(inputs: Sequence[str], out: Path) -> list[Job]:
    """The files of all inputs, in order.

    A file's scores lie in ``out`` under its own name, with the folders that it has below the input folder or the fixed
    part of the glob. Text has no columns to keep: its scores are JSON lines, ``.jsonl`` after the name.

    Raises:
        PenstockError: nothing is found, or two files would be written to one.
    """
    place = out.resolve()
    jobs: dict[Path, Job] = {}
    for name in inputs:
        for path, below in _found(name):
            source = path.resolve()
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
    return list(jobs.values())


TABULAR = (".parquet", ".jsonl", ".jsonl.gz")
SUFFIXES = (*TABULAR, ".txt", ".txt.gz")


def _found(name: str) -> Iterator[tuple[Path, Path]]:
    """The files of one input, and what each is called below it."""
    path = Path(name)
    if path.is_dir():
        root = path
        found = [p for p in path.rglob("*") if p.name.lower().endswith(SUFFIXES)]
        # what begins with a dot or a line is nobody's data: by this custom, readers of Parquet folders pass over it too
        found = [p for p in found if not any(part.startswith((".", "_")) for part in p.relative_to(root).parts)]
    elif path.exists():
        root, found = path.parent, [path]
    else:
        fixed = list(path.parts[:-1])
        while glob.has_magic(str(Path(*fixed))):
            fixed.pop()
        root, found = Path(*fixed), [Path(p) for p in glob.glob(name, recursive=True)]
    found = sorted(p for p in found if p.is_file())
    for p in found:
        if p.name.lower().endswith(".arrow"):
            raise PenstockError(f"--in: {p}: an Arrow file is not scored as it is; save it as Parquet")
    if not found:
        raise PenstockError(
            f"--in: {name}: no file {'matches it' if glob.has_magic(name) else 'there'}; "
            f"name files, folders that hold {', '.join(SUFFIXES)}, or globs in quotes"
        )
    return ((p, p.relative_to(root)) for p in found)
