"""The source of a model in C, put together from the engine's files, and its constant data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.engine import text
from penstock.export.arrays import array, padded
from penstock.export.c_fixed import fixed_weights
from penstock.export.model import CModel, layer_array, output_array

BANNER = "/* Made by Penstock. */\n"


def source(model: CModel) -> str:
    """The text of gru.c."""
    fades = model.rows and model.runtime.config.decay
    of = model.number
    chosen = {
        f"gru_{of}.h": True,
        "gru_exp.h": model.kind == "language" or model.answer in ("class", "labels") or fades,
        "gru_data.h": True,
        "gru_rows.h": model.rows,
        f"model/stack_{of}.c": True,
        f"model/output_{of}.c": model.kind != "states",
        f"model/fade_{of}.c": fades,
        f"model/enter_{of}.c": model.rows,
        f"model/embed_tied_{of}.c": model.tokens and _tied(model),
        f"model/embed_{of}.c": model.tokens and not _tied(model),
        f"model/pooled_{of}.c": model.kind in ("texts", "segments"),
        f"model/{model.kind}.c": True,
        f"model/answer_{model.answer}.c": model.answer is not None,
        "model/characters.c": _has_characters(model),
    }
    pieces = [
        (_COLUMN if model.rows else "") + '#include "gru_data.h"\n' if name == "gru_data.h" else text(name)
        for name, used in chosen.items()
        if used
    ]
    return BANNER + "\n".join(['#include "gru.h"\n', _CLANG, *pieces])


def data(model: CModel) -> tuple[str, int]:
    """The text of gru_data.h, and the bytes that its arrays take."""
    found, size = _float_weights(model) if model.fixed is None else fixed_weights(model.fixed)
    arrays: dict[str, NDArray[Any]] = {}
    if model.answer == "numbers":
        arrays["gru_answer_center"] = np.array(model.runtime.answer.center, np.float64)
        arrays["gru_answer_spread"] = np.array(model.runtime.answer.spread, np.float64)
    found += "".join(array(name, values) for name, values in arrays.items())
    size += sum(values.nbytes for values in arrays.values())
    if model.rows:
        columns, more = _columns(model)
        found, size = found + columns, size + more
    if _has_characters(model):
        codes = np.array([ord(c) for c in model.runtime.vocabulary.characters], np.uint32)
        found, size = found + array("gru_characters", codes, "const"), size + codes.nbytes
    return BANNER + found, size


def _float_weights(model: CModel) -> tuple[str, int]:
    weights = model.runtime.weights
    layers = {f"gru_layer_{k}": layer_array(weights, k, model.stack.reset) for k in range(model.stack.num_layers)}
    arrays = dict(layers)
    if model.kind != "states":
        output = weights["embedding.weight" if _tied(model) else "output.weight"]
        arrays["gru_output"] = output_array(output, weights["output.bias"])
    if model.tokens and not _tied(model):
        arrays["gru_embedding"] = weights["embedding.weight"]
    if model.rows and model.runtime.config.decay:
        arrays["gru_fade_weight"] = padded(weights["decay.weight"])
        arrays["gru_fade_bias"] = padded(weights["decay.bias"])
    found = "".join(array(name, values) for name, values in arrays.items())
    found += f"static const float *const gru_layers[GRU_LAYERS] = {{{', '.join(layers)}}};\n"
    return found, sum(values.nbytes for values in arrays.values()) + 4 * len(layers)


_CLANG = """\
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wunused-function" /* what this model does not need of the engine */
#endif
"""
_COLUMN = """\
typedef struct {
    double center, spread, rate; /* of a number: what is taken away, what then divides, what it fades by a step */
    int misses;                  /* whether there are features for being missing */
    uint32_t places, codes;      /* of a category: features, and numbers that stand for one; 0 of a number */
    const uint8_t *place;        /* of each number the feature */
} gru_column;
"""


def _columns(model: CModel) -> tuple[str, int]:
    """The table of columns and the places of categories, and its bytes on a processor of 32 bits."""
    features = model.runtime.features
    places, rows, size = "", [], 0
    for k, column in enumerate(features.columns):
        center, spread = float(features.scaling.center[k]), float(features.scaling.spread[k])
        place = "0"
        if column.categories is not None:
            place = f"gru_places_{k}"
            other = len(column.kept)
            codes = [column.kept.index(name) if name in column.kept else other for name in column.categories]
            places += array(place, np.array(codes or [0], np.uint8))
            size += max(len(codes), 1)
        sizes = f"{len(column.features)}, {len(column.categories)}" if column.categories is not None else "0, 0"
        rows.append(f"{{{center!r}, {spread!r}, {column.rate!r}, {int(column.misses)}, {sizes}, {place}}}")
    table = ",\n    ".join(rows)
    return places + f"static const gru_column gru_columns[GRU_COLUMNS] = {{\n    {table}}};\n", size + 40 * len(rows)


def _has_characters(model: CModel) -> bool:
    """Whether its tokens are characters."""
    return model.tokens and model.runtime.vocabulary.kind == "char"


def _tied(model: CModel) -> bool:
    return bool(getattr(model.runtime.config, "tied", False))
