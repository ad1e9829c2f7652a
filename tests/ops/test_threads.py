"""Whose threads the core computes on, in processes that hold several OpenMP runtimes."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from penstock.native import core
from penstock.ops import threads

pytestmark = [
    pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}"),
    pytest.mark.skipif("PENSTOCK_CORE" in os.environ, reason="a core under a sanitizer keeps threads of its own"),
    pytest.mark.skipif(threads.openmp() is None, reason="this torch has no OpenMP runtime"),
]

FIND = """
import ctypes, sys
others = [ctypes.CDLL(path, mode) for path, mode in zip(sys.argv[1::2], map(int, sys.argv[2::2]))]
import torch
import penstock.ops
from penstock.native import core
from penstock.ops import threads
runtime = threads.openmp()
torch.set_num_threads(7)  # tells torch's own runtime alone
assert runtime.omp_get_max_threads() == 7, runtime
assert core.threads_are_borrowed()
print(*(other.omp_get_max_threads() == 7 for other in others))
"""


def loaded_by_torch() -> Path:
    """The file of the runtime that torch brought into this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if (path := Path(line.rpartition(" ")[2])).name.startswith(("libgomp", "libomp", "libiomp")):
            return path
    pytest.skip("no runtime is mapped from a file")


def run(*loaded_first: object) -> str:
    """Which of those that a process loads before torch are torch's."""
    done = subprocess.run([sys.executable, "-c", FIND, *map(str, loaded_first)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_runtime_is_torchs_own() -> None:
    assert run() == ""


@pytest.mark.parametrize(("mode", "is_torchs"), [(ctypes.RTLD_LOCAL, False), (ctypes.RTLD_GLOBAL, True)])
def test_of_several_runtimes_it_is_the_one_that_torch_is_bound_to(tmp_path: Path, mode: int, is_torchs: bool) -> None:
    """scikit-learn, imported before torch, brings its own for itself; one that is preloaded is for all."""
    other = tmp_path / "libgomp-of-others.so.1"
    # by its own name the loader would take it for torch's
    other.write_bytes(re.sub(rb"omp(?=[\w.-]*\.so)", b"omq", loaded_by_torch().read_bytes()))
    assert run(other, mode) == str(is_torchs)


def test_calls_use_no_more_threads_than_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    core.thread_limit.cache_clear()
    try:
        torch.set_num_threads(4)
        monkeypatch.setenv(core.THREADS_VARIABLE, "3")
        assert threads.allowed() == 3
        torch.set_num_threads(2)
        assert threads.allowed() == 2
    finally:
        torch.set_num_threads(before)
        core.thread_limit.cache_clear()
