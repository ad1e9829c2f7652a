"""A training run from beginning to end: prepare, train, report; or take up again where a checkpoint stands."""

import contextlib
import dataclasses
import json
import math
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from penstock.errors import PenstockError
from penstock.files import cannot_write, write
from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS
from penstock.nn.language_model import LanguageModel
from penstock.text import reference
from penstock.text.prepare import Recipe, prepare
from penstock.text.progress import shown
from penstock.text.tokens import Prepared, open_tokens, token_folder
from penstock.text.workers import processors
from penstock.train.checkpoint import ANEW, Progress, read_checkpoint, restore, save_checkpoint
from penstock.train.plan import Plan, make_plan, usable_device
from penstock.train.reporter import Display, Log, duration
from penstock.train.results import Results, measure, print_results
from penstock.train.schedule import learning_rate_share
from penstock.train.settings import Settings
from penstock.train.step import NotFinite, Stepper
from penstock.train.streams import Chunk, Streams

TRAINING = "training"
"""The run's own folder inside the model folder: tokens, checkpoint, log. The model works without it."""
CHECKPOINT, LOG, TOKENS, RECORD = "checkpoint.safetensors", "log.jsonl", "tokens", "train.json"

VALIDATIONS = 10
"""In a run, at equal distances."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    interrupted: int | None
    """The signal that stopped it early, if one did; ``--resume`` then goes on."""
    results: Results | None


def train(
    settings: Settings,
    inputs: Sequence[str],
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Trains a language model on ``inputs`` (see ``Corpus``) into the model folder ``out``.

    SIGINT and SIGTERM end the run after the step at hand, with a checkpoint. Killed outright, it loses what came after
    the last checkpoint. A resumed run goes on bit for bit as the uninterrupted one would have on a CPU with the same
    number of threads, where ``steps`` or ``epochs`` and not the clock decide its length.

    Raises:
        PenstockError: a setting, the corpus or the folder cannot be used. What the folder held is unchanged.
        NotFinite: the loss left the finite numbers; the last checkpoint is kept.
    """
    console = console or Console()
    run = _Run.resumed(settings, inputs, out) if resume else _Run.prepared(settings, inputs, out, force, console)
    _describe(run, console)
    log = Log(run.folder / LOG, run.progress.log_bytes, run.folder / "tensorboard" if tensorboard else None)
    display = Display(console, len(run.tokens.ids) / max(run.tokens.characters, 1))
    with contextlib.closing(log), display, _stop_signals() as received:
        run.fit(log, display, received)
    if received:
        console.print(f"stopped after step {run.progress.step:,}; go on with", highlight=False)
        console.print(f"  penstock train --out {out} --resume", highlight=False, markup=False, soft_wrap=True)
        return Outcome(received[0], None)
    if run.held_out is not None:
        display.say("scoring the held-out text with the best model")
    results = measure(run.plan, run.progress, run.tokens, out)
    run.record(results)
    print_results(results, out, console)
    return Outcome(None, results)


class _Run:
    """What a run consists of, whether new or resumed."""

    def __init__(
        self,
        plan: Plan,
        prepared: Prepared,
        out: Path,
        resumed: tuple[Progress, dict[str, Tensor]] | None = None,
    ) -> None:
        self.plan, self.out = plan, out
        self.tokens, self.vocabulary = tokens, vocabulary = prepared.tokens, prepared.vocabulary
        self.folder = out / TRAINING
        torch.manual_seed(plan.settings.seed)
        model = LanguageModel(plan.model, vocabulary).to(usable_device(plan.device))
        self.stepper = Stepper(
            model,
            learning_rate=plan.learning_rate,
            weight_decay=plan.settings.weight_decay,
            clip=plan.settings.clip,
        )
        split, end = plan.train_tokens, plan.train_tokens + plan.held_out_tokens
        self.streams = Streams(tokens, 0, split, N=plan.streams, L=plan.settings.chunk)
        self.held_out = Streams(tokens, split, end, N=plan.streams, L=256) if end - split > 1 else None
        if resumed is None:
            self.progress, self.state = Progress(), self.stepper.initial_state(self.streams.N)
        else:
            self.progress, self.state = resumed[0], restore(resumed[1], self.stepper)

    @classmethod
    def prepared(cls, settings: Settings, inputs: Sequence[str], out: Path, force: bool, console: Console) -> "_Run":
        """Reads the corpus beside what ``out`` holds, and takes its place only once all of it was fine."""
        ours = [out / name for name in (WEIGHTS, CONFIG, TOKENIZER, RECORD, TRAINING)]
        try:
            held = [path for path in ours if path.exists()]
        except OSError as error:
            raise cannot_write(out, error) from None
        if held and not force:
            raise PenstockError(
                f"{out}: already holds {held[0].name}; add --resume to go on with it, --force to replace it, "
                "or choose another --out"
            )
        staging = out / f".{TRAINING}"
        try:
            staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(out, error) from None
        try:
            corpus = ", ".join(inputs) or reference.NAME
            console.print(f"reading {corpus}", highlight=False, markup=False, soft_wrap=True)
            if folder := token_folder(inputs):
                prepared = open_tokens(folder)
                settings = _agreed(settings, prepared, folder)
            else:
                prepared = _tokens_of(inputs, staging / TOKENS, settings, console)
            plan = make_plan(settings, prepared, corpus, str(folder.resolve()) if folder else TOKENS)
            run = cls(plan, prepared, out)
            save_checkpoint(staging / CHECKPOINT, plan, run.progress, run.stepper, run.state)
            with _set_aside(held, out):
                staging.rename(run.folder)
        except OSError as error:
            raise cannot_write(out, error) from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            with contextlib.suppress(OSError):  # goes only if it is empty: a run that never began leaves nothing
                out.rmdir()
        run.record(None)
        return run

    @classmethod
    def resumed(cls, settings: Settings, inputs: Sequence[str], out: Path) -> "_Run":
        """Takes up the checkpoint of ``out``; what was said beside ``--resume`` must be what the run began with."""
        folder = out / TRAINING
        plan, progress, tensors = read_checkpoint(folder / CHECKPOINT)
        for field in dataclasses.fields(Settings):
            said, began = getattr(settings, field.name), getattr(plan.settings, field.name)
            if said not in (field.default, began):
                raise PenstockError(
                    f"--{field.name.replace('_', '-')}: the run in {out} began with {began}, got {said}; "
                    "leave it out to resume, or start anew with --force"
                )
        moved = token_folder(inputs)
        if inputs and not moved and ", ".join(inputs) != plan.corpus:
            raise PenstockError(
                f"FILE: the run in {out} reads {plan.corpus}, got {', '.join(inputs)}; leave it out to resume"
            )
        place = moved or folder / plan.tokens
        prepared = open_tokens(place)
        if prepared.digest != plan.digest:
            raise PenstockError(f"{place}: expected the tokens that the run in {out} began with, got others; {ANEW}")
        return cls(plan, prepared, out, (progress, tensors))

    def share(self) -> float:
        """How much of the run is done, 0 … 1, by steps or by the clock."""
        if self.plan.steps is not None:
            return min(1.0, self.progress.step / self.plan.steps)
        assert self.plan.minutes is not None
        return min(1.0, self.progress.seconds / (60 * self.plan.minutes))

    def fit(self, log: Log, display: Display, received: list[int]) -> None:
        """Trains until the run is done, stopped by a signal, or no longer improving."""
        at, plan, settings = self.progress, self.plan, self.plan.settings
        clock = saved = time.perf_counter()
        loss = speed = 0.0  # running means
        reader = ThreadPoolExecutor(1)  # reads the next chunk while this one is learnt from
        ahead = reader.submit(self._chunk, at.chunk)
        while (share := self.share()) < 1 and not received and at.stale < settings.patience:
            asked = time.perf_counter()
            tokens, targets, resets = ahead.result()
            waited = time.perf_counter() - asked
            ahead = reader.submit(self._chunk, (at.chunk + 1) % len(self.streams))
            rate = learning_rate_share(share, settings.warmup)
            try:
                step = self.stepper.step(tokens, targets, resets, self.state, rate)
            except NotFinite as error:
                raise self._not_finite(at.step + 1, str(error)) from None
            self.state = step.state
            at.step, at.chunk = at.step + 1, at.chunk + 1
            if at.chunk == len(self.streams):
                at.chunk, at.passes = 0, at.passes + 1
                self.state = torch.zeros_like(self.state)

            now = time.perf_counter()
            seconds, clock = now - clock, now
            at.seconds += seconds
            at.input_seconds += waited
            share = self.share()
            loss += (step.loss - loss) / min(at.step, 20) if loss else step.loss
            speed += (targets.numel() / seconds - speed) * 0.05 if speed else targets.numel() / seconds
            log.write(
                "step",
                at.step,
                loss=step.loss,
                gradient_norm=step.gradient_norm,
                learning_rate=plan.learning_rate * rate,
                tokens_per_second=targets.numel() / seconds,
                input_share=waited / seconds,
                seconds=at.seconds,
            )
            display.update(share, at.step, loss, speed, self._seconds_left())
            if share >= (at.validations + 1) / VALIDATIONS:
                self._validate(share, log, display)
                clock = self._counted(clock)
                self._save(log)
                saved = clock
            elif clock - saved >= settings.checkpoint_every:
                self._save(log)
                saved = clock
        reader.shutdown()
        self._save(log)
        if not (self.out / WEIGHTS).exists():
            self.stepper.model.save(self.out)

    def _chunk(self, k: int) -> Chunk:
        return self.streams[k].to(self.stepper.device)

    def _counted(self, clock: float) -> float:
        now = time.perf_counter()
        self.progress.seconds += now - clock
        return now

    def _seconds_left(self) -> float:
        at, plan = self.progress, self.plan
        if plan.steps is not None:
            return (plan.steps - at.step) * at.seconds / at.step
        assert plan.minutes is not None
        return max(0.0, plan.minutes * 60 - at.seconds)

    def _validate(self, share: float, log: Log, display: Display) -> None:
        """Measures on held-out text and keeps the model if it is the best so far."""
        at = self.progress
        at.validations = int(share * VALIDATIONS + 1e-9)
        if self.held_out is None:
            self.stepper.model.save(self.out)
            return
        loss = self.stepper.validate(self.held_out, self.plan.validation_tokens)
        if not math.isfinite(loss):
            raise self._not_finite(at.step, f"loss {loss} on held-out text")
        best = at.best is None or loss < at.best
        at.best, at.stale = (loss, 0) if best or at.best is None else (at.best, at.stale + 1)
        if best:
            self.stepper.model.save(self.out)
        log.write("validation", at.step, loss=loss, best=best, seconds=at.seconds)
        display.validated(share, at.step, loss, best)

    def _not_finite(self, step: int, what: str) -> NotFinite:
        kept = "checkpoint and the best model are" if (self.out / WEIGHTS).exists() else "checkpoint is"
        return NotFinite(
            f"training left the finite numbers at step {step}: {what}; the last {kept} kept in {self.out}; "
            f"start anew with a --learning-rate below {self.plan.learning_rate:.2g}"
        )

    def _save(self, log: Log) -> None:
        self.progress.log_bytes = log.synced()
        save_checkpoint(self.folder / CHECKPOINT, self.plan, self.progress, self.stepper, self.state)

    def record(self, results: Results | None) -> None:
        """Writes train.json: the resolved settings, and the results once there are some."""
        content: dict[str, Any] = {"version": 1, "plan": dataclasses.asdict(self.plan)}
        if results is not None:
            content["results"] = dataclasses.asdict(results)
        write(self.out / RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _tokens_of(inputs: Sequence[str], folder: Path, settings: Settings, console: Console) -> Prepared:
    recipe = Recipe(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Recipe)})
    with shown(console) as report:
        return prepare(inputs, folder, recipe, workers=processors(), force=True, report=report)


def _agreed(settings: Settings, prepared: Prepared, folder: Path) -> Settings:
    """The settings with those that the tokens were prepared with; what was said must be the same."""
    for name, value in prepared.recipe.items():
        said = getattr(settings, name)
        if said not in (getattr(Settings, name), value):
            raise PenstockError(
                f"--{name.replace('_', '-')}: {folder} was prepared with {value}, got {said}; leave it out, or prepare "
                "the text anew"
            )
    return dataclasses.replace(settings, **prepared.recipe)


def _describe(run: _Run, console: Console) -> None:
    plan, model = run.plan, run.plan.model
    parameters = sum(p.numel() for p in run.stepper.model.parameters())
    length = f"{plan.steps:,} steps" if plan.steps is not None else duration(60 * (plan.minutes or 0))
    began = f", from step {run.progress.step:,}" if run.progress.step else ""
    for line in (
        f"text    {plan.train_tokens:,} tokens to train on, {plan.held_out_tokens:,} held out; "
        f"vocabulary of {len(run.vocabulary):,} ({run.vocabulary.kind})",
        f"model   {parameters:,} parameters: {model.num_layers} × {model.hidden_size} hidden units, "
        f'reset="{model.reset}", dropout {model.dropout:g}',
        f"run     {length}{began}, about {plan.expected_passes:.1f} passes over the text; "
        f"{run.streams.N} streams × {plan.settings.chunk} steps, learning rate {plan.learning_rate:.2g}, "
        f"on {plan.device}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _set_aside(paths: Sequence[Path], folder: Path) -> Iterator[None]:
    """Moves ``paths`` aside within ``folder``, and back if the block raises; deletes them once it has ended well."""
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".replaced-"))
    moved: list[tuple[Path, Path]] = []
    try:
        for path in paths:
            moved.append((path.rename(aside / path.name), path))
        yield
    except BaseException:
        for where, path in moved:
            where.rename(path)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of dying of them; a second one acts as it did before."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

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
