"""The task as the trainer asks for it."""

from penstock.tasks.series_task import SeriesTask
from penstock.train.task import Task

TASK: Task = SeriesTask("steps", last=False)
