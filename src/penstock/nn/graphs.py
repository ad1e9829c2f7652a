"""What a module says to those who draw graphs of a model: torch.fx and torch.onnx."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from penstock.ops import onnx_node


def leaf(module: nn.Module, input: torch.fx.Proxy, *arguments: Any, **options: Any) -> torch.fx.Proxy:
    """A call of the module as one node of the graph that ``input`` is of; options that are not used are left out.

    Torch.fx asks for a module's file to know whether it is one node or is looked into, and only torch's own are one.

    Raises:
        TypeError: no module that holds this one is being traced.
    """
    tracer = input.tracer
    if not isinstance(tracer, torch.fx.Tracer) or module is tracer.root:
        raise TypeError("input: expected a torch.Tensor, got Proxy: torch.fx traces a model that holds the module")
    options = {name: value for name, value in options.items() if value is not None and value is not False}
    return tracer.create_proxy("call_module", tracer.path_of_module(module), (input, *arguments), options)


def in_onnx(
    module: Any, x: Tensor, hx: Tensor | None, weights: Sequence[onnx_node.Weights], lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The layers of a ``penstock.GRU`` as nodes of ONNX, one a layer.

    Args:
        module: the layers.
        x: (L, N, D).
        hx: (K, N, H) or None for zeros, K = layers × directions.
        weights: (K,) of each layer and direction.
        lengths: (N,) integers.

    Returns:
        output (L, N, directions × H) and h_n (K, N, H).

    Raises:
        NotImplementedError: a node cannot say it.
    """
    onnx_node.refuse(dropout=bool(module.dropout and module.training and module.num_layers > 1))
    directions = len(weights) // module.num_layers
    states = []
    for layer in range(module.num_layers):
        of_layer = slice(layer * directions, (layer + 1) * directions)
        h_0 = hx if hx is None or module.num_layers == 1 else hx[of_layer]
        x, h_n = onnx_node.layer(x, h_0, weights[of_layer], module.reset, lengths, (False, True)[:directions])
        states.append(h_n)
    return x, states[0] if len(states) == 1 else torch.cat(states)


def onnx_decompositions() -> dict[Any, Callable[..., Any]]:
    """For a program that ``torch.export`` made before ``torch.onnx.export`` is called:
    ``torch.onnx.export(program.run_decompositions(onnx_decompositions()))``."""
    return {torch.ops.penstock.gru.default: onnx_node.of_operator}


def refuse_older_onnx(module: nn.Module) -> None:
    """Raises NotImplementedError where ``torch.onnx.export`` traces, its older way."""
    if onnx_node.is_drawn():
        raise NotImplementedError(
            f"torch.onnx.export: penstock.{type(module).__name__} has an ONNX form with dynamo=True, torch's default, "
            "alone"
        )
