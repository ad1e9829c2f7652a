"""What is measured: the shapes, what Penstock must reach on each, and the variants of a call."""

from __future__ import annotations

from typing import Literal, NamedTuple

from penstock.errors import PenstockError

Kind = Literal["inference", "training"]


class Shape(NamedTuple):
    """N batch, L steps, D input features, H hidden units."""

    N: int
    L: int
    D: int
    H: int

    def __str__(self) -> str:
        return f"({self.N}, {self.L}, {self.D}, {self.H})"


TARGETS: dict[Kind, dict[Shape, float]] = {
    "inference": {
        Shape(1, 1, 128, 128): 0.5,
        Shape(1, 1, 512, 512): 0.7,
        Shape(1, 1000, 128, 128): 0.45,
        Shape(1, 100, 256, 256): 0.5,
        Shape(1, 1000, 512, 512): 0.8,
        Shape(8, 100, 256, 256): 0.75,
        Shape(32, 100, 256, 256): 0.65,
        Shape(32, 100, 512, 512): 0.7,
        Shape(64, 50, 1024, 1024): 0.8,
    },
    "training": {
        Shape(32, 35, 28, 256): 0.4,
        Shape(32, 128, 128, 128): 0.33,
        Shape(32, 128, 256, 256): 0.4,
        Shape(64, 64, 512, 512): 0.65,
        Shape(16, 256, 512, 512): 0.5,
        Shape(32, 32, 1024, 1024): 0.65,
        Shape(256, 64, 64, 64): 0.4,
    },
}
"""The shapes, and how much of the best peer's time Penstock may take at most."""

QUICK: dict[Kind, tuple[Shape, ...]] = {
    "inference": (Shape(1, 100, 256, 256), Shape(32, 100, 256, 256)),
    "training": (Shape(32, 35, 28, 256), Shape(32, 128, 128, 128)),
}
"""Those of ``--quick``."""

VARIED: dict[Kind, tuple[Shape, ...]] = {
    "inference": (Shape(1, 1000, 512, 512), Shape(32, 100, 256, 256)),
    "training": (Shape(32, 128, 128, 128), Shape(32, 128, 256, 256)),
}
"""Those on which Penstock's variants are measured too."""


class Variant(NamedTuple):
    """A call of Penstock that differs from the plain one: float32, reset="after", whole sequences."""

    name: str
    target: float | None
    """How much of the plain call's time it may take at most; None where nothing was promised."""
    reset: str = "after"
    precision: str = "float32"
    resets: bool = False
    """Episodes start at 3% of the steps."""
    lengths: bool = False
    """Sequences of 1 … 2L − 1 steps, N · L in all."""
    gates: bool = False
    recompute: bool = False


PLAIN = Variant("Penstock", 1.0)

VARIANTS: dict[Kind, tuple[Variant, ...]] = {
    "inference": (
        Variant('reset="before"', 1.25, reset="before"),
        Variant("bfloat16 weights", None, precision="bfloat16"),
        Variant("int8 weights", None, precision="int8"),
        Variant("resets at 3%", 1.15, resets=True),
        Variant("ragged lengths", 1.15, lengths=True),
        Variant("gates returned", 1.15, gates=True),
    ),
    "training": (
        Variant('reset="before"', 1.25, reset="before"),
        Variant("resets at 3%", 1.15, resets=True),
        Variant("ragged lengths", 1.15, lengths=True),
        Variant("gates returned", 1.15, gates=True),
        Variant("gates recomputed", None, recompute=True),
    ),
}


def parse(text: str) -> Shape:
    """A shape from "N,L,D,H".

    Raises:
        PenstockError: it is not four positive integers.
    """
    parts = [part.strip() for part in text.strip("() ").split(",")]
    if len(parts) != 4 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise PenstockError(f"--shape: expected N,L,D,H, four positive integers, got {text!r}")
    return Shape(*map(int, parts))
