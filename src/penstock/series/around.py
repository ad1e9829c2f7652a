"""What a forecast reads beside its target: other columns of the steps before, and what is known of those to come.

Letters: M windows, W steps that are read, K steps that are forecast; of a step A numbers that are read, B of them known
in advance, and S constants of its series; D in all.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.features import Features
from penstock.series.learn_features import learn_features
from penstock.series.series_set import SeriesSet
from penstock.series.spacing import spacing

Floats = NDArray[np.float32]

CYCLES = {"day": 86_400, "week": 604_800, "year": 31_557_600}
"""Of the calendar, in seconds; each becomes a sine and a cosine."""
SAMPLES = 4
"""Steps that a cycle must have to be read."""


@dataclasses.dataclass(frozen=True)
class Around:
    """Which columns, and how they become the D numbers of a step: those known in advance, those seen so far, those of
    the series, whether a gap was before it, and of the calendar."""

    features: Features
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    """Names of ``CYCLES``."""

    @functools.cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Among the D: those of the A, first what is known in advance; of the S; and of the B."""
        roles: list[str] = []
        for column in self.features.columns:
            role = "static" if column.name in self.static else "known" if column.name in self.known else "seen"
            roles += [role] * len(column.features)
        roles += ["seen"] * self.features.gap + ["known"] * (2 * len(self.calendar))
        known, seen, static = (
            np.array([k for k, of in enumerate(roles) if of == role], np.int64) for role in ("known", "seen", "static")
        )
        return np.concatenate([known, seen]), static, known

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the series, in the order in which they are read."""
        return tuple(column.name for column in self.features.columns)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """A, S, B."""
        read, static, ahead = self._places
        return len(read), len(static), len(ahead)

    @property
    def size(self) -> int:
        """D."""
        return self.features.size + 2 * len(self.calendar)

    def of(self, series: SeriesSet) -> Floats:
        """(rows, D) of all series."""
        chosen = [series.index(name) for name in self.columns]
        parts = [self.features.whole(one.values[:, chosen], one.times) for one in map(series.one, range(len(series)))]
        found = np.concatenate([np.zeros((0, self.features.size), np.float32), *parts])
        if not self.calendar:
            return found
        if series.times is None:
            raise ValueError("times: expected those of the rows, since the calendar is read, got None")
        return np.concatenate([found, self.dates(series.times)], axis=1)

    def dates(self, times: NDArray[Any]) -> Floats:
        """(rows, 2 × cycles) where in the calendar each time stands; nothing without a calendar."""
        parts = [np.zeros((len(times), 0), np.float32)]
        for cycle in self.calendar:
            whole = round(CYCLES[cycle] * 1e6)
            moments, place = np.unique(np.asarray(times, np.int64) % whole, return_inverse=True)
            angles = (2 * math.pi * moments / whole).tolist()
            turned = np.array([(math.sin(angle), math.cos(angle)) for angle in angles], np.float32)
            parts.append(turned.reshape(-1, 2)[place])
        return np.concatenate(parts, axis=1)

    def windows(
        self, x: Floats, first: NDArray[np.int64], at: NDArray[np.int64], W: int, K: int, ahead: Floats | None = None
    ) -> Floats:
        """(M, W · A + S + K · B) what is read, one after the other; 0 before a series begins.

        Args:
            x: (rows, D) as ``of`` gives them.
            first: (M,) the row where the window's series begins.
            at: (M,) the row after the window's last.
            W: steps that are read.
            K: steps ahead.
            ahead: (M, K, D) of these; by default the rows from ``at`` on.
        """
        read, static, known = self._places
        rows = (at[:, None] + np.arange(-W, 0))[..., None]
        steps = np.where(rows >= first[:, None, None], x[np.maximum(rows, 0), read], 0)
        after = x[(at[:, None] + np.arange(K))[..., None], known] if ahead is None else ahead[..., known]
        parts = [steps.reshape(len(at), -1), x[(at - 1)[:, None], static], after.reshape(len(at), -1)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """For config.json."""
        own = {"known": list(self.known), "static": list(self.static), "calendar": list(self.calendar)}
        return {"features": self.features.to_json(), **own}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Around":
        """What ``to_json`` gave.

        Raises:
            PenstockError: it is something else.
        """
        try:
            features = Features.from_json(content["features"])
            known, static, calendar = (tuple(map(str, content[name])) for name in ("known", "static", "calendar"))
        except (KeyError, TypeError) as error:
            raise PenstockError(f"around: expected features, known, static and calendar: {error}") from None
        if not set(calendar) <= CYCLES.keys():
            raise PenstockError(f"calendar: expected some of {', '.join(CYCLES)}, got {', '.join(calendar)}")
        return cls(features, known, static, calendar)


def learn_around(
    series: SeriesSet, training: NDArray[np.int64], seen: Sequence[str] = (), calendar: bool = False
) -> Around | None:
    """Columns that were said to be known in advance or static, as the training rows have them, and some of those seen
    so far; None where there is nothing to read.

    Args:
        series: all of them.
        training: (S, 2) the training rows of each; see ``penstock.series.split``.
        seen: columns that are read up to the forecast.
        calendar: whether the calendar is read too, of dated series.
    """
    known, static = (tuple(one.name for one in series.columns if one.role == role) for role in ("known", "static"))
    found = spacing(series) if calendar and series.dated else None
    cycles = () if found is None else tuple(c for c, size in CYCLES.items() if size * 1e6 >= SAMPLES * found.step)
    if not (known or seen or static or cycles):
        return None
    return Around(learn_features(series, training, [*known, *seen, *static]), known, static, cycles)
