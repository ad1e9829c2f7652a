"""How far a long piece of work is: a bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from penstock.layout import clipped, say, wrap

PERIOD = 10.0
"""Seconds between plain lines."""
BESIDE = 27
"""Columns of the bar and the times beside what is being done."""


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Callable[[str, float], None]]:
    """What is to be told what is being done, and how much of it is done, 0 … 1."""
    room = console.width - BESIDE
    columns = (BarColumn(bar_width=12), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True)
    task, printed = bar.add_task("", total=1.0), time.monotonic()

    def report(what: str, share: float) -> None:
        nonlocal printed
        bar.update(task, description=clipped(what, room), completed=share)
        if bar.disable and time.monotonic() - printed >= PERIOD:
            say(console, wrap(what, console.width, f"{share:4.0%}  "))
            printed = time.monotonic()

    with bar:
        yield report
