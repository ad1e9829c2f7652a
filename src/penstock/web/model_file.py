"""The one file that the script reads: weights as safetensors, what they are of as JSON in its metadata."""

import dataclasses
import json
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from penstock.model_folder import LanguageConfig, Weights
from penstock.text.vocabulary import Vocabulary

FORMAT, VERSION = "penstock-web", 1

Precision = Literal["float64", "float32", "float16", "int8"]


def model_file(config: LanguageConfig, vocabulary: Vocabulary, weights: Weights, precision: Precision) -> bytes:
    """The file's content.

    ``int8`` rounds each row of a matrix to whole numbers in ±127 times a scale, half of which is the largest error;
    biases stay float32.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, weight in weights.items():
        if name not in config.shapes() or weight.ndim == 0:
            continue
        if weight.ndim == 1 or precision != "int8":
            arrays[name] = weight.astype(np.float32 if precision == "int8" else precision)
        else:
            scale = np.maximum(np.abs(weight).max(1), np.finfo(np.float32).tiny) / 127
            arrays[name], arrays[f"{name}.scale"] = np.rint(weight / scale[:, None]).astype(np.int8), scale
    sizes = {"vocabulary_size": config.vocabulary_size, "tied": config.tied, **dataclasses.asdict(config.stack)}
    content = {"version": VERSION, "config": sizes, "vocabulary": _described(vocabulary)}
    return safetensors.numpy.save(arrays, {FORMAT: json.dumps(content)})


def _described(vocabulary: Vocabulary) -> dict[str, Any]:
    """As ``vocabulary.js`` reads it."""
    about, tokenizer = vocabulary.saved()
    if tokenizer is None:
        return about
    of_pairs = json.loads(tokenizer)["model"]
    tokens = sorted(of_pairs["vocab"], key=of_pairs["vocab"].__getitem__)
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in of_pairs["merges"]]
    return about | {"tokens": tokens, "merges": merges}
