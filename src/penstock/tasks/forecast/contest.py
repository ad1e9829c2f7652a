"""Segments or step by step: which of the two is ahead on held-out windows when both have trained for a short time."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.tasks.forecast.sizes import patch_of
from penstock.train.fit import Run
from penstock.train.plan import DEFAULT_MINUTES, make_plan
from penstock.train.ranks import Ranks
from penstock.train.schedule import learning_rate_share
from penstock.train.task import Begun, Task

SHARE = 0.05
"""Of the run's minutes, for each of the two."""
CLEARLY = 0.98
"""Of the loss of segments, which that of step by step must be below: less is chance."""
JUDGED = 4096
"""Held-out windows that each is judged by, about."""


def better_segment(task: Task, begun: Begun, inputs: Sequence[str], out: Path) -> tuple[int | None, str]:
    """Steps of a segment for a run whose length is a time, None for the usual; and a line that says why.

    Segments learn from many steps at once, and soon; step by step each forecast has a step of its own, which takes
    longer. What counts is which is better in the same time.
    """
    data: Any = begun.data
    usual = patch_of(data.horizon, data.answer.season)
    if usual == 1 or not data.training or not data.held_out:
        return None, ""
    minutes = begun.settings.minutes or DEFAULT_MINUTES
    segments, steps = (_loss_after(task, begun, inputs, out, segment, SHARE * 60 * minutes) for segment in (None, 1))
    line = (
        f"segments of {usual}: {segments:.3f} of the naive error on held-out rows after {SHARE * 60 * minutes:.0f} s; "
        f"step by step: {steps:.3f}"
    )
    return (1 if steps < CLEARLY * segments else None), line


def _loss_after(
    task: Task, begun: Begun, inputs: Sequence[str], out: Path, segment: int | None, seconds: float
) -> float:
    """On held-out windows, of a model that has trained for so long, and one step at least."""
    began = begun._replace(own=dataclasses.replace(begun.own, segment=segment))
    run = Run(task, make_plan(task, began, inputs), began.data, out, Ranks())
    started, share = time.perf_counter(), 0.0
    while share < 1:
        chunk = run.streams.chunk(run.progress.step).to(run.stepper.device)
        run.stepper.step(chunk, run.state, learning_rate_share(share, run.plan.settings.warmup))
        run.progress.step += 1
        share = (time.perf_counter() - started) / seconds
    assert run.held_out is not None
    return run.stepper.validate(run.held_out, JUDGED)
