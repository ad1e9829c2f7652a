"""Each format's file of a GRU, loaded and computed by the program whose format it is.

All take the path, the layers that were written, x (L, N, D), states before, K of (N, H), and lengths (N,), and return
the outputs (L, N, ·), zero past each sequence's end, and the states after.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from docs.pages import DOCS
from numpy.typing import NDArray

from penstock.exchange import Layers

Array = NDArray[Any]

spec = importlib.util.spec_from_file_location("write_exchange", DOCS / "reference" / "write_exchange.py")
assert spec is not None
assert spec.loader is not None
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)
"""The script of the truth table: its cases, its formats and the equations."""


def answers(output: Any, states: Sequence[Any], lengths: Array) -> Any:
    """As ``table.Answers``, with zeros past each sequence's end. output is (L, N, ·)."""
    output = np.asarray(output)
    return table.Answers(
        np.where(np.arange(len(output))[:, None, None] < lengths[:, None], output, 0),
        [np.asarray(one) for one in states],
    )


def pytorch(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    import torch
    from safetensors.torch import load_file
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    state, first = load_file(path), layers.layers[0]
    gru = torch.nn.GRU(
        layers.input_size,
        first[0].hidden_size,
        len(layers.layers),
        bias="bias_ih_l0" in state,
        bidirectional=len(first) > 1,
        dtype=state["weight_ih_l0"].dtype,
    )
    gru.load_state_dict(state)
    with torch.no_grad():
        packed = pack_padded_sequence(torch.from_numpy(x), torch.from_numpy(lengths), enforce_sorted=False)
        output, h_n = gru(packed, torch.from_numpy(np.stack(states)))
    return answers(pad_packed_sequence(output, total_length=len(x))[0], list(h_n.numpy()), lengths)


def keras(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    import keras as program

    model = program.saving.load_model(path)
    mask = np.arange(len(x)) < lengths[:, None]
    rows, before, after = x.swapaxes(0, 1), list(states), []
    for layer in model.layers:
        both = [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]
        for one in (layer, *both):
            one.return_state = True
        initial, before = before[: len(both)], before[len(both) :]
        rows, *found = layer(rows, initial_state=initial, mask=mask)
        after += found
    as_array = program.ops.convert_to_numpy
    return answers(as_array(rows).swapaxes(0, 1), [as_array(one) for one in after], lengths)


def _stack(layers: Layers, x: Array, states: Sequence[Array], lengths: Array, run: Any) -> Any:
    """Layer by layer: ``run`` has the layer's number, rows (N, L, ·), and the states before it."""
    rows, before, after = x.swapaxes(0, 1), list(states), []
    for k, layer in enumerate(layers.layers):
        initial, before = before[: len(layer)], before[len(layer) :]
        carry, rows = run(k, rows, initial)
        after += carry if len(layer) > 1 else [carry]
    return answers(np.asarray(rows).swapaxes(0, 1), after, lengths)


def flax(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    from flax import linen, serialization

    tree = serialization.msgpack_restore(path.read_bytes())["params"]

    def rnn(H: int) -> Any:
        return linen.RNN(linen.GRUCell(H, param_dtype=x.dtype), return_carry=True)

    def run(k: int, rows: Any, initial: list[Array]) -> Any:
        H = layers.layers[k][0].hidden_size
        module = linen.Bidirectional(rnn(H), rnn(H), return_carry=True) if len(initial) > 1 else rnn(H)
        carry = tuple(initial) if len(initial) > 1 else initial[0]
        return module.apply({"params": tree[f"layers_{k}"]}, rows, initial_carry=carry, seq_lengths=lengths)

    return _stack(layers, x, states, lengths, run)


def nnx(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    from flax import nnx as program
    from flax import serialization

    tree = serialization.msgpack_restore(path.read_bytes())["layers"]

    def rnn(D: int, H: int) -> Any:
        return program.RNN(program.GRUCell(D, H, param_dtype=x.dtype, rngs=program.Rngs(0)))

    def run(k: int, rows: Any, initial: list[Array]) -> Any:
        one = layers.layers[k][0]
        modules = [rnn(one.input_size, one.hidden_size) for _ in initial]
        module = program.Bidirectional(*modules) if len(modules) > 1 else modules[0]
        state = program.state(module, program.Param)
        program.replace_by_pure_dict(state, tree[str(k)])
        program.update(module, state)
        carry = tuple(initial) if len(initial) > 1 else initial[0]
        return module(rows, initial_carry=carry, seq_lengths=lengths, return_carry=True)

    return _stack(layers, x, states, lengths, run)


def onnx(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    """In ONNX Runtime; float64, of which that has no GRU, in ONNX's own reference."""
    import onnx as program
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    from penstock.exchange import from_onnx, to_onnx

    model = to_onnx(from_onnx(path), lengths=True)
    program.save(model, path)
    names = [one.name for one in model.graph.input]
    alike = "h_0" in names
    told: dict[str, Any] = {"x": x, "lengths": lengths}
    if alike:
        told["h_0"] = np.stack(states)
    else:
        before = iter(states)
        told |= {f"h_0.{k}": np.stack([next(before) for _ in layer]) for k, layer in enumerate(layers.layers)}
    if layers.dtype == np.float64:
        output, *after = ReferenceEvaluator(model).run(None, told)
    else:
        output, *after = onnxruntime.InferenceSession(path).run(None, told)
    return answers(output, [one for group in after for one in group], lengths)


def folder(path: Path, layers: Layers, x: Array, states: Sequence[Array], lengths: Array) -> Any:
    import penstock

    output, after = penstock.load(path).states(x, np.stack(states), lengths=lengths)
    return answers(output, list(after), lengths)
