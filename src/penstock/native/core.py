"""The compiled core itself: whether it is there, which instruction set is in use, how many threads a call gets.

``PENSTOCK_INSTRUCTION_SET=portable`` (or ``avx2``, ``avx512``, ``neon``) forces a choice, so that every path can be
tested on one machine. Without a compiler at install time there is no core; ``unavailable`` then says so.
``PENSTOCK_THREADS`` bounds the threads of calls that do not name a number.
"""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any, NamedTuple

from penstock.errors import PenstockError

FORCE_VARIABLE = "PENSTOCK_INSTRUCTION_SET"
THREADS_VARIABLE = "PENSTOCK_THREADS"

WORTH_A_THREAD = 1 << 20
"""Multiply-adds below which waking another thread costs more than it computes."""

_core: Any = None
unavailable: str | None = None
"""Why there is no compiled core, in words; None where there is one."""
try:
    _core = importlib.import_module("penstock.native._core")
except ImportError as error:
    unavailable = (
        "installed without it: no working C++20 compiler was found then (install one, then reinstall)"
        if isinstance(error, ModuleNotFoundError)
        else f"built, but it does not load here: {error}"
    )


class InstructionSet(NamedTuple):
    """One row of the core's table."""

    name: str
    float_lanes: int
    """float32 values in one vector register; 0 where the set was not compiled."""
    chosen: bool
    reason: str
    """Why it is, or is not, in use."""


def compiler() -> str | None:
    """The compiler that built the core, or None."""
    return None if _core is None else str(_core.compiler)


@functools.cache
def chosen() -> Any:
    """The instruction set in use, with the core's functions on it.

    Raises:
        PenstockError: ``PENSTOCK_INSTRUCTION_SET`` names none that this machine can run.
        RuntimeError: there is no core.
    """
    if _core is None:
        raise RuntimeError(f"the compiled core is not there: {unavailable}")
    try:
        return _core.choose(os.environ.get(FORCE_VARIABLE, ""))
    except ValueError as error:
        raise PenstockError(f"{FORCE_VARIABLE}: {error}; unset it to let Penstock choose") from None


def instruction_sets() -> list[InstructionSet]:
    """All instruction sets, best first, with the one in use marked. Empty without the core.

    Raises:
        PenstockError: ``PENSTOCK_INSTRUCTION_SET`` names none that this machine can run.
    """
    if _core is None:
        return []
    forced, name = os.environ.get(FORCE_VARIABLE, ""), chosen().name

    def reason(s: Any) -> str:
        if not s.supported:
            return f"this processor lacks it (needs {s.needs})"
        if not s.compiled:
            return "the compiler that built the core does not know it"
        if s.name == name:
            return f"forced by {FORCE_VARIABLE}" if forced else "the best that this processor has"
        return f"{name} was forced by {FORCE_VARIABLE}" if forced else f"{name} is faster"

    return [InstructionSet(s.name, s.float_lanes, s.name == name, reason(s)) for s in _core.instruction_sets()]


@functools.cache
def available_threads() -> int:
    """Cores that this process may use, or ``PENSTOCK_THREADS``.

    Raises:
        PenstockError: ``PENSTOCK_THREADS`` is no positive number.
    """
    value = os.environ.get(THREADS_VARIABLE, "")
    if not value:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise PenstockError(f"{THREADS_VARIABLE}: expected a positive number, got {value!r}")
    return int(value)


def threads_for(multiply_adds: int, limit: int | None = None) -> int:
    """How many threads share so much work; ``limit`` bounds them, None by ``available_threads``."""
    return max(1, min(limit or available_threads(), multiply_adds // WORTH_A_THREAD + 1))


def borrow_threads(parallel: int, thread_num: int, num_threads: int) -> None:
    """Runs the core's teams on the OpenMP runtime whose functions stand at these addresses.

    They are libgomp's ``GOMP_parallel``, ``omp_get_thread_num`` and ``omp_get_num_threads``.
    """
    if _core is not None:
        _core.borrow_threads(parallel, thread_num, num_threads)


def threads_are_borrowed() -> bool:
    """Whether ``borrow_threads`` was called in this process; a forked child has threads of its own."""
    return _core is not None and bool(_core.threads_are_borrowed())
