"""The compiled core behind torch: the operators ``penstock::gru`` and ``penstock::gru_backward``, on the CPU.

They are registered with ``torch.library``, so that graphs hold a call as one node. A derivative of the derivative is
taken through the composite backend.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from penstock.native import core
from penstock.ops import composite
from penstock.ops.call import Call, Result

PRECISION = {torch.float32: 0, torch.float64: 1}


def declines(call: Call) -> str | None:
    """Why the compiled core cannot compute this call, or None."""
    if core.unavailable is not None:
        return f"the compiled core is not there: {core.unavailable}"
    if call.x.device.type != "cpu":
        return f"the compiled core computes on the CPU, x is on {call.x.device}"
    if call.weight_hh.dtype not in PRECISION:
        return f"the compiled core computes in float32 and float64, the weights are {call.weight_hh.dtype}"
    if call.decay is not None:
        return "the compiled core has no decay yet"
    if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return "torch.func transforms need plain torch operations"
    return None


def describe(call: Call) -> str:
    """How it computes: instruction set, threads, and the memory that it keeps for backward."""
    L, N, D = call.x.shape
    H = call.h_0.shape[1]
    gates = 0 if call.recompute else 4 if call.reset == "after" else 3
    kept = (gates + 1) * L * N * H * call.weight_hh.dtype.itemsize
    what = "states, from which gates are computed again" if call.recompute else "states and gates"
    return (
        f"the compiled core on {core.chosen().name}, {_threads(L, N, D, H)} threads; "
        f"for backward it keeps {kept / 1e6:,.1f} MB of {what}"
    )


def _threads(L: int, N: int, D: int, H: int) -> int:
    return core.threads_for(L * N * 3 * H * (D + H), torch.get_num_threads())


def run(call: Call) -> Result:
    """Computes the call. Under autocast it computes in the type of the weights all the same: that is faster."""
    tensors = (call.x, call.h_0, call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh)
    grad = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    output, h_n, r, z, n, _ = torch.ops.penstock.gru(
        call.x.to(call.weight_hh.dtype),
        *tensors[1:],
        call.reset == "after",
        call.lengths,
        call.resets,
        call.reverse,
        call.return_gates or (grad and not call.recompute),
    )
    return Result(output, h_n, (r, z, n) if call.return_gates else None)


TENSORS = "Tensor x, Tensor h_0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh"
OPTIONS = "bool after, Tensor? lengths, Tensor? resets, bool reverse"
SIX = "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
torch.library.define("penstock::gru", f"({TENSORS}, {OPTIONS}, bool keep_gates) -> {SIX}")
torch.library.define(
    "penstock::gru_backward",
    f"({TENSORS}, {OPTIONS}, Tensor output, Tensor[] gates, Tensor?[] grads, bool[] needed) -> {SIX}",
)


def _results(*arguments: Any) -> tuple[Tensor, ...]:
    """Empty tensors for output (L, N, H), h_n (N, H) and, if they are kept, r, z, n and the "after" form's u."""
    x, h_0, *_, after, _, _, _, keep_gates = arguments
    every_step = (x.shape[0], *h_0.shape)
    kept = [every_step if keep_gates else (0,)] * 3
    shapes = [every_step, h_0.shape, *kept, every_step if keep_gates and after else (0,)]
    return tuple(x.new_empty(shape) for shape in shapes)


def _forward(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru`` on the CPU."""
    results = _results(*arguments)
    output, h_n, *gates = results
    layer = _Layer(*arguments[:10])
    core.chosen().forward(
        layer.shape,
        layer.sequences,
        layer.weights,
        0,
        layer.precision,
        layer.x,
        layer.h_0,
        _strided(output),
        h_n.data_ptr(),
        tuple(map(_address, gates)),
        layer.threads,
    )
    return results


def _gradients(*arguments: Any) -> tuple[Tensor, ...]:
    """Empty tensors for the gradients of x … bias_hh; of no elements where one is not needed."""
    tensors, needed = arguments[:6], arguments[-1]
    shapes = [t.shape if t is not None and wanted else (0,) for t, wanted in zip(tensors, needed, strict=True)]
    return tuple(arguments[0].new_empty(shape) for shape in shapes)


def _backward(*arguments: Any) -> tuple[Tensor, ...]:
    """``penstock::gru_backward`` on the CPU."""
    results = _gradients(*arguments)
    output, gates, grads, needed = arguments[10:]
    layer = _Layer(*arguments[:10])
    grad_output, *others = grads
    if grad_output is not None and grad_output.stride(-1) != 1:
        grad_output = grad_output.contiguous()
    grad_h_n, *grad_gates = (None if grad is None else grad.contiguous() for grad in others)
    grad_x, grad_h_0, *grad_weights = results
    core.chosen().backward(
        layer.shape,
        layer.sequences,
        layer.weights,
        layer.precision,
        layer.x,
        layer.h_0,
        _strided(output),
        tuple(map(_address, gates)),
        (0, 0, 0) if grad_output is None else _strided(grad_output),
        _address(grad_h_n),
        (*map(_address, grad_gates), 0),
        _strided(grad_x) if needed[0] else (0, 0, 0),
        _address(grad_h_0),
        tuple(map(_address, grad_weights)),
        layer.threads,
    )
    return results


class _Layer:
    """The arguments that both operators share, as the core takes them; holds what was copied to be contiguous."""

    def __init__(
        self,
        x: Tensor,
        h_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        after: bool,
        lengths: Tensor | None,
        resets: Tensor | None,
        reverse: bool,
    ) -> None:
        L, N, D = x.shape
        H = h_0.shape[1]
        x = x if x.stride(-1) == 1 else x.contiguous()
        h_0, lengths = h_0.contiguous(), None if lengths is None else lengths.contiguous()
        stacked = (weight_ih, weight_hh, bias_ih, bias_hh)
        weights = [None if w is None else w.contiguous() for w in stacked]
        self._held = (x, h_0, lengths, weights)
        steps = (0, 0) if resets is None else resets.stride()
        self.shape = (D, H, after)
        self.sequences = (L, N, _address(lengths), _address(resets), *steps, reverse)
        self.weights = tuple(map(_address, weights))
        self.precision = PRECISION[x.dtype]
        self.x, self.h_0 = _strided(x), h_0.data_ptr()
        self.threads = _threads(L, N, D, H)


def _address(tensor: Tensor | None) -> int:
    """Where its data begins; 0 for None and for no elements."""
    return 0 if tensor is None else tensor.data_ptr()


def _strided(tensor: Tensor) -> tuple[int, int, int]:
    return (tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """What the derivative will need."""
    *tensors, after, lengths, resets, reverse, keep_gates = inputs
    ctx.options = (after, reverse, keep_gates)
    ctx.save_for_backward(*tensors, lengths, resets, output[0], *output[2:])
    ctx.set_materialize_grads(False)


def _derivative(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
    *tensors, lengths, resets, output, r, z, n, u = ctx.saved_tensors
    after, reverse, keep_gates = ctx.options
    needed = list(ctx.needs_input_grad[:6])
    found: Sequence[Tensor | None]
    if torch.is_grad_enabled():  # a graph of this derivative is wanted
        call = Call._make(
            [*tensors, "after" if after else "before", lengths, resets, None, reverse, keep_gates, False, None]
        )
        found = _through_composite(call, needed, grads)
    else:
        options = (after, lengths, resets, reverse)
        found = torch.ops.penstock.gru_backward(*tensors, *options, output, [r, z, n, u], list(grads[:5]), needed)
    return (*(grad if wanted else None for grad, wanted in zip(found, needed, strict=True)), *[None] * 5)


def _through_composite(call: Call, needed: list[bool], grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    with torch.enable_grad():
        result = composite.run(call)
    values = (result.output, result.h_n, *(result.gates or ()))
    used = [(value, grad) for value, grad in zip(values, grads, strict=False) if grad is not None]
    wanted = [k for k, want in enumerate(needed) if want]
    found: Sequence[Tensor | None] = torch.autograd.grad(
        [value for value, _ in used],
        [cast(Tensor, call[k]) for k in wanted],
        [grad for _, grad in used],
        create_graph=True,
        allow_unused=True,
    )
    of_tensor = dict(zip(wanted, found, strict=True))
    return [of_tensor.get(k) for k in range(len(needed))]


torch.library.impl("penstock::gru", "CPU", _forward)
torch.library.impl("penstock::gru_backward", "CPU", _backward)
torch.library.register_fake("penstock::gru", _results)
torch.library.register_fake("penstock::gru_backward", _gradients)
torch.library.register_autograd("penstock::gru", _derivative, setup_context=_keep)
torch.library.register_autocast("penstock::gru", "cpu", torch.float32)


def _borrow_threads() -> None:
    """Runs the core on the threads of torch's OpenMP runtime: two teams that spin would hold each other up."""
    maps = Path("/proc/self/maps")
    if core.unavailable is not None or not maps.exists():
        return
    paths = {line.split(maxsplit=5)[5].strip() for line in maps.read_text().splitlines() if "omp" in line}
    for path in sorted(paths):
        if Path(path).name.startswith(("libgomp", "libomp", "libiomp")):
            runtime = ctypes.CDLL(path)
            functions = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
            if all(hasattr(runtime, name) for name in functions):
                addresses = [ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value or 0 for name in functions]
                core.borrow_threads(*addresses)
                return


_borrow_threads()
