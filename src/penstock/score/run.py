"""A whole run: what is left to score, by which engine, and what came of it."""

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from penstock.errors import PenstockError
from penstock.files import cannot_write, write
from penstock.folder import Folder, held
from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS
from penstock.native import core
from penstock.runtime import Model, Score, load_language
from penstock.score import inputs, on_ray
from penstock.score.files import Done, ScoreSettings, score_files
from penstock.score.inputs import Job

Engine = Literal["local", "ray"]

FORMAT, VERSION, ABOUT = "penstock-scores", 1, "_score.json"


@dataclasses.dataclass
class Summary:
    """What a run did."""

    files: int = 0
    """Scored now."""
    finished_before: int = 0
    failed: int = 0
    rows: int = 0
    bad: int = 0
    """Rows that could not be scored."""
    scores: list[Score] = dataclasses.field(default_factory=list)
    """Of each file."""
    seconds: float = 0.0
    reason: str | None = None
    """Why the first file or row was not scored."""

    def add(self, done: Done) -> None:
        """Counts a file."""
        self.failed, self.files = self.failed + done.failed, self.files + (not done.failed)
        self.rows, self.bad = self.rows + done.rows, self.bad + done.bad
        self.scores.append(done.score)
        if done.reason is not None:
            self.reason = self.reason or f"{done.name}: {done.reason}"

    @property
    def score(self) -> Score:
        """Of all files together; the same to the last bit in whatever order they were done."""
        return sum(sorted(self.scores), Score())

    def as_json(self) -> dict[str, Any]:
        """The figures; those that nothing was scored for are None."""
        score, some = self.score, self.score.tokens > 0
        return {
            "files": self.files,
            "files_finished_before": self.finished_before,
            "files_failed": self.failed,
            "rows": self.rows,
            "rows_not_scored": self.bad,
            "tokens": score.tokens,
            "nats_per_token": score.nats_per_token if some else None,
            "bits_per_byte": score.bits_per_byte if some else None,
            "perplexity": score.perplexity if some else None,
            "unknown_characters": score.unknown,
            "seconds": self.seconds,
            "tokens_per_second": score.tokens / self.seconds if self.seconds else None,
        }


def run(
    folder: Path,
    names: Sequence[str],
    out: Path,
    settings: ScoreSettings,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    told: Callable[[Done], None] = lambda done: None,
    tell: Callable[[str], object] = lambda line: None,
) -> Summary:
    """Scores every file that has not been scored yet.

    Args:
        folder: the model.
        names: files, folders and globs.
        out: the folder for the scores.
        settings: what is read and written.
        engine: ``"local"``, threads of this process, or ``"ray"``, workers of a Ray cluster.
        workers: so many of them; None takes all cores there are.
        told: is called for each file when it is done.
        tell: is told, before it begins, what is read, and what is left out and why.

    Raises:
        PenstockError: there is no model, no input, no way to write, scores of something else in ``out``; or not one
            row could be scored.
    """
    begin = time.perf_counter()
    model = load_language(folder)
    if workers is not None and workers < 1:
        raise PenstockError(f"--workers: expected 1 or more, got {workers}")
    if engine == "ray":
        on_ray.check()
    found = inputs.find(names, out, raw=model.vocabulary.kind == "byte")
    jobs = found.jobs
    with held(out, "scores") as place:
        _claim(place, _about(folder, settings))
        tell(found.account())
        place.claim(str(path.relative_to(out.resolve())) for job in jobs for path in (job.out, job.errors))
        summary = _score(model, folder, jobs, settings, engine, workers, told)
    summary.seconds = time.perf_counter() - begin
    if not summary.score.tokens and not summary.finished_before:
        raise PenstockError(f"not one row could be scored: {summary.reason or 'there are none'}")
    return summary


def _score(
    model: Model,
    folder: Path,
    jobs: Sequence[Job],
    settings: ScoreSettings,
    engine: Engine,
    workers: int | None,
    told: Callable[[Done], None],
) -> Summary:
    todo = [job for job in jobs if not job.finished()]
    summary = Summary(finished_before=len(jobs) - len(todo))
    done = (
        on_ray.score_on_ray(folder.resolve(), todo, settings, workers)
        if engine == "ray"
        else score_files(model, todo, settings, workers or core.available_threads())
    )
    with contextlib.closing(done):  # stopped from outside, the engine stops too
        for one in done:
            summary.add(one)
            told(one)
    return summary


def _about(folder: Path, settings: ScoreSettings) -> dict[str, Any]:
    """What the scores in a folder belong to."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if (folder / name).exists():
            digest.update((folder / name).read_bytes())
    return {"format": FORMAT, "version": VERSION, "model": digest.hexdigest(), **dataclasses.asdict(settings)}


def _claim(folder: Folder, about: dict[str, Any]) -> None:
    """Makes the folder one for these scores, and no others."""
    out = folder.path
    folder.expect_only_ours()
    path = folder.place(ABOUT)
    try:
        before = json.loads(path.read_text()) if path.exists() else None
    except OSError as error:
        raise cannot_write(out, error) from None
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"{path}: cannot be read: {error}; score into another --out") from None
    if before is None:
        if folder.listed():
            raise PenstockError(f"--out: {out} holds scores without {ABOUT}, which says of what; choose another folder")
        write(path, json.dumps(about, indent=2) + "\n")
    elif before != about:
        differs = [
            "another model"
            if name == "model"
            else f"{name} {before.get(name) if isinstance(before, dict) else before!r}, not {value!r}"
            for name, value in about.items()
            if not isinstance(before, dict) or before.get(name) != value
        ]
        raise PenstockError(f"--out: {out} holds scores of {' and '.join(differs)}; choose another folder")
