"""The derivative of a call of the compiled core, from what autograd kept of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from penstock.ops import composite, kernel
from penstock.ops.call import NAMES, Call, KeptGates, Options, Tensors

Backward = Callable[[Tensors, Options, Tensor, KeptGates, Tensors, Sequence[bool]], list[Tensor | None]]
"""``kernel.backward``, or the same by the operator."""

BATCHED = torch._C._dispatch_key_parse("Batched")


def gradients(
    backward: Backward | None,
    tensors: Tensors,
    options: Options,
    states: Tensor | None,
    gates: KeptGates,
    grads: Tensors,
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of ``tensors`` as ``backward`` makes them, or for None the composite.

    Args:
        states: what forward returned as output; None if that was changed since: it is computed again.

    Raises:
        ValueError, TypeError: something is not as forward saw it.
    """
    dtype = next((grad.dtype for grad in grads if grad is not None), None)
    if dtype is None:
        return [None] * len(tensors)
    tensors, gates = _typed(tensors, dtype), _typed(gates, dtype)
    if backward is None:
        after, lengths, resets, reverse = options
        form = "after" if after else "before"
        call = Call._make([*tensors[:6], form, lengths, resets, tensors[6], reverse, False, False, None])
        return through_composite(call, grads, needed, torch.autocast("cpu", enabled=False))
    states = kernel.forward(tensors, options, False)[0] if states is None else states.to(dtype)
    return backward(tensors, options, states, gates, grads, needed)


def _typed(tensors: Any, dtype: torch.dtype) -> Any:
    """In the type that forward computed in: hooks may have kept them in another."""
    if {tensor.dtype for tensor in tensors if tensor is not None} <= {dtype}:
        return tensors
    return tuple(None if tensor is None else tensor.to(dtype) for tensor in tensors)


def by_composite(grads: Tensors) -> bool:
    """Whether the derivative is the composite backend's: a graph of it is wanted, or many at once."""
    return torch.is_grad_enabled() or any(grad is not None and _is_batched(grad) for grad in grads)


def _is_batched(grad: Tensor) -> bool:
    """Whether it stands for many: under ``vmap``, or with ``is_grads_batched``, whose tensors have their own key."""
    return torch._C._are_functorch_transforms_active() or (
        not torch.compiler.is_compiling() and torch._C._dispatch_keys(grad).has(BATCHED)
    )


def through_composite(
    call: Call, grads: Tensors, needed: Sequence[bool], autocast: torch.autocast
) -> list[Tensor | None]:
    """The gradients of x … decay, and where gradients are on, their graph.

    Args:
        call: what forward computed, its tensors part of the graph.
        grads: of output, h_n, r, z and n; None for zero.
        needed: of which of x … decay.
        autocast: as forward was run; its derivative is not lowered any further.
    """
    twice = torch.is_grad_enabled()
    with torch.enable_grad(), autocast:
        # views, so that a tensor that is given twice (tied biases) has a gradient for each
        views = {name: t.view_as(t) for name in NAMES if (t := getattr(call, name)) is not None}
        call = call._replace(**views, return_gates=any(grad is not None for grad in grads[2:]))
        result = composite.run(call)
    values = (result.output, result.h_n, *(result.gates or ()))
    used = [(value, grad) for value, grad in zip(values, grads, strict=False) if grad is not None]
    wanted = [name for name, need in zip(NAMES, needed, strict=True) if need]
    with torch.autocast(call.x.device.type, enabled=False):
        found: Tensors = torch.autograd.grad(
            [value for value, _ in used],
            [views[name] for name in wanted],
            [grad for _, grad in used],
            create_graph=twice,
            allow_unused=True,
        )
    of_name = dict(zip(wanted, found, strict=True))
    return [of_name.get(name) for name in NAMES]
