"""What a module says to those who draw graphs of a model: torch.fx and torch.onnx."""

from typing import Any

import torch
from torch import nn


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


def refuse_onnx(module: nn.Module) -> None:
    """Raises NotImplementedError where ``torch.onnx.export`` asks."""
    if _exports_to_onnx():
        instead = ", and to_torch() exports now" if getattr(module, "reset", "") == "after" else ""
        raise NotImplementedError(
            f"torch.onnx.export: penstock.{type(module).__name__} has no ONNX form yet: a later version will have one"
            + instead
        )


def _exports_to_onnx() -> bool:
    return torch.onnx.is_in_onnx_export()


# As torch.compiler.assume_constant_result does, which imports all of the compiler. To is_in_onnx_export itself the
# compiler says no, though torch.onnx.export comes by way of it when its first way failed.
_exports_to_onnx._dynamo_marked_constant = True  # type: ignore[attr-defined]
