"""Flax's cells: trees of parameters of linen's and nnx's GRUCell, and of Haiku's GRU; without Flax.

    linen    ir, iz, in {kernel (D, H), bias (H,)}, hr, hz {kernel (H, H)}, hn {kernel (H, H), bias (H,)}
    nnx      dense_i {kernel (D, 3H), bias (3H,)}, dense_h {kernel (H, 3H)}, columns r, z, n
    Haiku    w_i (D, 3H), w_h (H, 3H), b (3H,), columns z, r, n; reset="before", and z takes the new value

Flax's cells compute reset="after". Neither has a recurrent bias for r and z, which their other one takes up; nnx's has
none for the candidate either, where nothing can.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.able import refuse
from penstock.exchange.layers import Direction, Layers
from penstock.exchange.model import of_folder
from penstock.exchange.msgpack_file import pack_tree, read_msgpack_file
from penstock.exchange.named import DEEPEST, Found, Held, array, chosen, rest, with_new_update
from penstock.exchange.npz_file import read_npz_file
from penstock.exchange.place import expect_file
from penstock.exchange.torch_state import read_safetensors
from penstock.files import write

LINEN = {
    *(f"{gate}/kernel" for gate in ("ir", "iz", "in", "hr", "hz", "hn")),
    *(f"{gate}/bias" for gate in ("ir", "iz", "in", "hn")),
}
NNX = {"dense_i/kernel", "dense_i/bias", "dense_h/kernel"}
HAIKU = {"w_i", "w_h", "b"}
BOTH_WAYS = ("forward_rnn", "backward_rnn")
"""What ``Bidirectional`` names its two."""
SUMMED = "the input's and the recurrent bias of r and z summed"


def from_flax(source: Any, *, name: str | None = None, new_update: bool = False) -> Layers:
    """The layers of a GRU of Flax.

    Args:
        source: a tree of parameters, dictionaries in dictionaries, such as linen's ``variables`` or
            ``flax.nnx.to_pure_dict(state)``; or the path of a file of one: ``.msgpack`` as ``flax.serialization``
            writes, or safetensors or ``.npz`` whose names have ``.`` or ``/`` between.
        name: which of several: the names on its way in the tree with ``/`` between.
        new_update: its z takes the new value, unlike Flax's, whose z keeps the old one.

    Raises:
        PenstockError: there is no GRU, or several could be meant.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        read = {".safetensors": read_safetensors, ".npz": read_npz_file}.get(path.suffix, read_msgpack_file)
        return of_named(read(path), str(path), name, new_update)
    return of_named(flat(source), "the tree", name, new_update)


def of_named(held: Mapping[str, Held], source: str, name: str | None, new_update: bool) -> Layers:
    """The layers of the GRU that is meant among arrays with Flax's names; ``source`` is where they stand.

    Raises:
        PenstockError: as ``from_flax``.
    """
    found = in_tree(held, source)
    layers = rest(held, found, chosen(found, name, source))
    return with_new_update(layers) if new_update else layers


def flat(tree: Any) -> dict[str, Held]:
    """The arrays of a tree by the names on their ways, with ``/`` between."""
    found: dict[str, Held] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while waiting:
        names, value = waiting.pop()
        if isinstance(value, Mapping) and len(names) < DEEPEST:
            waiting += [((*names, str(key)), one) for key, one in value.items()]
        elif hasattr(value, "shape") and hasattr(value, "dtype"):
            found["/".join(names)] = Held(tuple(value.shape), functools.partial(_numbers, value))
    return found


def _numbers(value: Any) -> NDArray[Any]:
    return np.asarray(value, np.float32) if str(value.dtype) == "bfloat16" else np.asarray(value)


def in_tree(held: Mapping[str, Held], source: str) -> list[Found]:
    """The GRUs among arrays with Flax's names, where those of one ``Bidirectional`` are one."""
    groups: dict[str, dict[str, str]] = {}
    for name in held:
        way = name.replace(".", "/").removesuffix("/value").split("/")  # the last is nnx's, of a variable
        for k in (len(way) - 2, len(way) - 1):
            inside = "/".join(way[k:])
            if k >= 0 and inside in LINEN | NNX | HAIKU:
                groups.setdefault("/".join(way[:k]), {})[inside] = name
    cells = {way: names for way, names in groups.items() if _is_gru(held, names)}
    found: list[Found] = []
    for place, names in cells.items():
        others = [place.replace(*BOTH_WAYS), place.replace(BOTH_WAYS[1], BOTH_WAYS[0])]
        if BOTH_WAYS[1] in place and others[1] in cells:
            continue  # with the one forwards
        both = [names, cells[others[0]]] if others[0] != place and others[0] in cells else [names]
        found.append(_found(held, place.partition(f"/{BOTH_WAYS[0]}")[0].removesuffix("/cell"), both, source))
    return found


def _is_gru(held: Mapping[str, Held], names: dict[str, str]) -> bool:
    """Whether the names are those of one kind, and the shapes have three gates, as an LSTM's have not."""
    if set(names) not in (LINEN, NNX, HAIKU):
        return False
    if set(names) == LINEN:
        return True
    shape = held[names["w_h" if "w_h" in names else "dense_h/kernel"]].shape
    return len(shape) == 2 and shape[1] == 3 * shape[0] > 0


def _found(held: Mapping[str, Held], way: str, both: Sequence[dict[str, str]], source: str) -> Found:
    names = both[0]
    kinds = [_linen, _nnx, _haiku]
    read = kinds[[LINEN, NNX, HAIKU].index(set(names))]
    kernel = names.get("ir/kernel") or names.get("dense_i/kernel") or names["w_i"]
    recurrent = names.get("hr/kernel") or names.get("dense_h/kernel") or names["w_h"]
    inputs, hidden = (held[one].shape[0] if held[one].shape else 0 for one in (kernel, recurrent))
    if len(both) > 1 and set(both[1]) != set(names):
        raise PenstockError(f"{source}: {way}: expected two cells of one kind, got two")
    haiku = read is _haiku
    return Found(
        way,
        inputs,
        hidden * len(both),
        "before" if haiku else "after",
        functools.partial(_layer, held, both, read, f"{source}: {way}"),
        tuple(name for one in both for name in one.values()),
        folds=("Haiku's z takes the new value: W_z, U_z and b_z negated",) if haiku else (),
    )


def _layer(
    held: Mapping[str, Held], both: Sequence[dict[str, str]], read: Any, where: str
) -> tuple[tuple[Direction, ...], ...]:
    try:
        found = [{inside: array(held, name) for inside, name in one.items()} for one in both]
        return (tuple(read(one, reverse=k > 0) for k, one in enumerate(found)),)
    except (PenstockError, ValueError) as error:
        raise PenstockError(f"{where}: {error}") from None


def _linen(cell: dict[str, NDArray[Any]], reverse: bool) -> Direction:
    kernels = {of: np.concatenate([cell[f"{of}{gate}/kernel"] for gate in "rzn"], 1).T for of in "ih"}
    bias_ih = np.concatenate([cell[f"i{gate}/bias"] for gate in "rzn"])
    bias_hh = np.zeros_like(bias_ih)
    bias_hh[2 * len(bias_hh) // 3 :] = cell["hn/bias"]
    return Direction(kernels["i"], kernels["h"], bias_ih, bias_hh, reverse)


def _nnx(cell: dict[str, NDArray[Any]], reverse: bool) -> Direction:
    return Direction(cell["dense_i/kernel"].T, cell["dense_h/kernel"].T, cell["dense_i/bias"], None, reverse)


def _haiku(cell: dict[str, NDArray[Any]], reverse: bool) -> Direction:
    def rows(columns: NDArray[Any]) -> NDArray[Any]:
        z, r, n = np.split(columns, 3, axis=-1)
        made: NDArray[Any] = np.concatenate([r, -z, n], axis=-1).T
        return made

    return Direction(rows(cell["w_i"]), rows(cell["w_h"]), rows(cell["b"]), None, reverse)


def to_flax(layers: Layers, *, nnx: bool = False) -> dict[str, Any]:
    """The parameters of a stack of Flax's ``RNN(GRUCell)``, of a layer that reads both ways ``Bidirectional``.

    Args:
        layers: to convert.
        nnx: for ``flax.nnx``, with the layers in a list ``layers``, instead of linen's ``{"params": {"layers_0": …}}``.

    Raises:
        PenstockError: no GRUCell computes this.
    """
    format = "nnx" if nnx else "flax"
    if layers.reset != "after":
        refuse(format, 'reset="before"', 'its GRUCell computes reset="after" alone')
    if layers.residual:
        refuse(format, "residual layers", "a tree of parameters does not say what is added")
    if any(len(layer) == 1 and layer[0].reverse for layer in layers.layers):
        refuse(format, "the reverse direction alone", "a tree of parameters does not say which way is read")
    cell = _to_nnx if nnx else _to_linen
    stack = [
        {"cell": cell(layer[0])}
        if len(layer) == 1
        else {name: {"cell": cell(one)} for name, one in zip(BOTH_WAYS, layer, strict=True)}
        for layer in layers.layers
    ]
    if nnx:
        return {"layers": {str(k): layer for k, layer in enumerate(stack)}}
    return {"params": {f"layers_{k}": layer for k, layer in enumerate(stack)}}


def folds_of(layers: Layers) -> list[str]:
    """What ``to_flax`` rewrites."""
    H = (slice(None, 2 * len(one.biases[1]) // 3) for one in layers.directions)
    summed = any(
        one.biases[0][of].any() and one.biases[1][of].any() for one, of in zip(layers.directions, H, strict=True)
    )
    return [SUMMED] if summed else []


def _biases(one: Direction) -> tuple[NDArray[Any], NDArray[Any]]:
    """(3H,) with the recurrent bias of r and z in the other one, and the candidate's recurrent bias, (H,)."""
    H = one.hidden_size
    bias_ih, bias_hh = one.biases
    return np.concatenate([bias_ih[: 2 * H] + bias_hh[: 2 * H], bias_ih[2 * H :]]), bias_hh[2 * H :]


def _to_linen(one: Direction) -> dict[str, Any]:
    bias, candidate = _biases(one)
    cell: dict[str, Any] = {}
    for of, weight in (("i", one.weight_ih), ("h", one.weight_hh)):
        for gate, rows in zip("rzn", np.split(weight, 3), strict=True):
            cell[f"{of}{gate}"] = {"kernel": np.ascontiguousarray(rows.T)}
    for gate, rows in zip("rzn", np.split(bias, 3), strict=True):
        cell[f"i{gate}"]["bias"] = rows
    cell["hn"]["bias"] = candidate
    return cell


def _to_nnx(one: Direction) -> dict[str, Any]:
    bias, candidate = _biases(one)
    if candidate.any():
        refuse("nnx", "a recurrent bias of the candidate", "the recurrent product of its GRUCell has no bias")
    return {
        "dense_i": {"kernel": np.ascontiguousarray(one.weight_ih.T), "bias": bias},
        "dense_h": {"kernel": np.ascontiguousarray(one.weight_hh.T)},
    }


def export(folder: Path, out: Path, *, force: bool, nnx: bool = False) -> list[str]:
    """Writes the layers of a model's folder as ``flax.serialization`` writes linen's parameters; what is to be said.

    Raises:
        PenstockError: no GRUCell computes them, or the file cannot be written.
    """
    expect_file(out, ".msgpack", force=force)
    layers = of_folder(folder)
    write(out, pack_tree(to_flax(layers, nnx=nnx)))
    made = "flax.nnx.RNN(flax.nnx.GRUCell)" if nnx else "flax.linen.RNN(flax.linen.GRUCell)"
    return [
        f"wrote {out}: {layers.said()}",
        *folds_of(layers),
        *layers.notes,
        f"read it by flax.serialization.msgpack_restore: the parameters of a list, layers, of {made}",
    ]
