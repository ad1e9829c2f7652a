"""A trace on disk: one safetensors file, its arrays by layer, the rest as JSON in its metadata. No pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from penstock.errors import PenstockError
from penstock.files import write
from penstock.look.language import Language
from penstock.look.layer import Floats, Layer
from penstock.look.numeric import Numeric

FORMAT, VERSION = "penstock-trace", 1


def save(
    path: Path,
    layers: Sequence[Layer],
    language: Language | None,
    about: dict[str, Any] | None = None,
    inputs: Floats | None = None,
    numeric: Numeric | None = None,
) -> None:
    """Writes the file, whole or not at all. ``about`` is what else a trace says of its steps, ``inputs`` (L, C).

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    arrays: dict[str, Any] = {}
    entries = []
    for k, layer in enumerate(layers):
        entry, of_layer = _taken_apart(layer)
        entries.append(entry)
        arrays |= {f"layers.{k}.{name}": value for name, value in of_layer.items()}
    content: dict[str, Any] = {"version": VERSION, "layers": entries, "language": None, "about": about or {}}
    if inputs is not None:
        arrays["inputs"] = inputs
    if language is not None:
        content["language"], of_language = _taken_apart(language)
        arrays |= {f"language.{name}": value for name, value in of_language.items()}
    if numeric is not None:
        content["numeric"], of_numeric = _taken_apart(numeric)
        arrays |= {f"numeric.{name}": value for name, value in of_numeric.items()}
    # one entry, as the order of more is not kept, and equal traces are to be equal files
    metadata = {FORMAT: json.dumps(content, ensure_ascii=True)}
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    write(path, safetensors.numpy.save(arrays, metadata))


def load(path: Path) -> tuple[tuple[Layer, ...], Language | None, dict[str, Any], Floats | None, Numeric | None]:
    """What ``save`` wrote: a trace's layers, its language, what else it says of its steps, its inputs and its series.

    Raises:
        PenstockError: it is not whole, or something else.
    """
    try:
        with safetensors.safe_open(path, "np") as file:
            content = (file.metadata() or {}).get(FORMAT)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError:
        raise PenstockError(f"{path}: no such file") from None
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (safetensors.SafetensorError, TypeError, KeyError) as error:  # the last two of a type that NumPy lacks
        raise PenstockError(f"{path}: not a whole trace: {error}; make it again") from None
    if content is None:
        raise PenstockError(f"{path}: expected a trace, as Trace.save writes, got another safetensors file")
    try:
        about = json.loads(content)
        if about["version"] != VERSION or isinstance(about["version"], bool):
            raise PenstockError(
                f"{path}: expected version {VERSION}, got {about['version']}; it needs another Penstock"
            )
        layers = tuple(_put_together(Layer, entry, arrays, f"layers.{k}.") for k, entry in enumerate(about["layers"]))
        language = about["language"] and _put_together(Language, about["language"], arrays, "language.")
        said = _checked_about(about.get("about", {}), arrays.get("inputs"), layers)
        numeric = about.get("numeric") and _put_together(Numeric, about["numeric"], arrays, "numeric.")
        _check(layers, language)
        _check_numeric(numeric, len(layers[0].hidden))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise PenstockError(f"{path}: not a whole trace: {error}; make it again") from None
    return layers, language, said, arrays.get("inputs"), numeric


def _checked_about(about: dict[str, Any], inputs: Any, layers: Sequence[Layer]) -> dict[str, Any]:
    L, start = len(layers[0].hidden), about.get("start", 0)
    if inputs is not None and (inputs.ndim != 2 or len(inputs) != L or inputs.dtype.kind != "f"):
        raise ValueError(f"inputs: expected floats ({L}, C), got {inputs.dtype} {inputs.shape}")
    if type(start) is not int or start < 0:
        raise ValueError(f"start: expected a number of steps, got {start}")
    columns = (layers[0].x if inputs is None else inputs).shape[1]
    said: dict[str, Any] = {"start": start}
    for name, count in (("tokens", L), ("channels", columns)):
        texts = about.get(name)
        if texts is not None and (len(texts) != count or not all(isinstance(text, str) for text in texts)):
            raise ValueError(f"{name}: expected {count} texts")
        said[name] = None if texts is None else tuple(texts)
    return said


def _taken_apart(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that JSON can hold, and the arrays."""
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    arrays = {name: field for name, field in fields.items() if isinstance(field, np.ndarray)}
    return {name: field for name, field in fields.items() if name not in arrays}, arrays


def _put_together(kind: Any, about: dict[str, Any], arrays: dict[str, Any], prefix: str) -> Any:
    of_kind = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    texts = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return kind(**texts, **of_kind)


def _check(layers: tuple[Layer, ...], language: Language | None) -> None:
    """Raises ValueError for shapes and values that no ``save`` wrote."""
    L, below = len(layers[0].hidden), None
    for layer in layers:
        (H,), (_, D) = layer.h_0.shape, layer.x.shape
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("reset", "update", "candidate", "hidden"), (L, H)),
            **{"x": (L, D), "weight_ih": (3 * H, D), "weight_hh": (3 * H, H), "bias_ih": (3 * H,), "bias_hh": (3 * H,)},
        }
        for name, shape in shapes.items():
            value = getattr(layer, name)
            if value.shape != shape or value.dtype.kind != "f":
                raise ValueError(f"{layer.name}: {name}: expected floats {shape}, got {value.dtype} {value.shape}")
        if layer.resets.shape != (L,) or layer.resets.dtype != bool:
            raise ValueError(f"{layer.name}: resets: expected bool {(L,)}")
        if layer.form not in ("before", "after") or not isinstance(layer.reverse, bool):
            raise ValueError(f"{layer.name}: form or reverse is none that a layer has")
        below = H
    if language is not None:
        V = len(language.vocabulary)
        if not (
            language.weight.shape == (V, below)
            and language.bias.shape == (V,)
            and language.ids.shape == (len(language.tokens),) == (L,)
            and (not L or 0 <= language.ids.min() <= language.ids.max() < V)
        ):
            raise ValueError("language: its sizes are not those of the layers")


def _check_numeric(numeric: Numeric | None, L: int) -> None:
    """Raises ValueError likewise."""
    if numeric is None:
        return
    R, C = numeric.values.shape
    rows, A = (len(numeric.answers), 3) if numeric.asked == "forecast" else (R, len(numeric.names))
    if not (
        numeric.asked in ("class", "labels", "numbers", "forecast")
        and -(-R // numeric.size) == L
        and len(numeric.columns) == C
        and numeric.answers.shape == (rows, A)
        and numeric.truths.shape == (rows, 1 if numeric.asked in ("class", "forecast") else A)
        and numeric.account.shape in ((R, C), (R, C + 1))
        and (numeric.when is None or len(numeric.when) in (R, R + rows))
    ):
        raise ValueError("numeric: its sizes are not those of the layers")
