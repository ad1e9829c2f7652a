"""The source of a model in C, put together from the engine's files, and its constant data."""

from functools import cache
from pathlib import Path

import numpy as np

import penstock
from penstock.export.arrays import array, padded
from penstock.export.model import CModel, layer_array, output_array

ENGINE = Path(str(penstock.__file__)).parent / "engine"
BANNER = "/* Made by Penstock. */\n"


def source(model: CModel) -> str:
    """The text of gru.c."""
    pieces = ['#include "gru.h"\n', piece("gru_float_vector.h"), piece("gru_float.h"), piece("gru_exp.h")]
    by_rows = model.kind in ("rows", "segments")
    if by_rows:
        pieces += [_COLUMN]
    pieces += ['#include "gru_data.h"\n', piece("gru_rows.h") if by_rows else "", piece("model/stack_float.c")]
    if by_rows:
        pieces += [piece("model/fade_float.c") if model.runtime.config.decay else "", piece("model/enter_float.c")]
    else:
        pieces += [piece("model/embed_tied_float.c" if _tied(model) else "model/embed_float.c")]
    if model.kind in ("texts", "segments"):
        pieces += [piece("model/pooled_float.c")]
    pieces += [piece(f"model/{model.kind}.c")]
    if model.kind != "language":
        pieces += [piece(f"model/answer_{model.runtime.answer.kind}.c")]
    elif model.runtime.vocabulary.kind == "char":
        pieces += [piece("model/characters.c")]
    return BANNER + "\n".join(piece for piece in pieces if piece)


def data(model: CModel) -> tuple[str, int]:
    """The text of gru_data.h, and the bytes that its arrays take."""
    arrays = {}
    weights = model.runtime.weights
    names = []
    for k in range(model.stack.num_layers):
        names.append(f"gru_layer_{k}")
        arrays[names[-1]] = layer_array(weights, k, model.stack.reset)
    output = weights["embedding.weight" if _tied(model) else "output.weight"]
    arrays["gru_output"] = output_array(output, weights["output.bias"])
    if model.kind in ("language", "texts") and not _tied(model):
        arrays["gru_embedding"] = weights["embedding.weight"]
    if model.kind != "language" and model.runtime.answer.kind == "numbers":
        arrays["gru_answer_center"] = np.array(model.runtime.answer.center, np.float64)
        arrays["gru_answer_spread"] = np.array(model.runtime.answer.spread, np.float64)
    if model.kind in ("rows", "segments") and model.runtime.config.decay:
        arrays["gru_fade_weight"] = padded(weights["decay.weight"])
        arrays["gru_fade_bias"] = padded(weights["decay.bias"])
    text = BANNER + "".join(array(name, values, "static const") for name, values in arrays.items())
    text += f"static const float *const gru_layers[GRU_LAYERS] = {{{', '.join(names)}}};\n"
    size = sum(values.nbytes for values in arrays.values())
    if model.kind in ("rows", "segments"):
        columns, more = _columns(model)
        text, size = text + columns, size + more
    if model.kind == "language" and model.runtime.vocabulary.kind == "char":
        codes = np.array([ord(c) for c in model.runtime.vocabulary.characters], np.uint32)
        text, size = text + array("gru_characters", codes, "const"), size + codes.nbytes
    return text, size


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
    text, rows, size = "", [], 0
    for k, column in enumerate(features.columns):
        center, spread = float(features.scaling.center[k]), float(features.scaling.spread[k])
        place = "0"
        if column.categories is not None:
            place = f"gru_places_{k}"
            other = len(column.kept)
            codes = [column.kept.index(name) if name in column.kept else other for name in column.categories]
            text += array(place, np.array(codes or [0], np.uint8))
            size += max(len(codes), 1)
        sizes = f"{len(column.features)}, {len(column.categories)}" if column.categories is not None else "0, 0"
        rows.append(f"{{{center!r}, {spread!r}, {column.rate!r}, {int(column.misses)}, {sizes}, {place}}}")
    table = ",\n    ".join(rows)
    return text + f"static const gru_column gru_columns[GRU_COLUMNS] = {{\n    {table}}};\n", size + 40 * len(rows)


def _tied(model: CModel) -> bool:
    return bool(getattr(model.runtime.config, "tied", False))


@cache
def piece(name: str) -> str:
    """A file of the engine; what it includes of the engine stands before it already."""
    lines = (ENGINE / name).read_text("utf-8").split("\n")
    return "\n".join(line for line in lines if not line.startswith('#include "'))
