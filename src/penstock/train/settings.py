"""What a person may say about a training run. None leaves the choice to ``plan``, which looks at corpus and machine."""

import dataclasses
import math
from typing import Literal

from penstock.errors import PenstockError

Size = Literal["tiny", "small", "medium", "large", "huge"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a run, whatever its task; the command line has the same names.

    Attributes:
        holdout: The share of the data that is not trained on but validates: of documents or of series, drawn by their
            hash; of few, the share at the end.
        init: A language model that the run begins from: its weights, sizes, form and vocabulary, to which the new
            characters of the text are added.
        size: Sizes of the model by name; chosen from the data, the time allowed and the speed of this machine.
        hidden: Hidden units of a layer, instead of --size.
        layers: GRU layers.
        reset: The form of the GRU: the reset gate acts before the recurrent product (the textbook's) or after it.
        dropout: On the input, between layers and on the output; chosen from how often the data will be read.
        residual: Each layer but the first adds to what it reads instead of replacing it.
        minutes: Train this long; 3 unless --steps or --epochs is given.
        steps: Train for this many steps of optimisation.
        epochs: Train for this many passes over the data.
        streams: Stretches of the data read side by side, the batch, over all processes; 32 for each on a CPU, 128 for
            each on a GPU.
        accumulate: Parts that a process reads its streams in, one after the other, for less memory; the same result.
        chunk: Steps of a stream that one step of optimisation reads, and that gradients reach back: 64 tokens, or of
            series a middle length.
        learning_rate: Of AdamW, at its height; chosen from the hidden size, the steps, the streams and the outputs.
        weight_decay: Of AdamW, on matrices.
        warmup: The share of the run in which the learning rate rises; a cosine to 0 follows.
        clip: The norm that gradients are clipped to.
        patience: Stop after this many validations, of ten in a run, without a better one.
        seed: Of everything random.
        device: cpu, cuda, cuda:1, …; a GPU where there is one.
        checkpoint_every: Seconds between checkpoints; what a killed process can lose.
        keep: Checkpoints that are kept: if the newest is not whole, the one before is taken up.
    """

    holdout: float = 0.1

    init: str | None = None
    size: Size | None = None
    hidden: int | None = None
    layers: int | None = None
    reset: Literal["before", "after"] = "before"
    dropout: float | None = None
    residual: bool = False

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    streams: int | None = None
    accumulate: int = 1
    chunk: int = 64
    learning_rate: float | None = None
    weight_decay: float = 0.1
    warmup: float = 0.02
    clip: float = 1.0
    patience: int = 4
    seed: int = 0
    device: str | None = None
    checkpoint_every: float = 30.0
    keep: int = 2

    def __post_init__(self) -> None:
        if self.init == "":
            raise PenstockError("--init: expected a path, got an empty one")
        budgets = [name for name in ("minutes", "steps", "epochs") if getattr(self, name) is not None]
        if len(budgets) > 1:
            raise PenstockError(f"expected one of --minutes, --steps and --epochs, got --{' and --'.join(budgets)}")
        positive = ("hidden", "layers", "streams", "accumulate", "chunk", "patience", "keep", "minutes")
        for name in (*positive, "steps", "epochs", "learning_rate", "clip", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PenstockError(f"{flag(name)}: expected more than 0, got {value}")
            if isinstance(value, int) and value >= 2**31:
                raise PenstockError(f"{flag(name)}: expected less than {2**31}, got {value}")
        for name, low, high in (
            ("holdout", 0, 0.9),
            ("dropout", 0, 0.95),
            ("warmup", 0, 1),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise PenstockError(f"{flag(name)}: expected {low} to {high}, got {value}")
        if self.weight_decay < 0:
            raise PenstockError(f"--weight-decay: expected 0 or more, got {self.weight_decay}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise PenstockError(f"{flag(field.name)}: expected a finite number, got {value}")


def flag(name: str) -> str:
    """A setting as the command line calls it."""
    return "--" + name.replace("_", "-")
