"""What a model is to a program in C: sizes, arrays of weights, and what goes in and comes out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.export.arrays import blocks, padded, width
from penstock.fixed_point import WIDE, FixedEmbedding, FixedLayer, FixedOutput, output, step, total
from penstock.model_folder import StackConfig, Weights
from penstock.model_folder.content import read_config
from penstock.model_folder.quantized import embedding_of, is_quantized, layer_of, output_of
from penstock.runtime import Model, load
from penstock.runtime.answer_model import AnswerRuntime
from penstock.runtime.states_model import StatesRuntime

FORECAST = (
    "a forecast scales each series by its own past and writes many steps at once, which C does not say; "
    "--task steps without --target answers one step ahead, which it does"
)

FADING = (
    "states fade over gaps of time, by an exp that no whole numbers have: C says it in float32; export the model that "
    "this one was made of"
)


class Fixed(NamedTuple):
    """A model in w8a16. Letters: K layers, D inputs, H hidden units, W = H in whole blocks."""

    layers: Sequence[FixedLayer]
    per: float
    """Whole numbers in 1 of an input of the first layer."""
    output: FixedOutput | None
    embedding: FixedEmbedding | None

    def outputs(self, top: NDArray[Any]) -> NDArray[np.int32]:
        """What comes out, of what the output layer reads."""
        assert self.output is not None
        return output(self.output, top)

    def step(self, x: NDArray[Any], state: NDArray[Any], stack: StackConfig) -> tuple[NDArray[Any], NDArray[Any]]:
        """By the oracle, from x (D,) and a state (K, H): what the output layer reads, (H,), and the new state."""
        new: list[NDArray[Any]] = []
        for k, layer in enumerate(self.layers):
            below = x if k == 0 else total(np.stack(new)) if stack.residual else new[-1]
            new.append(step(layer, below, state[k], stack.reset))
        return total(np.stack(new)) if stack.residual else new[-1], np.stack(new)


@dataclasses.dataclass(frozen=True)
class CModel:
    """A model as its C is written. Letters: K layers, D inputs, H hidden units."""

    folder: Path
    runtime: Any
    """What answers for the golden vectors."""
    kind: str
    """"language", "texts", "rows", "segments" or "states" of a bare GRU: what a step reads."""
    stack: StackConfig
    outputs: int
    reads: int
    """Numbers that the output layer reads."""
    fixed: Fixed | None = None
    """Its whole numbers, of a model in w8a16; None of one in float32."""

    @property
    def width(self) -> int:
        """H in whole blocks of 16."""
        return width(self.stack.hidden_size)

    @property
    def number(self) -> str:
        """The end of the names of the engine's files: "float" or "fixed"."""
        return "float" if self.fixed is None else "fixed"

    @property
    def bytes(self) -> int:
        """Of a number of a state."""
        return 4 if self.fixed is None else 2

    @property
    def out_unit(self) -> float:
        """What 1 in an output stands for."""
        return 1.0 if self.fixed is None else 2.0**-WIDE

    @property
    def rows(self) -> bool:
        """Whether a step reads a row of columns."""
        return self.kind in ("rows", "segments")

    @property
    def tokens(self) -> bool:
        """Whether a step reads a token."""
        return self.kind in ("language", "texts")

    @property
    def answer(self) -> str | None:
        """What outputs are made into: "class", "labels" or "numbers"; None where they are given as they are."""
        return None if self.kind in ("language", "states") else str(self.runtime.answer.kind)

    @property
    def multiply_adds(self) -> int:
        """Of a step, with its answer."""
        return self.stack.parameters() + self.reads * self.outputs


def load_for_c(folder: Path) -> CModel:
    """The model of a folder.

    Raises:
        PenstockError: the folder holds no whole model, or one that C cannot say.
    """
    if read_config(folder)["task"] == "forecast":
        raise PenstockError(f"{folder}: {FORECAST}")
    runtime = load(folder)
    if isinstance(runtime, StatesRuntime):
        if not runtime.config.forward_only:
            raise PenstockError(f"{folder}: a direction reads from a sequence's end, which no step can: C has none")
        kind, reads = "states", 0
    elif isinstance(runtime, Model):
        kind, reads = "language", runtime.config.stack.hidden_size
    else:
        kind, reads = _kind(runtime), runtime.config.readout_size
    fixed = _fixed(folder, runtime) if is_quantized(runtime.weights) else None
    return CModel(folder, runtime, kind, runtime.config.stack, runtime.config.outputs, reads, fixed)


def _fixed(folder: Path, runtime: Any) -> Fixed:
    weights = runtime.weights
    if getattr(runtime.config, "decay", False):
        raise PenstockError(f"{folder}: {FADING}")
    layers = [layer_of(weights, k) for k in range(runtime.config.stack.num_layers)]
    embedding = embedding_of(weights) if "embedding.weight" in weights else None
    return Fixed([layer.fixed for layer in layers], layers[0].per, output_of(weights), embedding)


def _kind(runtime: AnswerRuntime) -> str:
    if runtime.config.vocabulary_size:
        return "texts"
    return "segments" if runtime.config.segment else "rows"


def layer_array(weights: Weights, k: int, reset: str) -> NDArray[np.float32]:
    """A layer's array, as ``engine/gru_float.h`` has it."""
    ih, hh, b_ih, b_hh = (
        np.split(weights[f"layers.{k}.{name}_l0"], 3) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    parts = [blocks(np.hstack([ih[g], hh[g]])) for g in (0, 1)] + [padded(b_ih[g] + b_hh[g]) for g in (0, 1)]
    if reset == "after":
        parts += [blocks(ih[2]), padded(b_ih[2]), blocks(hh[2]), padded(b_hh[2])]
    else:
        parts += [blocks(np.hstack([ih[2], hh[2]])), padded(b_ih[2] + b_hh[2])]
    return np.concatenate(parts)


def output_array(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """An output layer's array likewise."""
    return np.concatenate([blocks(weight), padded(bias)])
