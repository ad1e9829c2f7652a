"""What a run consists of, and its loop: train, validate, keep the best model, save; whether it is new or resumed."""

import dataclasses
import json
import math
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder, held
from penstock.model_folder import CONFIG, WEIGHTS
from penstock.train.checkpoint import Checkpoints, Progress, restore
from penstock.train.plan import Plan, learning_rate, length_of, usable_device
from penstock.train.ranks import Ranks
from penstock.train.reporter import VALIDATIONS, Display, Log, duration
from penstock.train.schedule import learning_rate_share
from penstock.train.step import NotFinite, Stepper
from penstock.train.task import Chunk, Data, Task

TRAINING = "training"
"""The run's own folder inside the model folder: data, checkpoint, log. The model works without it."""
LOG, RECORD = "log.jsonl", "train.json"
BEST = "model"
"""In the run's own folder: its best model so far, where the model folder still holds another run's."""


class Run:
    """What a run consists of, whether new or resumed."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        data: Data,
        out: Path,
        ranks: Ranks,
        resumed: tuple[Progress, dict[str, Tensor]] | None = None,
        before: Any = None,
    ) -> None:
        self.task, self.plan, self.data, self.out, self.ranks = task, plan, data, out, ranks
        self.model_folder: Folder | None = None  # the first rank's, as is the run's own
        self.folder: Folder | None = None
        self.replaces = self.lengthened = False
        torch.manual_seed(plan.settings.seed)
        model: Any = task.model(plan.model, data, before).to(ranks.device(usable_device(plan.device)))
        self.streams = data.streams(plan.streams, plan.settings.chunk)
        self.held_out = data.held_out_streams(plan.streams)
        self.mine = ranks.shard(self.streams.N)
        self.stepper = Stepper(
            model,
            task.loss(data),
            learning_rate=plan.learning_rate,
            weight_decay=plan.settings.weight_decay,
            clip=plan.settings.clip,
            accumulate=plan.settings.accumulate,
            wrapped=ranks.wrap(model),
            ranks=ranks.size,
            average=task.average,
        )
        self.progress = Progress() if resumed is None else resumed[0]
        state = model.layers.initial_state(self.streams.N) if resumed is None else restore(resumed[1], self.stepper)
        self.state = state[:, self.mine].clone()

    def set_length(self, name: str) -> None:
        """Goes on as a run of the length that the settings now say; ``name`` is the one that does."""
        at, value = self.progress, getattr(self.plan.settings, name)
        minutes, steps = length_of(self.plan.settings, self.streams)
        self.plan = dataclasses.replace(self.plan, minutes=minutes, steps=steps)
        if (share := self.share()) >= 1:
            done = f"{at.step:,} steps" if minutes is None else duration(at.seconds)
            raise PenstockError(f"--{name}: the run in {self.out} has {done} behind it, got {value}; say more to go on")
        if share:
            passes = (at.passes + at.chunk / len(self.streams)) / share
            rate = learning_rate(self.task, self.plan, at.step / share)
            self.plan = dataclasses.replace(self.plan, expected_passes=passes, learning_rate=rate)
            self.stepper.learning_rate = rate
        at.validations, at.stale, self.lengthened = int(share * VALIDATIONS + 1e-9), 0, True

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
        self.model_folder.claim(name for name in self.task.files if (best / name).exists())
        self.record(None)
        if (best / CONFIG).exists():  # the first to move: between the two there is no model, and never a mixture
            for name in {*self.task.files} - {CONFIG}:
                (self.out / name).unlink(missing_ok=True)
        for name in self.task.files:
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
        ahead = reader.submit(self._chunk, at.passes * len(self.streams) + at.chunk)
        while (share := self.share()) < 1 and not stopped and at.stale < settings.patience:
            asked = clock()
            chunk = ahead.result()
            waited = clock() - asked
            ahead = reader.submit(self._chunk, at.passes * len(self.streams) + at.chunk + 1)
            rate = learning_rate_share(share, settings.warmup)
            torch.manual_seed(_seed(settings.seed, at.step, ranks.rank))
            try:
                step = self.stepper.step(chunk, self.state, rate)
            except NotFinite as error:
                raise self._not_finite(at.step + 1, str(error)) from None
            self.state = step.state
            at.step, at.chunk = at.step + 1, at.chunk + 1
            self.stepper.take_into_average(at.step)
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
            share, read = self.share(), self.streams.N * len(chunk.inputs)
            loss += (of_all - loss) / min(at.step, 20) if loss else of_all
            speed += (read / seconds - speed) * 0.05 if speed else read / seconds
            log.write(
                "step",
                at.step,
                loss=of_all,
                gradient_norm=step.gradient_norm,
                learning_rate=plan.learning_rate * rate,
                steps_per_second=read / seconds,
                input_share=waited / seconds,
                seconds=at.seconds,
            )
            display.update(share, at.step, loss, speed, self._seconds_left())
            due = share >= (at.validations + 1) / VALIDATIONS
            if due:
                with self.stepper.averaged():
                    self._validate(share, log, display)
                counted = self._counted(counted, clock())
            if due or at.seconds - saved >= settings.checkpoint_every:
                self._save(log, checkpoints)
                saved = at.seconds
        reader.shutdown()
        self._save(log, checkpoints)
        if not ((self.out / TRAINING / BEST if self.replaces else self.out) / WEIGHTS).exists():
            with self.stepper.averaged():
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
        """Measures on held-out data and keeps the model if it is the best so far."""
        at = self.progress
        at.validations = int(share * VALIDATIONS + 1e-9)
        if self.held_out is None:
            self.keep_model()
            self._show_sample(share, display)
            return
        mine = self.ranks.shard(self.held_out.N)
        (loss,) = self.ranks.total(self.stepper.validate(self.held_out, self.plan.validation, mine))
        if not math.isfinite(loss):
            raise self._not_finite(at.step, f"loss {loss} on held-out data")
        best = at.best is None or loss < at.best or not self.data.tells
        at.best, at.stale = (loss, 0) if best or at.best is None else (at.best, at.stale + 1)
        if best:
            self.keep_model()
        log.write("validation", at.step, loss=loss, best=best, seconds=at.seconds)
        display.validated(share, at.step, loss, best)
        self._show_sample(share, display)

    def _show_sample(self, share: float, display: Display) -> None:
        if self.ranks.first:
            seed = self.plan.settings.seed
            display.sampled(share, lambda room: self.task.sample(self.stepper.model, self.data, seed, room))

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

    def record(self, results: Any | None) -> None:
        """Writes train.json: the resolved settings, and the results once there are some."""
        content: dict[str, Any] = {"version": 1, "plan": dataclasses.asdict(self.plan)}
        if results is not None:
            content["results"] = dataclasses.asdict(results)
        assert self.model_folder is not None
        write(self.model_folder.place(RECORD), json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _seed(seed: int, step: int, rank: int) -> int:
    """Of what a step draws on one rank; of a run's steps, ranks and seeds no two alike but by chance."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
