"""Refuses input that cannot work, before anything is computed: the argument, what was expected, what came."""

import numbers
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

FORMS = ("before", "after")


def check_reset_form(reset: str) -> None:
    """Raises ValueError unless ``reset`` names one of the two forms."""
    if reset not in FORMS:
        raise ValueError(f'reset: expected "before" or "after", got {reset!r}')


def checked_size(name: str, size: Any, least: int = 1) -> int:
    """A size that came as any kind of integer, of NumPy's or a tensor too, as an int."""
    what = "a positive integer" if least else "an integer of 0 or more"
    try:
        value = operator.index(size)
    except TypeError:
        raise TypeError(f"{name}: expected {what}, got {size!r}") from None
    if isinstance(size, bool):
        raise TypeError(f"{name}: expected {what}, got {size!r}")
    if value < least:
        raise ValueError(f"{name}: expected {what}, got {size!r}")
    return value


def checked_flag(name: str, flag: Any) -> bool:
    """A bool, of NumPy's too; no other number, which may have been meant for the argument beside it."""
    if not isinstance(flag, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {flag!r}")
    return bool(flag)


def checked_dropout(dropout: Any) -> float:
    """A probability that came as any kind of number, as a float."""
    number = isinstance(dropout, numbers.Real) and not isinstance(dropout, bool)
    if not (number and 0 <= float(dropout) <= 1):
        raise ValueError(f"dropout: expected a probability in 0 … 1, got {dropout!r}")
    return float(dropout)


def check_dtype(dtype: torch.dtype | None) -> None:
    """Raises TypeError unless parameters can be of this type."""
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
        raise _unfit(name, value, expected)


def _unfit(name: str, value: Tensor, expected: dict[str, int | None]) -> ValueError:
    shape = ", ".join(key if size is None else f"{key}={size}" for key, size in expected.items())
    return ValueError(f"{name}: expected ({shape}), got {tuple(value.shape)}")


def alike(value: Tensor, weight: Tensor) -> bool:
    """Whether ``value`` is a tensor of the device and type of ``weight``. What is wrong else, if it is, others say."""
    return (
        isinstance(value, Tensor)
        and value.dtype is weight.dtype
        and ((value.is_cpu and weight.is_cpu) or value.device == weight.device)  # to make devices takes longer
    )


def check_kind(name: str, value: Tensor, weight: Tensor) -> None:
    """Raises unless ``value`` has the device and type of ``weight``; autocast mixes all floating types but float64."""
    if value.device != weight.device:
        raise ValueError(f"{name}: expected a tensor on {weight.device}, as the weights are, got {value.device}")
    if value.dtype == weight.dtype:
        return
    mixes = value.dtype.is_floating_point and torch.float64 not in (value.dtype, weight.dtype)
    if not (mixes and torch.is_autocast_enabled(value.device.type)):
        raise TypeError(f"{name}: expected {weight.dtype}, as the weights are, got {value.dtype}")


def checked_state(name: str, hx: Tensor, letters: Sequence[str], sizes: Sequence[int], weight: Tensor) -> Tensor:
    """``hx`` of these sizes, in the type of the weights."""
    if alike(hx, weight) and hx.shape == sizes:
        return hx
    check_shape(name, hx, dict(zip(letters, sizes, strict=True)))
    check_kind(name, hx, weight)
    return hx.to(weight.dtype)


def checked_lengths(lengths: Tensor | Sequence[int], L: int, N: int, device: torch.device) -> Tensor:
    """``lengths`` on x's device as int64 (N,), each in 0 … L.

    Their values are read on the host (on CUDA a synchronisation); a compiled, exported, traced or transformed call does
    not, whose operator checks them where it runs.
    """
    if not isinstance(lengths, Tensor):
        try:
            lengths = torch.tensor(lengths) if len(lengths) else torch.zeros(0, dtype=torch.int64)  # [] alone is float
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"lengths: expected N={N} integers, got {lengths!r}") from None
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
        raise TypeError(f"lengths: expected integers, got {lengths.dtype}")
    check_shape("lengths", lengths, {"N": N})
    lengths = lengths.to(torch.int64)  # of unsigned types torch finds no extremes
    graph = torch.compiler.is_compiling() or torch._C._is_tracing() or torch._C._are_functorch_transforms_active()
    if not graph and N:
        shortest, longest = (int(bound) for bound in torch.aminmax(lengths))
        if shortest < 0:
            raise ValueError(f"lengths: expected 0 … L={L}, got {shortest}")
        if longest > L:
            raise ValueError(f"lengths: expected 0 … L={L}, got {longest}")
    return lengths.to(device)


def check_resets(resets: Tensor, letters: Sequence[str], sizes: Sequence[int], device: torch.device) -> None:
    """Raises unless ``resets`` is bool, of this shape and on x's device."""
    check_shape("resets", resets, dict(zip(letters, sizes, strict=True)))
    if resets.dtype != torch.bool:
        raise TypeError(f"resets: expected torch.bool, got {resets.dtype}")
    if resets.device != device:
        raise ValueError(f"resets: expected a tensor on {device}, as x is, got {resets.device}")


def checked_decay(decay: Tensor, letters: Sequence[str], sizes: Sequence[int], H: int, weight: Tensor) -> Tensor:
    """``decay`` in the type of the weights: of this shape and behind it H, or 1 for all units alike."""
    if not isinstance(decay, Tensor):
        raise TypeError(f"decay: expected a torch.Tensor, got {type(decay).__name__}")
    if decay.shape not in ((*sizes, H), (*sizes, 1)):
        raise _unfit("decay", decay, {**dict(zip(letters, sizes, strict=True)), f"H={H} or 1": None})
    check_kind("decay", decay, weight)
    return decay.to(weight.dtype)
