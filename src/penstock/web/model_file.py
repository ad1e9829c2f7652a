"""The one file that the script reads: weights as safetensors, what they are of as JSON in its metadata."""

import dataclasses
import json
from typing import Any, Literal

import safetensors.numpy

from penstock.errors import PenstockError
from penstock.model_folder import LanguageConfig, Weights
from penstock.model_folder.content import Config, digest_of
from penstock.model_folder.series import SeriesFiles
from penstock.model_folder.states import StatesFiles
from penstock.text.vocabulary import Vocabulary

FORMAT, VERSION = "penstock-web", 2

Precision = Literal["float32", "float16"]


def language_file(config: LanguageConfig, vocabulary: Vocabulary, weights: Weights, precision: Precision) -> bytes:
    """The content of a language model's file."""
    sizes = {"vocabulary_size": config.vocabulary_size, "tied": config.tied, **dataclasses.asdict(config.stack)}
    about = {"kind": "language", "config": sizes, "vocabulary": _described(vocabulary)}
    return _file(about, config, weights, precision)


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
    arrays = {name: weights[name].astype(precision) for name, shape in config.shapes().items() if shape}
    content = {"version": VERSION, **about, "digest": digest_of(arrays, about)}
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
