"""The same function as a module of torch's, and back: a copy of the weights, whatever was made of them."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

Target = TypeVar("Target", bound=nn.Module)


def converted(source: nn.Module, names: Iterable[str], cls: type[Target], **arguments: Any) -> Target:
    """A module of ``cls`` with the weights of ``source``, which has them under the same names.

    Normed, parametrized and pruned weights become plain ones of the same values; layers that share one still do.
    Whether each is trained, and the mode, stay.
    """
    hooked = dict(_by_hooks(source))
    weights = {name: hooked[name] if name in hooked else getattr(source, name) for name in names}
    like = next(iter(weights.values()))
    target = cls(**arguments, device=like.device, dtype=like.dtype)
    placed: dict[int, nn.Parameter] = {}
    for name, weight in weights.items():
        if id(weight) in placed:
            setattr(target, name, placed[id(weight)])
            continue
        parameter = placed[id(weight)] = getattr(target, name)
        parameter.detach().copy_(weight.detach())
        parameter.requires_grad_(weight.requires_grad)
    return target.train(source.training)


def _by_hooks(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The weights that are computed before each call, as norms and pruning were before there were parametrizations."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            yield hook.name, hook.compute_weight(module)
        elif isinstance(hook, SpectralNorm):
            yield hook.name, hook.compute_weight(module, do_power_iteration=False)
        elif isinstance(hook, BasePruningMethod):
            yield hook._tensor_name, hook.apply_mask(module)  # type: ignore[no-untyped-call]
