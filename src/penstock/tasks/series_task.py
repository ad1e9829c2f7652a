"""What tasks on series have in common: rows become features, a stack reads them, an output layer answers at each."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder, expect_outside
from penstock.model_folder import CONFIG, WEIGHTS, StackConfig
from penstock.model_folder.series import SeriesConfig, SeriesFiles
from penstock.nn.series_model import SeriesModel
from penstock.series import (
    SeriesSet,
    Split,
    account,
    all_train,
    by_column,
    by_id,
    by_time,
    continued,
    expect_targets,
    split_line,
    taken_up,
)
from penstock.series.asked import read_heard
from penstock.series.mapped import map_of
from penstock.series.prepared import series_folder
from penstock.series.saved import open_series_set, save_series_set
from penstock.tasks.series_data import SeriesData
from penstock.tasks.series_results import SeriesResults, measure, print_results
from penstock.tasks.series_settings import SeriesSettings
from penstock.train.settings import Settings
from penstock.train.task import Begun, Said

SERIES, PREPARED, SPLIT = "series.safetensors", "prepared.json", "split.json"
MANY = 20
"""Series from which on whole ones are held out."""
STEPS_A_PASS, FEWEST, USUAL = 24, 8, 32
"""Of few rows, steps of optimisation in a pass at least, for which streams become fewer than usual, to the fewest."""


class SeriesTask:
    """A task whose steps are rows of series."""

    step, loss_unit, default = "row", "", ""
    files: tuple[str, ...] = (CONFIG, WEIGHTS)
    own: type[Any] = SeriesSettings
    rate, average = 0.4, True
    presets: dict[str, dict[str, int]] = {  # noqa: RUF012 - which nobody changes
        "tiny": {"hidden": 32, "layers": 1},
        "small": {"hidden": 64, "layers": 1},
        "medium": {"hidden": 128, "layers": 1},
        "large": {"hidden": 256, "layers": 1},
        "huge": {"hidden": 512, "layers": 2},
    }

    def __init__(self, name: str, *, last: bool) -> None:
        self.name, self._last = name, last
        self.parameters_per_step = 4.0 if last else 8.0
        self.most_dropout = 0.4 if last else 0.2

    def prepared(self, inputs: Sequence[str]) -> Path | None:
        """A run knows where its prepared series are: None."""
        return None

    def begin(self, said: Said, begun: Folder, out: Path, tell: Callable[[str], None], console: Console) -> Begun:
        """Reads series, says what was read, and keeps them for the run."""
        if not said.inputs:
            raise PenstockError("FILE: expected series to train on, got none; name files of rows")
        if said.settings.init is not None:
            raise PenstockError("--init: only language models begin from another; leave it out")
        self._expect_usable(said.own)
        series, split = self.read(said.inputs, said.own, said.settings.holdout, said.settings.seed)
        for line in account(series, console.width):
            tell(line)
        data = self._data(series, split, said.own)
        for line in self._told(data, console.width):
            tell(line)
        place = self._kept(said.inputs, series, begun, out)
        write(begun.place(SPLIT), json.dumps(split.to_json()) + "\n")
        settings = said.settings
        if not said.chose("chunk"):
            settings = dataclasses.replace(settings, chunk=data.reach)
        if not said.chose("streams"):
            settings = dataclasses.replace(settings, streams=self._streams(data, settings.chunk))
        return Begun(settings, said.own, data, place)

    def _streams(self, data: Any, L: int) -> int | None:
        """How many are read side by side, L rows at once; None: as many as usual."""
        streams = max(FEWEST, data.training // (STEPS_A_PASS * L))
        return None if self._last or streams >= USUAL else streams

    def _kept(self, inputs: Sequence[str], series: SeriesSet, begun: Folder, out: Path) -> str:
        """The name of the file by which the series are opened again: of prepared ones, where they are."""
        folder = series_folder(inputs)
        if folder is not None:
            expect_outside([folder], out)
        if folder is None or map_of(series.values) is None:
            save_series_set(begun.place(SERIES), series)
            return SERIES
        write(begun.place(PREPARED), json.dumps({"folder": str(folder.resolve())}) + "\n")
        return PREPARED

    def _expect_usable(self, own: Any) -> None:
        """Raises PenstockError for what means nothing to the task."""

    def _told(self, data: Any, width: int) -> list[str]:
        """Of what was read, what a person should know before training."""
        told = [] if data.answer.next else expect_targets(data.series)
        return [*told, f"split {split_line(data.series, data.split)}"]

    def read(self, inputs: Sequence[str], own: SeriesSettings, holdout: float, seed: int) -> tuple[SeriesSet, Split]:
        """The series of files, and which rows of them train and validate."""
        series = read_heard(inputs, own.roles(), own.pattern)
        if own.validation and own.split_by is None:
            return continued(series, read_heard(own.validation, own.roles(), own.pattern))
        if own.split_by not in (None, "id", "time"):
            return series, by_column(series, own.split_by, own.validation)
        if not holdout:
            return series, all_train(series)
        if own.split_by == "id" or (own.split_by is None and (self._last or len(series) >= MANY)):
            return series, by_id(series, holdout, seed)
        return series, by_time(series, holdout)

    def open(self, place: Path, own: SeriesSettings) -> SeriesData:
        """What ``begin`` left."""
        if place.name == PREPARED:
            series = read_heard([str(_json(place)["folder"])], own.roles(), own.pattern)
        else:
            series = open_series_set(place)
        rule = _json(place.with_name(SPLIT))
        return self._data(series, taken_up(series, rule), own)

    def _data(self, series: SeriesSet, split: Split, own: SeriesSettings) -> SeriesData:
        targets = [series.columns[k].name for k in series.of_role("target")]
        reads = [column.name for column in series.columns if column.role in ("seen", "known", "static")]
        follows = not targets and not self._last
        if follows:
            targets = [name for name in reads if series.columns[series.index(name)].kind == "number"]
        elif not targets:
            raise PenstockError(f"{series.name}: no target: name its column with --target")
        if not reads:
            raise PenstockError(f"{series.name}: no column is left to read; name some with --features")
        return SeriesData(
            series, split, reads, targets, next=follows, last=self._last, decay=own.decay, pattern=own.pattern
        )

    def changed(self, inputs: Sequence[str], place: Path) -> str | None:
        """A file's newer date is of no account: the run goes on with the series of then."""
        return None

    def too_few(self, data: SeriesData, settings: Settings, inputs: Sequence[str]) -> str | None:
        """Why the series are too few to train on."""
        if not data.answers():
            return f"{', '.join(inputs)}: no row has a target"
        return None

    def config(
        self, settings: Settings, own: SeriesSettings, size: str | None, data: SeriesData, before: Any = None
    ) -> SeriesConfig:
        """The sizes of a model for the series."""
        preset = self.presets[size or "small"]
        hidden, layers = settings.hidden or preset["hidden"], settings.layers or preset["layers"]
        width = data.features.size * (2 * data.segment or 1)
        stack = StackConfig(width, hidden, layers, settings.reset, residual=settings.residual)
        return SeriesConfig(data.outputs, stack, data.segment, data.decay)

    def config_of(self, saved: dict[str, Any]) -> SeriesConfig:
        """What ``dataclasses.asdict`` made of the sizes."""
        return SeriesConfig(**{**saved, "stack": StackConfig(**saved["stack"])})

    def model(self, config: SeriesConfig, data: SeriesData, before: Any = None) -> SeriesModel:
        """A model, its weights drawn."""
        return SeriesModel(config, SeriesFiles(self.name, data.reads(), data.answer, config, {}))

    def loss(self, data: SeriesData) -> Callable[[Tensor, Tensor], Tensor]:
        """Nats of classes, or of a row's labels together; of numbers the squared error, in their scale."""
        return {"class": _class_loss, "labels": _labels_loss, "numbers": _numbers_loss}[data.answer.kind]

    def held_out_loss(self, loss: float, data: SeriesData) -> str:
        """A loss as a person reads it."""
        if data.answer.kind == "numbers":
            return f"{math.sqrt(loss):.4f} of the spread (RMSE)"
        return f"{loss:.3f} nats an answer"

    def sample(self, model: Any, data: Any, seed: int, room: int) -> str | None:
        """Nothing that can be shown in a line."""
        return None

    def about(self, data: SeriesData) -> str:
        """What is read and answered, in a line."""
        answer = data.answer
        what = (
            f"one of {len(answer.classes)} classes"
            if answer.kind == "class"
            else f"{len(answer.targets)} {answer.kind}"
        )
        return f"{data.features.size} features; answers {what}{' of the row after' * answer.next}"

    measure = staticmethod(measure)

    def print_results(self, results: SeriesResults, data: SeriesData, out: Path, console: Console) -> None:
        """The figures as a person reads them."""
        print_results(results, out, console)


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise PenstockError(f"{path}: not the file that was written: {error}") from None


def _class_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    codes = targets[..., 0]
    there = ~codes.isnan()
    return cross_entropy(outputs[there].float(), codes[there].long(), reduction="sum")


def _labels_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    there = ~targets.isnan()
    return binary_cross_entropy_with_logits(outputs[there].float(), targets[there], reduction="sum")


def _numbers_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """A row's is the mean over what it answers."""
    there = ~targets.isnan()
    wrong = torch.where(there, outputs.float() - torch.nan_to_num(targets), 0.0)
    return (wrong.square().sum(-1) / there.sum(-1).clamp(min=1)).sum()
