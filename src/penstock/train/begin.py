"""How a run begins: its text is read and its folder made, or it is taken up where a checkpoint stands."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.errors import PenstockError
from penstock.files import cannot_write
from penstock.folder import Folder, held
from penstock.layout import say
from penstock.train.checkpoint import ANEW, Checkpoints, found, newest, nothing_to_resume, put_away
from penstock.train.fit import RECORD, TRAINING, Run
from penstock.train.plan import make_plan, usable_device
from penstock.train.ranks import Ranks, launch, restarts
from penstock.train.settings import flag
from penstock.train.task import Said, Task

BEGUN = f".{TRAINING}"
"""The run's own folder while its data are read."""
RUN = "run"

OF_A_SITTING = ("keep", "checkpoint_every", "device")
"""Settings that may change when a run is resumed: what it computes is the same."""

LENGTHS = ("minutes", "steps", "epochs")
"""Settings that may change too: the run is then as long as the new one says, all sittings together."""


def begin(
    task: Task,
    said: Said,
    out: Path,
    resume: bool,
    force: bool,
    console: Console,
    ranks: Ranks,
    stack: contextlib.ExitStack,
) -> Run:
    """The run, new or taken up. The first rank sees to it alone; the others then take up what it left.

    The first rank keeps other writers out of ``out`` until ``stack`` ends.

    Raises:
        PenstockError: it cannot be; where the first rank knows why, the others end in silence with its exit status.
    """
    failed: PenstockError | None = None
    folders: list[Folder] = []
    run: Run | None = None
    if ranks.first:
        try:
            anew = not (resume or _was_begun_by_this_launch(task, out))
            if not anew and not found(out / TRAINING):
                raise nothing_to_resume(out / TRAINING)
            folder = stack.enter_context(held(out, "model"))
            run = _prepared(task, said, folder, force, console, ranks.size) if anew else None
            training = stack.enter_context(held(folder.place(TRAINING), RUN))
            run = run or _resumed(task, said, out, console, Ranks(), training)
            folders = [folder, training]
            run.own(*folders)
            if not run.replaces and (anew or run.lengthened):
                run.record(None)
        except PenstockError as error:
            failed = error
    status = ranks.told(None if failed is None else failed.status)
    if failed is not None:
        raise failed
    if status is not None:
        raise SystemExit(status)
    if run is None or ranks.size > 1:
        run = _resumed(task, said, out, console, ranks)
        if folders:
            run.own(*folders)
    return run


def _was_begun_by_this_launch(task: Task, out: Path) -> bool:
    """Whether torchrun started us again after a process died, and the run had begun by then."""
    if not restarts() or not found(out / TRAINING):
        return False
    plan, _, _ = newest(out / TRAINING, task)
    return plan.launch == launch()


def _prepared(task: Task, said: Said, folder: Folder, force: bool, console: Console, ranks: int) -> Run:
    """Reads the data beside what the folder holds, and takes the place of its run only once all was fine."""
    out = folder.path
    folder.expect_only_ours()
    there = [name for name in (*reversed(task.files), RECORD, TRAINING) if name in folder.listed()]
    if there and not force:
        raise PenstockError(
            f"{out}: already holds {there[0]}; add --resume to go on with it, --force to replace it, "
            "or choose another --out"
        )
    folder.remove(BEGUN)  # of a run that was killed as it began
    try:
        with held(folder.place(BEGUN), RUN) as begun:
            read = task.begin(said, begun, out, lambda line: say(console, line), console)
            plan = make_plan(task, read, said.inputs, ranks, launch())
            run = Run(task, plan, read.data, out, Ranks(), before=read.before)
            with Checkpoints(begun, plan.settings.keep) as checkpoints:
                checkpoints.save(plan, run.progress, run.stepper, run.state)
        folder.move(BEGUN, TRAINING)
    except OSError as error:
        raise cannot_write(out, error) from None
    finally:
        folder.remove(BEGUN)
    return run


def _resumed(task: Task, said: Said, out: Path, console: Console, ranks: Ranks, folder: Folder | None = None) -> Run:
    """Takes up the checkpoint of ``out``; what was said beside ``--resume`` must be what the run began with.

    A checkpoint that is not whole is put out of the way by whom ``folder``, the run's own, is given to.
    """
    away = [put_away(folder, lambda line: say(console, line))] if folder else []
    plan, progress, tensors = newest(out / TRAINING, task, *away)
    settings, inputs = said.settings, said.inputs
    began = {f.name: getattr(plan.settings, f.name) for f in dataclasses.fields(settings)}
    began |= {f.name: getattr(plan.own, f.name) for f in dataclasses.fields(plan.own)}
    differing = [name for name in began if said.differs(name, began[name])]
    length = [name for name in differing if name in LENGTHS]
    for name in differing:
        if name not in (*OF_A_SITTING, *LENGTHS):
            raise PenstockError(
                f"{flag(name)}: the run in {out} began with {began[name]}, got {said.value(name)}; "
                "leave it out to resume, or start anew with --force"
            )
    told: dict[str, Any] = dict.fromkeys(LENGTHS) if length else {}
    told |= {name: getattr(settings, name) for name in differing}
    new = dataclasses.replace(plan.settings, **told)
    device = str(usable_device(new.device)) if "device" in differing else plan.device
    plan = dataclasses.replace(plan, settings=new, device=device)
    moved = task.prepared(inputs)
    if inputs and not moved and list(inputs) != plan.inputs:
        reads = ", ".join(plan.inputs) or task.default
        raise PenstockError(f"FILE: the run in {out} reads {reads}, got {', '.join(inputs)}; leave it out to resume")
    place = moved or out / TRAINING / plan.data
    data = task.open(place, plan.own)
    if data.digest != plan.digest:
        raise PenstockError(f"{place}: expected the data that the run in {out} began with, got others; {ANEW}")
    if folder is not None and not moved and (what := task.changed(inputs or plan.inputs, place)) is not None:
        line = f"{what} is not as it was when the run began, which goes on with what it was; --force begins anew"
        say(console, line)
    run = Run(task, plan, data, out, ranks, (progress, tensors))
    if length:
        run.set_length(length[0])
    return run
