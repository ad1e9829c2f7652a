"""PyTorch's weights: modules, state dicts, and files of them, without torch.

torch.nn.GRU and torch.nn.GRUCell compute reset="after"; penstock.GRU's states bear a mark that says which form it is.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.able import refuse
from penstock.exchange.layers import Direction, Layers, direction
from penstock.exchange.model import of_folder
from penstock.exchange.named import Found, Held, array, chosen, rest, widened, with_new_update
from penstock.exchange.place import expect_file
from penstock.exchange.torch_file import read_torch_file
from penstock.files import MADE, write

OF_LAYER = re.compile(r"(?:(?P<of>.*)\.)?weight_hh(?:_l(?P<layer>\d{1,4}))?")
"""The name of a recurrent matrix forwards, of ``nn.GRU`` with the layer's number, of ``nn.GRUCell`` without."""
KINDS = {"torch.float32": "float32", "torch.float64": "float64", "torch.float16": "float16"}


def from_torch(source: Any, *, name: str | None = None, new_update: bool = False) -> Layers:
    """The layers of a GRU of PyTorch, or of Penstock.

    Args:
        source: a module, such as ``torch.nn.GRU``, ``torch.nn.GRUCell`` or ``penstock.GRU``, or one that holds it; a
            state dict; or the path of a ``.pt`` file of one, or of safetensors.
        name: which of several: the module's name, as ``encoder.gru``.
        new_update: its z takes the new value, unlike PyTorch's, whose z keeps the old one.

    Raises:
        PenstockError: there is no GRU, or several could be meant.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        held = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
        return of_named(held, str(path), name, new_update)
    state = source.state_dict() if hasattr(source, "state_dict") else source
    if not isinstance(state, Mapping):
        raise TypeError(f"source: expected a module, a state dict or a path, got {type(source).__name__}")
    return of_named(_held(state), type(source).__name__, name, new_update)


def of_named(held: Mapping[str, Held], source: str, name: str | None, new_update: bool) -> Layers:
    """The layers of the GRU that is meant among arrays with PyTorch's names; ``source`` is where they stand.

    Raises:
        PenstockError: as ``from_torch``.
    """
    found = in_state(held, source)
    if not found and (kind := _another(held)):
        raise PenstockError(f"{source}: holds no weights of a GRU, but of {kind}, which is another function")
    layers = rest(held, found, chosen(found, name, source))
    return with_new_update(layers) if new_update else layers


def in_state(held: Mapping[str, Held], source: str) -> list[Found]:
    """The GRUs among arrays with PyTorch's names."""
    found: dict[tuple[str, bool], list[str]] = {}
    for weight in held:
        match = OF_LAYER.fullmatch(weight)
        if match and _is_gru(held, weight):
            found.setdefault((match["of"] or "", match["layer"] is None), []).append(weight)
    return [_found(held, of, cell, len(weights), source) for (of, cell), weights in found.items()]


def _another(held: Mapping[str, Held]) -> str | None:
    """The recurrent layer that there is instead."""
    for weight, one in held.items():
        if OF_LAYER.fullmatch(weight) and len(one.shape) == 2:
            return {4: "an LSTM", 1: "a plain RNN"}.get(one.shape[0] // max(one.shape[1], 1))
    return None


def _is_gru(held: Mapping[str, Held], weight: str) -> bool:
    """Whether a recurrent matrix has three gates, as an LSTM's or a plain RNN's has not, and reads an input."""
    shape = held[weight].shape
    return len(shape) == 2 and shape[0] == 3 * shape[1] > 0 and weight.replace("weight_hh", "weight_ih") in held


def _found(held: Mapping[str, Held], of: str, cell: bool, layers: int, source: str) -> Found:
    prefix = f"{of}." if of else ""
    ends = [[""]] if cell else [[f"_l{k}", f"_l{k}_reverse"] for k in range(layers)]
    if f"{prefix}weight_hh{ends[0][-1]}" not in held:
        ends = [[end[0]] for end in ends]
    names = ["weight_ih", "weight_hh"]
    if f"{prefix}bias_hh{ends[0][0]}" in held:
        names += ["bias_ih", "bias_hh"]
    sets = [[[f"{prefix}{name}{end}" for name in names] for end in layer] for layer in ends]
    uses = [name for layer in sets for one in layer for name in one]
    for name in uses:
        if name not in held:
            raise PenstockError(f"{source}: {name}: expected beside the others of its GRU, got none")
    mark, reset = f"{prefix}reset_after", "after"
    if mark in held:
        reset = "after" if float(array(held, mark).mean()) > 0.5 else "before"
        uses.append(mark)
    width = held[sets[0][0][0]].shape
    return Found(
        of,
        width[-1] if width else 0,
        sum(held[one[1]].shape[-1] for one in sets[-1]),
        reset,
        functools.partial(_layers, held, sets, source),
        tuple(uses),
    )


def _layers(held: Mapping[str, Held], sets: list[list[list[str]]], source: str) -> tuple[tuple[Direction, ...], ...]:
    try:
        return tuple(
            tuple(direction([array(held, name) for name in one], reverse=k > 0) for k, one in enumerate(layer))
            for layer in sets
        )
    except PenstockError as error:
        raise error if str(error).startswith(source) else PenstockError(f"{source}: {error}") from None


def _held(state: Mapping[str, Any]) -> dict[str, Held]:
    """Of tensors, or of arrays."""
    return {
        str(name): Held(tuple(value.shape), functools.partial(_numbers, name, value))
        for name, value in state.items()
        if hasattr(value, "shape")
    }


def _numbers(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    tensor = value.detach().cpu()
    found: NDArray[Any] = (tensor if str(tensor.dtype) in KINDS else tensor.float()).numpy()
    return found


def read_safetensors(path: Path) -> dict[str, Held]:
    """The arrays of a file of safetensors that are floating-point numbers, by their names.

    Raises:
        PenstockError: it is none.
    """
    try:
        path.open("rb").close()  # the library calls a file that it may not read one that is not there
        with safetensors.safe_open(path, "numpy") as file:
            about = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
            shapes = {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in about.items()}
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except safetensors.SafetensorError as error:
        raise PenstockError(f"{path}: not a whole safetensors file: {error}") from None
    return {
        name: Held(shape, functools.partial(_stored, path, name, dtype))
        for name, (shape, dtype) in shapes.items()
        if dtype in ("F64", "F32", "F16", "BF16")
    }


def _stored(path: Path, name: str, dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        kept: dict[str, Any] = dict(safetensors.deserialize(path.read_bytes()))[name]  # type: ignore[no-untyped-call]
        numbers: NDArray[Any] = widened(kept["data"]).reshape(kept["shape"])
        return numbers
    with safetensors.safe_open(path, "numpy") as file:
        found: NDArray[Any] = file.get_tensor(name)
        return found


def torch_state(layers: Layers) -> dict[str, NDArray[Any]]:
    """The state dict of a ``torch.nn.GRU`` that computes this.

    Raises:
        PenstockError: none does.
    """
    if layers.reset != "after":
        refuse("pytorch", 'reset="before"', 'torch.nn.GRU computes reset="after" alone')
    return gru_state(layers)


def gru_state(layers: Layers) -> dict[str, NDArray[Any]]:
    """The same of a ``penstock.GRU``, whose form is either, without its mark.

    Raises:
        PenstockError: none computes this.
    """
    directions = layers.directions
    sizes = sorted({one.hidden_size for one in directions})
    if layers.residual:
        refuse("pytorch", "residual layers", "torch.nn.GRU gives what its last layer gives, with nothing added")
    if len(sizes) > 1:
        refuse("pytorch", "unequal sizes", f"torch.nn.GRU has one hidden size, these layers have {sizes}")
    ways = {tuple(one.reverse for one in layer) for layer in layers.layers}
    if ways == {(True,)}:
        refuse("pytorch", "the reverse direction alone", "torch.nn.GRU reads forwards, or both ways")
    if len(ways) > 1:
        refuse("pytorch", "mixed directions", "torch.nn.GRU reads forwards, or both ways in every layer")
    biased = any(one.bias_ih is not None or one.bias_hh is not None for one in directions)
    state: dict[str, NDArray[Any]] = {}
    for k, layer in enumerate(layers.layers):
        for one in layer:
            end = f"_l{k}_reverse" if one.reverse else f"_l{k}"
            state |= {f"weight_ih{end}": one.weight_ih, f"weight_hh{end}": one.weight_hh}
            if biased:
                state |= {f"bias_{of}{end}": bias for of, bias in zip(("ih", "hh"), one.biases, strict=True)}
    return state


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the layers of a model's folder as safetensors with the names of ``torch.nn.GRU``; what is to be said.

    Raises:
        PenstockError: torch.nn.GRU does not compute them, or the file cannot be written.
    """
    expect_file(out, ".safetensors", force=force)
    layers = of_folder(folder)
    write(out, safetensors.numpy.save(torch_state(layers), {"creator": MADE}))
    first = layers.layers[0]
    call = f"{layers.input_size}, {first[0].hidden_size}, {len(layers.layers)}"
    ways = ", bidirectional=True" if len(first) > 1 else ""
    return [
        f"wrote {out}: {layers.said()}",
        *layers.notes,
        f"read it by torch.nn.GRU({call}{ways}).load_state_dict(safetensors.torch.load_file({out.name!r}))",
    ]
