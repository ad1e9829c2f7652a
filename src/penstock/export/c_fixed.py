"""The weights of a model in w8a16 as constant data, in each order that a processor may want; one is compiled."""

from typing import Any

from numpy.typing import NDArray

from penstock.engine.fixed_layout import LAYOUTS, layer_arrays, output_arrays
from penstock.export.arrays import array
from penstock.export.model import Fixed


def fixed_weights(fixed: Fixed) -> tuple[str, int]:
    """The text of the weights of a model, and the bytes that they take in the first of the orders."""
    found, sizes, common = "", [], _common(fixed)
    for k, layout in enumerate(LAYOUTS):
        words: dict[str, NDArray[Any]] = {}
        for n, layer in enumerate(fixed.layers):
            arrays = layer_arrays(layer, layout)
            words |= {f"gru_ih_{n}": arrays.ih, f"gru_hh_{n}": arrays.hh}
        if fixed.output is not None:
            words["gru_output"] = output_arrays(fixed.output, layout).weights
        found += f"#{'el' * bool(k)}if GRU_FIXED_LAYOUT == {k + 1}\n"
        found += "".join(array(name, values) for name, values in words.items())
        sizes.append(sum(values.nbytes for values in words.values()))
    found += "#endif\n" + "".join(array(name, values) for name, values in common.items())
    layers = ", ".join(
        f"{{gru_ih_{n}, gru_hh_{n}, gru_m_ih_{n}, gru_m_hh_{n}, gru_b_{n}}}" for n in range(len(fixed.layers))
    )
    found += f"static const gru_fixed_layer gru_layers[GRU_LAYERS] = {{{layers}}};\n"
    size = sizes[0] + sum(values.nbytes for values in common.values()) + 20 * len(fixed.layers)
    return found, size


def _common(fixed: Fixed) -> dict[str, NDArray[Any]]:
    """What stands in one order alone."""
    found: dict[str, NDArray[Any]] = {}
    for n, layer in enumerate(fixed.layers):
        arrays = layer_arrays(layer, LAYOUTS[0])
        found |= {f"gru_m_ih_{n}": arrays.m_ih, f"gru_m_hh_{n}": arrays.m_hh, f"gru_b_{n}": arrays.b}
    if fixed.output is not None:
        output = output_arrays(fixed.output, LAYOUTS[0])
        found |= {"gru_output_m": output.m, "gru_output_b": output.b}
    if fixed.embedding is not None:
        found |= {"gru_embedding": fixed.embedding.q, "gru_embedding_m": fixed.embedding.m}
    return found
