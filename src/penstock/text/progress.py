"""How far a long piece of work is: a bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PERIOD = 10.0
"""Seconds between plain lines."""


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Callable[[str, float], None]]:
    """What is to be told what is being done, and how much of it is done, 0 … 1."""
    columns = (BarColumn(bar_width=12), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True)
    task, printed = bar.add_task("", total=1.0), time.monotonic()

    def report(what: str, share: float) -> None:
        nonlocal printed
        bar.update(task, description=what, completed=share)
        if bar.disable and time.monotonic() - printed >= PERIOD:
            console.print(f"{share:4.0%}  {what}", highlight=False, markup=False, soft_wrap=True)
            printed = time.monotonic()

    with bar:
        yield report
