"""C that tests compile, and call from Python."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion")


def compiler() -> str:
    """A C compiler; without one the test is skipped."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        pytest.skip("no C compiler")
    return found


def build(to: Path, sources: Sequence[Path], *flags: str) -> Path:
    """Compiles without a warning."""
    done = subprocess.run(
        [compiler(), *STRICT, *flags, *map(str, sources), "-lm", "-o", str(to)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return to


def library(to: Path, sources: Sequence[Path], *flags: str) -> ctypes.CDLL:
    """The same as a library that is loaded."""
    return ctypes.CDLL(str(build(to, sources, "-O1", "-shared", "-fPIC", *flags)))


def run(program: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(program)], capture_output=True, text=True, timeout=60)


def vector_flags() -> dict[str, list[str]]:
    """The flags of each vector path that this processor has."""
    found = {"plain": ["-DGRU_PLAIN"], "as compiled": []}
    cpu = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    if {"avx2", "fma"} <= set(cpu):
        found["AVX2"] = ["-mavx2", "-mfma"]
    if {"avx512f", "avx512bw"} <= set(cpu):
        found["AVX-512"] = ["-mavx512f", "-mavx512bw", "-mfma"]
    return found
