"""What each column of a table is taken for: what was said, and honest guesses of the rest."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from penstock.errors import PenstockError
from penstock.series.series_set import Keys, Role, Unused, no_such_column
from penstock.series.tables import HEAD, As, File, read

if TYPE_CHECKING:
    import polars

IDS = ("id", "unique_id", "series_id", "item_id", "series", "item", "unit", "sensor", "station", "entity", "machine")
TIMES = ("time", "timestamp", "datetime", "date", "ds", "t", "step", "cycle")
"""Names by which columns are recognised, in small letters."""
TARGETS = ("target", "label", "y", "class")


@dataclasses.dataclass(frozen=True)
class Roles:
    """What a person said that columns are; empty where they said nothing."""

    target: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """The inputs; where given, no other column is one."""
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    time: str | None = None
    episode: str | None = None
    split: str | None = None
    wide: bool | None = None
    """Whether a row is a series; None: recognised."""

    def named(self) -> dict[str, tuple[str, ...]]:
        """Columns by what they were said to be."""
        return {
            "target": self.target,
            "features": self.features,
            "known": self.known,
            "static": self.static,
            "category": self.category,
            "id": self.id,
            "time": (self.time,) if self.time else (),
            "episode": (self.episode,) if self.episode else (),
            "split": (self.split,) if self.split else (),
        }


class TablePlan(NamedTuple):
    """How a table is to be read as series."""

    keys: Keys
    columns: tuple[tuple[str, Role, bool, str], ...]
    """Name, role, whether it is a category, and why if it was not said."""
    unused: tuple[Unused, ...]


def planned(file: File, said: Roles) -> TablePlan:
    """What each column of a long table is taken for.

    Raises:
        PenstockError: a column that was named is not there, or was said to be two things that exclude each other.
    """
    expect_columns(file.name, file.names, said)
    keys = found_keys(file, said)
    of_keys = {*keys.id, keys.time, keys.episode}
    free = [name for name in file.names if name not in of_keys]
    targets, why = said.target, ""
    if not targets:
        likely = [name for name in free if name.lower() in TARGETS and name not in (*said.features, *said.known)]
        targets, why = tuple(likely[:1]), "by its name"
    columns, unused = [], [Unused(name, "holds lists or objects") for name in file.nested]
    for name in free:
        category = name in said.category or name == said.split or file.kinds[name] == "text"
        chosen = name in (*said.features, *said.known, *said.static, *said.category)
        role: Role = "split" if name == said.split else "target" if name in targets else "seen"
        role = "known" if name in said.known else "static" if name in said.static else role
        if file.text is not None and name == file.text.counter and role == "seen" and not chosen:
            unused.append(Unused(name, "has no name and counts the rows"))
        elif role == "seen" and said.features and not chosen:
            unused.append(Unused(name, "not among the features that were named"))
        elif file.kinds[name] == "time" and name not in said.category:
            unused.append(Unused(name, "a second column of times"))
        else:
            was_said = chosen or name in said.target or name == said.split
            columns.append((name, role, category, "" if was_said else why if role == "target" else "by default"))
    return TablePlan(keys, tuple(columns), tuple(unused))


def expect_columns(where: str, names: Sequence[str], said: Roles) -> None:
    """Raises PenstockError for a name that no column has, or a column said to be two things that exclude each other."""
    named = said.named()
    for given in named.values():
        for name in given:
            if name not in names:
                raise no_such_column(where, name, names)
    for one, other in (("target", "features"), ("target", "known"), ("target", "static"), ("known", "static")):
        if both := set(named[one]) & set(named[other]):
            raise PenstockError(f"{where}: column {min(both)!r}: said to be {one} and {other}; it can be only one")
    for key in ("id", "time", "episode", "split"):
        for use in ("target", "features", "known", "static"):
            if both := set(named[key]) & set(named[use]):
                raise PenstockError(f"{where}: column {min(both)!r}: said to be {key} and {use}; it can be only one")


def found_keys(file: File, said: Roles) -> Keys:
    """The columns that say whose and when a row is: as said, or by their names and by what stands in them."""
    taken = {name for what, names in said.named().items() if what not in ("id", "time") for name in names}
    counter = file.text.counter if file.text is not None else None
    free = [name for name in file.names if name not in taken and name != counter]
    time, why = said.time, ""
    if time is None:
        time = next((name for name in free if file.kinds[name] == "time" and name not in said.id), None)
        if time is not None:
            why = "holds times"
        else:
            named = (name for name in free if name.lower() in TIMES and file.kinds[name] == "number")
            time = next((name for name in named if name not in said.id), None)
            why = "by its name" if time is not None else ""
    if said.id:
        return Keys(said.id, time, said.episode, "", why)
    free = [name for name in free if name != time]
    by_name = [name for like in IDS for name in free if name.lower() == like]
    if by_name:
        return Keys((by_name[0],), time, said.episode, "by its name", why)
    if time is None and not file.named and len(free) > 2:
        unit, clock = file.names[:2]
        if unit in free and clock in free and _counts_in_units(file, unit, clock):
            return Keys((unit,), clock, said.episode, f"{clock} starts anew where it changes", "counts the rows")
    elif time is not None:
        texts = [name for name in free if file.kinds[name] == "text"]
        if texts and (one := _telling_apart(file, time, texts)) is not None:
            return Keys((one,), time, said.episode, f"{time} repeats, but not within it", why)
    return Keys((), time, said.episode, "", why)


def _head(file: File, wanted: dict[str, As]) -> "polars.DataFrame | None":
    try:
        return read(file, wanted, HEAD)
    except PenstockError:
        return None  # no ground for a guess; what is wrong is said when the column is read


def _counts_in_units(file: File, unit: str, clock: str) -> bool:
    """Whether the first two of nameless columns are whose a row is and a count of its steps, as in C-MAPSS."""
    import numpy as np

    if file.kinds[unit] != "number" or file.kinds[clock] != "number":
        return False
    frame = _head(file, {unit: "exact", clock: "exact"})
    if frame is None or frame.height < 3:
        return False
    units, steps = frame[unit].to_numpy(), frame[clock].to_numpy()
    whole = np.isfinite(units).all() and (units == np.round(units)).all()
    change = np.diff(units) != 0
    counts = np.diff(steps) == 1
    return bool(whole and change.any() and (counts != change).all() and (steps[1:][change] == steps[0]).all())


def _telling_apart(file: File, time: str, texts: Sequence[str]) -> str | None:
    """A column of text within whose values no time stands twice, if times do stand twice."""
    frame = _head(file, {time: "text", **dict.fromkeys(texts, "text")})
    if frame is None or not frame[time].is_duplicated().any():
        return None
    return next((name for name in texts if not frame.select(name, time).is_duplicated().any()), None)
