"""Networks in whole numbers, w8a16, by the compiled core: see ``penstock.fixed_point``. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.fixed_layout import LAYOUTS, layer_arrays, output_arrays
from penstock.fixed_point import FixedLayer, FixedOutput
from penstock.native import core


def fixed_layers(layers: Sequence[tuple[FixedLayer, float]], *, reset: str, residual: bool) -> Any:
    """The core's object for layers, each with how many whole numbers 1 of its input is: it steps and reads sequences.

    Raises:
        RuntimeError: there is no compiled core.
    """
    made = core.fixed(layers[0][0].q_hh.shape[1], reset == "after", residual)
    layout = LAYOUTS[made.layout - 1]
    for layer, per in layers:
        arrays = layer_arrays(layer, layout)
        made.add_layer(layer.q_ih.shape[1], per, *(np.ascontiguousarray(array).tobytes() for array in arrays))
    return made


def fixed_output(output: FixedOutput, per: float) -> Any:
    """The core's object for an output layer, with how many whole numbers 1 of what it reads is."""
    V, reads = output.q.shape
    made = core.fixed(reads, False, False)
    arrays = output_arrays(output, LAYOUTS[made.layout - 1])
    made.set_output(V, reads, per, *(np.ascontiguousarray(array).tobytes() for array in arrays))
    return made
