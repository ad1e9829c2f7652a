"""One layer over one sequence: by the compiled core, or by NumPy where there is none."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penstock import equations, native

Floats = NDArray[np.float32]
Run = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""From x (L, D) and a state (H,): every step's state (L, H), and the last one (H,)."""


def layer(weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats, *, reset: str) -> Run:
    """What runs a layer with these weights, of PyTorch's shapes; float32."""
    if native.unavailable is None:
        compiled = native.Layer(weight_ih, weight_hh, bias_ih, bias_hh, reset=reset)

        def run(x: Floats, h: Floats) -> tuple[Floats, Floats]:
            output, h_n = compiled(x[:, None], h[None])[:2]
            return output[:, 0], h_n[0]

        return run
    by_gate = equations.by_gate(weight_ih, weight_hh, bias_ih, bias_hh)

    def run_in_numpy(x: Floats, h: Floats) -> tuple[Floats, Floats]:
        output = np.empty((len(x), len(h)), np.float32)
        for t, now in enumerate(x):
            *_, h = equations.step(now, h, by_gate, reset)
            output[t] = h
        return output, h

    return run_in_numpy
