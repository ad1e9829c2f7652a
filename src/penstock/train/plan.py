"""What a run will do: the settings, and for what they leave open a choice from data, time and measured speed.

The rule, for every choice a person did not make:

- **Size**: the task's largest preset that would read at least ``STEPS_PER_PARAMETER`` steps for each of its parameters
  in the time, the steps or the epochs allowed, and at least the smallest one. The time counts at the speed measured
  here, so that a faster machine or engine trains a larger model by itself. A task may say how many parameters there are
  at most for each step of its data.
- **Dropout**: rises with how well the data could be learnt by heart: with the passes over them, and with the square
  root of the parameters there are for each of their steps.
- **Learning rate**: 0.1 / √H, or 2.3 / H if that is less, times the fourth root of (steps read at once / 2,048) ·
  (2,400 / steps) · (512 / outputs, if less than 1); at most 0.02, and of less than 480 steps that of 480. The best
  of Adam falls with the width (Yang et al. 2021, arXiv:2203.03466, table 3); how it does so here was found in some
  hundreds of runs, see docs/reference/language-models.md.
- **Length**: at most ``MOST_PASSES`` of data of which too few are held out to tell when to stop: they are soon learnt
  by heart, and what comes after is chance.
- **Streams**: 32 side by side for each process on a CPU, 128 on a GPU, fewer where the data are short.
"""

import dataclasses
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

import torch

from penstock.errors import PenstockError
from penstock.train.settings import Settings
from penstock.train.step import Stepper
from penstock.train.task import Begun, Data, Streams, Task

STEPS_PER_PARAMETER = 3
DEFAULT_MINUTES = 3.0
MOST_PASSES = 500


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, resolved: saved with it and taken up again by ``--resume``."""

    task: str
    """Its name."""
    inputs: list[str]
    """What it reads; none is what comes with the task."""
    data: str
    """Where the data are: inside the run's own folder, or a place that was prepared for many runs."""
    digest: str
    """Of the data."""
    own: Any
    """The task's own settings."""
    settings: Settings
    model: Any
    """Its sizes."""
    streams: int
    learning_rate: float
    device: str
    minutes: float | None
    """The limit in time; None where ``steps`` is the limit."""
    steps: int | None
    expected_passes: float
    """How often the data to train on would be read, at the speed measured."""
    training: int
    """Steps to train on."""
    held_out: int
    """Steps to validate on."""
    validation: int
    """Predictions of the held-out data that each of the run's validations scores; the results at its end more."""
    run: str = ""
    """Another one for each run."""
    launch: str = ""
    """The launcher's name for its start of the run; one that starts processes again goes on with what they began."""


def make_plan(
    task: Task,
    begun: Begun,
    inputs: Sequence[str],
    ranks: int = 1,
    launch: str = "",
) -> Plan:
    """Resolves the settings against data, this machine and the number of processes.

    A run that begins from a model has its sizes.

    Raises:
        PenstockError: there are too few data, or the device is not there.
    """
    settings, own, data = begun.settings, begun.own, begun.data
    if (why := task.too_few(data, settings, inputs)) is not None:
        raise PenstockError(why)
    device = usable_device(settings.device)
    streams = settings.streams or ranks * (32 if device.type == "cpu" else 128)
    streams = max(1, min(streams, data.training // (2 * settings.chunk)))
    of_pass = data.streams(streams, settings.chunk)
    per_step = of_pass.read(1, 0) / len(of_pass)

    minutes, steps = length_of(settings, of_pass)

    def steps_in_budget(model: Any) -> float:
        if steps is not None:
            return float(steps * per_step)
        assert minutes is not None
        return minutes * 60 * ranks * _steps_per_second(task, model, data, -(-streams // ranks), settings.chunk, device)

    if begun.before is not None or settings.size is not None or settings.hidden is not None:
        model = task.config(settings, own, settings.size, data, begun.before)
        budget = steps_in_budget(model)
    else:
        model = None
        for size in task.presets:
            candidate = task.config(settings, own, size, data)
            candidate_budget = steps_in_budget(candidate)
            too_slow = candidate_budget < STEPS_PER_PARAMETER * candidate.parameters()
            too_large = candidate.parameters() > task.parameters_per_step * data.training
            if model is not None and (too_slow or too_large):
                break
            model, budget = candidate, candidate_budget
    passes = budget / of_pass.read(1, 0)
    if minutes is not None and not data.tells and passes > MOST_PASSES:
        minutes, passes, steps = None, MOST_PASSES, round(MOST_PASSES * len(of_pass))
        budget = steps * per_step
    dropout = settings.dropout
    if dropout is None:
        by_heart = passes * math.sqrt(model.parameters() / data.training)
        dropout = min(_dropout(by_heart), task.most_dropout)
    plan = Plan(
        task=task.name,
        inputs=list(inputs),
        data=begun.place,
        digest=data.digest,
        own=own,
        settings=settings,
        model=dataclasses.replace(model, stack=dataclasses.replace(model.stack, dropout=dropout)),
        streams=streams,
        learning_rate=0.0,
        device=str(device),
        minutes=minutes,
        steps=steps,
        expected_passes=passes,
        training=data.training,
        held_out=data.held_out,
        # a prediction costs about a third of one in training: ten validations stay within a twentieth of the run
        validation=round(min(max(0.015 * budget, 2048), 65536)),
        run=uuid.uuid4().hex,
        launch=launch,
    )
    return dataclasses.replace(plan, learning_rate=learning_rate(task, plan, budget / per_step))


def length_of(settings: Settings, streams: Streams) -> tuple[float | None, int | None]:
    """A run's limit in minutes, or in steps; one of them is None."""
    if settings.epochs is not None:
        return None, max(1, round(settings.epochs * len(streams)))
    if settings.steps is not None:
        return None, settings.steps
    return settings.minutes or DEFAULT_MINUTES, None


def _dropout(by_heart: float) -> float:
    for limit, dropout in ((5, 0.0), (7, 0.1), (15, 0.2), (30, 0.3)):
        if by_heart < limit:
            return dropout
    return 0.4


def learning_rate(task: Task, plan: Plan, steps: float) -> float:
    """What was said, or by the rule above for a run of so many steps."""
    H, at_once = plan.model.stack.hidden_size, plan.streams * plan.settings.chunk
    longer, wider = max(steps / 2400, 0.2), max(plan.model.outputs / 512, 1.0)
    rate = min(0.1 / math.sqrt(H), 2.3 / H) * math.sqrt(math.sqrt(at_once / 2048 / longer / wider))
    return plan.settings.learning_rate or task.rate * min(rate, 0.02)


def _steps_per_second(task: Task, model: Any, data: Data, N: int, L: int, device: torch.device) -> float:
    """The speed of real training: the median of five steps of optimisation after one to warm up."""
    with torch.random.fork_rng():
        module: Any = task.model(model, data).to(device)
        stepper = Stepper(module, task.loss(data), learning_rate=0.0, weight_decay=0.0, clip=1.0)
        streams = data.streams(N, L)
        chunk, state = streams.chunk(0).to(device), module.layers.initial_state(streams.N)
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            stepper.step(chunk, state)
            seconds.append(time.perf_counter() - began)
    return len(chunk.inputs) * streams.N / sorted(seconds[1:])[2]


def usable_device(name: str | None) -> torch.device:
    """The device of this name, or the best one there is.

    Raises:
        PenstockError: it cannot compute here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise PenstockError(f"--device: {name!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return device
