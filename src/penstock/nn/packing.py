"""Weights that are packed once, for many calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from penstock.native import core
from penstock.nn.reset_form import ResetForm

PRECISIONS = {torch.float32: 0, torch.float64: 1}
"""Of weights that the core packs."""

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def packed(module: Module) -> Iterator[Module]:
    """Packs the weights of every ``GRU`` and ``GRUCell`` in ``module`` once, for all calls inside the block.

    For many short calls, as one step at a time: each would else read the weights in the order in which PyTorch keeps
    them. Results are the same to the last bit::

        with torch.inference_mode(), penstock.packed(policy):
            for x_t in stream:
                action, state = policy(x_t, state)

    Calls are without gradients of the weights, and the weights stay as they are: what replaces one, moves it or writes
    to it by PyTorch's operations makes the next call raise. A write through ``p.data`` or from another process cannot
    be seen, and calls go on with the weights as they were. On other devices than the CPU and in other types than
    float32 and float64 nothing is packed, and the same rules hold.

    Args:
        module: any module with GRUs or cells in it; the block gets it back as its value.

    Raises:
        ValueError: there is none in it, or a weight of one is computed at every call.
        RuntimeError: a call inside wants gradients of the weights, or a weight has changed.
    """
    forms = [form for form in module.modules() if isinstance(form, ResetForm)]
    if not forms:
        raise ValueError(f"module: expected one with a penstock.GRU or GRUCell in it, got {type(module).__name__}")
    before = [(form, form._packing) for form in forms]
    packings = [Packing(form) for form in forms]
    try:
        for form, packing in zip(forms, packings, strict=True):
            form._packing = packing
        yield module
    finally:
        for form, packing in before:
            form._packing = packing


class Packing:
    """What the core made of a module's weights, and the weights as they then were."""

    def __init__(self, module: ResetForm) -> None:
        self._held: list[tuple[str, Tensor, int | None, int]] = []
        self.handles: list[Any] = []
        """One a layer and direction; None where the compiled core does not compute."""
        for names in module._all_weights:
            weights = [self._hold(module, name) for name in names]
            self.handles.append(_pack(module.reset, weights))

    def _hold(self, module: ResetForm, name: str) -> Tensor:
        weight = module._parameters.get(name)
        if weight is None:
            raise ValueError(f"{name}: expected a parameter, got a weight that every call computes, as a normed one is")
        version = None if weight.is_inference() else weight._version
        self._held.append((name, weight, version, weight.data_ptr()))
        return weight

    def check(self, module: ResetForm) -> None:
        """Raises RuntimeError if a weight is seen to have changed, or a gradient of one is wanted."""
        parameters, trained = module._parameters, False
        for name, weight, version, address in self._held:
            if (
                parameters.get(name) is not weight
                or (version is not None and weight._version != version)
                or weight.data_ptr() != address
            ):
                raise RuntimeError(f"{name}: changed inside penstock.packed(): leave it before, and enter it again")
            trained = trained or weight.requires_grad
        if trained and torch.is_grad_enabled():
            raise RuntimeError(
                "penstock.packed(): expected calls without gradients of the weights: torch.no_grad(), "
                "torch.inference_mode() or module.requires_grad_(False)"
            )


def _pack(reset: str, weights: list[Tensor]) -> Any:
    like = weights[0]
    if core.unavailable is not None or not like.is_cpu or like.dtype not in PRECISIONS:
        return None
    arrays = [weight.detach().contiguous() for weight in weights] + [None] * (4 - len(weights))
    return core.chosen().pack(reset == "after", PRECISIONS[like.dtype], *arrays)
