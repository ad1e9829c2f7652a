"""The stack: the recurrent layers of a model, whatever goes in and comes out."""

import dataclasses
from typing import Any, Literal

from penstock.errors import PenstockError


@dataclasses.dataclass(frozen=True)
class StackConfig:
    """GRU layers, each of which reads what the one before gives."""

    input_size: int
    """Features of a step of what the first layer reads."""
    hidden_size: int
    num_layers: int = 1
    reset: Literal["before", "after"] = "before"
    dropout: float = 0.0
    """In training, on the input, between layers and on the output."""
    residual: bool = False
    """Each layer but the first adds to what it reads instead of replacing it."""

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers"):
            check_positive(name, getattr(self, name))
        if self.reset not in ("before", "after"):
            raise PenstockError(f'reset: expected "before" or "after", got {self.reset!r}')
        check_bool("residual", self.residual)
        if isinstance(self.dropout, bool) or not (isinstance(self.dropout, int | float) and 0 <= self.dropout < 1):
            raise PenstockError(f"dropout: expected 0 or more and less than 1, got {self.dropout!r}")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight; rows of the gates in the order r, z, n."""
        D, H = self.input_size, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for k in range(self.num_layers):
            shapes[f"layers.{k}.weight_ih_l0"] = (3 * H, H if k else D)
            shapes[f"layers.{k}.weight_hh_l0"] = (3 * H, H)
            shapes[f"layers.{k}.bias_ih_l0"] = shapes[f"layers.{k}.bias_hh_l0"] = (3 * H,)
            shapes[f"layers.{k}.reset_after"] = ()
        return shapes

    def parameters(self) -> int:
        """Of its matrices."""
        D, H = self.input_size, self.hidden_size
        return 3 * H * (D + H) + (self.num_layers - 1) * 6 * H * H


def check_positive(name: str, value: Any) -> None:
    """Raises PenstockError unless it is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PenstockError(f"{name}: expected a positive integer, got {value!r}")


def check_bool(name: str, value: Any) -> None:
    """Raises PenstockError unless it is true or false."""
    if not isinstance(value, bool):
        raise PenstockError(f"{name}: expected true or false, got {value!r}")
