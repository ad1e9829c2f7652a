"""A model's weights in 8 bits, w8a16: what ``penstock.fixed_point`` computes with, under the names of a folder.

In place of a layer's weights there are its int8 ``weight_ih_l0`` and ``weight_hh_l0``, int32 ``multiplier_ih`` and
``multiplier_hh``, an int64 ``bias`` and a float32 ``input_scale``; in place of an embedding's and an output layer's an
int8 ``weight``, an int32 ``multiplier`` and, of an output layer, an int64 ``bias``. The rest stays float32: of a model
that forecasts all but the layers.

Letters: K layers, D inputs, H hidden units, V tokens or outputs.
"""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.fixed_point import (
    LONGEST,
    MOST,
    ONE,
    FixedEmbedding,
    FixedLayer,
    FixedOutput,
    halvings,
    quantize,
    quantize_embedding,
    quantize_output,
)
from penstock.model_folder.stack import StackConfig

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, ...]
MARK = "layers.0.input_scale"
"""The name of a weight that only a model in w8a16 has."""


class Sized(Protocol):
    """What the sizes of a model say."""

    @property
    def stack(self) -> StackConfig:
        """Its recurrent layers."""

    def shapes(self) -> dict[str, Shape]:
        """The name and shape of every weight in float32."""


class WholeLayer(NamedTuple):
    """A layer, and what reads it in."""

    fixed: FixedLayer
    per: float
    """Whole numbers in 1 of its input, a float32."""


def is_quantized(weights: Arrays) -> bool:
    """Whether they are in w8a16."""
    return MARK in weights


def expect_float(weights: Arrays, of: Path | str) -> None:
    """Raises PenstockError for weights in w8a16, of a folder or for a purpose."""
    if is_quantized(weights):
        raise PenstockError(
            f"{of}: a model in 8 bits (w8a16): generate, eval, score, predict and export --to c and web read it; "
            "here the one in float32 is needed that it was made of"
        )


def quantized(weights: Arrays, config: Sized, input_scale: float | None) -> Arrays:
    """The weights in w8a16.

    Args:
        weights: in float32, by their names.
        config: their sizes.
        input_scale: what one whole number of the first layer's input is worth; None: the embedding says it.

    Raises:
        ValueError: weights are not finite, or too large, or what else is in w8a16 already; the message names which.
    """
    if is_quantized(weights):
        raise ValueError("the model is in 8 bits (w8a16) already; quantize the model that it was made of")
    stack, found = config.stack, dict(weights)
    names = _names(config)
    if "embedding" in names:
        embedding, scale = _named("embedding.weight", quantize_embedding, weights["embedding.weight"])
        found["embedding.weight"], found["embedding.multiplier"] = embedding
        input_scale = scale
    if input_scale is None:
        raise ValueError("input_scale: expected a number, got None")
    for k in range(stack.num_layers):
        scale = float(np.float32(input_scale)) if k == 0 else 2.0 ** -bits_of_sum(stack, k)
        own = [found.pop(f"layers.{k}.{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        layer = _named(f"layers.{k}", quantize, *own, reset=stack.reset, x_scale=scale)
        found |= {f"layers.{k}.{name}": value for name, value in zip(_LAYER, layer, strict=True)}
        found[f"layers.{k}.input_scale"] = np.array(scale, np.float32)
    if "output" in names:
        weight = weights["output.weight" if "output.weight" in weights else "embedding.weight"]
        bits = bits_of_sum(stack, stack.num_layers)
        output = _named("output.weight", quantize_output, weight, weights["output.bias"], bits=bits)
        found |= {f"output.{name}": value for name, value in zip(("weight", "multiplier", "bias"), output, strict=True)}
        if "output.weight" not in weights:  # the embedding's, rounded alike
            del found["output.weight"]
    return found


def bits_of_sum(stack: StackConfig, layers: int) -> int:
    """Bits after the point of what stands above so many layers."""
    return ONE - (halvings(layers) if stack.residual else 0)


def layer_of(weights: Arrays, k: int) -> WholeLayer:
    """The layer k of weights in w8a16."""
    fixed = FixedLayer(*(weights[f"layers.{k}.{name}"] for name in _LAYER))
    return WholeLayer(fixed, float(np.float32(1) / weights[f"layers.{k}.input_scale"]))


def output_of(weights: Arrays) -> FixedOutput:
    """The output layer of weights in w8a16; its weight may be the embedding's."""
    weight = weights["output.weight" if "output.weight" in weights else "embedding.weight"]
    return FixedOutput(weight, weights["output.multiplier"], weights["output.bias"])


def embedding_of(weights: Arrays) -> FixedEmbedding:
    """The embedding of weights in w8a16."""
    return FixedEmbedding(weights["embedding.weight"], weights["embedding.multiplier"])


def expected(config: Sized) -> dict[str, tuple[str, Shape]]:
    """The type and shape of every weight in w8a16."""
    H, names = config.stack.hidden_size, _names(config)
    found: dict[str, tuple[str, Shape]] = {}
    for name, shape in config.shapes().items():
        of, _, what = name.rpartition(".")
        if of.startswith("layers.") and what.startswith("weight"):
            found[name] = "int8", shape
            found[f"{of}.multiplier_{what[7:9]}"] = "int32", shape[:1]
        elif of.startswith("layers.") and what.startswith("bias"):
            found[f"{of}.bias"] = "int64", (4 * H,)
            found[f"{of}.input_scale"] = "float32", ()
        elif of in names:
            found[name] = ("int8", shape) if what == "weight" else ("int64", shape)
            found[f"{of}.multiplier"] = "int32", shape[:1]
        else:
            found[name] = "float32", shape
    return found


def check(weights: Arrays, config: Sized, path: Path) -> None:
    """Raises PenstockError unless these are a model's weights in w8a16, which no sum of can leave its 32 bits."""
    for name, (dtype, shape) in expected(config).items():
        value = weights.get(name)
        if value is None or value.shape != shape or value.dtype != dtype:
            got = "nothing" if value is None else f"{value.dtype} {value.shape}"
            raise PenstockError(f"{path}: {name}: expected {dtype} {shape}, got {got}")
        if dtype == "int8" and (value.min() < -127 or np.abs(value.astype(np.int64)).sum(1).max() > LONGEST):
            raise PenstockError(f"{path}: {name}: expected numbers within ±127, at most {LONGEST:,} a row, got more")
        if name.endswith("embedding.multiplier") and np.abs(value.astype(np.int64)).max(initial=0) > _MOST_MULTIPLIER:
            raise PenstockError(f"{path}: {name}: expected at most {_MOST_MULTIPLIER:,}, got more")
        if dtype == "float32" and not np.isfinite(value).all():
            raise PenstockError(f"{path}: {name}: expected finite numbers")
        if name.endswith("input_scale") and not value > 0:
            raise PenstockError(f"{path}: {name}: expected more than 0, got {value}")
    if surplus := sorted(set(weights) - set(expected(config))):
        raise PenstockError(f"{path}: {surplus[0]}: expected nothing, got {weights[surplus[0]].shape}")
    for k in range(config.stack.num_layers):
        q_ih, q_hh, m_ih, m_hh, b = layer_of(weights, k).fixed
        H = config.stack.hidden_size
        _expect_room(path, f"layers.{k}", b[: 3 * H], (q_ih, m_ih), (q_hh, m_hh))
        _expect_room(path, f"layers.{k}", b[3 * H :], (q_hh[2 * H :], m_hh[2 * H :]))
    if "output" in _names(config):
        output = output_of(weights)
        _expect_room(path, "output", output.b, (output.q, output.m))


_LAYER = "weight_ih_l0", "weight_hh_l0", "multiplier_ih", "multiplier_hh", "bias"
_MOST_MULTIPLIER = (2**31 - 1 - 2**15) // 127


def _names(config: Sized) -> set[str]:
    """What is in 8 bits beside the layers."""
    shapes = config.shapes()
    if "patch.weight" in shapes:  # a model that forecasts adds up what many matrices give
        return set()
    return {name for name in ("embedding", "output") if f"{name}.weight" in shapes or f"{name}.bias" in shapes}


def _expect_room(path: Path, name: str, b: NDArray[Any], *parts: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Raises PenstockError where a sum of products might leave its 64 bits."""
    largest = np.abs(b.astype(np.float64))
    for q, m in parts:
        largest = largest + np.abs(q.astype(np.float64)).sum(1) * MOST * np.abs(m.astype(np.float64))
    if largest.max(initial=0) > 1.01 * 2.0**62:
        raise PenstockError(f"{path}: {name}: expected sums that fit in 64 bits, got larger ones")


def _named(name: str, make: Any, *arguments: Any, **settings: Any) -> Any:
    try:
        return make(*arguments, **settings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
