"""What a person sees while a model trains: a bar on a terminal, plain lines elsewhere, and always a log."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from penstock.errors import PenstockError
from penstock.files import cannot_write
from penstock.folder import Folder
from penstock.layout import curve, say, wrap

TENSORBOARD = "tensorboard"
VALIDATIONS = 10
"""In a run, at equal distances."""
LEAST = 40
"""Columns in which a sample still says something."""
BESIDE = 16
"""Columns of the bar and the percentage before what is said beside them."""


class Log:
    """One JSON object a line; cut back to where the checkpoint stood when a run is resumed.

    Args:
        path: of the file.
        length: bytes of it that are kept; of one that was shortened, its whole lines.
        tensorboard: the folder that a TensorBoard log is written into too.
    """

    def __init__(self, path: Path, length: int, tensorboard: Folder | None = None) -> None:
        self._path = path
        try:
            if path.is_file():
                os.truncate(path, _whole_lines(path, length))
            self._file = path.open("ab")
        except OSError as error:
            raise cannot_write(path, error) from None
        self._writer = None if tensorboard is None else _tensorboard(tensorboard)

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Adds a line; numbers also go to TensorBoard where it was asked for."""
        try:
            self._file.write(json.dumps({"kind": kind, "step": step, **values}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise cannot_write(self._path, error) from None
        if self._writer is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(f"{kind}/{name}", value, step)

    def length(self) -> int:
        """In bytes."""
        return self._file.tell()

    def sync(self) -> None:
        """Returns once it is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Writes what is left."""
        with contextlib.suppress(OSError):  # a full disk was already reported by the line that met it
            self._file.close()
        if self._writer is not None:
            self._writer.close()


def _whole_lines(path: Path, length: int) -> int:
    """How many bytes of a file's first ``length`` are lines to their end."""
    with path.open("rb") as file:
        return file.read(length).rfind(b"\n") + 1


def _tensorboard(folder: Folder) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise PenstockError(
            "--tensorboard: needs the package tensorboard: pip install 'penstock[tensorboard]'"
        ) from None
    writer = SummaryWriter(str(folder.path / TENSORBOARD))
    folder.own(f"{TENSORBOARD}/{path.name}" for path in (folder.path / TENSORBOARD).iterdir())
    return writer


class Display:
    """Progress on a console; a context manager. ``share`` is how much of the run is done, 0 … 1.

    Args:
        console: where.
        step: what a step of the data is called.
        unit: what the loss is measured in.
        held_out: how a loss on held-out data is told.
    """

    PERIOD = 10.0
    """Seconds between plain lines."""
    POINTS = 48
    """Of the training loss's curve at most."""
    MARGIN = " " * 6
    """Before what belongs to a line that begins with a share."""

    def __init__(
        self, console: Console, step: str = "step", unit: str = "", held_out: Callable[[float], str] = str
    ) -> None:
        self._console, self._step, self._said = console, step, held_out
        self._loss_unit = f" {unit}" * bool(unit)
        self._losses: dict[int, float] = {}  # by the part of the run
        self._held_out: list[float] = []
        self._bar = _Bar(console, self._curve)
        self._task = self._bar.add_task("starting", total=1.0)
        self._printed = time.monotonic()

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, share: float, step: int, loss: float, speed: float, left: float) -> None:
        """Shows where the run stands; ``speed`` in steps of the data a second."""
        self._losses[int(share * self.POINTS)] = loss
        said = (
            f"{duration(left)} left",
            f"step {step:,}",
            f"loss {loss:.3f}{self._loss_unit}",
            f"{speed:,.0f} {self._step}s/s",
        )
        self._bar.update(self._task, completed=share, description=_as_many_as_fit(said, self._console.width - BESIDE))
        if self._bar.disable and time.monotonic() - self._printed >= self.PERIOD:
            self._printed = time.monotonic()
            self._say(share, "  ".join(said))

    def validated(self, share: float, step: int, loss: float, best: bool) -> None:
        """Shows a validation, on a line that stays."""
        self._held_out.append(loss)
        self._say(share, f"step {step:,}  held out {self._said(loss)}{', best yet' * best}")

    def sampled(self, share: float, sample: Callable[[int], str | None]) -> None:
        """Shows the loss so far as a curve, of held-out data if there are some, and a sample in the room beside it."""
        drawn = curve(self._held_out or [*self._losses.values()][-VALIDATIONS:])
        begun = f"{self.MARGIN if self._held_out else f'{share:4.0%}  '}{drawn}  "
        if self._console.width - cell_len(begun) < LEAST:
            self.say([begun.rstrip()])
            begun = self.MARGIN
        self.say([f"{begun}{sample(self._console.width - cell_len(begun)) or ''}".rstrip()])

    def say(self, lines: str | Iterable[str]) -> None:
        """A text, or lines, above the bar."""
        say(self._console, lines)

    def _say(self, share: float, line: str) -> None:
        self.say(wrap(line, self._console.width, f"{share:4.0%}  "))

    def _curve(self) -> str:
        """The training loss over the run so far, in one line."""
        if not (losses := [loss for _, loss in sorted(self._losses.items())]):
            return ""
        ends = f"{losses[0]:.3f} → {losses[-1]:.3f}{self._loss_unit}"
        room = max(self._console.width - len("loss    ") - len(ends), 1)
        return f"loss  {curve(losses[:: -(-len(losses) // room)])}  {ends}"


class _Bar(Progress):
    """A bar with a line below it, which is there on a terminal alone."""

    def __init__(self, console: Console, below: Callable[[], str]) -> None:
        columns = (BarColumn(bar_width=10), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}"))
        self._below = below
        super().__init__(*columns, console=console, disable=not console.is_terminal, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """What rich draws, anew at each refresh."""
        yield from super().get_renderables()
        yield Text(self._below(), no_wrap=True)


def _as_many_as_fit(said: Sequence[str], width: int) -> str:
    """What matters least stands last, and is left out first; nothing is cut."""
    while len(said) > 1 and cell_len("  ".join(said)) > width:
        said = said[:-1]
    return "  ".join(said)


def duration(seconds: float) -> str:
    """Words for a stretch of time."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
