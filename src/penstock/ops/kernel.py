"""The compiled core on torch's CPU tensors: allocates the results, and makes contiguous what the core needs so.

What can be wrong with an argument (shape, type, device, a length) the core itself refuses.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from penstock.native import core
from penstock.ops import shapes, threads
from penstock.ops.call import NO_GATES, KeptGates, Options, Tensors

GATES = ("reset", "update", "candidate", "recurrent")
OTHER_GRADS = ("grad_h_n", "grad_reset", "grad_update", "grad_candidate")


def forward(
    tensors: Tensors, options: Options, keep_gates: bool, packed: Any = None
) -> tuple[Tensor, Tensor, KeptGates]:
    """output (L, N, H), h_n (N, H) and, if they are kept, the gates.

    Args:
        packed: what the core's ``pack`` made of the weights, which are then not read.

    Raises:
        ValueError, TypeError, MemoryError: as the core.
    """
    after, lengths, resets, reverse = options
    read = _as_the_core_reads(tensors, lengths, resets, packed is not None)
    x, h_0 = read[0], read[1]
    if x.dim() != 3 or h_0.dim() != 2:  # no size to allocate
        shapes.check(tensors, options)
    N, H = h_0.shape
    output, h_n, gates = h_0.new_empty(x.shape[0], N, H), torch.empty_like(h_0), NO_GATES
    if keep_gates:
        r, z, n = (torch.empty_like(output) for _ in range(3))
        gates = r, z, n, torch.empty_like(output) if after else None
    core.chosen().forward(after, reverse, threads.allowed(), *read, packed, output, h_n, *gates)
    return output, h_n, gates


def backward(
    tensors: Tensors, options: Options, states: Tensor, gates: KeptGates, grads: Tensors, needed: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of ``tensors``; None where one is not needed.

    Args:
        states: what forward returned as output.
        gates: what forward kept; where it kept none they are computed again.
        grads: of output, h_n, r, z and n; None for zero.
        needed: of which of ``tensors``.

    Raises:
        ValueError, TypeError, MemoryError: as the core.
    """
    after, lengths, resets, reverse = options
    read = _as_the_core_reads(tensors, lengths, resets, False)
    like = (tensors[0], *read[1:6], None if tensors[6] is None else states)
    found = [
        torch.empty_like(t, memory_format=torch.contiguous_format) if need and t is not None else None
        for t, need in zip(like, needed, strict=True)
    ]
    grad_output, *other_grads = (_in_memory(grad) for grad in grads)
    core.chosen().backward(
        after,
        reverse,
        threads.allowed(),
        *read,
        _rows("output", states),
        *map(_whole, GATES, gates),
        _rows("grad_output", grad_output),
        *map(_whole, OTHER_GRADS, other_grads),
        *found,
    )
    decay, grad_decay = tensors[6], found[6]
    if decay is not None and grad_decay is not None and decay.shape[-1] != grad_decay.shape[-1]:
        found[6] = grad_decay.sum(-1, keepdim=True)  # it was one number for all units
    return found


def _as_the_core_reads(tensors: Tensors, lengths: Any, resets: Any, packed: bool) -> tuple[Any, ...]:
    """x, h_0, the weights if they are not packed, lengths, resets and decay: the core's order and layout."""
    x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, decay = tensors
    weights: Tensors = (None, None, None, None)
    if not packed:
        weights = (
            _whole("weight_ih", weight_ih),
            _whole("weight_hh", weight_hh),
            _whole("bias_ih", bias_ih),
            _whole("bias_hh", bias_hh),
        )
    if resets is not None:
        expect_memory("resets", resets)
    if decay is not None:
        expect_memory("decay", decay)
        decay = decay.resolve_neg()
    return _rows("x", x), _whole("h_0", h_0), *weights, _whole("lengths", lengths), resets, decay


def _whole(name: str, tensor: Tensor | None) -> Tensor | None:
    """Contiguous, and with its own sign: torch negates lazily what is the imaginary part of a conjugate."""
    if tensor is None or _lies_plainly(tensor):
        return tensor
    expect_memory(name, tensor)
    return tensor.resolve_neg().contiguous()


def _rows(name: str, tensor: Tensor | None) -> Tensor | None:
    """As ``_whole``, but only the last axis is made contiguous."""
    if tensor is None or _lies_plainly(tensor):
        return tensor
    expect_memory(name, tensor)
    tensor = tensor.resolve_neg()
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _lies_plainly(tensor: Tensor) -> bool:
    """Contiguous, not to be negated, and all of it in its storage: of most tensors, and soon found."""
    offset = tensor.storage_offset()
    end = tensor.nbytes + offset * tensor.itemsize if offset else tensor.nbytes
    return tensor.is_contiguous() and not tensor.is_neg() and end <= tensor.untyped_storage().nbytes()


def expect_memory(name: str, tensor: Tensor) -> None:
    """Raises where a tensor's storage was made too small for it, of which the tensor knows nothing."""
    elements = tensor.numel()
    if elements and not tensor.is_contiguous():
        elements = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    needed, there = (tensor.storage_offset() + elements) * tensor.itemsize, tensor.untyped_storage().nbytes()
    if needed > there and elements:
        raise ValueError(f"{name}: expected {needed} bytes of memory, got {there}: its storage was freed or cut")


def _in_memory(grad: Tensor | None) -> Tensor | None:
    """torch also has zeros that lie nowhere."""
    return grad.clone() if grad is not None and grad._is_zerotensor() else grad
