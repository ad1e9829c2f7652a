"""The one file that the script reads: weights as safetensors, what they are of as JSON in its metadata."""

import dataclasses
import json
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from penstock.engine.fixed_layout import Layout, layer_arrays, output_arrays
from penstock.errors import PenstockError
from penstock.model_folder import LanguageConfig, Weights
from penstock.model_folder.content import Config, digest_of
from penstock.model_folder.quantized import embedding_of, is_quantized, layer_of, output_of
from penstock.model_folder.series import SeriesFiles
from penstock.model_folder.states import StatesFiles
from penstock.text.vocabulary import Vocabulary
from penstock.web import Numbers

FORMAT, VERSION = "penstock-web", 2

Precision = Literal["float32", "float16"]

LAYOUT: Layout = "pairs"
"""Of weights in whole numbers: ``engine/gru_fixed_wasm.h``."""


def language_file(config: LanguageConfig, vocabulary: Vocabulary, weights: Weights, precision: Precision) -> bytes:
    """The content of a language model's file."""
    return _file(_language(config, vocabulary), config, weights, precision)


def _language(config: LanguageConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    sizes = {"vocabulary_size": config.vocabulary_size, "tied": config.tied, **dataclasses.asdict(config.stack)}
    return {"kind": "language", "config": sizes, "vocabulary": _described(vocabulary)}


def answers_file(files: SeriesFiles, precision: Precision) -> bytes:
    """The content of the file of a model of series or of texts."""
    sizes = {"segment": files.config.segment, "decay": files.config.decay, **dataclasses.asdict(files.config.stack)}
    about: dict[str, Any] = {"config": sizes, "answer": files.answer._asdict()}
    if files.vocabulary is not None:
        about |= {"kind": "text", "vocabulary": _described(files.vocabulary), "longest": files.reads["longest"]}
    else:
        time = {"name": files.reads.get("time"), "dated": bool(files.reads.get("dated"))}
        about |= {"kind": "series", "features": files.reads["features"], "time": time}
    return _file(about, files.config, files.weights, precision)


def states_file(files: StatesFiles, precision: Precision) -> bytes:
    """The content of a bare GRU's file.

    Raises:
        PenstockError: it reads backwards.
    """
    if not files.config.forward_only:
        raise PenstockError("this GRU reads backwards too, from a sequence's end, which no step can")
    about = {"kind": "states", "config": dataclasses.asdict(files.config.stack)}
    return _file(about, files.config, files.weights, precision)


def _file(about: dict[str, Any], config: Config, weights: Weights, precision: Precision) -> bytes:
    if is_quantized(weights):
        about["config"]["input_scale"] = float(weights["layers.0.input_scale"])
        return _saved(about, "w8a16", _fixed(config, weights))
    return _saved(about, "float32", {n: weights[n].astype(precision) for n, shape in config.shapes().items() if shape})


def _fixed(config: Config, weights: Weights) -> dict[str, NDArray[Any]]:
    """Weights in the order in which the engine reads them; what is in float32 as it is."""
    found: dict[str, NDArray[Any]] = {n: weights[n] for n in config.shapes() if n.startswith("decay.")}
    for k in range(config.stack.num_layers):
        arrays = layer_arrays(layer_of(weights, k).fixed, LAYOUT)._asdict()
        found |= {f"layers.{k}.{name}": array for name, array in arrays.items()}
    output = output_of(weights)
    words, m, b = output_arrays(output, LAYOUT)
    found |= {"output.words": words, "output.m": m, "output.b": b, "output.rows": np.array([len(output.q)], np.int32)}
    if "embedding.weight" in weights:
        embedding = embedding_of(weights)
        found["embedding.m"] = embedding.m
        if "output.weight" in weights:  # else its rows are the output layer's
            found["embedding.q"] = embedding.q
    return found


def _saved(about: dict[str, Any], numbers: Numbers, arrays: dict[str, NDArray[Any]]) -> bytes:
    content = {"version": VERSION, "numbers": numbers, **about, "digest": digest_of(arrays, about)}
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
