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


def same(text: str) -> Words:
    """What is the same in both."""
    return Words(text, text)


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
        mean, least, most = map(self._shown, (self.mean, min(self.values), max(self.values)))
        return mean if least == most else f"{mean} ({least} … {most})"

    def _shown(self, value: float) -> str:
        """A share that is little is not rounded to none, nor one that is nearly all to all."""
        text = format(value, self.form)
        if not self.form.endswith("%"):
            return text
        unit = 10.0 ** -(int(self.form[1:-1]) + 2)
        none, whole = value > 0 and text == format(0.0, self.form), value < 1 and text == format(1.0, self.form)
        return f"< {unit:{self.form}}" if none else f"> {1 - unit:{self.form}}" if whole else text


def share(values: Iterable[float]) -> Measured:
    """A figure in percent."""
    return Measured(tuple(values), ".1%")


def number(values: Iterable[float]) -> Measured:
    """A figure as a number."""
    return Measured(tuple(values))


class Table(NamedTuple):
    """Figures by row and column."""

    title: Words
    columns: list[Words]
    rows: dict[Words, list[Measured]]


class Picture(NamedTuple):
    """A drawing, as an SVG element that takes the colour of the text around it.

    Its own words are text elements that say their language, those of every language in the same place.
    """

    caption: Words
    svg: str


@dataclass(frozen=True)
class Claim:
    """One claim of the textbook, measured."""

    key: str
    """Where it stands on the page; no two have the same."""
    name: Words
    says: Words
    done: Words
    """What was done to test it."""
    figures: dict[Words, Measured]
    criterion: Words
    """In words; no threshold is moved to let a claim hold."""
    holds: bool
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
