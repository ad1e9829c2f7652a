"""What a person sees while a model trains: a bar on a terminal, plain lines elsewhere, and always a log."""

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from penstock.errors import PenstockError
from penstock.files import cannot_write
from penstock.folder import Folder

TENSORBOARD = "tensorboard"


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
    """Progress on a console; a context manager. ``share`` is how much of the run is done, 0 … 1."""

    PERIOD = 10.0
    """Seconds between plain lines."""

    def __init__(self, console: Console, tokens_per_unit: float, unit: str = "character") -> None:
        self._console = console
        self._bits, self._unit = tokens_per_unit / math.log(2), unit
        self._bar = Progress(
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1.0)
        self._printed = time.monotonic()

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, share: float, step: int, loss: float, tokens_per_second: float, left: float) -> None:
        """Shows where the run stands."""
        # the bar and this fit into 80 columns, and what is cut off first is what matters least
        line = f"{duration(left)} left  step {step:,}  loss {loss:.3f} nats  {tokens_per_second:,.0f} tokens/s"
        self._bar.update(self._task, completed=share, description=line)
        if self._bar.disable and time.monotonic() - self._printed >= self.PERIOD:
            self._printed = time.monotonic()
            self.say(f"{share:4.0%}  {line}")

    def validated(self, share: float, step: int, loss: float, best: bool) -> None:
        """Shows a validation, on a line that stays."""
        mark = ", the best so far" if best else ""
        self.say(
            f"{share:4.0%}  step {step:,}  held-out text: {loss:.3f} nats a token, "
            f"{loss * self._bits:.3f} bits a {self._unit}{mark}"
        )

    def say(self, line: str) -> None:
        """A line above the bar."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Words for a stretch of time."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
