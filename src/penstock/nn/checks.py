"""Refuses input that cannot work, before anything is computed: the argument, what was expected, what came."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

FORMS = ("before", "after")


def check_reset_form(reset: str) -> None:
    """Raises ValueError unless ``reset`` names one of the two forms."""
    if reset not in FORMS:
        raise ValueError(f'reset: expected "before" or "after", got {reset!r}')


def check_sizes(dtype: torch.dtype | None, **sizes: Any) -> None:
    """Raises unless a module can be made in these sizes and this type."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name}: expected a positive integer, got {size!r}")
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"dtype: expected a floating-point type, got {dtype}")


def check_shape(name: str, value: Tensor, expected: dict[str, int | None]) -> None:
    """Raises unless ``value`` is a tensor of this shape; ``expected`` maps letters to sizes, None for a free one."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    sizes = list(expected.values())
    fits = len(value.shape) == len(sizes) and all(
        size is None or size == got for size, got in zip(sizes, value.shape, strict=True)
    )
    if not fits:
        shape = ", ".join(key if size is None else f"{key}={size}" for key, size in expected.items())
        raise ValueError(f"{name}: expected ({shape}), got {tuple(value.shape)}")


def check_kind(name: str, value: Tensor, weight: Tensor) -> None:
    """Raises unless ``value`` has the device and type of ``weight``; autocast mixes all floating types but float64."""
    if value.device != weight.device:
        raise ValueError(f"{name}: expected a tensor on {weight.device}, as the weights are, got {value.device}")
    if value.dtype == weight.dtype:
        return
    mixes = value.dtype.is_floating_point and torch.float64 not in (value.dtype, weight.dtype)
    if not (mixes and torch.is_autocast_enabled(value.device.type)):
        raise TypeError(f"{name}: expected {weight.dtype}, as the weights are, got {value.dtype}")


def checked_lengths(lengths: Tensor | Sequence[int] | None, L: int, N: int, device: torch.device) -> Tensor | None:
    """``lengths`` on x's device as int64 (N,), each in 0 … L.

    Their values are read on the host (on CUDA a synchronisation); a compiled, exported or transformed call does not.
    """
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        try:
            lengths = torch.tensor(lengths) if len(lengths) else torch.zeros(0, dtype=torch.int64)  # [] alone is float
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"lengths: expected N={N} integers, got {lengths!r}") from None
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
        raise TypeError(f"lengths: expected integers, got {lengths.dtype}")
    check_shape("lengths", lengths, {"N": N})
    lengths = lengths.to(torch.int64)  # of unsigned types torch finds no extremes
    if N and not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()):
        shortest, longest = (int(bound) for bound in torch.aminmax(lengths))
        if shortest < 0:
            raise ValueError(f"lengths: expected 0 … L={L}, got {shortest}")
        if longest > L:
            raise ValueError(f"lengths: expected 0 … L={L}, got {longest}")
    return lengths.to(device)


def check_resets(resets: Tensor | None, expected: dict[str, int | None], device: torch.device) -> None:
    """Raises unless ``resets`` is None or bool, of this shape and on x's device."""
    if resets is None:
        return
    check_shape("resets", resets, expected)
    if resets.dtype != torch.bool:
        raise TypeError(f"resets: expected torch.bool, got {resets.dtype}")
    if resets.device != device:
        raise ValueError(f"resets: expected a tensor on {device}, as x is, got {resets.device}")
