"""The same scorer on the workers of a Ray cluster: Ray Data hands out the files, each worker loads the model once."""

import dataclasses
import json
import logging
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.runtime import Score, load_language
from penstock.score.files import Done, ScoreSettings, score_files
from penstock.score.inputs import Job


class FileScorer:
    """What each worker runs: it scores whole files. Where it dies, Ray gives its file to another worker."""

    def __init__(self, folder: str, settings: dict[str, Any]) -> None:
        self._model, self._settings = load_language(folder), ScoreSettings(**settings)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One job to what became of it."""
        name, *paths = (str(batch[field][0]) for field in Job._fields)
        try:
            (done,) = score_files(self._model, [Job(name, *map(Path, paths))], self._settings, workers=1)
        except PenstockError as error:
            return {"done": [""], "error": [str(error)]}
        return {"done": [json.dumps(dataclasses.asdict(done))], "error": [""]}


def check() -> None:
    """Raises PenstockError where there is no Ray."""
    if find_spec("ray") is None:
        raise PenstockError("--engine ray needs Ray, which is not installed: pip install 'penstock[scale]'")


def score_on_ray(folder: Path, jobs: Sequence[Job], settings: ScoreSettings, workers: int | None) -> Generator[Done]:
    """Scores files on the cluster that this process is in, else on that of RAY_ADDRESS, else on one of this machine.

    Every worker must see the model, the files and the output folder under the same paths.

    Args:
        folder: the model.
        jobs: the files; they come back in the order in which they are done.
        settings: what is read and written.
        workers: of one core each; None takes all cores of the cluster.

    Raises:
        PenstockError: a file cannot be written, or a worker failed in another way.
    """
    import ray
    import ray.data

    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    workers = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(jobs))
    items = [dict(zip(Job._fields, map(str, job), strict=True)) for job in jobs]
    if not items:
        return
    scored = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        FileScorer,
        fn_constructor_args=(str(folder), dataclasses.asdict(settings)),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    try:
        for row in scored.iter_rows():
            if row["error"]:
                raise PenstockError(row["error"])
            done = json.loads(row["done"])
            yield Done(**done | {"score": Score(*done["score"])})
    except ray.exceptions.RayError as error:
        raise PenstockError(f"--engine ray: {str(error).strip().splitlines()[-1]}") from error
