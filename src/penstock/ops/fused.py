"""The compiled core behind torch, on the CPU.

A plain eager call goes straight to the core. Where something looks on (a graph is made, a mode or a tracer sees every
operation, a tensor is of a class of its own), it goes by the operators of ``operators``, which compute the same.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from penstock.native import core
from penstock.ops import derivative, kernel, operators, threads
from penstock.ops.call import NAMES, NO_GATES, Call, Options, Result, Tensors

DTYPES = frozenset((torch.float32, torch.float64))
PLAIN = frozenset((Tensor, torch.nn.Parameter, type(None)))
"""Classes in which nobody else's code is."""


def declines(call: Call) -> str | None:
    """Why the compiled core cannot compute this call, or None."""
    if core.unavailable is not None:
        return f"the compiled core is not there: {core.unavailable}"
    if not call.x.is_cpu:
        return f"the compiled core computes on the CPU, x is on {call.x.device}"
    if call.weight_hh.dtype not in DTYPES:
        return f"the compiled core computes in float32 and float64, the weights are {call.weight_hh.dtype}"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms need plain torch operations"
    if forward_ad._current_level >= 0:
        return "forward-mode derivatives need plain torch operations"
    return None


def describe(call: Call) -> str:
    """How it computes: instruction set, threads, and the memory that it keeps for backward."""
    L, N, _ = call.x.shape
    H = call.h_0.shape[1]
    gates = 0 if call.recompute else 4 if call.reset == "after" else 3
    kept = (gates + 1) * L * N * H * call.weight_hh.dtype.itemsize
    what = "states, from which gates are computed again" if call.recompute else "states and gates"
    return (
        f"the compiled core on {core.chosen().name}, at most {threads.allowed()} threads; "
        f"for backward it keeps {kept / 1e6:,.1f} MB of {what}"
    )


def run(call: Call) -> Result:
    """Computes the call. Under autocast it computes in the type of the weights all the same: that is faster."""
    x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, form, lengths, resets, decay, reverse, return_gates, *_ = call
    dtype = weight_hh.dtype
    if x.dtype != dtype and torch.is_autocast_enabled("cpu"):
        x = x.to(dtype)
    if decay is not None and decay.dtype != dtype and torch.is_autocast_enabled("cpu"):
        decay = decay.to(dtype)
    tensors, options = (
        (x, h_0, weight_ih, weight_hh, bias_ih, bias_hh, decay),
        (form == "after", lengths, resets, reverse),
    )
    grad = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    keep_gates = return_gates or (grad and not call.recompute)
    gates: Sequence[Any]
    if _is_watched(*tensors, lengths, resets):
        output, h_n, *gates = _by_operator(tensors, options, return_gates, keep_gates, grad)
    elif grad:
        output, h_n, *gates = _apply(return_gates, keep_gates, *options, *tensors)
    else:
        output, h_n, gates = kernel.forward(tensors, options, keep_gates, call.packed)
    return Result(output, h_n, tuple(gates[:3]) if return_gates else None)


def _is_watched(*tensors: Tensor | None) -> bool:
    """Whether something is to see this call as an operator."""
    return (
        torch.compiler.is_compiling()
        or torch._C._is_tracing()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._len_torch_function_stack() > 0
        or torch._C._autograd._profiler_enabled()
        or not PLAIN.issuperset(map(type, tensors))
    )


def _by_operator(
    tensors: Tensors, options: Options, return_gates: bool, keep_gates: bool, grad: bool
) -> tuple[Tensor, ...]:
    """What a graph keeps for backward is written in it: a traced one, made with gradients or without, must come out the
    same, and an exported one is there for inference."""
    keep_copies = grad
    if torch.compiler.is_exporting():
        keep_gates, keep_copies = return_gates, False
    elif not torch.compiler.is_compiling() and torch._C._is_tracing():
        keep_gates, keep_copies = return_gates, True
    results: tuple[Tensor, ...] = torch.ops.penstock.gru(*tensors, *options, keep_gates, keep_copies)
    return results


class _GRU(torch.autograd.Function):
    """A call as autograd keeps it while nothing else looks on."""

    @staticmethod
    def forward(ctx: Any, return_gates: bool, keep_gates: bool, *arguments: Any) -> tuple[Tensor | None, ...]:
        after, lengths, resets, reverse, *tensors = arguments
        lengths = None if lengths is None else lengths.clone()  # the caller's buffers may be written again
        resets = None if resets is None else resets.clone()
        ctx.options = (after, lengths, resets, reverse)
        output, h_n, gates = kernel.forward(tensors, ctx.options, keep_gates)
        returned = gates[:3] if return_gates else ()
        ctx.versions = tuple(map(_version, (output, *returned)))
        ctx.seen = [None if t is None else (weakref.ref(t), t.data_ptr()) for t in tensors]
        ctx.weights = [None if w is None else w.detach() for w in tensors[2:6]]
        # `data`: may be changed in place and is kept all the same; its version will tell
        kept = (None if gate is None else gate.data for gate in gates) if return_gates else gates
        ctx.save_for_backward(*tensors, output.data, *kept)
        ctx.set_materialize_grads(False)
        return (output, h_n, *returned)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, states, r, z, n, u = ctx.saved_tensors
        watched = _is_watched(*tensors, *grads)
        backward: derivative.Backward | None = operators.backward if watched else kernel.backward
        if derivative.by_composite(grads):
            backward = None
        elif not watched:
            tensors[2:6] = ctx.weights
        if not watched:
            _expect_as_seen(ctx.seen, tensors)
        output_changed, *gates_changed = (version._version > 0 for version in ctx.versions)
        found = derivative.gradients(
            backward,
            tensors,
            ctx.options,
            None if output_changed else states,
            NO_GATES if any(gates_changed) else (r, z, n, u),
            (*grads, None, None, None)[:5],
            ctx.needs_input_grad[6:],
        )
        return (*[None] * 6, *found)


# Past what Function.apply does first for functorch, which is not there: a fifth of the whole call.
_apply: Any = super(torch.autograd.Function, _GRU).apply

NOTHING = {dtype: torch.empty(0, dtype=dtype, device="cpu") for dtype in DTYPES}


def _version(tensor: Any) -> Tensor:
    """What counts the changes made to ``tensor`` in place, and does not keep its memory."""
    version: Tensor = tensor.detach()
    version.data = NOTHING[tensor.dtype]
    return version


def _expect_as_seen(seen: Sequence[tuple[Any, int] | None], tensors: Sequence[Tensor | None]) -> None:
    """Raises where one of forward's own tensors holds other data than then, as ``p.data = other`` makes it."""
    for name, before, tensor in zip(NAMES, seen, tensors, strict=True):
        if before is not None and tensor is not None and before[0]() is tensor and before[1] != tensor.data_ptr():
            kernel.expect_memory(name, tensor)
            raise ValueError(f"{name}: expected the data that forward saw, got other data in its place")


threads.borrow()
