"""One step of a GRU, as a module."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from penstock.nn.checks import alike, check_dtype, check_kind, check_shape, checked_flag, checked_size, checked_state
from penstock.nn.conversion import Target, converted
from penstock.nn.graphs import leaf
from penstock.nn.reset_form import ResetForm
from penstock.ops import Call, composite, gru_layer


class GRUCell(ResetForm):
    """One step of a GRU: the constructor and call of ``torch.nn.GRUCell``, and both forms.

    ``cell(input, hx)`` is (N, H) from x (N, D) and h (N, H), or (H,) from (D,) and (H,); no h means zeros. Parameters
    ``weight_ih`` (3H, D), ``weight_hh`` (3H, H), ``bias_ih`` and ``bias_hh`` (3H,), rows in the order r, z, n. A state
    of ``torch.nn.GRUCell`` loads into ``reset="after"``, which for ``isinstance`` is a ``torch.nn.GRUCell`` too.
    Equations and sources: ``penstock.equations``.

    Raises:
        ValueError, TypeError: as ``penstock.GRU``. D and H may be 0.
    """

    torchs = nn.GRUCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset: str = "before",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(reset, device)
        check_dtype(dtype)
        self.input_size = checked_size("input_size", input_size, least=0)
        self.hidden_size = checked_size("hidden_size", hidden_size, least=0)
        self.bias = checked_flag("bias", bias)
        self._all_weights = [["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if self.bias else ())]]
        rows = 3 * self.hidden_size
        shapes = {"weight_ih": (rows, self.input_size), "weight_hh": (rows, self.hidden_size)}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            there = name in self._all_weights[0]
            empty = torch.empty(shapes.get(name, rows), device=device, dtype=dtype) if there else None
            self.register_parameter(name, None if empty is None else nn.Parameter(empty))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws every parameter from U(−1/√H, 1/√H), as ``torch.nn.GRUCell`` does."""
        bound = 1 / math.sqrt(max(1, self.hidden_size))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state."""
        if isinstance(input, torch.fx.Proxy):
            return leaf(self, input, hx)
        handles = self._enter()
        weights = self._weights(self._all_weights[0])
        weight = weights[0]
        batched = not isinstance(input, Tensor) or input.dim() != 1
        if not alike(input, weight) or input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            check_shape("input", input, {"N": None, "D": self.input_size} if batched else {"D": self.input_size})
            check_kind("input", input, weight)
        x = input[None] if batched else input[None, None]
        N, H = x.shape[1], self.hidden_size
        if hx is None:
            h_0 = weight.new_zeros(N, H)
        elif batched:
            h_0 = checked_state("hx", hx, "NH", (N, H), weight)
        else:
            h_0 = checked_state("hx", hx, "H", (H,), weight)[None]
        compute = gru_layer if H else composite.run  # others need a unit
        _, h_n, _ = compute(Call(x, h_0, *weights, self.reset, packed=handles and handles[0]))
        return h_n if batched else h_n[0]

    @classmethod
    def from_torch(cls, module: nn.GRUCell) -> "GRUCell":
        """The same function as a ``torch.nn.GRUCell``, as ``penstock.GRU.from_torch`` makes it."""
        if not isinstance(module, nn.GRUCell):
            raise TypeError(f"module: expected a torch.nn.GRUCell, got {module!r}")
        return _converted(module, cls, reset="after")

    def to_torch(self) -> nn.GRUCell:
        """The same function as a ``torch.nn.GRUCell``, as ``penstock.GRU.to_torch`` makes it.

        Raises:
            ValueError: this is ``reset="before"``, which ``torch.nn.GRUCell`` does not compute.
        """
        self._refuse_torch()
        return _converted(self, nn.GRUCell)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}, reset={self.reset!r}"


def _converted(module: Any, cls: type[Target], **options: Any) -> Target:
    """A cell of ``cls`` with the arguments and weights of another."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if module.bias else 2]
    arguments: dict[str, Any] = {name: getattr(module, name) for name in ("input_size", "hidden_size", "bias")}
    return converted(module, names, cls, **arguments, **options)
