"""The layers of a model's folder, of whatever kind, and the folder of a bare GRU."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np

from penstock.errors import PenstockError
from penstock.exchange.able import refuse
from penstock.exchange.layers import Layers, direction
from penstock.folder import expect_outside, held
from penstock.model_folder import StackConfig, Weights, load_model
from penstock.model_folder.content import read_config
from penstock.model_folder.forecast import load_forecast_model
from penstock.model_folder.series import load_series_model
from penstock.model_folder.states import TASK, StatesConfig, StatesFiles, Way, load_states_model, save_states_model

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def of_folder(folder: Path) -> Layers:
    """The recurrent layers of a model's folder; a note says what stands around them.

    Raises:
        PenstockError: it is no whole model's folder, or its states fade, which layers alone cannot say.
    """
    task = read_config(folder)["task"]
    if task == TASK:
        return _layers(*load_states_model(folder))
    weights: Weights
    if task == "language":
        language, _, weights = load_model(folder)
        stack = language.stack
    elif task == "forecast":
        forecast = load_forecast_model(folder)
        stack, weights = forecast.config.stack, forecast.weights
    else:
        series = load_series_model(folder)
        if series.config.decay:
            raise PenstockError(
                f"{folder}: its state fades over the time between rows, which layers alone cannot say; c and web can"
            )
        stack, weights = series.config.stack, series.weights
    forward: Way = "forward"
    layers = _layers(StatesConfig(stack, (forward,) * stack.num_layers), weights)
    around = sorted(name for name in weights if not name.startswith("layers."))
    note = f"the recurrent layers alone; what stands around them in this model is left out: {', '.join(around)}"
    return dataclasses.replace(layers, notes=(note,))


def _layers(config: StatesConfig, weights: Weights) -> Layers:
    made = tuple(
        tuple(
            direction([weights[f"layers.{k}.{name}{end}"] for name in WEIGHTS], end.endswith("_reverse"))
            for end in ends
        )
        for k, ends in enumerate(config.names)
    )
    return Layers(made, config.stack.reset, config.stack.residual)


def states_of(layers: Layers) -> tuple[StatesFiles, Layers]:
    """What the folder of a bare GRU holds of these layers, and the layers as it holds them, in float32.

    Raises:
        PenstockError: it cannot: their hidden sizes differ, or a number is too large for float32.
    """
    sizes = sorted({one.hidden_size for one in layers.directions})
    if len(sizes) > 1:
        refuse("a model folder", "unequal sizes", f"its layers have one hidden size, these have {sizes}")
    kept = layers.astype(np.float32)
    ways: dict[tuple[bool, ...], Way] = {(False,): "forward", (True,): "reverse", (False, True): "both"}
    form: Literal["before", "after"] = "after" if kept.reset == "after" else "before"
    stack = StackConfig(kept.input_size, sizes[0], len(kept.layers), form, residual=kept.residual)
    config = StatesConfig(stack, tuple(ways[tuple(one.reverse for one in layer)] for layer in kept.layers))
    weights: dict[str, Any] = {}
    for k, (layer, ends) in enumerate(zip(kept.layers, config.names, strict=True)):
        for one, end in zip(layer, ends, strict=True):
            for name, value in zip(WEIGHTS, (one.weight_ih, one.weight_hh, *one.biases), strict=True):
                weights[f"layers.{k}.{name}{end}"] = value
        weights[f"layers.{k}.reset_after"] = np.array(kept.reset == "after", np.float32)
    return StatesFiles(config, weights), kept


def to_folder(layers: Layers, out: Path, source: Path, *, force: bool = False) -> Layers:
    """Writes the folder of a bare GRU; the layers as it holds them.

    Args:
        layers: what to write.
        out: the folder.
        source: the file that they were read from, which is not to lie in it.
        force: replace a model that is there.

    Raises:
        PenstockError: a folder cannot hold them, or ``out`` cannot be written; what was there is unchanged then.
    """
    files, kept = states_of(layers)
    expect_outside([source], out)
    with held(out, "model") as folder:
        folder.expect_only_ours()
        there = folder.listed()
        if there and not force:
            raise PenstockError(f"{out}: already holds {there[0]}; add --force to replace it, or choose another --out")
        save_states_model(folder, files)
        folder.remove(*set(there) - {"config.json", "model.safetensors"})
    return kept
