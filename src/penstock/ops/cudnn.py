"""The "after" form on NVIDIA devices, by the path of ``torch.nn.GRU`` itself.

What cuDNN lacks is added around it: zero lengths, backward in ``eval()`` and, by way of the composite backend, double
backward.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from penstock.ops import derivative
from penstock.ops.call import Call, Result


def declines(call: Call) -> str | None:
    """Why cuDNN cannot compute this call, or None."""
    if torch.compiler.is_compiling():
        return "a compiled or exported graph is made of plain torch operations"
    if call.x.device.type != "cuda" or torch.version.cuda is None:
        return f"cuDNN needs a CUDA device, x is on {call.x.device}"
    if not torch.backends.cudnn.enabled:
        return "torch.backends.cudnn.enabled is False"
    if not torch.backends.cudnn.is_acceptable(call.x):  # type: ignore[no-untyped-call]
        return f"cuDNN is not installed or does not take {call.x.dtype}"
    if call.reset != "after":
        return f'cuDNN computes reset="after" alone, this is reset="{call.reset}"'
    if call.resets is not None:
        return "cuDNN has no episode resets"
    if call.decay is not None:
        return "cuDNN has no decay"
    if call.return_gates:
        return "cuDNN does not return its gates"
    if call.x.numel() == 0:
        return "cuDNN takes no empty input"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms need plain torch operations"
    return None


def describe(call: Call) -> str:
    """How it computes."""
    return f"torch.nn.GRU's own path on {torch.cuda.get_device_name(call.x.device)}"


def run(call: Call) -> Result:
    """Computes the call through ``torch.nn.GRU``'s own path."""
    tensors = (call.x, call.h_0, call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh)
    if not torch.is_grad_enabled():
        return _run(call)
    output, h_n = _TwiceDifferentiable.apply(call, *tensors)  # type: ignore[no-untyped-call]
    return Result(output, h_n)


class _TwiceDifferentiable(torch.autograd.Function):
    """Backward by cuDNN; where a graph of the backward is asked for, by the composite backend's own derivative."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        lengths = None if call.lengths is None else call.lengths.clone()  # the caller's buffer may be written again
        call = call._replace(lengths=lengths)
        ctx.call = _with(call, [None] * 6)
        device = call.x.device.type
        ctx.autocast = torch.autocast(
            device, torch.get_autocast_dtype(device), enabled=torch.is_autocast_enabled(device)
        )
        ctx.save_for_backward(*tensors)
        with torch.enable_grad():
            ctx.leaves = [
                None if tensor is None else tensor.detach().requires_grad_(needed)
                for tensor, needed in zip(tensors, ctx.needs_input_grad[1:], strict=True)
            ]
            ctx.results = _run(_with(call, ctx.leaves))[:2]
        return tuple(result.detach() for result in ctx.results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[1:]  # an error where the graph was freed
        if derivative.by_composite(gradients):
            call = _with(ctx.call, tensors)
            return None, *derivative.through_composite(call, gradients, (*needed, False), ctx.autocast)[:6]
        keep = torch._C._autograd._get_current_graph_task_keep_graph()
        wanted = [leaf for leaf, need in zip(ctx.leaves, needed, strict=True) if need]
        found = iter(torch.autograd.grad(ctx.results, wanted, gradients, retain_graph=keep, allow_unused=True))
        if not keep:  # as torch frees what it saved: the loss may live on
            del ctx.leaves, ctx.results
        return None, *(next(found) if need else None for need in needed)


def _with(call: Call, tensors: Any) -> Call:
    x, h_0, weight_ih, weight_hh, bias_ih, bias_hh = tensors
    return call._replace(x=x, h_0=h_0, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)


def _run(call: Call) -> Result:
    weights = [w for w in (call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh) if w is not None]
    # layers, dropout, train, bidirectional; "train" only says whether what backward needs is kept
    options = (len(weights) == 4, 1, 0.0, torch.is_grad_enabled(), False)
    if call.x.is_cuda:
        weights = _in_one_buffer(weights)
    x, lengths, dtype = call.x, call.lengths, call.h_0.dtype
    if call.reverse:
        x = _reversed(x, lengths)
    if lengths is None:
        output, h_n = torch._VF.gru(x, call.h_0[None], weights, *options, False)
        h_n = h_n[0]
    else:
        packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), enforce_sorted=False)
        data, batch_sizes, to_sorted, from_sorted = packed
        assert to_sorted is not None
        assert from_sorted is not None
        h_0 = call.h_0.index_select(0, to_sorted)
        data, h_n = torch._VF.gru(data, batch_sizes, h_0[None], weights, *options)
        output, _ = pad_packed_sequence(PackedSequence(data, batch_sizes, to_sorted, from_sorted), total_length=len(x))
        h_n = h_n[0].index_select(0, from_sorted)
        # A packed sequence cannot be empty: the empty ones went along with one step, which is undone here.
        empty = (lengths == 0)[:, None]
        output, h_n = output.masked_fill(empty, 0), torch.where(empty, call.h_0, h_n)
    if call.reverse:
        output = _reversed(output, lengths)
    return Result(output.to(dtype), h_n.to(dtype))


def _in_one_buffer(weights: list[Tensor]) -> list[Tensor]:
    """The weights one after the other, as cuDNN reads them; it copies them itself otherwise, and torch warns of it."""
    parts = torch.split(torch.cat([w.reshape(-1) for w in weights]), [w.numel() for w in weights])
    return [part.view_as(w) for part, w in zip(parts, weights, strict=True)]


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (L, N, …) with each sequence's own steps in reverse order, what is past its end in place."""
    if lengths is None:
        return x.flip(0)
    t = torch.arange(len(x), device=x.device)[:, None]
    source = torch.where(t < lengths, lengths - 1 - t, t)
    return x.gather(0, source[..., None].expand_as(x))
