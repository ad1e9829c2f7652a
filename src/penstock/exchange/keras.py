"""Keras 3's GRU layers, alone, bidirectional and stacked: files and objects read, models made, without Keras but where
its objects are asked for.

    kernel (D, 3H), recurrent_kernel (H, 3H), columns z, r, n; bias (2, 3H), the input's and the recurrent, with
    reset_after=True, which is reset="after"; (3H,) with reset_after=False, which is reset="before"
"""

import dataclasses
import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.archive import Archive
from penstock.exchange.keras_config import KerasLayer, recurrent_layers
from penstock.exchange.keras_file import read_weights_file, weights_in
from penstock.exchange.layers import Direction, Layers
from penstock.exchange.named import Found, Held, array, chosen, rest, with_new_update

VERSION = 3
"""Of Keras, whose files are read and written."""
LARGEST = 1 << 24
"""Bytes of a configuration."""
UNSAID = (
    "a .weights.h5 file holds no settings: sigmoid and tanh, and layers one upon the other by their names, were taken "
    "for granted"
)
ENDS = {"": False, "forward_layer/": False, "backward_layer/": True}
"""Where the cells of a layer stand below it, and whether they read in reverse."""


def from_keras(source: Any, *, name: str | None = None, new_update: bool = False) -> Layers:
    """The layers of a GRU of Keras 3.

    Args:
        source: a model, a layer (``keras.layers.GRU``, ``GRUCell``, or ``Bidirectional`` of GRUs), or the path of a
            ``.keras`` or ``.weights.h5`` file.
        name: which of several: the layer's name.
        new_update: its z takes the new value, unlike Keras's, whose z keeps the old one.

    Raises:
        PenstockError: there is no GRU, several could be meant, or it has settings that change what it computes.
    """
    if isinstance(source, str | Path):
        layers = _of_file(Path(source), name)
    elif hasattr(source, "layers") and hasattr(source, "save"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            source.save(path)
            layers = _of_file(path, name)
    elif hasattr(source, "get_weights") and hasattr(source, "get_config"):
        layers = _of_layer(source)
    else:
        raise TypeError(f"source: expected a model or a layer of Keras, or a path, got {type(source).__name__}")
    return with_new_update(layers) if new_update else layers


def _of_file(path: Path, name: str | None) -> Layers:
    if path.suffix != ".keras":
        held = read_weights_file(path)
        found = _in_weights(held, str(path))
        layers = rest(held, found, chosen(found, name, str(path)))
        return dataclasses.replace(layers, notes=(UNSAID, *layers.notes))
    archive = Archive(path)
    about, config = (_json(archive, part) for part in ("metadata.json", "config.json"))
    version = str(about.get("keras_version") if isinstance(about, dict) else None)
    if version.partition(".")[0] != str(VERSION):
        raise PenstockError(
            f"{path}: expected a model of Keras {VERSION}, got one of {version:.20}; save it by Keras 3"
        )
    weights = "model.weights.h5"
    held = weights_in(archive.read(weights, archive.sizes.get(weights, 0)), str(path))
    found = _in_model(recurrent_layers(config, str(path)), held, str(path), name)
    return rest(held, found, chosen(found, None, str(path)))


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name, LARGEST))
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"{archive.path}: {name}: cannot be read as JSON: {str(error)[:80]}") from None


def _in_model(layers: Sequence[KerasLayer], held: Mapping[str, Held], source: str, name: str | None) -> list[Found]:
    """The GRUs of a model, where those that read each other with nothing between are one; with ``name`` that layer."""
    if name is not None:
        if name not in [layer.name for layer in layers]:
            names = ", ".join(layer.name for layer in layers[:9])
            raise PenstockError(f"{source}: holds no GRU named {name!r:.40}, but {names or 'none at all'}")
        return [_run([layer], held, source) for layer in layers if layer.name == name]
    runs: list[list[KerasLayer]] = []
    for layer in layers:
        run = next((run for run in runs if layer.reads and run[-1].name == layer.reads), None)
        if run is not None and _reset(run[-1]) == _reset(layer):
            run.append(layer)
        else:
            runs.append([layer])
    return [_run(run, held, source) for run in runs]


def _run(layers: Sequence[KerasLayer], held: Mapping[str, Held], source: str) -> Found:
    cells = [_cells(layer) for layer in layers]
    notes = [note for layer in cells for _, config, _ in layer for note in _checked(config, source)]
    if not layers[-1].config.get("return_sequences") and not layers[-1].both_ways:
        notes.append(f"{layers[-1].name} gave its last state alone; here every step's comes out, and the last as well")
    uses = [path for layer in cells for path, _, _ in layer]
    names = [name for path in uses for name in held if name.startswith(path)]
    first, last = cells[0][0], cells[-1]
    inputs = held[f"{first[0]}0"].shape[0] if f"{first[0]}0" in held else 0
    return Found(
        layers[0].name,
        inputs,
        sum(int(config["units"]) for _, config, _ in last),
        _reset(layers[0]),
        functools.partial(_read, cells, held, source),
        tuple(names),
        notes=tuple(dict.fromkeys(notes)),
    )


def _cells(layer: KerasLayer) -> list[tuple[str, Mapping[str, Any], bool]]:
    """Of each cell of a layer the path of its weights, its settings, and whether it reads in reverse."""
    if not layer.both_ways:
        return [(f"{layer.path}/cell/vars/", layer.config, False)]
    forward = layer.config["layer"]["config"]
    backward = (layer.config.get("backward_layer") or layer.config["layer"])["config"]
    if layer.config.get("merge_mode") != "concat":
        raise PenstockError(
            f'{layer.name}: merge_mode: expected "concat", which alone leaves both directions apart, got '
            f"{layer.config.get('merge_mode')!r:.40}"
        )
    if forward.get("go_backwards") or not (backward.get("go_backwards") or backward is forward):
        raise PenstockError(f"{layer.name}: expected its layer to read forwards and its backward_layer backwards")
    return [
        (f"{layer.path}/forward_layer/cell/vars/", forward, False),
        (f"{layer.path}/backward_layer/cell/vars/", {**backward, "go_backwards": False}, True),
    ]


def _reset(layer: KerasLayer) -> str:
    config = layer.config["layer"]["config"] if layer.both_ways else layer.config
    return "after" if config.get("reset_after", True) else "before"


def _checked(config: Mapping[str, Any], source: str) -> list[str]:
    """What is left out of a layer, in words.

    Raises:
        PenstockError: it computes something else.
    """
    name = f"{source}: {config.get('name', 'gru')}"
    for setting, ours in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        got = config.get(setting, ours)
        got = got.get("config") if isinstance(got, Mapping) else got
        if got != ours:
            raise PenstockError(f"{name}: {setting}: expected {ours}, as every format here has it, got {got!r:.40}")
    if config.get("go_backwards"):
        raise PenstockError(
            f"{name}: go_backwards=True gives its steps from the last to the first; read its input turned round by a "
            "layer without it, or use Bidirectional"
        )
    if rate := config.get("recurrent_dropout"):
        raise PenstockError(
            f"{name}: recurrent_dropout: expected 0, got {rate!r:.40}: no format here can say it; it acts in training "
            "alone: set it to 0 in Keras, where that changes no answer, and import the file again"
        )
    left = []
    if rate := config.get("dropout"):
        left.append(f"dropout={rate} of {config.get('name', 'gru')} is left out: it acts in training alone")
    if config.get("stateful"):
        left.append(f"{config.get('name', 'gru')} kept its state between batches; here the caller does")
    return left


def _read(
    cells: Sequence[Sequence[tuple[str, Mapping[str, Any], bool]]], held: Mapping[str, Held], source: str
) -> tuple[tuple[Direction, ...], ...]:
    return tuple(
        tuple(
            _direction([array(held, f"{path}{k}") for k in range(3) if f"{path}{k}" in held], config, reverse, source)
            for path, config, reverse in layer
        )
        for layer in cells
    )


def _direction(arrays: Sequence[NDArray[Any]], config: Mapping[str, Any], reverse: bool, source: str) -> Direction:
    where = f"{source}: {config.get('name', 'gru')}"
    biased, after = bool(config.get("use_bias", True)), bool(config.get("reset_after", True))
    units = config.get("units")
    H = units if type(units) is int and 0 < units < 1 << 31 else 0
    shapes = [value.shape for value in arrays]
    bias = [(2, 3 * H) if after else (3 * H,)] if biased else []
    if not shapes or len(shapes[0]) != 2 or shapes != [(shapes[0][0], 3 * H), (H, 3 * H), *bias]:
        raise PenstockError(f"{where}: expected weights of (D, {3 * H}), (H, {3 * H}) and its bias, got {shapes!r:.80}")
    kernel, recurrent, *rest_ = [_rows(value) for value in arrays]
    biases: Sequence[NDArray[Any] | None] = (None, None)
    if rest_:
        biases = (*rest_[0].T,) if after else (rest_[0], None)
    try:
        return Direction(kernel, recurrent, biases[0], biases[1], reverse)
    except PenstockError as error:
        raise PenstockError(f"{where}: {error}") from None


def _rows(columns: NDArray[Any]) -> NDArray[Any]:
    """Columns z, r, n as rows r, z, n."""
    z, r, n = np.split(columns, 3, axis=-1)
    rows: NDArray[Any] = np.concatenate([r, z, n], axis=-1).T
    return rows


def _of_layer(layer: Any) -> Layers:
    """Of a layer as an object."""
    config, weights = layer.get_config(), layer.get_weights()
    inside = {"layer": config["layer"], "backward_layer": config.get("backward_layer")} if "layer" in config else None
    one = KerasLayer(str(config["name"]), "layer", config, None, both_ways=inside is not None, cell=False)
    each = len(weights) // (2 if inside else 1)
    held: dict[str, Held] = {}
    for path, _, reverse in _cells(one):
        for k, value in enumerate(weights[each:] if reverse else weights[:each]):
            held[f"{path}{k}"] = Held(value.shape, functools.partial(np.asarray, value))
    return chosen([_run([one], held, type(layer).__name__)], None, type(layer).__name__)


def _in_weights(held: Mapping[str, Held], source: str) -> list[Found]:
    """The GRUs of a file of weights, by their shapes."""
    found: dict[str, list[tuple[str, dict[str, Any], bool]]] = {}
    for path in sorted(held):
        place, end, number = path.rpartition("cell/vars/")
        shape = held[path].shape
        if not end or number != "1" or len(shape) != 2 or shape[1] != 3 * shape[0] or f"{place}{end}0" not in held:
            continue
        below = next(one for one in reversed(ENDS) if place.endswith(f"/{one}"))
        bias = held[f"{place}{end}2"].shape if f"{place}{end}2" in held else None
        if bias is None:
            raise PenstockError(
                f"{source}: {place}: without a bias a .weights.h5 does not say which form it is; give the .keras file"
            )
        config = {"name": place.strip("/"), "units": shape[0], "reset_after": len(bias) == 2}
        found.setdefault(place[: len(place) - len(below)].strip("/"), []).append((place + end, config, ENDS[below]))
    return [
        Found(
            name,
            held[f"{cells[0][0]}0"].shape[0],
            sum(config["units"] for _, config, _ in cells),
            "after" if cells[0][1]["reset_after"] else "before",
            functools.partial(_read, [cells], held, source),
            tuple(f"{path}{k}" for path, _, _ in cells for k in range(3)),
        )
        for name, unordered in found.items()
        for cells in [sorted(unordered, key=lambda cell: cell[2])]
    ]
