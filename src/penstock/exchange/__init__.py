"""A GRU carried to other programs' formats and back, each trip exact or refused with its reason.

``from_X`` makes ``Layers``, the weights as plain arrays, of what X has, and ``to_X`` the other way.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.exchange.layers import Direction, Layers

if TYPE_CHECKING:
    from penstock.exchange.flax import from_flax as from_flax
    from penstock.exchange.flax import to_flax as to_flax
    from penstock.exchange.in_torch import to_module as to_module
    from penstock.exchange.in_torch import to_torch as to_torch
    from penstock.exchange.keras import from_keras as from_keras
    from penstock.exchange.keras_model import to_keras as to_keras
    from penstock.exchange.onnx import from_onnx as from_onnx
    from penstock.exchange.onnx import to_onnx as to_onnx
    from penstock.exchange.torch_state import from_torch as from_torch

_FILE_OF = {
    "from_flax": "flax",
    "from_keras": "keras",
    "from_onnx": "onnx",
    "from_torch": "torch_state",
    "to_flax": "flax",
    "to_keras": "keras_model",
    "to_module": "in_torch",
    "to_onnx": "onnx",
    "to_torch": "in_torch",
}

__all__ = ["Direction", "Layers", *_FILE_OF]


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module 'penstock.exchange' has no attribute {name!r}")
    return getattr(import_module(f"penstock.exchange.{_FILE_OF[name]}"), name)
