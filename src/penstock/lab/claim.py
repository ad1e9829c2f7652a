"""What an experiment returns: a claim, its measured figures, the criterion, and whether the claim holds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Effort(NamedTuple):
    """How much is trained. The same effort gives the same figures on one machine."""

    seeds: int = 5
    quick: bool = False
    """Fewer steps and smaller sizes: seconds instead of minutes."""


class Words(NamedTuple):
    """The same in two languages; the textbook is Chinese."""

    en: str
    zh: str


class Measured(NamedTuple):
    """A figure: one value a seed, or a single one."""

    values: tuple[float, ...]
    form: str = ".3g"
    """As Python's ``format`` takes it."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.values) / len(self.values)

    def __str__(self) -> str:
        """The mean, and the range if there is one: `0.97 (0.95 … 0.99)`."""
        mean, least, most = (format(value, self.form) for value in (self.mean, min(self.values), max(self.values)))
        return mean if least == most else f"{mean} ({least} … {most})"


def share(values: Iterable[float]) -> Measured:
    """A figure in percent."""
    return Measured(tuple(values), ".1%")


def number(values: Iterable[float]) -> Measured:
    """A figure as a number."""
    return Measured(tuple(values))


class Table(NamedTuple):
    """Figures by row and column."""

    title: str
    columns: list[str]
    rows: dict[str, list[Measured]]


class Picture(NamedTuple):
    """A drawing, as an SVG element that takes the colour of the text around it."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Claim:
    """One claim of the textbook, measured."""

    name: str
    says: Words
    done: Words
    """What was done to test it."""
    figures: dict[str, Measured]
    criterion: Words
    """In words; no threshold is moved to let a claim hold."""
    holds: bool
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
