"""The oracle as tests use it: forward on float64, and gradients by complex steps."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import forked
import numpy as np

from penstock import equations
from penstock.folder import LIST
from penstock.native import core

if TYPE_CHECKING:
    import torch

INSTRUCTION_SETS = [s.name for s in core.instruction_sets() if s.chosen or "faster" in s.reason]
"""Those that this machine can run."""


@contextlib.contextmanager
def on_instruction_set(name: str) -> Iterator[None]:
    """Runs the compiled core on this set."""
    with mock.patch.dict(os.environ, {core.FORCE_VARIABLE: name}):
        core.chosen.cache_clear()
        yield
    core.chosen.cache_clear()


FIELDS = ("hidden", "h_n", "reset", "update", "candidate")


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    """Normal float64 values."""
    import torch  # not above: the core's own tests run where there is none

    generator = torch.Generator().manual_seed(hash((shape, seed)) % 2**31)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale


def draw_weights(D: int, H: int, *, seed: int = 0, bias: bool = True) -> list[torch.Tensor]:
    """weight_ih, weight_hh, bias_ih, bias_hh with gates neither at 0 nor at 1."""
    shapes = [(3 * H, D), (3 * H, H), (3 * H,), (3 * H,)][: 4 if bias else 2]
    return [draw(*shape, seed=seed + k, scale=0.6) for k, shape in enumerate(shapes)]


def oracle(x: Any, h_0: Any, stacked: list[Any], **options: Any) -> equations.Steps:
    """The equations on PyTorch's stacked weights; tensors or arrays."""
    x, h_0, *weights = map(as_array, (x, h_0, *stacked))
    return equations.gru(x, h_0, equations.by_gate(*weights), **{k: as_array(v) for k, v in options.items()})


def as_array(value: Any) -> Any:
    """A tensor as an array; everything else as it is."""
    return np.asarray(value.detach()) if hasattr(value, "detach") else value


def oracle_gradients(
    x: Any, h_0: Any, stacked: list[Any], cotangents: dict[str, Any], **options: Any
) -> list[np.ndarray]:
    """d Σ cotangent · value / d (x, h_0, *weights), and at the end d decay where one is given; exact to rounding.

    By complex steps (Squire & Trapp 1998): the imaginary part of f(a + iε) is ε f'(a), and nothing cancels.
    """
    decay = options.pop("decay", None)
    arrays = [as_array(value) for value in (x, h_0, *stacked, *([] if decay is None else [decay]))]
    weights = slice(2, 2 + len(stacked))
    gradients = []
    for k, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for at in np.ndindex(array.shape):
            moved = [a.astype(complex) for a in arrays]
            moved[k][at] += 1e-30j
            steps = oracle(*moved[:2], moved[weights], **options, decay=None if decay is None else moved[-1])
            total = sum(np.sum(np.asarray(cotangent) * getattr(steps, name)) for name, cotangent in cotangents.items())
            gradient[at] = np.imag(total) / 1e-30
        gradients.append(gradient)
    return gradients


ENVIRONMENT = {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}
"""Of the command line in tests. What is trained there is so small that more threads would only wait for each other."""


def penstock(*arguments: Any, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command line in a process of its own, where it can a forked one, whose imports are behind it."""
    command, variables = [*map(str, arguments)], os.environ | ENVIRONMENT | environment
    # the bench's peers bring threads of their own, which do not outlive a fork
    if command[:1] != ["bench"] and not stdin and environment.keys().isdisjoint(ENVIRONMENT):
        done = forked.run(command, variables, timeout=1500)
    else:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *command], input=stdin, capture_output=True, env=variables, timeout=1500
        )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()
    )


def damages(content: bytes, step: int = 1) -> Iterator[bytes]:
    """Cut short at every byte, and each byte flipped; or at every so many."""
    for k in range(0, len(content), step):
        yield content[:k]
        yield content[:k] + bytes([content[k] ^ 0x20]) + content[k + 1 :]


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name; but for Penstock's list of them, which says by whom."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LIST)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
