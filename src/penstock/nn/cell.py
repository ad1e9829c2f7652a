"""One step of a GRU, as a module."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from penstock.nn.checks import check_kind, check_shape, check_sizes
from penstock.nn.functional import gru
from penstock.nn.reset_form import ResetForm


class GRUCell(ResetForm):
    """One step of a GRU: the constructor and call of ``torch.nn.GRUCell``, and both forms.

    ``cell(x, h)`` is (N, H) from x (N, D) and h (N, H), or (H,) from (D,) and (H,); no h means zeros. Parameters
    ``weight_ih`` (3H, D), ``weight_hh`` (3H, H), ``bias_ih`` and ``bias_hh`` (3H,), rows in the order r, z, n. A state
    of ``torch.nn.GRUCell`` loads into ``reset="after"``. Equations and sources: ``penstock.equations``.

    Raises:
        ValueError, TypeError: as ``penstock.gru``.
    """

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
        super().__init__(reset)
        check_sizes(dtype, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = 3 * hidden_size

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))

        self.weight_ih, self.weight_hh = weight(rows, input_size), weight(rows, hidden_size)
        self.bias_ih = weight(rows) if bias else None
        self.bias_hh = weight(rows) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws every parameter from U(−1/√H, 1/√H), as ``torch.nn.GRUCell`` does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """The next state."""
        batched = not isinstance(x, Tensor) or x.dim() != 1
        check_shape("x", x, {"N": None, "D": self.input_size} if batched else {"D": self.input_size})
        batch = {"N": x.shape[0]} if batched else {}
        if h is not None:
            check_shape("h", h, {**batch, "H": self.hidden_size})
            check_kind("h", h, self.weight_hh)
            h = h if batched else h[None]
        _, h_n = gru(
            x[None] if batched else x[None, None],
            h,
            self.weight_ih,
            self.weight_hh,
            self.bias_ih,
            self.bias_hh,
            reset=self.reset,
        )
        return h_n if batched else h_n[0]

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}, reset={self.reset!r}"
