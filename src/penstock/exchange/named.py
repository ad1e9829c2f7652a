"""Arrays by their names, as files of weights hold them, and which of their GRUs is meant."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.layers import Direction, Layers

DEEPEST, LONGEST = 64, 1000
"""Folders of arrays inside each other that are looked into, and letters of a name."""
SHOWN = 6
"""Names that a message lists."""


class Held(NamedTuple):
    """An array in a file."""

    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Found:
    """A GRU in a file, of one layer or of several."""

    name: str
    inputs: int
    outputs: int
    reset: str
    read: Callable[[], tuple[tuple[Direction, ...], ...]]
    """Its layers."""
    uses: tuple[str, ...] = ()
    """The names of its arrays."""
    notes: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()


def chosen(found: Sequence[Found], name: str | None, source: str) -> Layers:
    """The layers of the GRU that is meant: of the only one, or of those that bear one name but for a number and fit
    one upon the other; with ``name`` of that one, or of those below it.

    Raises:
        PenstockError: there is none, or several could be meant.
    """
    if not found:
        raise PenstockError(f"{source}: holds no weights of a GRU")
    ordered = sorted(found, key=lambda one: _natural(one.name))
    if name is not None:
        below = (f"{name}.", f"{name}/")
        meant = [one for one in ordered if one.name == name] or [one for one in ordered if one.name.startswith(below)]
        if not meant:
            raise PenstockError(f"{source}: holds no GRU named {name!r}, but {listed(ordered)}")
        ordered = meant
    elif len({re.sub(r"[_.]?\d+", "#", one.name).rstrip("#") for one in ordered}) > 1:
        raise PenstockError(f"{source}: holds several GRUs; name one by --name: {listed(ordered)}")
    for one, after in itertools.pairwise(ordered):
        if after.inputs != one.outputs or after.reset != one.reset:
            raise PenstockError(
                f"{source}: these GRUs do not fit one upon the other; name one by --name: {listed(ordered)}"
            )
    layers = tuple(layer for one in ordered for layer in one.read())
    notes = [note for one in ordered for note in one.notes]
    if len(ordered) > 1:
        notes.insert(0, f"read one upon the other, by their names: {', '.join(one.name for one in ordered)}")
    folds = list(dict.fromkeys(fold for one in ordered for fold in one.folds))
    return Layers(layers, ordered[0].reset, folds=tuple(folds), notes=tuple(notes))


def rest(names: Iterable[str], found: Iterable[Found], layers: Layers) -> Layers:
    """The same layers, with a note of the other arrays of the file."""
    used = {name for one in found for name in one.uses}
    others = [name for name in names if name not in used]
    if not others:
        return layers
    more = ", …" if len(others) > 3 else ""
    note = f"left out {len(others)} other array{'s' * (len(others) > 1)}: {', '.join(others[:3])}{more}"
    return dataclasses.replace(layers, notes=(*layers.notes, note))


def listed(found: Sequence[Found]) -> str:
    """Their names and sizes, in words."""
    shown = [f"{one.name or '(no name)'} ({one.inputs} → {one.outputs})" for one in found[:SHOWN]]
    return ", ".join(shown) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def array(held: Mapping[str, Held], name: str) -> NDArray[Any]:
    """An array of the file as float32 or float64; narrower numbers are widened, exactly.

    Raises:
        PenstockError: it holds no floating-point numbers.
    """
    value = held[name].read()
    if value.dtype.kind != "f" or value.dtype.itemsize > 8:
        raise PenstockError(f"{name}: expected floating-point numbers, got {value.dtype}")
    return np.ascontiguousarray(value, np.float64 if value.dtype.itemsize == 8 else np.float32)


def widened(stored: bytes) -> NDArray[Any]:
    """Little-endian bfloat16, which NumPy lacks, as float32, each exactly: it is a float32's upper half."""
    return (np.frombuffer(stored, "<u2").astype(np.uint32) << 16).view(np.float32)


def with_new_update(layers: Layers) -> Layers:
    """Layers of a cell whose z takes the new value, h = (1 − z) ⊙ h + z ⊙ n, as ours, where it keeps the old one: since
    σ(−a) = 1 − σ(a), its rows are negated."""

    def negated(one: Direction) -> Direction:
        H = one.hidden_size
        sign = np.repeat(np.array([1, -1, 1], one.weight_hh.dtype), H)
        weights = {name: value * (sign[:, None] if value.ndim == 2 else sign) for name, value in one.arrays().items()}
        return Direction(**weights, reverse=one.reverse)

    made = tuple(tuple(negated(one) for one in layer) for layer in layers.layers)
    fold = "z took the new value: W_z, U_z and b_z negated"
    return dataclasses.replace(layers, layers=made, folds=(*layers.folds, fold))


def _natural(name: str) -> list[tuple[int, str]]:
    """By which names are put in order, numbers by their size; as text where they are long."""
    return [(int(part), "") if part.isdecimal() and len(part) < 10 else (-1, part) for part in re.split(r"(\d+)", name)]
