"""A training run from beginning to end: prepare, train, report; or take up again where a checkpoint stands."""

import contextlib
import dataclasses
import json
import math
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

import penstock
from penstock.errors import PenstockError
from penstock.files import cannot_write, write
from penstock.folder import Folder, expect_outside, held
from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS
from penstock.nn.language_model import LanguageModel
from penstock.text import reference
from penstock.text.prepare import Recipe, changed, prepare
from penstock.text.progress import shown
from penstock.text.tokens import Prepared, open_tokens, token_folder
from penstock.text.vocabulary import Vocabulary
from penstock.text.workers import processors
from penstock.train.checkpoint import (
    ANEW,
    Checkpoints,
    Progress,
    found,
    newest,
    nothing_to_resume,
    put_away,
    restore,
)
from penstock.train.plan import Plan, length_of, make_plan, usable_device
from penstock.train.ranks import Ranks, joined, launch, restarts
from penstock.train.reporter import Display, Log, duration
from penstock.train.results import Results, measure, print_results
from penstock.train.schedule import learning_rate_share
from penstock.train.settings import Settings
from penstock.train.step import NotFinite, Stepper
from penstock.train.streams import Chunk, Streams

TRAINING = "training"
"""The run's own folder inside the model folder: tokens, checkpoint, log. The model works without it."""
LOG, TOKENS, RECORD = "log.jsonl", "tokens", "train.json"
BEST = "model"
"""In the run's own folder: its best model so far, where the model folder still holds another run's."""
BEGUN = f".{TRAINING}"
"""The run's own folder while the corpus is read."""
RUN = "run"
MODEL = (CONFIG, TOKENIZER, WEIGHTS)
"""A model's files, in the order in which they are written."""

VALIDATIONS = 10
"""In a run, at equal distances."""

OF_A_SITTING = ("keep", "checkpoint_every", "device")
"""Settings that may change when a run is resumed: what it computes is the same."""

LENGTHS = ("minutes", "steps", "epochs")
"""Settings that may change too: the run is then as long as the new one says, all sittings together."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    said: Collection[str] = (),
    console: Console | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Trains a language model on ``inputs`` (see ``Corpus``) into the model folder ``out``.

    SIGINT, SIGTERM and SIGHUP end the run after the step at hand, with a checkpoint. Killed outright, it loses what
    came after the last checkpoint. A resumed run goes on bit for bit as the uninterrupted one would have on a CPU with
    the same number of threads and processes, where ``steps`` or ``epochs`` and not the clock decide its length.

    Args:
        settings: how to train.
        inputs: what to read.
        out: the model folder.
        resume: go on with the run in ``out``.
        force: replace the model in ``out``, once this run has another to put there.
        tensorboard: also write a TensorBoard log.
        said: the names of settings that count as chosen though they are the defaults; others that are always count.
        console: where the run is told of.
        clock: in seconds; by it the run's minutes pass.

    Started by torchrun, each process trains on its share of the streams (see ``ranks``). The first one alone reads the
    corpus, reports and writes; a process started again by torchrun goes on from the last checkpoint.

    Raises:
        PenstockError: a setting, the corpus or the folder cannot be used. What the folder held is unchanged.
        NotFinite: the loss left the finite numbers; the last checkpoint is kept.
    """
    console = console or Console()
    with contextlib.ExitStack() as stack:
        with joined() as ranks:
            console.quiet = console.quiet or not ranks.first
            ranks.agree(_said(settings, inputs, out, resume))
            run = _begun(_Said(settings, inputs, said), out, resume, force, console, ranks, stack)
            _describe(run, console)
            display = Display(console, *run.tokens_per_unit())
            checkpoints = Checkpoints(run.folder, run.plan.settings.keep)
            with contextlib.closing(run.log(tensorboard)) as log, checkpoints, display, _stop_signals() as received:
                stopped = run.fit(log, display, checkpoints, received, clock)
        if stopped:
            kept = f"; the model that {out} held before stays until the run is done" if run.replaces else ""
            console.print(f"stopped after step {run.progress.step:,}{kept}; go on with", highlight=False)
            again = f"  penstock train --out {shlex.quote(str(out))} --resume"
            console.print(again, highlight=False, markup=False, soft_wrap=True)
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
            display.say("scoring the held-out text with the best model")
        results = measure(run.plan, run.progress, run.tokens, out)
        run.record(results)
        print_results(results, out, run.tokens_per_unit()[1], console)
        return Outcome(None, results)


def _said(settings: Settings, inputs: Sequence[str], out: Path, resume: bool) -> dict[str, Any]:
    """What every process of a run must have been started with."""
    flags = {f"--{name.replace('_', '-')}": value for name, value in dataclasses.asdict(settings).items()}
    versions = {"Penstock's version": penstock.__version__, "PyTorch's version": torch.__version__}
    return versions | flags | {"FILE": list(inputs), "--out": str(out.absolute()), "--resume": resume}


@dataclasses.dataclass(frozen=True)
class _Said:
    """What a person said of a run."""

    settings: Settings
    inputs: Sequence[str]
    names: Collection[str]

    def differs(self, name: str, began: Any) -> bool:
        """Whether a setting was chosen, and is not what something began with."""
        value = getattr(self.settings, name)
        return value != began and (name in self.names or value != getattr(Settings, name))


def _begun(
    said: _Said,
    out: Path,
    resume: bool,
    force: bool,
    console: Console,
    ranks: Ranks,
    stack: contextlib.ExitStack,
) -> "_Run":
    """The run, new or taken up. The first rank sees to it alone; the others then take up what it left.

    The first rank keeps other writers out of ``out`` until ``stack`` ends.

    Raises:
        PenstockError: it cannot be; where the first rank knows why, the others end in silence with its exit status.
    """
    failed: PenstockError | None = None
    folders: list[Folder] = []
    run: _Run | None = None
    if ranks.first:
        try:
            anew = not (resume or _was_begun_by_this_launch(out))
            if not anew and not found(out / TRAINING):
                raise nothing_to_resume(out / TRAINING)
            folder = stack.enter_context(held(out, "model"))
            run = _Run.prepared(said, folder, force, console, ranks.size) if anew else None
            training = stack.enter_context(held(folder.place(TRAINING), RUN))
            run = run or _Run.resumed(said, out, console, Ranks(), training)
            folders = [folder, training]
            run.own(*folders)
            if anew and not run.replaces:
                run.record(None)
        except PenstockError as error:
            failed = error
    status = ranks.told(None if failed is None else failed.status)
    if failed is not None:
        raise failed
    if status is not None:
        raise SystemExit(status)
    if run is None or ranks.size > 1:
        run = _Run.resumed(said, out, console, ranks)
        if folders:
            run.own(*folders)
    return run


def _was_begun_by_this_launch(out: Path) -> bool:
    """Whether torchrun started us again after a process died, and the run had begun by then."""
    if not restarts() or not found(out / TRAINING):
        return False
    plan, _, _ = newest(out / TRAINING)
    return plan.launch == launch()


class _Run:
    """What a run consists of, whether new or resumed."""

    def __init__(
        self,
        plan: Plan,
        prepared: Prepared,
        out: Path,
        ranks: Ranks,
        resumed: tuple[Progress, dict[str, Tensor]] | None = None,
        before: LanguageModel | None = None,
    ) -> None:
        self.plan, self.out, self.ranks = plan, out, ranks
        self.model_folder: Folder | None = None  # the first rank's, as is the run's own
        self.folder: Folder | None = None
        self.replaces = False
        self.tokens, self.vocabulary = tokens, vocabulary = prepared.tokens, prepared.vocabulary
        torch.manual_seed(plan.settings.seed)
        model = LanguageModel(plan.model, vocabulary)
        if before is not None:
            model.load_state_dict(before.widened(vocabulary).state_dict())
        model.to(ranks.device(usable_device(plan.device)))
        split, end = plan.train_tokens, plan.train_tokens + plan.held_out_tokens
        self.streams = Streams(tokens, 0, split, N=plan.streams, L=plan.settings.chunk)
        self.held_out = Streams(tokens, split, end, N=plan.streams, L=256) if end - split > 1 else None
        self.mine = ranks.shard(self.streams.N)
        self.stepper = Stepper(
            model,
            learning_rate=plan.learning_rate,
            weight_decay=plan.settings.weight_decay,
            clip=plan.settings.clip,
            accumulate=plan.settings.accumulate,
            wrapped=ranks.wrap(model),
            ranks=ranks.size,
        )
        self.progress = Progress() if resumed is None else resumed[0]
        state = self.stepper.initial_state(self.streams.N) if resumed is None else restore(resumed[1], self.stepper)
        self.state = state[:, self.mine].clone()

    @classmethod
    def prepared(cls, said: _Said, folder: Folder, force: bool, console: Console, ranks: int) -> "_Run":
        """Reads the corpus beside what the folder holds, and takes the place of its run only once all was fine."""
        inputs, out = said.inputs, folder.path
        folder.expect_only_ours()
        there = [name for name in (*reversed(MODEL), RECORD, TRAINING) if name in folder.listed()]
        if there and not force:
            raise PenstockError(
                f"{out}: already holds {there[0]}; add --resume to go on with it, --force to replace it, "
                "or choose another --out"
            )
        folder.remove(BEGUN)  # of a run that was killed as it began
        try:
            with held(folder.place(BEGUN), RUN) as begun:
                before = None if said.settings.init is None else LanguageModel.load(said.settings.init)
                if before is not None:
                    said = dataclasses.replace(said, settings=_of_model(said, before))
                settings = said.settings
                console.print(
                    f"reading {', '.join(inputs) or reference.NAME}", highlight=False, markup=False, soft_wrap=True
                )
                if tokens := token_folder(inputs):
                    expect_outside([tokens], out)
                    prepared = open_tokens(tokens)
                    settings = _agreed(said, prepared, tokens)
                else:
                    known = None if before is None else before.vocabulary
                    prepared = _tokens_of(inputs, begun.place(TOKENS), out, settings, known, console)
                    settings = dataclasses.replace(settings, **prepared.recipe)
                place = str(tokens.resolve()) if tokens else TOKENS
                plan = make_plan(
                    settings, prepared, inputs, place, ranks, launch(), None if before is None else before.config
                )
                run = cls(plan, prepared, out, Ranks(), before=before)
                with Checkpoints(begun, settings.keep) as checkpoints:
                    checkpoints.save(plan, run.progress, run.stepper, run.state)
            folder.move(BEGUN, TRAINING)
        except OSError as error:
            raise cannot_write(out, error) from None
        finally:
            folder.remove(BEGUN)
        return run

    @classmethod
    def resumed(cls, said: _Said, out: Path, console: Console, ranks: Ranks, folder: Folder | None = None) -> "_Run":
        """Takes up the checkpoint of ``out``; what was said beside ``--resume`` must be what the run began with.

        A checkpoint that is not whole is put out of the way by whom ``folder``, the run's own, is given to.
        """
        away = [put_away(folder, lambda line: console.print(line, highlight=False, markup=False))] if folder else []
        plan, progress, tensors = newest(out / TRAINING, *away)
        settings, inputs = said.settings, said.inputs
        differing = [
            f.name for f in dataclasses.fields(Settings) if said.differs(f.name, getattr(plan.settings, f.name))
        ]
        length = [name for name in differing if name in LENGTHS]
        for name in differing:
            if name not in (*OF_A_SITTING, *LENGTHS):
                raise PenstockError(
                    f"--{name.replace('_', '-')}: the run in {out} began with {getattr(plan.settings, name)}, got "
                    f"{getattr(settings, name)}; leave it out to resume, or start anew with --force"
                )
        told: dict[str, Any] = dict.fromkeys(LENGTHS) if length else {}
        told |= {name: getattr(settings, name) for name in differing}
        new = dataclasses.replace(plan.settings, **told)
        device = str(usable_device(new.device)) if "device" in differing else plan.device
        plan = dataclasses.replace(plan, settings=new, device=device)
        moved = token_folder(inputs)
        if inputs and not moved and list(inputs) != plan.inputs:
            reads = ", ".join(plan.inputs) or reference.NAME
            raise PenstockError(
                f"FILE: the run in {out} reads {reads}, got {', '.join(inputs)}; leave it out to resume"
            )
        place = moved or out / TRAINING / plan.tokens
        prepared = open_tokens(place)
        if prepared.digest != plan.digest:
            raise PenstockError(f"{place}: expected the tokens that the run in {out} began with, got others; {ANEW}")
        if not moved and (text := changed(inputs or plan.inputs, place)) is not None:
            line = f"{text} has changed since the run began, which goes on with the text as it was; --force begins anew"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        run = cls(plan, prepared, out, ranks, (progress, tensors))
        if length:
            run.set_length(length[0])
        return run

    def set_length(self, name: str) -> None:
        """Goes on as a run of the length that the settings now say; ``name`` is the one that does."""
        at, value = self.progress, getattr(self.plan.settings, name)
        minutes, steps = length_of(self.plan.settings, self.streams)
        self.plan = dataclasses.replace(self.plan, minutes=minutes, steps=steps)
        if (share := self.share()) >= 1:
            done = f"{at.step:,} steps" if minutes is None else duration(at.seconds)
            raise PenstockError(f"--{name}: the run in {self.out} has {done} behind it, got {value}; say more to go on")
        passes = at.passes + at.chunk / len(self.streams)
        self.plan = dataclasses.replace(self.plan, expected_passes=passes / share if share else 0.0)
        at.validations, at.stale = int(share * VALIDATIONS + 1e-9), 0

    def own(self, model_folder: Folder, folder: Folder) -> None:
        """Gives the first rank what it alone writes: the model's folder, and the run's own in it.

        A model of another run stays there until this one is done.
        """
        self.model_folder, self.folder = model_folder, folder
        try:
            before = json.loads((self.out / RECORD).read_bytes())["plan"]["run"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            before = None
        models = (self.out, self.out / TRAINING / BEST)
        self.replaces = before != self.plan.run and any((place / WEIGHTS).exists() for place in models)

    def tokens_per_unit(self) -> tuple[float, str]:
        """In what the loss is told beside nats a token: how many tokens are one, and what it is called."""
        if self.vocabulary.kind == "byte":
            return 1.0, "byte"
        return len(self.tokens.ids) / max(self.tokens.characters, 1), "character"

    def log(self, tensorboard: bool) -> Log:
        """Its log, which the first rank alone writes."""
        if self.folder is None:
            return Log(Path(os.devnull), 0)
        return Log(self.folder.place(LOG), self.progress.log_bytes, self.folder if tensorboard else None)

    def keep_model(self) -> None:
        """Saves the model as it is, as the best so far."""
        if self.model_folder is None or self.folder is None:
            return
        if self.replaces:
            with held(self.folder.place(BEST), "model") as best:
                self.stepper.model.save_into(best)
        else:
            self.stepper.model.save_into(self.model_folder)

    def put_in_place(self) -> None:
        """Puts the best model in place of another run's. From where the old one goes it takes no space, only names; and
        it goes on where it was interrupted."""
        assert self.model_folder is not None
        assert self.folder is not None
        best = self.folder.path / BEST
        if not (best / WEIGHTS).exists():
            return
        self.model_folder.claim(name for name in MODEL if (best / name).exists())
        self.record(None)
        if (best / CONFIG).exists():  # the first to move: between the two there is no model, and never a mixture
            for name in (WEIGHTS, TOKENIZER):
                (self.out / name).unlink(missing_ok=True)
        for name in MODEL:
            if (best / name).exists():
                os.replace(best / name, self.out / name)
        self.folder.remove(BEST)

    def share(self) -> float:
        """How much of the run is done, 0 … 1, by steps or by the clock."""
        if self.plan.steps is not None:
            return min(1.0, self.progress.step / self.plan.steps)
        assert self.plan.minutes is not None
        return min(1.0, self.progress.seconds / (60 * self.plan.minutes))

    def fit(
        self,
        log: Log,
        display: Display,
        checkpoints: Checkpoints,
        received: list[int],
        clock: Callable[[], float],
    ) -> int | None:
        """Trains until the run is done, no longer improving, or stopped by a signal, which is then returned."""
        at, plan, settings, ranks = self.progress, self.plan, self.plan.settings, self.ranks
        counted, saved = clock(), at.seconds  # until when its time is in `at`
        loss = speed = 0.0  # running means
        stopped = 0
        reader = ThreadPoolExecutor(1)  # reads the next chunk while this one is learnt from
        ahead = reader.submit(self._chunk, at.chunk)
        while (share := self.share()) < 1 and not stopped and at.stale < settings.patience:
            asked = clock()
            chunk = ahead.result()
            waited = clock() - asked
            ahead = reader.submit(self._chunk, (at.chunk + 1) % len(self.streams))
            predictions = self.streams.predictions(at.chunk)
            rate = learning_rate_share(share, settings.warmup)
            torch.manual_seed(_seed(settings.seed, at.step, ranks.rank))
            try:
                step = self.stepper.step(chunk, self.state, rate, predictions)
            except NotFinite as error:
                raise self._not_finite(at.step + 1, str(error)) from None
            self.state = step.state
            at.step, at.chunk = at.step + 1, at.chunk + 1
            if at.chunk == len(self.streams):
                at.chunk, at.passes = 0, at.passes + 1
                self.state = torch.zeros_like(self.state)

            now = clock()
            # one clock, and a signal to any rank is one to all: they must take every decision alike
            seconds = now - counted if ranks.first else 0.0
            of_all, seconds, stops = ranks.total(step.loss, seconds, float(bool(received)))
            counted, stopped = now, int(stops)
            at.seconds += seconds
            at.input_seconds += waited
            share, read = self.share(), self.streams.N * chunk.tokens.shape[0]
            loss += (of_all - loss) / min(at.step, 20) if loss else of_all
            speed += (read / seconds - speed) * 0.05 if speed else read / seconds
            log.write(
                "step",
                at.step,
                loss=of_all,
                gradient_norm=step.gradient_norm,
                learning_rate=plan.learning_rate * rate,
                tokens_per_second=read / seconds,
                input_share=waited / seconds,
                seconds=at.seconds,
            )
            display.update(share, at.step, loss, speed, self._seconds_left())
            due = share >= (at.validations + 1) / VALIDATIONS
            if due:
                self._validate(share, log, display)
                counted = self._counted(counted, clock())
            if due or at.seconds - saved >= settings.checkpoint_every:
                self._save(log, checkpoints)
                saved = at.seconds
        reader.shutdown()
        self._save(log, checkpoints)
        if not ((self.out / TRAINING / BEST if self.replaces else self.out) / WEIGHTS).exists():
            self.keep_model()
        return (received[0] if received else signal.SIGTERM) if stopped else None

    def _chunk(self, k: int) -> Chunk:
        return self.streams.chunk(k, self.mine).to(self.stepper.device)

    def _counted(self, before: float, now: float) -> float:
        (seconds,) = self.ranks.total(now - before if self.ranks.first else 0.0)
        self.progress.seconds += seconds
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
            self.keep_model()
            return
        mine = self.ranks.shard(self.held_out.N)
        (loss,) = self.ranks.total(self.stepper.validate(self.held_out, self.plan.validation_tokens, mine))
        if not math.isfinite(loss):
            raise self._not_finite(at.step, f"loss {loss} on held-out text")
        best = at.best is None or loss < at.best
        at.best, at.stale = (loss, 0) if best or at.best is None else (at.best, at.stale + 1)
        if best:
            self.keep_model()
        log.write("validation", at.step, loss=loss, best=best, seconds=at.seconds)
        display.validated(share, at.step, loss, best)

    def _not_finite(self, step: int, what: str) -> NotFinite:
        kept = "checkpoint and the best model are" if (self.out / WEIGHTS).exists() else "checkpoint is"
        if self.replaces:
            kept = "checkpoint and the model that was there before are"
        return NotFinite(
            f"training left the finite numbers at step {step}: {what}; the last {kept} kept in {self.out}; "
            f"start anew with a --learning-rate below {self.plan.learning_rate:.2g}"
        )

    def _save(self, log: Log, checkpoints: Checkpoints) -> None:
        """Of every stream, wherever it is read, so that any number of processes can go on."""
        state = self.ranks.gathered(self.state, self.streams.N)
        if self.ranks.first:
            self.progress.log_bytes = log.length()
            checkpoints.save(self.plan, self.progress, self.stepper, state, log.sync)

    def record(self, results: Results | None) -> None:
        """Writes train.json: the resolved settings, and the results once there are some."""
        content: dict[str, Any] = {"version": 1, "plan": dataclasses.asdict(self.plan)}
        if results is not None:
            content["results"] = dataclasses.asdict(results)
        assert self.model_folder is not None
        write(self.model_folder.place(RECORD), json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _seed(seed: int, step: int, rank: int) -> int:
    """Of what a step draws on one rank; of a run's steps, ranks and seeds no two alike but by chance."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])


def _tokens_of(
    inputs: Sequence[str], folder: Path, out: Path, settings: Settings, known: Vocabulary | None, console: Console
) -> Prepared:
    recipe = Recipe(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Recipe)})

    def tell(line: str) -> None:
        console.print(f"        {line}", highlight=False, markup=False, soft_wrap=True)

    with shown(console) as report:
        options: Any = {"workers": processors(), "force": True, "within": out, "report": report, "tell": tell}
        return prepare(inputs, folder, recipe, known=known, **options)


def _of_model(said: _Said, model: LanguageModel) -> Settings:
    """The settings with the vocabulary's kind of the model that the run begins from; what was said must be its own."""
    settings, vocabulary = said.settings, model.vocabulary
    kind: dict[str, Any] = {"vocab": vocabulary.kind}
    if vocabulary.kind == "bpe":
        kind["vocab_size"] = len(vocabulary)
    config = model.config
    sizes = {"hidden": config.hidden_size, "embedding": config.embedding_size, "layers": config.num_layers}
    form = {name: getattr(config, name) for name in ("reset", "tied", "residual")}
    for name, value in {**kind, **sizes, **form, "size": None}.items():
        if said.differs(name, value):
            has = "sizes of its own" if value is None else value
            raise PenstockError(
                f"--{name.replace('_', '-')}: the model in {settings.init} has {has}, got {getattr(settings, name)}; "
                "leave it out with --init"
            )
    return dataclasses.replace(settings, **kind)


def _agreed(said: _Said, prepared: Prepared, folder: Path) -> Settings:
    """The settings with those that the tokens were prepared with; what was said must be the same."""
    for name, value in prepared.recipe.items():
        if said.differs(name, value):
            raise PenstockError(
                f"--{name.replace('_', '-')}: {folder} was prepared with {value}, got {getattr(said.settings, name)}; "
                "leave it out, or prepare the text anew"
            )
    return dataclasses.replace(said.settings, **prepared.recipe)


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
        f"on {plan.device}" + (f", {run.ranks.size} processes" if run.ranks.size > 1 else ""),
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


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
