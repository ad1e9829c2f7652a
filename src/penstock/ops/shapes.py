"""What goes together, in words, where there is no memory that the core could look at: in graphs and on ``meta``.

Order and words are the core's own. Sizes may be symbols: nothing here is decided by their values.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from penstock.ops.call import NAMES, Options

CORE_TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int8, torch.int64, torch.bool)
"""Those that the core knows by name."""
AS_WEIGHTS, AS_WEIGHT_HH = ", as the weights are", ", as weight_hh is"


def check(tensors: Sequence[Any], options: Options) -> None:
    """Raises ValueError or TypeError where the core would, but for the values of ``lengths``."""
    x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, decay = tensors
    _, lengths, resets, _ = options
    expect_shape("weight_hh", weight_hh, ("3H", None), ("H", None))
    dtype, H = weight_hh.dtype, weight_hh.shape[1]
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"weight_hh: expected float32 or float64, got {_name(dtype)}")
    _check(H >= 1, lambda: f"weight_hh: expected H of 1 or more, got {H}")
    expect_shape("weight_hh", weight_hh, ("3H", 3 * H), ("H", H))
    expect("weight_ih", weight_ih, dtype, ("3H", 3 * H), ("D", None), like=AS_WEIGHT_HH)
    D = weight_ih.shape[1]
    expect("bias_ih", bias_ih, dtype, ("3H", 3 * H), like=AS_WEIGHT_HH)
    expect("bias_hh", bias_hh, dtype, ("3H", 3 * H), like=AS_WEIGHT_HH)
    expect("x", x, dtype, ("L", None), ("N", None), ("D", D))
    L, N, _ = x.shape
    expect("h_0", h_0, dtype, ("N", N), ("H", H))
    expect("resets", resets, torch.bool, ("L", L), ("N", N), like="")
    if decay is not None:
        alike = decay.dim() == 3 and isinstance(decay.shape[2], int) and decay.shape[2] == 1
        expect("decay", decay, dtype, ("L", L), ("N", N), ("1", 1) if alike else ("H", H))
    expect("lengths", lengths, torch.int64, ("N", N), like="")
    for name, other in zip((*NAMES, "lengths", "resets"), (*tensors, lengths, resets), strict=True):
        if other is not None and other.device != x.device:
            raise ValueError(f"{name}: expected a tensor on {x.device}, as x is, got {other.device}")


def check_kept(tensors: Sequence[Any], output: Tensor, gates: Sequence[Any], grads: Sequence[Any]) -> None:
    """The same for what forward kept and for the gradients of what it returned."""
    (L, N, _), (_, H), dtype = tensors[0].shape, tensors[1].shape, tensors[1].dtype
    expect("output", output, dtype, ("L", L), ("N", N), ("H", H))
    for name, gate in zip(("reset", "update", "candidate", "recurrent"), gates, strict=True):
        expect(name, gate, dtype, ("L", L), ("N", N), ("H", H))
    for name, grad in zip(("output", "h_n", "reset", "update", "candidate"), grads, strict=True):
        expect(f"grad_{name}", grad, dtype, *([] if name == "h_n" else [("L", L)]), ("N", N), ("H", H))


def expect(name: str, value: Tensor | None, dtype: torch.dtype, *axes: tuple[str, Any], like: str = AS_WEIGHTS) -> None:
    """Raises unless the value, where there is one, has these axes, (letter, size or None) each, and this type."""
    if value is not None:
        expect_shape(name, value, *axes)
        if value.dtype != dtype:
            raise TypeError(f"{name}: expected {_name(dtype)}{like}, got {_name(value.dtype)}")


def expect_shape(name: str, value: Tensor, *axes: tuple[str, Any]) -> None:
    """Raises unless the value has these axes."""

    def words() -> str:
        expected = ", ".join(letter if size is None else f"{letter}={size}" for letter, size in axes)
        came = tuple(value.shape) if value.dim() <= 3 else f"{value.dim()} axes"
        return f"{name}: expected ({expected}), got {came}"

    _check(value.dim() == len(axes), words)
    for (_, size), came in zip(axes, value.shape, strict=True):
        if size is not None:
            _check(came == size, words)


def _check(holds: Any, words: Callable[[], str]) -> None:
    """Raises unless it holds, now or, of symbols, wherever the graph is run."""
    torch._check_value(holds, words)  # type: ignore[no-untyped-call]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.") if dtype in CORE_TYPES else "another type"
