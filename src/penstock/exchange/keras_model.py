"""Layers as a model of Keras 3: its file, written without Keras, and the model itself."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.exchange.able import refuse
from penstock.exchange.layers import Direction, Layers
from penstock.exchange.model import of_folder
from penstock.exchange.packages import package
from penstock.exchange.place import expect_file
from penstock.files import MADE, write

WRITTEN = "3.0.0"
"""The version of Keras that a file names, which later ones read too."""
SUMMED = "the two biases summed, since Keras has one with reset_after=False"
DATE = "2026-01-01@00:00:00"
"""A file names one; it is the same for the same layers."""


def keras_file(layers: Layers) -> bytes:
    """A ``.keras`` file of a Sequential model of GRU and Bidirectional layers, all of which return sequences.

    Raises:
        PenstockError: Keras's layers do not compute this, or the package that writes HDF5 is missing.
    """
    if layers.residual:
        refuse("keras", "residual layers", "a stack of its layers gives what the last gives, with nothing added")
    if any(len(layer) == 1 and layer[0].reverse for layer in layers.layers):
        refuse("keras", "the reverse direction alone", "go_backwards gives the steps from the last to the first")
    h5py = package("h5py", "a .keras file")
    configs: list[Any] = [_layer("InputLayer", {"batch_shape": [None, None, layers.input_size], "name": "input"}, None)]
    stored, counts, width = io.BytesIO(), {"gru": -1, "bidirectional": -1}, layers.input_size
    with h5py.File(stored, "w") as file:
        for layer in layers.layers:
            word = "gru" if len(layer) == 1 else "bidirectional"
            counts[word] += 1
            name = f"{word}_{counts[word]}" if counts[word] else word
            shape = [None, None, width]
            settings = [_settings(one, layers.reset) for one in layer]
            ends = [""] if len(layer) == 1 else ["/forward_layer", "/backward_layer"]
            for one, end in zip(layer, ends, strict=True):
                group = file.create_group(f"layers/{name}{end}/cell/vars")
                for k, value in enumerate(_weights(one, layers.reset)):
                    group[str(k)] = value
            if len(layer) == 1:
                configs.append(_layer("GRU", {"name": name, **settings[0]}, shape))
            else:
                both = [
                    _layer("GRU", {"name": f"{way}_{name}", **one, "go_backwards": way == "backward"}, shape)
                    for way, one in zip(("forward", "backward"), settings, strict=True)
                ]
                inside = {"name": name, "dtype": str(layers.dtype), "merge_mode": "concat"}
                configs.append(_layer("Bidirectional", {**inside, "layer": both[0], "backward_layer": both[1]}, shape))
            width = sum(one.hidden_size for one in layer)
    shape = [None, None, layers.input_size]
    model = _layer("Sequential", {"name": "gru", "layers": configs, "build_input_shape": shape}, shape, "keras")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        about = {"keras_version": WRITTEN, "date_saved": DATE}
        for file_name, content in (
            ("metadata.json", json.dumps(about).encode()),
            ("config.json", json.dumps(model).encode()),
            ("model.weights.h5", stored.getvalue()),
        ):
            archive.writestr(zipfile.ZipInfo(file_name), content)
        archive.comment = MARK
    return made.getvalue()


MARK = f"creator: {MADE}".encode()
"""The comment of the zip, by which it is known as ours."""


def _layer(kind: str, config: dict[str, Any], shape: Any, module: str = "keras.layers") -> dict[str, Any]:
    built = {} if shape is None else {"build_config": {"input_shape": shape}}
    return {"module": module, "class_name": kind, "config": config, "registered_name": None, **built}


def _settings(one: Direction, reset: str) -> dict[str, Any]:
    return {
        "dtype": str(one.weight_hh.dtype),
        "units": one.hidden_size,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": one.bias_ih is not None or one.bias_hh is not None,
        "reset_after": reset == "after",
        "return_sequences": True,
        "go_backwards": False,
    }


def _weights(one: Direction, reset: str) -> list[NDArray[Any]]:
    """kernel, recurrent_kernel and bias, if there is one."""
    made = [_columns(one.weight_ih.T), _columns(one.weight_hh.T)]
    if one.bias_ih is not None or one.bias_hh is not None:
        bias_ih, bias_hh = one.biases
        made.append(_columns(np.stack([bias_ih, bias_hh]) if reset == "after" else bias_ih + bias_hh))
    return made


def _columns(rows: NDArray[Any]) -> NDArray[Any]:
    """The last axis r, z, n as z, r, n."""
    r, z, n = np.split(rows, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)


def folds_of(layers: Layers) -> list[str]:
    """What ``keras_file`` rewrites."""
    both = any(one.biases[0].any() and one.biases[1].any() for one in layers.directions)
    return [SUMMED] if both and layers.reset == "before" else []


def to_keras(layers: Layers) -> Any:
    """A ``keras.Sequential`` of GRU and Bidirectional layers that computes this; every layer returns sequences.

    Raises:
        PenstockError: none does, or Keras is not installed.
    """
    content, keras = keras_file(layers), package("keras", "to_keras")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        return keras.saving.load_model(path)


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the layers of a model's folder as a ``.keras`` file; what is to be said.

    Raises:
        PenstockError: Keras's layers do not compute them, or the file cannot be written.
    """
    expect_file(out, ".keras", force=force)
    layers = of_folder(folder)
    write(out, keras_file(layers))
    return [
        f"wrote {out}: {layers.said()}",
        *folds_of(layers),
        *layers.notes,
        f"read it by keras.saving.load_model({out.name!r})",
    ]
