"""Traces of GRUs inside torch modules, whoever's. torch is never imported here: whoever has a module has done so."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.look.layer import Floats, Form, Layer, run
from penstock.look.trace import Trace


class _Called(NamedTuple):
    name: str
    module: Any
    arguments: dict[str, Any]


def is_module(value: Any) -> bool:
    """Whether it is a torch module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def trace_module(module: Any, x: Any, batch_index: int) -> Trace:
    """The GRU layers of a module over what one call of it gave them; see ``penstock.trace``."""
    calls = _calls(module, x)
    layers = [layer for called in calls for layer in _layers(called, batch_index)]
    lengths = {len(layer.hidden) for layer in layers}
    if len(lengths) > 1:
        raise ValueError(
            f"module: its GRUs ran over sequences of {sorted(lengths)} steps, which cannot be shown as one: "
            "trace one of them by itself, penstock.trace(module.gru, its_input)"
        )
    return Trace(tuple(layers), inputs=_put_in(x, calls[0], batch_index, len(layers[0].hidden)))


def _put_in(x: Any, first: _Called, batch_index: int, L: int) -> Floats | None:
    """The numbers that the module was called with, (L, C), where they are a row a step and not what its GRU read."""
    torch = sys.modules["torch"]
    given = x.values() if isinstance(x, Mapping) else x if _is_arguments(x) else (x,)
    tensors = [torch.as_tensor(value) for value in given if isinstance(value, np.ndarray | torch.Tensor)]
    rows = [tensor for tensor in tensors if tensor.is_floating_point() and tensor.ndim in (2, 3)]
    if not rows:
        return None
    arguments = {name: value for name, value in first.arguments.items() if name == "lengths"}
    try:
        values = _sequence(first._replace(arguments=arguments | {"input": rows[0]}), batch_index)[0]
    except (ValueError, IndexError):  # laid out in another way
        return None
    read = _sequence(first, batch_index)[0]
    same = values.shape == read.shape and np.allclose(values, read)
    return None if same or len(values) != L else values


def _calls(module: Any, x: Any) -> list[_Called]:
    """Every call of a GRU while the module runs on x."""
    torch = sys.modules["torch"]
    names = {child: name for name, child in module.named_modules() if _is_gru(child)}
    if not names:
        others = sorted({type(child).__name__ for child in module.modules()} & {"LSTM", "RNN", "GRUCell", "LSTMCell"})
        raise ValueError(
            "module: expected a penstock.GRU or a torch.nn.GRU in it, found none"
            + (f" ({', '.join(others)} cannot be traced)" if others else "")
        )
    calls: list[_Called] = []

    def note(child: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        arguments = dict(zip(("input", "hx"), positional, strict=False)) | named
        if arguments.get("decay") is not None:
            raise ValueError("decay: a trace does not show it: expected a call without, got one with decay")
        calls.append(_Called(names[child] or "gru", child, arguments))

    hooks = [child.register_forward_pre_hook(note, with_kwargs=True) for child in names]
    modes = {child: child.training for child in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            if isinstance(x, Mapping):
                module(**{name: _tensor(value, module) for name, value in x.items()})
            else:
                module(*(_tensor(value, module) for value in (x if _is_arguments(x) else (x,))))
    finally:
        for hook in hooks:
            hook.remove()
        for child, training in modes.items():
            child.training = training
    if not calls:
        raise ValueError("module: it ran without calling its GRU (functional calls cannot be traced)")
    return calls


def _is_gru(module: Any) -> bool:
    return type(module).__name__ == "GRU" and hasattr(module, "weight_ih_l0") and hasattr(module, "batch_first")


def _is_arguments(x: Any) -> bool:
    """A tuple of arguments, but no PackedSequence, which is a named tuple."""
    return isinstance(x, tuple) and not hasattr(x, "_fields")


def _tensor(value: Any, module: Any) -> Any:
    """An array as a tensor of the module's device; floating-point values of its type."""
    if not isinstance(value, np.ndarray):
        return value
    tensor = sys.modules["torch"].from_numpy(np.array(value))
    like = next(module.parameters())
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else None)


def _layers(called: _Called, batch_index: int) -> list[Layer]:
    """One entry a layer and direction, in the order of ``h_n``."""
    gru = called.module
    x, h_0, resets = _sequence(called, batch_index)
    form: Form = getattr(gru, "reset", "after")
    directions = 2 if gru.bidirectional else 1
    traced: list[Layer] = []
    for k in range(gru.num_layers):
        for reverse in range(directions):
            suffix = f"_l{k}" + ("_reverse" if reverse else "")
            names = [f"{name}{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            weights: Any = tuple(_array(getattr(gru, name, None)) for name in names)
            name = called.name + (f".l{k}" if gru.num_layers > 1 else "") + (" reverse" if reverse else "")
            traced.append(run(name, x, h_0[len(traced)], weights, form, reverse=bool(reverse), resets=resets))
        x = np.concatenate([layer.hidden for layer in traced[-directions:]], axis=-1)
    return traced


def _sequence(called: _Called, n: int) -> tuple[Floats, Floats, NDArray[np.bool_] | None]:
    """x (L, D), h_0 (K, H) and resets (L,) of one sequence of the batch that a GRU was called with."""
    torch, gru = sys.modules["torch"], called.module
    x, h_0 = called.arguments["input"], called.arguments.get("hx")
    lengths, resets = called.arguments.get("lengths"), called.arguments.get("resets")
    time_first = not gru.batch_first
    if isinstance(x, torch.nn.utils.rnn.PackedSequence):
        x, lengths = torch.nn.utils.rnn.pad_packed_sequence(x)
        time_first = True
    values, starts = _array(x), None if resets is None else _array(resets)
    K, H = gru.num_layers * (2 if gru.bidirectional else 1), gru.hidden_size
    state = np.zeros((K, H), values.dtype) if h_0 is None else _array(h_0)
    if values.ndim == 3:
        if not time_first:
            values, starts = values.swapaxes(0, 1), None if starts is None else starts.T
        N = values.shape[1]
        if not 0 <= n < N:
            raise ValueError(f"batch_index: expected 0 … {N - 1}, got {n}")
        length = len(values) if lengths is None else int(lengths[n])
        values, starts = values[:length, n], None if starts is None else starts[:length, n]
        state = state[:, n] if state.ndim == 3 else state
    if not len(values):
        raise ValueError("x: expected at least one step, got none")
    return values, state, starts


def _array(value: Any) -> Any:
    """A tensor as a NumPy array, of float32 where NumPy lacks its type; None as it is."""
    if value is None or value is False:
        return None
    value = value.detach().cpu()
    return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
