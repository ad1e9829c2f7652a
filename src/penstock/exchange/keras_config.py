"""What config.json of a Keras model says of its GRUs: which there are, with what settings, and which reads which."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from penstock.errors import PenstockError
from penstock.exchange.named import DEEPEST

PASSING = (
    *("Activation", "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise"),
    *("Identity", "InputLayer", "Masking", "SpatialDropout1D"),
)
"""Layers that give what they read when nothing is trained; of ``Activation`` only the linear."""
HOLDING = ("Sequential", "Functional", "Model")


class KerasLayer(NamedTuple):
    """A GRU, or a ``Bidirectional`` of two."""

    name: str
    path: str
    """Of its weights."""
    config: Mapping[str, Any]
    reads: str | None
    """The name of the GRU that it reads, with nothing between; None if it is something else."""
    both_ways: bool
    cell: bool
    """Whether it is a cell in ``RNN``."""


def recurrent_layers(config: Any, where: str) -> list[KerasLayer]:
    """The GRUs of a model, in its order.

    Raises:
        PenstockError: it is no configuration of a model.
    """
    try:
        if config["class_name"] not in HOLDING:
            raise PenstockError(f"{where}: expected a Sequential or Functional model, got {config['class_name']!r:.40}")
        return list(_layers(config["config"], "", 0))
    except (KeyError, TypeError, AttributeError, IndexError):
        raise PenstockError(f"{where}: config.json is not what Keras 3 writes") from None


def _layers(config: Mapping[str, Any], path: str, depth: int) -> Iterator[KerasLayer]:
    if depth > DEEPEST:
        raise TypeError
    counts: dict[str, int] = {}
    sources: dict[str, str | None] = {}
    """Of each layer the GRU whose states it gives unchanged; itself for a GRU."""
    before: str | None = None
    sequential = not any("inbound_nodes" in layer for layer in config["layers"])
    for layer in config["layers"]:
        kind, inside = str(layer["class_name"]), layer["config"]
        ours = str(layer["module"]).partition(".")[0] == "keras"
        name = str(inside["name"])
        word = _snake(kind)
        counts[word] = counts.get(word, -1) + 1
        place = f"{path}layers/{word}" + (f"_{counts[word]}" if counts[word] else "")
        reads = before if sequential else _read(layer["inbound_nodes"], sources)
        before = sources[name] = reads if ours and _passes(kind, inside) else None
        if kind in HOLDING:
            yield from _layers(inside, f"{place}/", depth + 1)
        elif not ours:
            continue
        elif kind == "GRU" or (kind == "RNN" and _kind(inside.get("cell")) == "GRUCell"):
            before = sources[name] = name
            merged = inside if kind == "GRU" else {**inside["cell"]["config"], **inside, "name": name}
            yield KerasLayer(name, place, merged, reads, both_ways=False, cell=kind == "RNN")
        elif kind == "Bidirectional" and _kind(inside.get("layer")) == "GRU":
            before = sources[name] = name
            yield KerasLayer(name, place, inside, reads, both_ways=True, cell=False)


def _passes(kind: str, config: Mapping[str, Any]) -> bool:
    return kind in PASSING and (kind != "Activation" or config["activation"] == "linear")


def _kind(layer: Any) -> Any:
    return layer.get("class_name") if isinstance(layer, Mapping) else None


def _read(nodes: Any, sources: Mapping[str, str | None]) -> str | None:
    """The GRU whose states a layer reads as its first argument, each time that it is called."""
    found = {sources.get(str(_first(node["args"])["config"]["keras_history"][0])) for node in nodes}
    return found.pop() if len(found) == 1 else None


def _first(value: Any) -> Any:
    """The first tensor among arguments, which may stand in lists."""
    for _ in range(DEEPEST):
        if not isinstance(value, list):
            return value
        value = value[0]
    raise TypeError


def _snake(kind: str) -> str:
    """The name that Keras gives to the group of a layer of this class."""
    spaced = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()
