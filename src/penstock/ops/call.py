"""What a backend is asked and what it answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Call(NamedTuple):
    """One layer, one direction. Weights have PyTorch's shapes, rows in the order r, z, n."""

    x: Tensor  # (L, N, D)
    h_0: Tensor  # (N, H)
    weight_ih: Tensor  # (3H, D)
    weight_hh: Tensor  # (3H, H)
    bias_ih: Tensor | None  # (3H,)
    bias_hh: Tensor | None  # (3H,)
    reset: str  # "before" | "after"
    lengths: Tensor | None = None  # (N,) integers in 0 … L
    resets: Tensor | None = None  # (L, N) bool
    decay: Tensor | None = None  # (L, N, H) or (L, N, 1): what is left of the state that enters a step
    reverse: bool = False
    return_gates: bool = False
    recompute: bool = False  # backward computes the gates again instead of keeping them
    packed: Any = None  # what the core's ``pack`` made of the weights, used in their place where no gradient is needed


class Result(NamedTuple):
    """The layer's answer; gates only where they were asked for."""

    output: Tensor  # (L, N, H), zero past each sequence's end
    h_n: Tensor  # (N, H)
    gates: tuple[Tensor, Tensor, Tensor] | None = None  # r, z, n, each (L, N, H)


# The compiled core's calls in parts, each of which is handed on as one.

NAMES = ("x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "decay")
Tensors = Sequence[Tensor | None]
"""What has a gradient: one for each of ``NAMES``, biases and decay perhaps None."""

Options = tuple[bool, Tensor | None, Tensor | None, bool]
"""after, lengths, resets, reverse."""

KeptGates = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]
"""r, z, n and, of the "after" form, W_hn h + b_hn, which its backward needs: (L, N, H) each."""
NO_GATES: KeptGates = (None, None, None, None)
