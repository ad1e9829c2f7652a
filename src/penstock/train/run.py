"""A training run from beginning to end: prepare, train, report; or take up again where a checkpoint stands."""

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import penstock
from penstock.layout import command, say, wrap
from penstock.train.begin import begin
from penstock.train.checkpoint import Checkpoints
from penstock.train.fit import Run
from penstock.train.ranks import joined
from penstock.train.reporter import Display, duration
from penstock.train.settings import Settings, flag
from penstock.train.task import Said, Task

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    interrupted: int | None
    """The signal that stopped it early, if one did; ``--resume`` then goes on."""
    results: Any | None
    """The task's figures, a dataclass."""


def train(
    task: Task,
    settings: Settings,
    own: Any,
    inputs: Sequence[str],
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    said: Collection[str] = (),
    console: Console | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Trains a model of a task on ``inputs`` into the model folder ``out``.

    SIGINT, SIGTERM and SIGHUP end the run after the step at hand, with a checkpoint. Killed outright, it loses what
    came after the last checkpoint. A resumed run goes on bit for bit as the uninterrupted one would have on a CPU with
    the same number of threads and processes, where ``steps`` or ``epochs`` and not the clock decide its length.

    Args:
        task: what is learned.
        settings: how to train.
        own: the task's own settings.
        inputs: what to read.
        out: the model folder.
        resume: go on with the run in ``out``.
        force: replace the model in ``out``, once this run has another to put there.
        tensorboard: also write a TensorBoard log.
        said: the names of settings that count as chosen though they are the defaults; others that are always count.
        console: where the run is told of.
        clock: in seconds; by it the run's minutes pass.

    Started by torchrun, each process trains on its share of the streams (see ``ranks``). The first one alone reads the
    data, reports and writes; a process started again by torchrun goes on from the last checkpoint.

    Raises:
        PenstockError: a setting, the data or the folder cannot be used. What the folder held is unchanged.
        NotFinite: the loss left the finite numbers; the last checkpoint is kept.
    """
    console = console or Console()
    with contextlib.ExitStack() as stack:
        with joined() as ranks:
            console.quiet = console.quiet or not ranks.first
            ranks.agree(_said(task, settings, own, inputs, out, resume))
            run = begin(task, Said(settings, own, inputs, frozenset(said)), out, resume, force, console, ranks, stack)
            _describe(run, console)
            display = Display(console, task.step, task.loss_unit, lambda loss: task.held_out_loss(loss, run.data))
            checkpoints = Checkpoints(run.folder, run.plan.settings.keep)
            with contextlib.closing(run.log(tensorboard)) as log, checkpoints, display, _stop_signals() as received:
                stopped = run.fit(log, display, checkpoints, received, clock)
        if stopped:
            kept = f"; the model that {out} held before stays until the run is done" if run.replaces else ""
            say(console, f"stopped after step {run.progress.step:,}{kept}; go on with")
            say(console, command(["penstock", "train", "--out", str(out), "--resume"], console.width))
            return Outcome(stopped, None)
        if not ranks.first:
            return Outcome(None, None)
        if run.share() < 1:
            display.say(
                f"stopped at {run.share():.0%}: the last {run.progress.stale} validations were no better; "
                "--patience says how many it waits for"
            )
        run.put_in_place()
        if run.held_out is not None:
            display.say("scoring what was held out with the best model")
        results = task.measure(run.plan, run.progress, run.data, out)
        run.record(results)
        task.print_results(results, run.data, out, console)
        return Outcome(None, results)


def _said(task: Task, settings: Settings, own: Any, inputs: Sequence[str], out: Path, resume: bool) -> dict[str, Any]:
    """What every process of a run must have been started with."""
    values = {"task": task.name, **dataclasses.asdict(settings), **dataclasses.asdict(own)}
    flags = {flag(name): value for name, value in values.items()}
    versions = {"Penstock's version": penstock.__version__, "PyTorch's version": torch.__version__}
    return versions | flags | {"FILE": list(inputs), "--out": str(out.absolute()), "--resume": resume}


def _describe(run: Run, console: Console) -> None:
    plan, stack = run.plan, run.plan.model.stack
    parameters = sum(p.numel() for p in run.stepper.model.parameters())
    length = f"{plan.steps:,} steps" if plan.steps is not None else duration(60 * (plan.minutes or 0))
    began = f", from step {run.progress.step:,}" if run.progress.step else ""
    lines = {
        "data": f"{plan.training:,} {run.task.step}s to train on, {plan.held_out:,} held out; "
        f"{run.task.about(run.data)}",
        "model": f"{parameters:,} parameters: {stack.num_layers} × {stack.hidden_size} hidden units, "
        f'reset="{stack.reset}", dropout {stack.dropout:g}',
        "run": f"{length}{began}, about {plan.expected_passes:.1f} passes over them; "
        f"{run.streams.N} streams × {plan.settings.chunk} steps, learning rate {plan.learning_rate:.2g}, "
        f"on {plan.device}" + (f", {run.ranks.size} processes" if run.ranks.size > 1 else ""),
    }
    for name, line in lines.items():
        say(console, wrap(line, console.width, f"{name:8}"))


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT, SIGTERM and SIGHUP instead of dying of them; a second one acts as it did before."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in STOPPING}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}  # as nohup has it

    def receive(number: int, _: Any) -> None:
        received.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
