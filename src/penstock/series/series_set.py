"""Series in memory: all rows one after the other, and where each series begins. Every task reads this one thing.

Letters: S series, L steps of one, C columns; ``rows`` is the sum of all L.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError

Role = Literal["target", "known", "seen", "static", "split"]
ROLES: dict[str, str] = {
    "target": "target",
    "known": "known ahead",
    "seen": "seen so far",
    "static": "static",
    "split": "split by",
}
"""What a column is to a model, and the words for it: known in advance, seen so far, constant of the series. A
target's own past may be an input too: its task decides. A column of the role "split" is for splitting alone."""


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column was taken for."""

    name: str
    role: Role = "seen"
    categories: tuple[str, ...] | None = None
    """The names of its codes 0, 1, …; None of a column of numbers. Of a series to be predicted, the code after the last
    stands for every name that is not among these."""
    why: str = ""
    """How its role was found, where it was not said."""

    @property
    def kind(self) -> Literal["number", "category"]:
        """What its values are."""
        return "number" if self.categories is None else "category"


class Unused(NamedTuple):
    """A column, series or file that was left out."""

    name: str
    why: str


class Keys(NamedTuple):
    """The columns that say whose and when a row is."""

    id: tuple[str, ...] = ()
    time: str | None = None
    episode: str | None = None
    why_id: str = ""
    why_time: str = ""
    """How they were found, where they were not said."""
    each: str = "a file a series"
    """What a series is where no column says it."""


NO_KEYS = Keys()


class One(NamedTuple):
    """One series: views of its rows, not copies."""

    id: str
    values: NDArray[np.float32]  # (L, C)
    times: NDArray[Any] | None  # (L,)
    episodes: NDArray[np.bool_] | None  # (L,)


@dataclasses.dataclass(frozen=True)
class SeriesSet:
    """Many series of the same columns, of any lengths."""

    ids: tuple[str, ...]  # S
    starts: NDArray[np.int64]  # (S + 1,) first row of each, and the end; ascending from 0
    values: NDArray[np.float32]  # (rows, C), NaN where missing; codes of categories
    columns: tuple[Column, ...]  # C
    times: NDArray[Any] | None = None  # (rows,) ascending within a series; see ``dated``
    dated: bool = False
    """Whether times are dates: int64 microseconds since 1970 in UTC, or in no zone; else float64, numbers as given."""
    zone: str | None = None
    """Of dates as they were written, such as "+01:00"."""
    episodes: NDArray[np.bool_] | None = None  # (rows,) true where the state starts anew
    sources: tuple[str, ...] = ()
    """What was read: files, or arrays as ``file:name``."""
    source_of: NDArray[np.int64] | None = None  # (S,) of each series, an index into ``sources``
    keys: Keys = NO_KEYS
    unused: tuple[Unused, ...] = ()
    """What was left out, and why."""
    rate: int | None = None
    """Samples a second, of sound."""

    def __len__(self) -> int:
        """S."""
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(S,) the steps of each."""
        return np.diff(self.starts)

    @property
    def name(self) -> str:
        """For errors: the file, or the first of several."""
        return self.sources[0] if self.sources else "series"

    def one(self, k: int) -> One:
        """A series by its number."""
        rows = slice(int(self.starts[k]), int(self.starts[k + 1]))
        return One(
            self.ids[k],
            self.values[rows],
            None if self.times is None else self.times[rows],
            None if self.episodes is None else self.episodes[rows],
        )

    def of_role(self, *roles: Role) -> list[int]:
        """The indices of the columns of these roles, ascending."""
        return [k for k, column in enumerate(self.columns) if column.role in roles]

    def index(self, name: str) -> int:
        """Where a column stands.

        Raises:
            PenstockError: there is none of this name.
        """
        names = [column.name for column in self.columns]
        if name not in names:
            raise no_such_column(self.name, name, names)
        return names.index(name)

    def cut(self, rows: int) -> "SeriesSet":
        """Of one series its first rows."""
        return dataclasses.replace(
            self,
            starts=np.array([0, rows]),
            values=self.values[:rows],
            times=None if self.times is None else self.times[:rows],
            episodes=None if self.episodes is None else self.episodes[:rows],
        )

    def only(self, which: Sequence[int] | NDArray[Any]) -> "SeriesSet":
        """Some of the series, by number, in this order; a copy of their rows."""
        chosen = [int(k) for k in which]
        rows = np.concatenate(
            [np.arange(self.starts[k], self.starts[k + 1]) for k in chosen] or [np.zeros(0, np.int64)]
        )
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[k] for k in chosen),
            starts=np.concatenate([[0], np.cumsum(self.lengths[chosen])]).astype(np.int64),
            values=self.values[rows],
            times=None if self.times is None else self.times[rows],
            episodes=None if self.episodes is None else self.episodes[rows],
            source_of=None if self.source_of is None else self.source_of[chosen],
        )


def no_such_column(where: str, name: str, names: Sequence[str], more: str = "") -> PenstockError:
    """The error for a name that is none, of which there may be ``more`` to say; offers the nearest."""
    import difflib

    lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), lower, 1)
    shown = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "") if names else "none"
    hint = f"did you mean {lower[near[0]]!r}?" if near else f"it has {shown}"
    return PenstockError(f"{where}: no column {name!r}{more}; {hint}")


ALL_MISSING = "all cells missing"
"""Why a column is left out."""


def long_enough(series: SeriesSet, steps: int) -> SeriesSet:
    """The series of at least so many steps; the others are counted among what is left out.

    Raises:
        PenstockError: none is.
    """
    enough = series.lengths >= steps
    if enough.all() and len(series):
        return series
    short = [series.ids[k] for k in np.flatnonzero(~enough)]
    if not enough.any():
        longest = int(series.lengths.max(initial=0))
        if len(series) == 1:
            raise PenstockError(f"{series.name}: {_steps(longest)}: expected at least {steps:,}")
        raise PenstockError(
            f"{series.name}: all {len(series):,} series are shorter than the {_steps(steps)} that are needed; "
            f"the longest has {longest:,}"
        )
    kept = series.only(np.flatnonzero(enough))
    name = f"{len(short):,} series ({short[0]}{', …' * (len(short) > 1)})"
    return dataclasses.replace(kept, unused=(*kept.unused, Unused(name, f"shorter than {_steps(steps)}")))


def _steps(count: int) -> str:
    return f"{count:,} step{'s' * (count != 1)}"
