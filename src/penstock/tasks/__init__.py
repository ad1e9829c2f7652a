"""What a model learns: each task says what it reads, predicts and is measured by; the trainer does the rest."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.train.task import Task

NAMES = ("language", "forecast", "sequence", "steps", "text")
"""Of ``penstock train --task``, where "text" is a sequence with a --column of text."""


def task(name: str) -> "Task":
    """The task of this name. Torch is imported with it."""
    found: Task = import_module(f"penstock.tasks.{name}.task").TASK
    return found
