"""Whose threads the core computes on, and how many of them."""

import ctypes
from pathlib import Path

import torch

from penstock.native import core

FUNCTIONS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def allowed() -> int:
    """At most so many for a call: as torch was told, fewer where ``PENSTOCK_THREADS`` or the container says so."""
    return min(torch.get_num_threads(), core.thread_limit())


def borrow() -> None:
    """Runs the core on the threads of torch's OpenMP runtime: two teams that spin would hold each other up."""
    runtime = openmp()
    if runtime is not None and core.unavailable is None:
        core.borrow_threads(*(ctypes.cast(runtime[name], ctypes.c_void_p).value or 0 for name in FUNCTIONS))


def openmp() -> ctypes.CDLL | None:
    """What finds the functions of the very runtime that torch computes on; None where it has none.

    A process may hold several (scikit-learn brings its own). The loader has bound torch's calls in this order: to what
    all libraries of the process can see, then to what torch was linked with.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not (torch.backends.openmp.is_available() and library.exists()):  # type: ignore[no-untyped-call]
        return None
    for path in (None, str(library)):
        loaded = ctypes.CDLL(path)
        if all(hasattr(loaded, name) for name in FUNCTIONS):
            return loaded
    return None
