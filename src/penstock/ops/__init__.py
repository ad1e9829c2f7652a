"""The operator boundary: one layer of a GRU in one direction, computed by the first backend that does not decline.

A backend is a module with ``declines(call) -> str | None``, the reason in words, and ``run(call) -> Result``. The
last one computes everything. ``nn`` checks its input before it comes here; nothing here checks it again.
"""

from typing import Protocol

from penstock.ops import composite, cudnn
from penstock.ops.call import Call, Result


class Backend(Protocol):
    """What a backend's module has."""

    __name__: str

    def declines(self, call: Call) -> str | None:
        """Why it cannot compute this call, or None."""

    def run(self, call: Call) -> Result:
        """Computes it."""


BACKENDS: tuple[Backend, ...] = (cudnn, composite)
"""Asked in this order."""


def gru_layer(call: Call) -> Result:
    """Runs one layer in one direction on the first backend that takes it."""
    for backend in BACKENDS:
        if backend.declines(call) is None:
            return backend.run(call)
    raise AssertionError("the composite backend declines nothing")


def explain(call: Call) -> list[tuple[str, str]]:
    """(backend, why it declines) for each that would be asked before the one that runs, which ends the list."""
    asked = []
    for backend in BACKENDS:
        reason = backend.declines(call)
        asked.append((backend.__name__.rpartition(".")[2], "chosen" if reason is None else reason))
        if reason is None:
            break
    return asked


__all__ = ["BACKENDS", "Call", "Result", "explain", "gru_layer"]
