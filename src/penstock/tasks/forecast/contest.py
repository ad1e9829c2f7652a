"""What wins in the time allowed: other ways to forecast train for a short time each, and held-out windows tell."""

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.tasks.forecast.data import ForecastData
from penstock.tasks.forecast.sizes import patch_of
from penstock.train.fit import Run
from penstock.train.plan import DEFAULT_MINUTES, make_plan
from penstock.train.ranks import Ranks
from penstock.train.schedule import learning_rate_share
from penstock.train.task import Begun, Task

SHARE = 0.1
"""Of the run's minutes, for all together; the rest is the run's."""
CLEARLY = 0.98
"""Of the loss of what is done by default, which that of another way must be below: less is chance."""
FIRST, LEAST = 5, 50
"""Steps of optimisation by which the speed is seen, and which each must do in its time: fewer tell nothing."""
SUPPOSED = 500
"""Steps of optimisation that each is taken to do, which its learning rate follows from."""
JUDGED = 4096
"""Held-out windows that each is judged by, about."""


def ahead(task: Task, begun: Begun, inputs: Sequence[str], out: Path) -> tuple[Begun, str]:
    """The way that is best after a short time, of a run whose length is a time; and a line that says why.

    Segments learn from many steps at once, and soon; step by step each forecast has a step of its own, which takes
    longer. Columns that nobody named may help, or be learnt by heart. What counts is what is better in the same time.
    """
    data: Any = begun.data
    usual = patch_of(data.horizon, data.answer.season, begun.own.segment)
    ways = {f"segments of {usual}" if usual > 1 else "step by step": begun}
    if usual > 1 and begun.own.segment is None:
        ways["step by step"] = begun._replace(own=dataclasses.replace(begun.own, segment=1))
    if data.others and not begun.own.features and begun.own.others is None:
        own = dataclasses.replace(begun.own, others=True)
        name = f"reading {', '.join(data.others[:3])}{', …' if len(data.others) > 3 else ''} too"
        ways[name] = begun._replace(own=own, data=ForecastData(data.series, data.split, own))
    if len(ways) == 1 or not data.training or not data.held_out:
        return begun, ""
    allowed = begun.settings.minutes or DEFAULT_MINUTES
    seconds, started = SHARE * 60 * allowed / len(ways), time.perf_counter()
    losses = {name: _loss_after(task, way, inputs, out, seconds) for name, way in ways.items()}
    first, best = next(iter(ways)), min(losses, key=lambda name: losses[name])
    if not losses[best] < CLEARLY * losses[first]:
        best = first
    left = allowed - (time.perf_counter() - started) / 60
    chosen = ways[best]._replace(settings=dataclasses.replace(begun.settings, minutes=max(left, allowed / 2)))
    if min(losses.values()) == math.inf:
        return chosen, f"{seconds:.2g} s are too short to try {' or '.join([*ways][1:])}; the run takes {first}"
    told = "; ".join(f"{name}: {loss:.3f}" if loss < math.inf else f"{name}: too slow" for name, loss in losses.items())
    return chosen, f"{told} of the naive error on held-out rows after {seconds:.2g} s each; the run goes on with {best}"


def _loss_after(task: Task, begun: Begun, inputs: Sequence[str], out: Path, seconds: float) -> float:
    """On held-out windows, of a model that has trained for so long; infinite where that is too short to tell, which is
    seen by the first few steps."""
    size: Any = None if begun.settings.hidden else begun.settings.size or next(iter(task.presets))
    sized = dataclasses.replace(begun.settings, minutes=None, steps=SUPPOSED, size=size)  # no time goes into sizes
    run = Run(task, make_plan(task, begun._replace(settings=sized), inputs), begun.data, out, Ranks())
    started, elapsed, warm = time.perf_counter(), 0.0, 0.0
    while elapsed < seconds:
        chunk = run.streams.chunk(run.progress.step).to(run.stepper.device)
        run.stepper.step(chunk, run.state, learning_rate_share(elapsed / seconds, run.plan.settings.warmup))
        run.progress.step += 1
        elapsed = time.perf_counter() - started
        warm = warm or elapsed
        if run.progress.step == FIRST and (seconds - warm) * (FIRST - 1) / (elapsed - warm) < LEAST:
            return math.inf
    assert run.held_out is not None
    return run.stepper.validate(run.held_out, JUDGED) if run.progress.step >= LEAST else math.inf
