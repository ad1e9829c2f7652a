"""Writes exchange.md, what each format can say of a GRU, by converting: `make reference`. A test says when it is old,
and `make test-peers` computes every one of its cells in the program whose format it is."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import onnx
import safetensors.numpy
from numpy.typing import NDArray

from penstock import PenstockError, equations
from penstock.exchange import Direction, Layers, to_onnx
from penstock.exchange import flax as flax_format
from penstock.exchange.files import read_file
from penstock.exchange.keras_model import folds_of, keras_file
from penstock.exchange.model import of_folder, to_folder
from penstock.exchange.msgpack_file import pack_tree
from penstock.exchange.torch_state import torch_state

Array = NDArray[Any]
PAGE = Path(__file__).with_name("exchange.md")
D = 3

BOUND = {"float32": 2e-6, "float64": 2e-14}
"""The largest difference of any output or state, of some tenths each, that counts as rounding."""

OPENING = """\
<!-- Written by write_exchange.py, which converts each of these: `make reference`. -->

# Exchange of weights

`penstock import FILE --out DIR` takes a GRU that another program trained, and `penstock export DIR --to FORMAT` carries
one there. In Python it is `penstock.exchange.from_torch`, `from_keras`, `from_flax` and `from_onnx`, and `to_…` of
each. A trip is exact, or exact after something is rewritten, which is named, or refused.

Exact means that every output and every state is the same up to rounding. `make test-peers` computes each cell below in
PyTorch, Keras, Flax and ONNX Runtime themselves, from their own files: odd sizes, sequences of different lengths, a
state that is not zero. No difference is above {float32:.0e} in float32, or {float64:.0e} in float64; Keras, whatever a
layer's type, multiplies in float32, and ONNX Runtime has no GRU in float64, which ONNX's own reference computes.

## What a format can say

| a GRU | {formats} |
|---|{lines}|
"""

CALLS = """
## What comes with each call

Lengths and states are no part of weights: whoever calls gives them.

| | lengths | the state before | the state after |
|---|---|---|---|
| a model folder | `states(x, lengths=…)`; 0 past a sequence's end | `states(x, state)`, (K, N, H) | the second result |
| pytorch | `pack_padded_sequence` | `hx`, (K, N, H) | `h_n` |
| keras | `mask`; past its end a layer repeats its last output | `initial_state` of each layer | `return_state=True` |
| flax, nnx | `seq_lengths`; what follows a sequence's end is not to be read | `initial_carry` of each layer | \
`return_carry=True` |
| onnx | `to_onnx(layers, lengths=True)`; 0 past a sequence's end | the input `h_0`, (K, N, H) | the output `h_n` |

A GRU's weights do not say how it was called: batch first or time first, one state or all of them, stateful or not.
"""

READING = """
## What is read of a file

| the file | what becomes of it |
|---|---|
"""


def made(
    ways: str = "f",
    reset: str = "after",
    biases: int = 2,
    dtype: str = "float32",
    sizes: Sequence[int] = (),
    residual: bool = False,
) -> Layers:
    """A layer for each letter of ``ways``: f forward, r reverse, b both; of ``sizes`` hidden units, or of 5 each."""
    rng = np.random.default_rng(7)
    width, layers = 5 if residual else D, []
    for k, way in enumerate(ways):
        H = sizes[k] if sizes else 5
        shapes = [(3 * H, width), (3 * H, H), *[(3 * H,)] * biases]
        both = [False, True] if way == "b" else [way == "r"]
        layers.append(
            tuple(
                Direction(*(rng.normal(0, 0.6, shape).astype(dtype) for shape in shapes), reverse=reverse)  # type: ignore[misc]
                for reverse in both
            )
        )
        width = H * len(both)
    return Layers(tuple(layers), reset, residual)


CASES = {
    '`reset="after"`': made(),
    '`reset="before"`': made(reset="before"),
    '`reset="after"`, no recurrent bias': made(biases=1),
    '`reset="before"`, no recurrent bias': made(reset="before", biases=1),
    '`reset="after"`, no bias': made(biases=0),
    '`reset="before"`, no bias': made(reset="before", biases=0),
    "several layers": made("fff"),
    "several layers, no recurrent bias": made("fff", biases=1),
    "several layers of unequal sizes": made("fff", biases=1, sizes=(5, 3, 4)),
    "both directions": made("bb"),
    "both directions, no recurrent bias": made("bb", biases=1),
    'both directions, `reset="before"`': made("bb", "before"),
    "a layer both ways, then one forwards": made("bf", biases=1),
    "the reverse direction alone": made("r", biases=1),
    "residual layers": made("fff", biases=1, residual=True),
    "float64": made("ff", biases=1, dtype="float64"),
    'float64, `reset="before"`': made("ff", "before", dtype="float64"),
}


class Format(NamedTuple):
    """A format: how layers are written to a file or folder, and what was rewritten then."""

    name: str
    end: str
    write: Callable[[Layers, Path], object]
    folds: Callable[[Layers], Sequence[str]]
    read: Callable[[Path], Layers] = read_file


def _folder_folds(layers: Layers) -> Sequence[str]:
    return layers.astype("float32").folds


FORMATS = [
    Format(
        "a model folder", "", lambda layers, path: to_folder(layers, path, path.parent / "x"), _folder_folds, of_folder
    ),
    Format(
        "pytorch",
        ".safetensors",
        lambda layers, path: safetensors.numpy.save_file(torch_state(layers), path),
        lambda _: (),
    ),
    Format("keras", ".keras", lambda layers, path: path.write_bytes(keras_file(layers)), folds_of),
    Format(
        "flax",
        ".msgpack",
        lambda layers, path: path.write_bytes(pack_tree(flax_format.to_flax(layers))),
        flax_format.folds_of,
    ),
    Format(
        "nnx",
        ".msgpack",
        lambda layers, path: path.write_bytes(pack_tree(flax_format.to_flax(layers, nnx=True))),
        flax_format.folds_of,
    ),
    Format("onnx", ".onnx", lambda layers, path: onnx.save(to_onnx(layers), path), lambda _: ()),
]


class Answers(NamedTuple):
    """What layers give: the outputs (L, N, ·) and the states after, K of (N, H)."""

    output: Array
    states: list[Array]


def given(layers: Layers, L: int = 7, N: int = 4) -> tuple[Array, list[Array], Array]:
    """Inputs (L, N, D), states before, K of (N, H), and lengths (N,), of which one is 1 and one is L."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(L, N, layers.input_size)).astype(layers.dtype)
    states = [rng.normal(0, 0.5, (N, one.hidden_size)).astype(layers.dtype) for one in layers.directions]
    return x, states, np.array([L, 3, 5, 1])


def computed(layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Answers:
    """By the equations, in float64."""
    after: list[Array] = []
    rows = x.astype(np.float64)
    for number, layer in enumerate(layers.layers):
        outputs = []
        for one in layer:
            weights = (value.astype(np.float64) for value in (one.weight_ih, one.weight_hh, *one.biases))
            h_0 = states[len(after)].astype(np.float64)
            found = equations.gru(
                rows, h_0, equations.by_gate(*weights), reset=layers.reset, lengths=lengths, reverse=one.reverse
            )
            outputs.append(found.hidden)
            after.append(found.h_n)
        joined = np.concatenate(outputs, -1)
        rows = rows + joined if layers.residual and number else joined
    return Answers(rows, after)


def apart(one: Answers, other: Answers) -> float:
    """The largest difference."""
    pairs = zip([one.output, *one.states], [other.output, *other.states], strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


class Cell(NamedTuple):
    """What becomes of a case in a format."""

    folds: tuple[str, ...]
    refused: str | None


def cell(format: Format, layers: Layers) -> Cell:
    """What becomes of layers that are written in a format and read again.

    Raises:
        AssertionError: they are another function then.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"gru{format.end}")
        try:
            format.write(layers, path)
        except PenstockError as error:
            return Cell((), str(error))
        back = format.read(path)
    folds = tuple(format.folds(layers))
    bound = BOUND["float32" if "float32" in (str(back.dtype), str(layers.dtype)) else "float64"]
    difference = apart(computed(layers, *given(layers)), computed(back, *given(layers)))
    assert difference <= bound, (format.name, difference)
    return Cell(folds, None)


def page() -> str:
    """The text of the page."""
    cells = {(case, one.name): cell(one, layers) for case, layers in CASES.items() for one in FORMATS}
    refusals = list(dict.fromkeys(found.refused for found in cells.values() if found.refused))
    folds = list(dict.fromkeys(fold for found in cells.values() for fold in found.folds))

    def shown(found: Cell) -> str:
        if found.refused:
            return f"refused {refusals.index(found.refused) + 1}"
        return " ".join(["exact", *(chr(ord("a") + folds.index(fold)) for fold in found.folds)])

    names = [one.name for one in FORMATS]
    opening = OPENING.format(formats=" | ".join(names), lines="|".join(["---"] * len(names)), **BOUND)
    rows = "".join(f"| {case} | {' | '.join(shown(cells[case, name]) for name in names)} |\n" for case in CASES)
    rewritten = "".join(f"- {chr(ord('a') + k)}: {fold}\n" for k, fold in enumerate(folds))
    sentences = "".join(f"{k}. {_plain(refusal)}\n" for k, refusal in enumerate(refusals, 1))
    read = "".join(f"| {says} | {_becomes(file)} |\n" for says, file in FILES.items())
    return (
        f"{opening}{rows}\nWhat is rewritten on the way:\n\n{rewritten}\n"
        f"What is said of what is refused:\n\n{sentences}{CALLS}{READING}{read}"
    )


def _keras(settings: dict[str, Any] | None = None, ways: str = "f", **about: Any) -> Callable[[Path], Path]:
    """A file of Keras whose layer, or what it wraps, has other settings."""

    def write(folder: Path) -> Path:
        path, changed = folder / "gru.keras", folder / "changed.keras"
        path.write_bytes(keras_file(made(ways)))
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    model = json.loads(content)
                    model["config"]["layers"][1]["config"].update(settings or {})
                    content = json.dumps(model).encode()
                if name == "metadata.json":
                    content = json.dumps({**json.loads(content), **about}).encode()
                new.writestr(name, content)
        return changed

    return write


def _weights_h5(ways: str = "f", biases: int = 2) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "gru.weights.h5"
        (folder / "gru.keras").write_bytes(keras_file(made(ways, biases=biases)))
        path.write_bytes(zipfile.ZipFile(folder / "gru.keras").read("model.weights.h5"))
        return path

    return write


def _keras_2(folder: Path) -> Path:
    with h5py.File(folder / "model.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    return folder / "model.h5"


def _arrays(change: Callable[[dict[str, Array]], dict[str, Array]]) -> Callable[[Path], Path]:
    """A file of arrays with PyTorch's names, changed."""

    def write(folder: Path) -> Path:
        safetensors.numpy.save_file(change(torch_state(made())), folder / "gru.safetensors")
        return folder / "gru.safetensors"

    return write


def _tree(folder: Path) -> Path:
    rng = np.random.default_rng(9)
    shapes = {"w_i": (D, 15), "w_h": (5, 15), "b": (15,)}
    tree = {"gru": {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}}
    (folder / "haiku.msgpack").write_bytes(pack_tree(tree))
    return folder / "haiku.msgpack"


def _onnx(**attributes: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        model = to_onnx(made())
        for node in model.graph.node:
            if node.op_type == "GRU":
                kept = [one for one in node.attribute if one.name not in attributes]
                del node.attribute[:]
                node.attribute.extend(kept)
                node.attribute.extend(onnx.helper.make_attribute(*pair) for pair in attributes.items())
        onnx.save(model, folder / "gru.onnx")
        return folder / "gru.onnx"

    return write


def _renamed(state: dict[str, Array]) -> dict[str, Array]:
    return {f"{prefix}{name}": value for prefix in ("encoder.", "decoder.") for name, value in state.items()}


FILES: dict[str, Callable[[Path], Path]] = {
    "PyTorch: `.safetensors`, or `.pt` of a state dict, at any prefix": _arrays(
        lambda state: {f"model.gru.{name}": value for name, value in state.items()}
    ),
    "the same in float16": _arrays(lambda state: {name: value.astype(np.float16) for name, value in state.items()}),
    "several GRUs": _arrays(_renamed),
    "an LSTM": _arrays(lambda state: {name: np.concatenate([value, value[:5]]) for name, value in state.items()}),
    "a weight that is not a number": _arrays(lambda state: {**state, "bias_hh_l0": np.full(15, np.nan, np.float32)}),
    "Keras: `.keras`": _keras(),
    'with `activation="relu"`': _keras({"activation": "relu"}),
    'with `recurrent_activation="hard_sigmoid"`': _keras({"recurrent_activation": "hard_sigmoid"}),
    "with `dropout`": _keras({"dropout": 0.2}),
    "with `recurrent_dropout`": _keras({"recurrent_dropout": 0.2}),
    "with `return_sequences=False`": _keras({"return_sequences": False}),
    "with `stateful=True`": _keras({"stateful": True}),
    "with `go_backwards=True`": _keras({"go_backwards": True}),
    '`Bidirectional` with `merge_mode="sum"`': _keras({"merge_mode": "sum"}, "b"),
    "of Keras 4": _keras(keras_version="4.0.0"),
    "of Keras 2, `.h5`": _keras_2,
    "`.weights.h5`": _weights_h5(),
    "`.weights.h5`, without a bias": _weights_h5(biases=0),
    "`.weights.h5`, some layers bidirectional": _weights_h5("fb"),
    "Haiku's and Sonnet's GRU, `.msgpack`": _tree,
    "ONNX: `.onnx`": _onnx(),
    "with `clip`": _onnx(clip=1.0),
    "with other `activations`": _onnx(activations=["HardSigmoid", "Tanh"]),
    "without `linear_before_reset`, which then is 0": _onnx(linear_before_reset=0),
}


def _becomes(file: Callable[[Path], Path]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder))
        try:
            found = read_file(path)
        except PenstockError as error:
            return f"refused: {_plain(str(error).replace(f'{path}: ', ''))}"
    return _plain("; ".join(["read: " + found.said(), *found.folds, *found.notes]))


def _plain(said: str) -> str:
    return said.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
