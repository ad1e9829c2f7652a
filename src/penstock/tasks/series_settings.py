"""What a person may say about series of numbers, whatever the task."""

import dataclasses
from typing import Annotated

from cyclopts import Parameter

from penstock.errors import PenstockError
from penstock.series.roles import Roles

Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())]


@dataclasses.dataclass(frozen=True)
class SeriesColumns:
    """What the columns of series are; the command line has the same names.

    Attributes:
        target: The columns to answer for; "target", "label", "y" or "class" unless you say.
        features: The columns that are read; all others but the target unless you say.
        known: Columns whose values are known in advance, such as a price or a holiday.
        static: Columns that are the same in all rows of a series.
        category: Columns of numbers that are names of something.
        id: The columns that say whose a row is; found by their names, or each file is a series.
        time: The column that says when a row was; found by what stands in it.
        episode: A column that is 1 where a series starts anew.
        pattern: Of sound, what files' names hold, such as {label}_{speaker}_{take}.wav.
    """

    target: Names = ()
    features: Names = ()
    known: Names = ()
    static: Names = ()
    category: Names = ()
    id: Names = ()
    time: str | None = None
    episode: str | None = None
    pattern: str | None = None

    def roles(self) -> Roles:
        """What columns were said to be."""
        names = ("target", "features", "known", "static", "category", "id", "time", "episode")
        return Roles(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class SeriesSettings(SeriesColumns):
    """Settings of a task on series; the command line has the same names.

    Attributes:
        split_by: How the held-out part is drawn: whole series (id), the later part of time (time), or a column's name;
            whole series where there are many, else by time.
        validation: A second file of the same columns that validates, instead of a held-out part; or the column's values
            that do.
        decay: The state fades over the time since the row before, at each unit's own rate, where times are irregular.
    """

    split_by: str | None = None
    validation: Names = ()
    decay: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # from a checkpoint they come as lists
            if isinstance(getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
        if self.validation and self.split_by in ("id", "time"):
            raise PenstockError(f"--validation: expected without --split-by {self.split_by}, got both")

    def roles(self) -> Roles:
        """What columns were said to be."""
        column = self.split_by if self.split_by not in (None, "id", "time") else None
        return dataclasses.replace(super().roles(), split=column)
