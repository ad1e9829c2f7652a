"""What passes between formats: the layers of a GRU as plain arrays, of no framework."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError

Floats = NDArray[Any]
DTYPES = ("float32", "float64")


@dataclasses.dataclass(frozen=True, eq=False)
class Direction:
    """One layer's weights in one direction, rows of the gates in the order r, z, n, as PyTorch has them.

    D input features, H hidden units. A missing bias is zero.
    """

    weight_ih: Floats
    """(3H, D)."""
    weight_hh: Floats
    """(3H, H)."""
    bias_ih: Floats | None = None
    """(3H,)."""
    bias_hh: Floats | None = None
    """(3H,)."""
    reverse: bool = False
    """From each sequence's last step to its first; step t's state stands at t all the same."""

    def __post_init__(self) -> None:
        rows, H = np.shape(self.weight_hh) if np.ndim(self.weight_hh) == 2 else (0, 1)
        if rows != 3 * H or not H:
            raise PenstockError(f"weight_hh: expected (3H, H), got {np.shape(self.weight_hh)}")
        if np.ndim(self.weight_ih) != 2 or len(self.weight_ih) != rows or not self.weight_ih.shape[1]:
            raise PenstockError(f"weight_ih: expected ({rows}, D), got {np.shape(self.weight_ih)}")
        for name in ("bias_ih", "bias_hh"):
            bias = getattr(self, name)
            if bias is not None and np.shape(bias) != (rows,):
                raise PenstockError(f"{name}: expected ({rows},), got {np.shape(bias)}")
        for name, value in self.arrays().items():
            if value.dtype != self.weight_ih.dtype or value.dtype not in DTYPES:
                raise PenstockError(f"{name}: expected float32 or float64, the same of all, got {value.dtype}")
            if not np.isfinite(value).all():
                raise PenstockError(f"{name}: expected finite numbers, got {value[~np.isfinite(value)][0]}")
            kept = np.array(value, order="C")
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    def arrays(self) -> dict[str, Floats]:
        """The weights that there are, by their names."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def input_size(self) -> int:
        """D."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """H."""
        return int(self.weight_hh.shape[1])

    @property
    def biases(self) -> tuple[Floats, Floats]:
        """bias_ih and bias_hh, (3H,) each, with zeros for one that is missing."""
        none = np.zeros(len(self.weight_hh), self.weight_hh.dtype)
        return (none if self.bias_ih is None else self.bias_ih), (none if self.bias_hh is None else self.bias_hh)


@dataclasses.dataclass(frozen=True, eq=False)
class Layers:
    """Recurrent layers, each of which reads what the one before gives. It never changes.

    Raises:
        PenstockError: they do not fit each other.
    """

    layers: tuple[tuple[Direction, ...], ...]
    """Of each layer its directions: one, or forward and then reverse, whose states stand side by side in what it
    gives. Sizes may differ from layer to layer."""
    reset: str
    """``"before"`` or ``"after"``; see ``penstock.equations``."""
    residual: bool = False
    """Each layer but the first adds to what it reads instead of replacing it."""
    folds: tuple[str, ...] = ()
    """What was rewritten on the way here, in words; the function is the same, up to rounding."""
    notes: tuple[str, ...] = ()
    """What else is to be known of the trip, in words: what the source held and this does not."""

    def __post_init__(self) -> None:
        if self.reset not in ("before", "after"):
            raise PenstockError(f'reset: expected "before" or "after", got {self.reset!r}')
        if not self.layers:
            raise PenstockError("layers: expected one or more, got none")
        width = self.layers[0][0].input_size if self.layers[0] else 0
        for k, layer in enumerate(self.layers):
            if [one.reverse for one in layer] not in ([False], [True], [False, True]):
                raise PenstockError(f"layer {k}: expected one direction, or forward and reverse, got {len(layer)}")
            if len({one.hidden_size for one in layer}) > 1:
                raise PenstockError(f"layer {k}: expected the same hidden size in both directions")
            for one in layer:
                if one.input_size != width:
                    raise PenstockError(f"layer {k}: expected weights for {width} inputs, got {one.input_size}")
                if one.weight_ih.dtype != self.dtype:
                    raise PenstockError(f"layer {k}: expected {self.dtype}, as of layer 0, got {one.weight_ih.dtype}")
            given = sum(one.hidden_size for one in layer)
            if self.residual and k and given != width:
                raise PenstockError(f"layer {k}: a residual layer gives what it reads, {width}, got {given}")
            width = given

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.layers[0][0].weight_ih.dtype

    @property
    def input_size(self) -> int:
        """D of the first layer."""
        return self.layers[0][0].input_size

    @property
    def output_size(self) -> int:
        """Features of what the last layer gives."""
        return sum(one.hidden_size for one in self.layers[-1])

    @property
    def directions(self) -> list[Direction]:
        """(K,) of all layers, in the order of ``h_n``."""
        return [one for layer in self.layers for one in layer]

    @property
    def forward_only(self) -> bool:
        """Whether it reads from the first step on, so that it can be read step by step."""
        return not any(one.reverse for one in self.directions)

    def said(self) -> str:
        """In words: its form, sizes and directions."""
        widths = [self.input_size, *(layer[0].hidden_size for layer in self.layers)]
        way = {(False,): "", (True,): ", in reverse", (False, True): ", both directions"}
        ways = {tuple(one.reverse for one in layer) for layer in self.layers}
        many = f"{len(self.layers)} layer{'s' * (len(self.layers) > 1)}"
        said = way[ways.pop()] if len(ways) == 1 else ", of mixed directions"
        added = ", residual" if self.residual else ""
        return f'{many}, {" → ".join(map(str, widths))}{said}{added}, reset="{self.reset}", {self.dtype}'

    def astype(self, dtype: Any) -> "Layers":
        """The same with weights of ``dtype``; where that changes one, a fold says so."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        with np.errstate(over="ignore"):  # an infinity is refused below, by its name
            cast = tuple(tuple(_cast(one, dtype) for one in layer) for layer in self.layers)
        pairs = zip(self.directions, [one for layer in cast for one in layer], strict=True)
        exact = all((new.arrays()[name] == value).all() for old, new in pairs for name, value in old.arrays().items())
        folds = self.folds if exact else (*self.folds, f"weights rounded from {self.dtype} to {dtype}")
        return dataclasses.replace(self, layers=cast, folds=folds)


def _cast(one: Direction, dtype: np.dtype[Any]) -> Direction:
    return Direction(**{name: value.astype(dtype) for name, value in one.arrays().items()}, reverse=one.reverse)


def direction(weights: Sequence[Floats], reverse: bool = False) -> Direction:
    """Of weight_ih, weight_hh and, if there are any, bias_ih and bias_hh."""
    weight_ih, weight_hh, *biases = weights
    bias_ih, bias_hh = biases or (None, None)
    return Direction(weight_ih, weight_hh, bias_ih, bias_hh, reverse)
