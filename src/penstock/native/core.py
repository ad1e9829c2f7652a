"""The compiled core itself: whether it is there, which instruction set is in use, how many threads a call gets.

``PENSTOCK_INSTRUCTION_SET=portable`` (or ``avx2``, ``avx512``, ``neon``) forces a choice, so that every path can be
tested on one machine. Without a compiler at install time there is no core, nor on free-threaded Python;
``unavailable`` then says so.
``PENSTOCK_THREADS`` bounds the threads of calls that do not name a number.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.errors import PenstockError

FORCE_VARIABLE = "PENSTOCK_INSTRUCTION_SET"
THREADS_VARIABLE = "PENSTOCK_THREADS"

_core: Any = None
unavailable: str | None = None
"""Why there is no compiled core, in words; None where there is one."""
try:
    _core = importlib.import_module("penstock.native._core")
except ImportError as error:
    if not isinstance(error, ModuleNotFoundError):
        unavailable = f"built, but it does not load here: {error}"
    elif sysconfig.get_config_var("Py_GIL_DISABLED"):
        unavailable = "not made for free-threaded Python; with a Python that has the GIL it is there"
    else:
        unavailable = "installed without it: no working C++20 compiler was found then (install one, then reinstall)"


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


def fixed(hidden_size: int, after: bool, residual: bool) -> Any:
    """A network in whole numbers, without layers yet, on the instruction set in use; raises as ``chosen``."""
    return _core.Fixed(chosen().name, hidden_size, after, residual)


def sample(logits: Any, random: Any, temperature: float, top_k: int, top_p: float, never: int, tokens: Any) -> None:
    """Draws a token (rows,) from each row of logits (rows, V), as ``penstock.runtime.sampling.sample`` does."""
    chosen().sample(logits, random, temperature, top_k, top_p, never, tokens)


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
    """``PENSTOCK_THREADS``, or the cores that this process may use: those it may run on, and no more than its container
    has the time of.

    Raises:
        PenstockError: ``PENSTOCK_THREADS`` is no positive number.
    """
    return min(_named_threads() or _cores(), thread_limit())


@functools.cache
def thread_limit() -> int:
    """``PENSTOCK_THREADS``, or as many cores as its container has the time of: how many threads may compute at most,
    whoever asks for more.

    Raises:
        PenstockError: ``PENSTOCK_THREADS`` is no positive number.
    """
    return _named_threads() or quota() or sys.maxsize


def _named_threads() -> int | None:
    value = os.environ.get(THREADS_VARIABLE, "")
    if not value:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise PenstockError(f"{THREADS_VARIABLE}: expected a positive number, got {value!r}")
    return int(value)


def _cores() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = Path("/")) -> int | None:
    """How many cores' time this process's container may take, rounded down to at least one; None for any.

    The kernel stops all threads of a group that has used its time up, for as long as the period lasts, and threads that
    meet at every step wait for the last of them. Read from control groups of version 2 (``cpu.max``) and 1
    (``cpu.cfs_quota_us``) and of all groups above, below ``root``.
    """
    cores = [share for group in _groups(root) if (share := _share(group)) is not None]
    return max(1, int(min(cores))) if cores else None


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, and of those above them."""
    mounted = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            top = mounted / controllers
            within = top / path.lstrip("/")
            yield from (folder for folder in (within, *within.parents) if folder == top or top in folder.parents)


def _share(group: Path) -> float | None:
    """How many cores' time this group may take."""
    try:
        if (version_2 := group / "cpu.max").exists():
            time, period = version_2.read_text().split()
        else:
            time, period = ((group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return int(time) / int(period) if time not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def set_grain(multiply_adds: int) -> int:
    """Sets how much work is worth one more thread; returns what it was. Tests set 1, so that small work has many."""
    return int(_core.set_grain(multiply_adds))


def borrow_threads(parallel: int, thread_num: int, num_threads: int) -> None:
    """Runs the core's teams on the OpenMP runtime whose functions stand at these addresses.

    They are libgomp's ``GOMP_parallel``, ``omp_get_thread_num`` and ``omp_get_num_threads``.
    """
    if _core is not None:
        _core.borrow_threads(parallel, thread_num, num_threads)


def threads_are_borrowed() -> bool:
    """Whether ``borrow_threads`` was called in this process; a forked child has threads of its own."""
    return _core is not None and bool(_core.threads_are_borrowed())
