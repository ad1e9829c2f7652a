"""Files that other programs wrote, imported and compared with what those programs compute."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import penstock
from penstock.cli.import_ import import_
from penstock.exchange import from_flax, from_keras
from penstock.exchange.files import read_file
from penstock.exchange.model import to_folder

Array = NDArray[Any]
D, L, N = 3, 7, 4
BOUND = 2e-6
"""Differences of float32 that count as rounding, of states of some tenths."""
LENGTHS = np.array([L, 3, 5, 1])
RNG = np.random.default_rng(3)
X = RNG.normal(size=(L, N, D)).astype(np.float32)
VALID = (np.arange(L)[:, None] < LENGTHS)[..., None]


def imported(path: Path, name: str | None = None) -> Any:
    """The model that `penstock import` makes of a file, and what it says."""
    out = path.parent / f"model-of-{path.name}"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert import_(path, out=out, name=name) == 0
    return penstock.load(out), " ".join(printed.getvalue().split())


def keras_model(build: Callable[[Any, Any], Any]) -> Any:
    import keras

    model = build(keras, keras.layers)
    model.set_weights([RNG.normal(0, 0.6, weight.shape) for weight in model.get_weights()])
    return model


def by_keras(model: Any, until: str) -> tuple[Array, Array]:
    """What a layer gives, (L, N, ·), whole and of sequences of different lengths, zero past their ends."""
    import keras

    part = keras.Model(model.inputs, model.get_layer(until).output)
    rows = X.swapaxes(0, 1)
    whole = keras.ops.convert_to_numpy(part(rows))
    mask = keras.ops.convert_to_tensor(VALID[..., 0].T)
    ragged = keras.ops.convert_to_numpy(part(rows, mask=mask))
    return whole.swapaxes(0, 1), np.where(VALID, ragged.swapaxes(0, 1), 0)


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("end", [".keras", ".weights.h5"])
@pytest.mark.parametrize("both_ways", [True, False])
def test_stacked_layers_of_keras(after: bool, end: str, both_ways: bool, tmp_path: Path) -> None:
    def build(keras: Any, layers: Any) -> Any:
        def gru(name: str) -> Any:
            one = layers.GRU(5, return_sequences=True, reset_after=after, name=f"{name}_inside", dropout=0.1)
            return (
                layers.Bidirectional(one, name=name)
                if both_ways
                else layers.GRU.from_config({**one.get_config(), "name": name})
            )

        return keras.Sequential([keras.Input((None, D)), gru("a"), gru("b"), layers.Dense(2)])

    model, path = keras_model(build), tmp_path / f"m{end}"
    model.save(path) if end == ".keras" else model.save_weights(path)
    ours, said = imported(path)
    assert ("dropout=0.1" in said) == (end == ".keras")
    whole, ragged = by_keras(model, "b")
    assert np.abs(ours.states(X)[0] - whole).max() < BOUND
    assert np.abs(ours.states(X, lengths=LENGTHS)[0] - ragged).max() < BOUND


def test_one_branch_of_a_functional_model_of_keras(tmp_path: Path) -> None:
    def build(keras: Any, layers: Any) -> Any:
        x = keras.Input((None, D))
        one = layers.GRU(5, return_sequences=True, name="one")(x)
        two = layers.GRU(4, return_sequences=True, name="two")(layers.Dropout(0.5)(one))
        other = layers.RNN(layers.GRUCell(4), return_sequences=True, name="other")(layers.Dense(D)(x))
        return keras.Model(x, [layers.Add()([two, other]), layers.LSTM(3)(x)])

    model, path = keras_model(build), tmp_path / "m.keras"
    model.save(path)
    with pytest.raises(penstock.PenstockError, match=r"name one by --name: one \(3 → 4\), other \(3 → 4\)"):
        from_keras(model)
    ours, _ = imported(path, "one")
    assert np.abs(ours.states(X)[0] - by_keras(model, "one")[0]).max() < BOUND
    layer = from_keras(model.get_layer("other").cell)
    assert layer.said() == '1 layer, 3 → 4, reset="after", float32'


def test_a_layer_that_gives_its_last_state_alone(tmp_path: Path) -> None:
    def build(keras: Any, layers: Any) -> Any:
        return keras.Sequential([keras.Input((None, D)), layers.GRU(5, name="a")])

    model, path = keras_model(build), tmp_path / "m.keras"
    model.save(path)
    ours, said = imported(path)
    assert "gave its last state alone" in said
    assert np.abs(ours.states(X)[1][0] - model.predict(X.swapaxes(0, 1), verbose=0)).max() < BOUND


def test_the_parameters_of_a_module_of_linen(tmp_path: Path) -> None:
    import jax
    from flax import linen, serialization

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            for H in (5, 5):
                x = linen.RNN(linen.GRUCell(H))(x, seq_lengths=LENGTHS)
            self.sow("intermediates", "states", x)
            return linen.Dense(2)(x)

    network, path = Network(), tmp_path / "m.msgpack"
    variables = network.init(jax.random.key(0), X.swapaxes(0, 1))
    variables = {"params": jax.tree.map(lambda w: RNG.normal(0, 0.6, w.shape).astype(w.dtype), variables["params"])}
    _, sown = network.apply(variables, X.swapaxes(0, 1), mutable="intermediates")
    (states,) = sown["intermediates"]["states"]
    path.write_bytes(serialization.to_bytes(variables))
    ours, said = imported(path)
    assert "left out 2 other arrays" in said
    theirs = np.where(VALID, np.asarray(states).swapaxes(0, 1), 0)
    assert np.abs(ours.states(X, lengths=LENGTHS)[0] - theirs).max() < BOUND
    assert from_flax(variables).said() == read_file(path).said()


def test_the_state_of_a_module_of_nnx(tmp_path: Path) -> None:
    import safetensors.numpy
    from flax import nnx

    cell = nnx.GRUCell(D, 5, rngs=nnx.Rngs(0))
    rnn = nnx.RNN(cell)
    cell.dense_i.bias[...] = RNG.normal(size=15).astype(np.float32)
    h_0 = RNG.normal(size=(N, 5)).astype(np.float32)
    carry, output = rnn(X.swapaxes(0, 1), initial_carry=h_0, seq_lengths=LENGTHS, return_carry=True)
    flat = nnx.to_flat_state(nnx.state(rnn, nnx.Param))
    named = {".".join(map(str, way)): np.ascontiguousarray(value[...]) for way, value in flat}
    safetensors.numpy.save_file(named, tmp_path / "m.safetensors")
    np.savez(tmp_path / "m.npz", **named)
    for end in ("safetensors", "npz"):
        ours, _ = imported(tmp_path / f"m.{end}")
        there, after = ours.states(X, h_0[None], lengths=LENGTHS)
        assert np.abs(there - np.where(VALID, np.asarray(output).swapaxes(0, 1), 0)).max() < BOUND
        assert np.abs(after[0] - np.asarray(carry)).max() < BOUND


@pytest.mark.parametrize("end", ["pt", "safetensors"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_module_that_holds_a_gru_of_torch(end: str, dtype: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    module = torch.nn.ModuleDict({"gru": torch.nn.GRU(D, 5, 2, bidirectional=True), "head": torch.nn.Linear(10, 2)})
    module.to(getattr(torch, dtype))
    torch.nn.init.normal_(module["gru"].weight_ih_l1)
    path = tmp_path / f"m.{end}"
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, path) if end == "pt" else save_file(
        module.state_dict(), path
    )
    module.double()
    h_0 = RNG.normal(size=(4, N, 5)).astype(np.float32)
    with torch.no_grad():
        packed = pack_padded_sequence(torch.from_numpy(X).double(), torch.from_numpy(LENGTHS), enforce_sorted=False)
        output, h_n = module["gru"](packed, torch.from_numpy(h_0).double())
    ours, said = imported(path)
    assert ("rounded from float64" in said) == (dtype == "float64")
    there, after = ours.states(X, h_0, lengths=LENGTHS)
    assert np.abs(there - pad_packed_sequence(output)[0].numpy()).max() < BOUND
    assert np.abs(after - h_n.numpy()).max() < BOUND


def test_what_is_imported_from_one_program_goes_on_to_another(tmp_path: Path) -> None:
    import torch

    torch.save(torch.nn.GRU(D, 5, 2).state_dict(), tmp_path / "m.pt")
    folder = tmp_path / "model"
    command = [sys.executable, "-m", "penstock", "import", str(tmp_path / "m.pt"), "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    before = penstock.load(folder).states(X)[0]
    for format, end in (("keras", "keras"), ("flax", "msgpack"), ("onnx", "onnx"), ("pytorch", "safetensors")):
        out = tmp_path / f"m.{end}"
        command = [sys.executable, "-m", "penstock", "export", str(folder), "--to", format, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        to_folder(read_file(out), tmp_path / end, out)
        assert np.abs(penstock.load(tmp_path / end).states(X)[0] - before).max() < BOUND
