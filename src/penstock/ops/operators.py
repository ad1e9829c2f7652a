"""``penstock::gru`` and ``penstock::gru_backward``: the compiled core as torch's graphs, modes and tracers see it.

A graph holds a call as one node. A plain eager call does not come here (``fused`` takes a shorter way), but computes
the same. Where an operator has nothing to return, it returns a tensor of no elements.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from penstock.ops import derivative, kernel, shapes
from penstock.ops.call import NAMES, NO_GATES, KeptGates, Options, Tensors

TENSORS = "Tensor x, Tensor h_0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, Tensor? decay"
OPTIONS = "bool after, Tensor? lengths, Tensor? resets, bool reverse"
GATES = "Tensor? reset, Tensor? update, Tensor? candidate, Tensor? recurrent"
GRADS = "Tensor? grad_output, Tensor? grad_h_n, Tensor? grad_reset, Tensor? grad_update, Tensor? grad_candidate"
NINE, SEVEN = (f"({', '.join(['Tensor'] * count)})" for count in (9, 7))

# output and h_n; with keep_gates r, z, n and the "after" form's u; with keep_copies output, lengths and resets once
# more, for backward to read: it is no matter then what becomes of the others.
torch.library.define("penstock::gru", f"({TENSORS}, {OPTIONS}, bool keep_gates, bool keep_copies) -> {NINE}")
torch.library.define(
    "penstock::gru_backward", f"({TENSORS}, {OPTIONS}, Tensor output, {GATES}, {GRADS}, bool[] needed) -> {SEVEN}"
)


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru`` on the CPU."""
    tensors, (after, lengths, resets, reverse), (keep_gates, keep_copies) = _parts(arguments, 7, 4, 2)
    if keep_copies:
        lengths, resets = _copy(lengths), _copy(resets)
    output, h_n, gates = kernel.forward(tensors, (after, lengths, resets, reverse), keep_gates)
    copies = (output.clone(), lengths, resets) if keep_copies else (None, None, None)
    return _returned(output, (output, h_n, *gates, *copies))


def _forward_of_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru`` where there are no values."""
    tensors, options, (keep_gates, keep_copies) = _parts(arguments, 7, 4, 2)
    shapes.check(tensors, options)
    (x, h_0, *_), (after, lengths, resets, _) = tensors, options
    output = h_0.new_empty((x.shape[0], *h_0.shape))
    gates = [torch.empty_like(output) if keep else None for keep in (*[keep_gates] * 3, keep_gates and after)]
    copies = [_copy(kept) if keep_copies else None for kept in (output, lengths, resets)]
    return _returned(output, (output, h_0.new_empty(h_0.shape), *gates, *copies))


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru_backward`` on the CPU."""
    tensors, options, (output,), gates, grads, (needed,) = _parts(arguments, 7, 4, 1, 4, 5, 1)
    _check_needed(needed)
    return _returned(output, kernel.backward(tensors, options, output, gates, grads, needed))


def _backward_of_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru_backward`` where there are no values."""
    tensors, options, (output,), gates, grads, (needed,) = _parts(arguments, 7, 4, 1, 4, 5, 1)
    _check_needed(needed)
    shapes.check(tensors, options)
    shapes.check_kept(tensors, output, gates, grads)
    found = [t.new_empty(t.shape) if t is not None and need else None for t, need in zip(tensors, needed, strict=True)]
    return _returned(output, found)


def _parts(arguments: Sequence[Any], *sizes: int) -> list[tuple[Any, ...]]:
    """An operator's arguments, flat as they come, in groups of these sizes."""
    rest = iter(arguments)
    return [tuple(next(rest) for _ in range(size)) for size in sizes]


def _check_needed(needed: Sequence[bool]) -> None:
    if len(needed) != len(NAMES):
        raise ValueError(f"needed: expected {len(NAMES)} of them, for {', '.join(NAMES)}, got {len(needed)}")


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone(memory_format=torch.contiguous_format)


def _returned(like: Tensor, values: Tensors) -> tuple[Tensor, ...]:
    return tuple(like.new_empty(0) if value is None else value for value in values)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """What the derivative will need."""
    tensors, (after, lengths, resets, reverse), (keep_gates, keep_copies) = _parts(inputs, 7, 4, 2)
    states, _, r, z, n, u, *copies = output
    if keep_copies:
        states, lengths_then, resets_then = copies
        lengths = None if lengths is None else lengths_then
        resets = None if resets is None else resets_then
    gates = (r, z, n, u if after else None) if keep_gates else NO_GATES
    ctx.form_and_direction = (after, reverse)
    ctx.save_for_backward(*tensors, lengths, resets, states, *gates)
    ctx.set_materialize_grads(False)


def _derivative(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    tensors, (lengths, resets, states), (r, z, n, u) = _parts(ctx.saved_tensors, 7, 3, 4)
    after, reverse = ctx.form_and_direction
    options, gates, needed = (after, lengths, resets, reverse), (r, z, n, u), ctx.needs_input_grad[:7]
    grads = (*grads[:2], *([None] * 3 if r is None else grads[2:5]))  # of gates that were not returned
    way = None if derivative.by_composite(grads) else backward
    return (*derivative.gradients(way, tensors, options, states, gates, grads, needed), *[None] * 6)


def backward(
    tensors: Tensors, options: Options, states: Tensor, gates: KeptGates, grads: Tensors, needed: Sequence[bool]
) -> list[Tensor | None]:
    """``kernel.backward`` by the operator."""
    found = torch.ops.penstock.gru_backward(*tensors, *options, states, *gates, *grads, list(needed))
    return [gradient if need else None for gradient, need in zip(found, needed, strict=True)]


torch.library.impl("penstock::gru", "CPU", _forward)
torch.library.impl("penstock::gru_backward", "CPU", _backward)
torch.library.register_fake("penstock::gru", _forward_of_shapes)
torch.library.register_fake("penstock::gru_backward", _backward_of_shapes)
torch.library.register_autograd("penstock::gru", _derivative, setup_context=_keep)
torch.library.register_autocast("penstock::gru", "cpu", torch.float32)


@register_flop_formula(torch.ops.penstock.gru)
def _flops(x: Any, h_0: Any, *_: Any, **__: Any) -> int:
    """Of the products; a multiply-add is two."""
    of_D, of_H = _flops_by_operand(x, h_0)
    return of_D + of_H


@register_flop_formula(torch.ops.penstock.gru_backward)
def _flops_of_backward(*arguments: Any, **__: Any) -> int:
    (x, h_0, *_), _, _, gates, _, (needed,) = _parts(arguments, 7, 4, 1, 4, 5, 1)
    of_D, of_H = _flops_by_operand(x, h_0)
    again = of_D + of_H if gates[0] is None else 0
    return again + of_D * (int(needed[0]) + int(needed[2])) + of_H * (1 + int(needed[3]))


def _flops_by_operand(x: Any, h_0: Any) -> tuple[int, int]:
    """Of the products with x (L, N, D) and with the states (N, H), whose shapes these are."""
    L, N, D, H = (int(size) for size in (*x, h_0[1]))
    return 6 * L * N * H * D, 6 * L * N * H * H
