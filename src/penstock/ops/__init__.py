"""The operator boundary: one layer of a GRU in one direction, computed by the first backend that does not decline.

A backend is a module with ``declines(call) -> str | None``, the reason in words, ``describe(call) -> str``, how it
computes, and ``run(call) -> Result``. The last one computes everything. ``nn`` checks its input before it comes here;
of the backends the compiled core alone checks again, as it trusts nobody.
"""

import contextlib
import itertools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import torch

from penstock.ops import composite, cudnn, fused, onnx_node
from penstock.ops.call import Call, Result


class Backend(Protocol):
    """What a backend's module has."""

    __name__: str

    def declines(self, call: Call) -> str | None:
        """Why it cannot compute this call, or None."""

    def describe(self, call: Call) -> str:
        """How it computes this call, in words."""

    def run(self, call: Call) -> Result:
        """Computes it."""


BACKENDS: tuple[Backend, ...] = (cudnn, fused, composite)
"""Asked in this order."""


Asked = list[tuple[str, str]]
"""(backend, what it says) for each that is asked, in order: why it declines, and at the end how one computes."""

_explained: ContextVar[list[Asked] | None] = ContextVar("explained", default=None)
"""What ``explain`` has heard so far, in its own thread alone."""

_ON_CPU = tuple(backend for backend in BACKENDS if backend is not cudnn)
"""Those worth asking for tensors on the CPU, where the answer is waited for."""


def gru_layer(call: Call) -> Result:
    """Runs one layer in one direction on the first backend that takes it."""
    if torch.compiler.is_compiling():
        if onnx_node.is_drawn():
            return onnx_node.run(call)
    elif (explained := _explained.get()) is not None:
        explained.append(explain_layer(call))
    for backend in _ON_CPU if call.x.is_cpu else BACKENDS:
        if backend.declines(call) is None:
            return backend.run(call)
    raise AssertionError("the composite backend declines nothing")


def explain_layer(call: Call) -> Asked:
    """Who computes this call, and why those asked before do not."""
    asked = []
    for backend in BACKENDS:
        reason = backend.declines(call)
        asked.append((backend.__name__.rpartition(".")[2], reason or backend.describe(call)))
        if reason is None:
            break
    return asked


def explain(module: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """Who computes each GRU layer in ``module(*arguments, **options)``, and why faster ones decline.

    Runs the module once, and if it is compiled, without that. Alike layers share a paragraph: a line for each backend
    that was asked, the last of which computes. ``module`` is a ``penstock.GRU``, any module or function that has some
    inside.
    """
    found: list[Asked] = []
    token = _explained.set(found)
    compiles = "torch._dynamo" in sys.modules  # which takes seconds to import, and nothing is compiled without it
    try:
        with torch.compiler.set_stance("force_eager") if compiles else contextlib.nullcontext():
            module(*arguments, **options)
    finally:
        _explained.reset(token)
    if not found:
        return "no GRU layer of Penstock was called"
    alike = [(asked, len(list(group))) for asked, group in itertools.groupby(found)]
    return "\n\n".join(
        f"{count} × one layer in one direction:\n" + "\n".join(f"  {name:<10} {said}" for name, said in asked)
        for asked, count in alike
    )


__all__ = ["BACKENDS", "Call", "Result", "explain", "explain_layer", "gru_layer"]
