"""Keras's and Flax's files without those programs: the truth table, and what a user meets at the command line.

`make test-peers` computes the same in the programs themselves.
"""

import contextlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import penstock
from penstock import LanguageModel, PenstockError, equations
from penstock.cli.export import export
from penstock.cli.import_ import import_
from penstock.exchange import Direction, Layers, from_flax, from_keras, from_torch, to_flax
from penstock.exchange.able import ABLE
from penstock.exchange.files import read_file
from penstock.exchange.keras_model import keras_file
from penstock.exchange.model import of_folder, to_folder
from penstock.exchange.msgpack_file import pack_tree
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary

RNG = np.random.default_rng(2)
ENDS = {"flax": "msgpack", "keras": "keras", "nnx": "msgpack", "onnx": "onnx", "pytorch": "safetensors"}


def layer(D: int, H: int, reverse: bool = False, biases: int = 2) -> Direction:
    shapes = [(3 * H, D), (3 * H, H), *[(3 * H,)] * biases]
    return Direction(*(RNG.normal(size=shape).astype(np.float32) for shape in shapes), reverse=reverse)  # type: ignore[misc]


def said(call: object) -> str:
    """What a verb prints, in one line."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert callable(call)
        assert call() == 0
    return " ".join(printed.getvalue().split())


@pytest.mark.parametrize("format", ENDS)
def test_a_folder_goes_there_and_comes_back(format: str, tmp_path: Path) -> None:
    layers = Layers(((layer(3, 5, biases=1),), (layer(5, 5, biases=1),)), "after")
    to_folder(layers, tmp_path / "a", tmp_path / "x")
    out = tmp_path / f"gru.{ENDS[format]}"
    assert f"{out.name}: " in said(lambda: export(tmp_path / "a", to=format, out=out)).replace(
        f" {out}", f" {out.name}"
    )
    assert "read" in said(lambda: import_(out, out=tmp_path / "b"))
    for one, other in zip(of_folder(tmp_path / "a").directions, of_folder(tmp_path / "b").directions, strict=True):
        assert np.array_equal(one.weight_ih, other.weight_ih)
        assert np.array_equal(one.weight_hh, other.weight_hh)
        assert np.array_equal(one.biases, other.biases)


@pytest.mark.parametrize("format", ENDS)
def test_an_export_takes_the_place_of_its_like_alone(format: str, tmp_path: Path) -> None:
    to_folder(Layers(((layer(3, 5, biases=1),),), "after"), tmp_path / "a", tmp_path / "x")
    out = tmp_path / f"gru.{ENDS[format]}"
    export(tmp_path / "a", to=format, out=out)
    before = out.read_bytes()
    with pytest.raises(PenstockError, match="is there already"):
        export(tmp_path / "a", to=format, out=out)
    if ENDS[format] != "msgpack":  # which cannot say who wrote it
        export(tmp_path / "a", to=format, out=out, force=True)
        assert out.read_bytes() == before
    out.write_text("mine")
    for wrong, message in (
        (out, "was not written by Penstock|is there already"),
        (tmp_path / "no" / out.name, "cannot be written|No such"),
    ):
        with pytest.raises(PenstockError, match=message):
            export(tmp_path / "a", to=format, out=wrong, force=True)
    with pytest.raises(PenstockError, match="expected a name that ends in"):
        export(tmp_path / "a", to=format, out=tmp_path / "gru.txt")
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", out.name]


def test_the_states_of_a_folder_are_those_of_the_module(tmp_path: Path) -> None:
    module = torch.nn.GRU(3, 5, 2, bidirectional=True)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    assert "2 layers, 3 → 5 → 5, both directions" in said(lambda: import_(tmp_path / "m.pt", out=tmp_path / "a"))
    model = penstock.load(tmp_path / "a")
    x, h_0 = torch.randn(7, 4, 3), torch.randn(4, 4, 5)
    output, h_n = model.states(x.numpy(), h_0.numpy())
    with torch.no_grad():
        theirs = module(x, h_0)
    np.testing.assert_allclose(output, theirs[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(h_n, theirs[1].numpy(), atol=1e-6)


def test_an_import_leaves_what_is_there(tmp_path: Path) -> None:
    torch.save(torch.nn.GRU(3, 5).state_dict(), tmp_path / "m.pt")
    with pytest.raises(PenstockError, match="--out: expected the folder"):
        import_(tmp_path / "m.pt")
    import_(tmp_path / "m.pt", out=tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    torch.save(torch.nn.GRU(3, 4).state_dict(), tmp_path / "m.pt")
    with pytest.raises(PenstockError, match=r"already holds .*; add --force"):
        import_(tmp_path / "m.pt", out=tmp_path / "a")
    with pytest.raises(PenstockError, match="lies in the output folder"):
        import_(tmp_path / "m.pt", out=tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    import_(tmp_path / "m.pt", out=tmp_path / "a", force=True)
    assert penstock.load(tmp_path / "a").config.stack.hidden_size == 4


def test_the_sentence_names_formats_that_can() -> None:
    for feature, formats in ABLE.items():
        assert set(formats) <= {"c", "web", *ENDS}, feature
    with pytest.raises(PenstockError, match=r"flax cannot say residual layers: .*; onnx, c and web can"):
        to_flax(Layers(((layer(5, 5),),), "after", residual=True))


def test_the_layers_of_a_language_model(tmp_path: Path) -> None:
    vocabulary = CharVocabulary("abc")
    model = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(3, 4, 2, reset="after")), vocabulary)
    model.save(tmp_path / "m")
    layers = of_folder(tmp_path / "m")
    assert layers.said() == '2 layers, 3 → 4 → 4, reset="after", float32'
    assert "embedding.weight, output.bias, output.weight" in layers.notes[0]
    weights = penstock.load(tmp_path / "m").weights
    assert np.array_equal(layers.directions[1].weight_hh, weights["layers.1.weight_hh_l0"])
    assert "the recurrent layers alone" in said(lambda: export(tmp_path / "m", to="keras", out=tmp_path / "m.keras"))


@pytest.mark.parametrize("nnx", [False, True])
def test_what_flax_has_no_bias_for_is_summed(nnx: bool) -> None:
    one = layer(3, 5)
    bias = one.biases[1].copy()
    bias[10:] = 0
    layers = Layers(((Direction(one.weight_ih, one.weight_hh, one.bias_ih, bias),),), "after")
    (back,) = from_flax(to_flax(layers, nnx=nnx)).directions
    assert np.array_equal(back.biases[0] + back.biases[1], one.biases[0] + bias)
    assert not back.biases[1][:10].any()


def test_both_directions_of_flax_are_one_layer(tmp_path: Path) -> None:
    layers = Layers(((layer(3, 5), layer(3, 5, True)), (layer(10, 4),)), "after")
    path = tmp_path / "gru.msgpack"
    path.write_bytes(pack_tree(to_flax(layers)))
    assert from_flax(path).said() == layers.said()
    assert from_flax(path, name="params/layers_0").output_size == 10


def test_an_lstm_of_flax_is_none() -> None:
    tree = {"dense_i": {"kernel": np.ones((3, 20)), "bias": np.ones(20)}, "dense_h": {"kernel": np.ones((5, 20))}}
    with pytest.raises(PenstockError, match="holds no weights of a GRU"):
        from_flax(tree)


def test_one_layer_of_keras_is_named(tmp_path: Path) -> None:
    layers = Layers(((layer(3, 5), layer(3, 5, True)), (layer(10, 4),)), "before")
    path = tmp_path / "gru.keras"
    path.write_bytes(keras_file(layers))
    assert from_keras(path).said() == layers.said()
    assert from_keras(path, name="bidirectional").output_size == 10
    with pytest.raises(PenstockError, match="holds no GRU named 'lstm', but bidirectional, gru"):
        from_keras(path, name="lstm")


def test_recurrent_dropout_of_keras_is_refused_and_dropout_left_out(tmp_path: Path) -> None:
    layers = Layers(((layer(3, 5),), (layer(5, 4), layer(5, 4, True))), "after")
    (tmp_path / "gru.keras").write_bytes(keras_file(layers))

    def changed(setting: str, of_layer: str, rate: float) -> Path:
        with zipfile.ZipFile(tmp_path / "gru.keras") as of, zipfile.ZipFile(tmp_path / "new.keras", "w") as to:
            for name in of.namelist():
                content = of.read(name)
                if name == "config.json":
                    model = json.loads(content)
                    for one in model["config"]["layers"][1:]:
                        inner = one["config"]["layer"]["config"] if "layer" in one["config"] else one["config"]
                        inner |= {setting: rate if inner["name"] == of_layer else 0.0}
                    content = json.dumps(model).encode()
                to.writestr(name, content)
        return tmp_path / "new.keras"

    for name in ("gru", "forward_bidirectional"):
        with pytest.raises(
            PenstockError, match=rf"{name}: recurrent_dropout: expected 0, got 0\.2.* set it to 0 in Keras"
        ):
            from_keras(changed("recurrent_dropout", name, 0.2))
        assert (
            f"dropout=0.2 of {name} is left out: it acts in training alone"
            in from_keras(changed("dropout", name, 0.2)).notes
        )


def test_haiku_is_negated() -> None:
    D, H = 3, 5
    w_i, w_h, b, x, h = (RNG.normal(size=shape) for shape in ((D, 3 * H), (H, 3 * H), (3 * H,), (4, D), (4, H)))
    layers = from_flax({"gru": {"w_i": w_i, "w_h": w_h, "b": b}})
    assert layers.folds == ("Haiku's z takes the new value: W_z, U_z and b_z negated",)
    zr = x @ w_i[:, : 2 * H] + h @ w_h[:, : 2 * H] + b[: 2 * H]
    z, r = np.split(1 / (1 + np.exp(-zr)), 2, axis=1)
    a = np.tanh(x @ w_i[:, 2 * H :] + (r * h) @ w_h[:, 2 * H :] + b[2 * H :])
    (one,) = layers.directions
    weights = equations.by_gate(one.weight_ih, one.weight_hh, *one.biases)
    np.testing.assert_allclose(equations.step(x, h, weights, layers.reset)[3], (1 - z) * h + z * a, atol=1e-14)


def test_layers_of_many_kinds_of_source_are_the_same(tmp_path: Path) -> None:
    module = penstock.GRU(3, 5, reset="before")
    torch.save(module.state_dict(), tmp_path / "m.pt")
    np.savez(tmp_path / "m.npz", **{name: one.numpy() for name, one in module.state_dict().items()})
    for source in ("m.pt", "m.npz"):
        assert read_file(tmp_path / source).said() == from_torch(module).said()
