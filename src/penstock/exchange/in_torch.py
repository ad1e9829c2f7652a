"""The one file of this room that imports torch: layers as modules."""

from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import nn

from penstock.exchange.layers import Layers
from penstock.exchange.torch_state import gru_state, torch_state
from penstock.nn import GRU

Module = TypeVar("Module", bound=nn.Module)


def to_torch(layers: Layers) -> nn.GRU:
    """A ``torch.nn.GRU`` that computes this.

    Raises:
        PenstockError: none does.
    """
    state = torch_state(layers)
    return _loaded(nn.GRU(**_sizes(layers, state)), state)


def to_module(layers: Layers) -> GRU:
    """A ``penstock.GRU`` that computes this, of either form.

    Raises:
        PenstockError: none does: its layers are of one size and of the same directions.
    """
    state = gru_state(layers)
    module = GRU(**_sizes(layers, state), reset=layers.reset)
    return _loaded(module, state, reset_after=module.reset_after)


def _sizes(layers: Layers, state: dict[str, NDArray[Any]]) -> dict[str, Any]:
    first = layers.layers[0]
    return {
        "input_size": layers.input_size,
        "hidden_size": first[0].hidden_size,
        "num_layers": len(layers.layers),
        "bidirectional": len(first) > 1,
        "bias": "bias_hh_l0" in state,
        "dtype": getattr(torch, str(layers.dtype)),
    }


def _loaded(module: Module, state: dict[str, NDArray[Any]], **more: Any) -> Module:
    module.load_state_dict({name: torch.tensor(value) for name, value in state.items()} | more)
    return module
