"""What the trainer asks of a task, which alone knows what steps are, what is predicted at each, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from penstock.folder import Folder
from penstock.train.settings import Settings


class Chunk(NamedTuple):
    """The next steps of some sequences side by side."""

    inputs: Tensor  # (L, N, …)
    targets: Tensor  # (L, N, …)
    resets: Tensor | None  # (L, N) bool: a sequence starts here; None where none does
    predictions: int
    """Targets that count, in the same steps of all streams of a run."""

    def to(self, device: torch.device) -> Chunk:
        """The same on another device."""
        resets = None if self.resets is None else self.resets.to(device)
        return Chunk(self.inputs.to(device), self.targets.to(device), resets, self.predictions)


class Streams(Protocol):
    """Data as N streams that are read side by side, chunk by chunk; the state is carried from chunk to chunk."""

    N: int

    def __len__(self) -> int:
        """Chunks in one pass; the last may be shorter."""

    def chunk(self, k: int, part: slice = ...) -> Chunk:
        """The k-th chunk, counted over all passes, of the streams in ``part``."""

    def read(self, passes: int, chunks: int) -> int:
        """How many steps so many passes, and so many chunks of another, read."""


class Data(Protocol):
    """What a run learns from, as a task has read it."""

    digest: str
    """The same where the data are the same."""
    training: int
    """Steps to train on."""
    held_out: int
    """Steps to validate on."""
    tells: bool
    """Whether what is held out is enough to tell the better of two models; else the last one is kept."""

    def streams(self, N: int, L: int) -> Streams:
        """To train on: at most N, in chunks of at most L steps."""

    def held_out_streams(self, N: int) -> Streams | None:
        """To validate on; None where nothing was held out."""


class Begun(NamedTuple):
    """What a task read as a run began."""

    settings: Settings
    own: Any
    """The task's own settings; both are resolved."""
    data: Data
    place: str
    """Where the data can be opened again: relative to the run's own folder, or absolute."""
    before: Any = None
    """The model that the run begins from."""


class Said(NamedTuple):
    """What a person said of a run."""

    settings: Settings
    own: Any
    """The task's own settings."""
    inputs: Sequence[str]
    names: frozenset[str]
    """Of settings that count as chosen though they are the defaults."""

    def value(self, name: str) -> Any:
        """Of one of the settings, the run's or the task's."""
        return getattr(self.settings if hasattr(self.settings, name) else self.own, name)

    def chose(self, name: str) -> bool:
        """Whether a setting was chosen, be it as it is by default."""
        default = getattr(type(self.settings if hasattr(self.settings, name) else self.own), name)
        return bool(name in self.names or self.value(name) != default)

    def differs(self, name: str, began: Any) -> bool:
        """Whether a setting was chosen, and is not what something began with."""
        return bool(self.value(name) != began and self.chose(name))


class Task(Protocol):
    """One kind of model: what it reads and predicts."""

    name: str
    step: str
    """What a step is called: "token", "row"."""
    loss_unit: str
    """What the loss is measured in: "nats"."""
    default: str
    """What is read where nothing is named."""
    files: tuple[str, ...]
    """A model's files, in the order in which they are written."""
    presets: dict[str, dict[str, int]]
    """Sizes by name, from the smallest up."""
    parameters_per_step: float
    """Of the data to train on, that a chosen size has at most."""
    rate: float
    """By which the learning rate that is chosen is multiplied."""
    most_dropout: float
    """Of what is chosen."""
    average: bool
    """Whether the model that is validated and kept has averaged weights."""
    own: type[Any]
    """The task's own settings, a dataclass."""

    def prepared(self, inputs: Sequence[str]) -> Path | None:
        """The folder of prepared data that the inputs name, if they do."""

    def begin(self, said: Said, begun: Folder, out: Path, tell: Callable[[str], None], console: Any) -> Begun:
        """Reads the inputs, into ``begun`` where that is called for; ``tell`` takes lines for a person."""

    def open(self, place: Path, own: Any) -> Data:
        """What ``begin`` left."""

    def changed(self, inputs: Sequence[str], place: Path) -> str | None:
        """How the inputs are not what they were when the data in ``place`` were made of them."""

    def too_few(self, data: Any, settings: Settings, inputs: Sequence[str]) -> str | None:
        """Why the data are too few to train on."""

    def config(self, settings: Settings, own: Any, size: str | None, data: Any, before: Any = None) -> Any:
        """The sizes for the data, a ``penstock.model_folder.content.Config``: of a preset where nothing is said, or
        of the model before."""

    def config_of(self, saved: dict[str, Any]) -> Any:
        """What ``dataclasses.asdict`` made of the sizes."""

    def model(self, config: Any, data: Any, before: Any = None) -> nn.Module:
        """A model, its weights drawn or those of the one before: (inputs, state, resets) → (outputs, state), with a
        ``penstock.nn.stack.Stack`` inside, ``layers``, and ``save_into(folder)``."""

    def loss(self, data: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """Of outputs and targets, all that count together, in float32."""

    def held_out_loss(self, loss: float, data: Any) -> str:
        """A loss as a person reads it."""

    def sample(self, model: Any, data: Any, seed: int, room: int) -> str | None:
        """What a model in training does by now, in so many columns; random numbers stay as they are."""

    def about(self, data: Any) -> str:
        """What the data are, in a line."""

    def measure(self, plan: Any, progress: Any, data: Any, out: Path) -> Any:
        """The figures of the best model, a dataclass; ``plan`` and ``progress`` are what the run did."""

    def print_results(self, results: Any, data: Any, out: Path, console: Any) -> None:
        """The figures as a person reads them, and what to try next."""
