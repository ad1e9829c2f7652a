"""The GRU out of plain torch operations: every device, type, transform and derivative that torch itself has.

One product computes the inputs of all steps; the loop does what depends on the state. Nothing is written in place and
no value decides the control flow, so that autograd, ``torch.func``, ``torch.compile`` and ``torch.export`` see through.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear

from penstock.ops.call import Call, Result


def declines(call: Call) -> str | None:
    """None: it computes every call."""
    return None


def describe(call: Call) -> str:
    """How it computes."""
    return f"plain torch operations on {call.x.device}, a dozen a step"


def run(call: Call) -> Result:
    """Computes the call step by step. Under autocast the products are lowered; the state keeps the type of ``h_0``."""
    x, h, bias, bias_hh = call.x, call.h_0, call.bias_ih, call.bias_hh
    L, H = x.shape[0], h.shape[-1]
    before = call.reset == "before"
    alive, starts, left = _entering(call)
    if alive is not None:
        x = x.masked_fill(~alive, 0)  # else backward multiplies a gradient of zero by what stands there, NaN perhaps
    # In the "after" form the candidate's recurrent bias is inside r ⊙ (…): only the "before" form may sum the two.
    if before and bias_hh is not None:
        bias = bias_hh if bias is None else bias + bias_hh
    inputs = torch.split(linear(x, call.weight_ih, bias), [2 * H, H], dim=-1)
    # unbound at once: the derivative of indexing one step is as large as all steps
    inputs_gates, inputs_candidate = (values.unbind(0) for values in inputs)
    weight = call.weight_hh.t()
    weight_gates, weight_candidate = torch.split(weight, [2 * H, H], dim=-1)

    steps: list[tuple[Tensor, ...]] = []
    for t in reversed(range(L)) if call.reverse else range(L):
        if starts is not None:
            h = h.masked_fill(starts[t], 0)
        if left is not None:
            h = h * left[t]
        if before:
            gates = torch.addmm(inputs_gates[t], h, weight_gates).to(h.dtype)
            r, z = torch.sigmoid(gates).chunk(2, dim=-1)
            n = torch.tanh(torch.addmm(inputs_candidate[t], r * h, weight_candidate).to(h.dtype))
        else:
            recurrent = h @ weight if bias_hh is None else torch.addmm(bias_hh, h, weight)
            gates, candidate = torch.split(recurrent.to(h.dtype), [2 * H, H], dim=-1)
            r, z = torch.sigmoid(inputs_gates[t] + gates).chunk(2, dim=-1)
            n = torch.tanh(inputs_candidate[t] + r * candidate)
        new = torch.lerp(n, h, z)  # z ⊙ h + (1 − z) ⊙ n
        step: tuple[Tensor, ...] = (new, r, z, n) if call.return_gates else (new,)
        if alive is None:
            h = new
        else:
            h = torch.where(alive[t], new, h)
            step = tuple(value.masked_fill(~alive[t], 0) for value in step)
        steps.append(step)

    if call.reverse:
        steps.reverse()
    if not steps:
        empty = h[None][:0] + inputs[1]  # (0, N, H), part of the graph
        return Result(empty, h, (empty, empty, empty) if call.return_gates else None)
    output, *gates_of_steps = (torch.stack(values) for values in zip(*steps, strict=True))
    return Result(output, h, tuple(gates_of_steps) if call.return_gates else None)  # type: ignore[arg-type]


def _entering(call: Call) -> tuple[Tensor | None, Tensor | None, Sequence[Tensor] | None]:
    """Which steps are inside their sequence, before which the state is cleared, (L, N, 1) bool, and what decay leaves
    of it before each."""
    alive, starts, left = None, call.resets, call.decay
    if call.lengths is not None:
        alive = torch.arange(call.x.shape[0], device=call.x.device)[:, None] < call.lengths
        starts = None if starts is None else starts & alive
        alive = alive[..., None]
    if starts is not None:
        starts = starts[..., None]
    if left is not None:
        left = left.to(call.h_0.dtype)
        for unread in (None if alive is None else ~alive, starts):  # else backward multiplies zero by what stands there
            left = left if unread is None else left.masked_fill(unread, 1)
    if call.reverse:  # what enters step t has passed from t + 1: an episode's last step is where this direction enters
        starts = None if starts is None else torch.cat([starts[1:], torch.zeros_like(starts[:1])])
        left = None if left is None else torch.cat([left[1:], torch.ones_like(left[:1])])
    return alive, starts, None if left is None else left.unbind(0)
