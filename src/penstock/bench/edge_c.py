"""The engine's step in C, compiled as a user would for this machine: sizes are constants, weights are data."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from penstock import engine, fixed_point
from penstock.bench.problem import Array, Problem
from penstock.engine import fixed_layout
from penstock.export.model import layer_array

FLAGS = ("-std=c99", "-O3", "-march=native", "-shared", "-fPIC")

FLOAT = """
#include "gru_float.h"
void steps(long count, const float *weights, const float *x, float *h, float *scratch) {
    for (; count; --count) gru_float_step(1, SIZE, SIZE, weights, x, h, scratch);
}
"""
FIXED = """
#include "gru_fixed.h"
int layout(void) { return GRU_FIXED_LAYOUT; }
void steps(long count, const uint32_t *ih, const uint32_t *hh, const int32_t *m_ih, const int32_t *m_hh,
           const int64_t *b, const int16_t *x, int16_t *h) {
    static int16_t scratch[GRU_FIXED_SCRATCH(SIZE, SIZE)];
    const gru_fixed_layer layer = {ih, hh, m_ih, m_hh, b};
    for (; count; --count) gru_fixed_step(1, SIZE, SIZE, &layer, x, h, scratch);
}
"""


class CompiledStep:
    """A layer's step, compiled, with its state. D = H, a multiple of 16."""

    def __init__(self, problem: Problem, *, fixed: bool) -> None:
        H = problem.shape.H
        library = _compiled(FIXED if fixed else FLOAT, H)
        self._steps = library.steps
        if fixed:
            x_scale = float(np.abs(problem.x).max()) / fixed_point.MOST
            layer = fixed_point.quantize(*problem.weights, reset="after", x_scale=x_scale)
            data = fixed_layout.layer_arrays(layer, fixed_layout.LAYOUTS[library.layout() - 1])
            x = np.rint(problem.x[0, 0] / x_scale).astype(np.int16)
            self._scale, self._h = 2.0**-fixed_point.ONE, np.rint(problem.h_0[0] * 2.0**fixed_point.ONE)
            self._h = np.clip(self._h, -fixed_point.MOST, fixed_point.MOST).astype(np.int16)
            self._arrays = [*data, x, self._h]
        else:
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights = {f"layers.0.{name}_l0": w for name, w in zip(names, problem.weights, strict=True)}
            self._scale, self._h = 1.0, problem.h_0[0].copy()
            room = np.zeros(4 * H, np.float32)
            self._arrays = [layer_array(weights, 0, "after"), problem.x[0, 0].copy(), self._h, room]
        self._at = [ctypes.c_void_p(array.ctypes.data) for array in self._arrays]

    def advance(self, count: int) -> None:
        """Takes so many steps."""
        self._steps(ctypes.c_long(count), *self._at)

    def state(self) -> Array:
        """(H,), as real numbers."""
        state: Array = self._h * self._scale
        return state


def _compiled(source: str, H: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        at, made = Path(folder) / "step.c", Path(folder) / "step.so"
        at.write_text(source, "utf-8")
        include = Path(engine.__file__).parent
        command = ["cc", *FLAGS, f"-DSIZE={H}", f"-I{include}", str(at), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True)
        return ctypes.CDLL(str(made))
