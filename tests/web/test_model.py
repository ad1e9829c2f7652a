"""The script that computes in browsers, in Node: against the equations in float64, and against the model in Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from node import WEB, run_node

from penstock import equations
from penstock.look.language import token_labels
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime.model import Model
from penstock.text.vocabulary import BpeVocabulary, ByteVocabulary, CharVocabulary, Vocabulary, WordVocabulary
from penstock.web.model_file import Precision, model_file

TEXT = "The cat, which already ate the fish, was full. 猫吃鱼 \U0001f431\n\t don't 1234  x"
ERROR = 1e-13
"""Of states and gates, against the equations with the weights that stand in the file: the rounding of float64 alone."""


def made(
    vocabulary: Vocabulary, H: int, E: int, K: int, form: Any, *, tied: bool = False, residual: bool = False
) -> Model:
    rng = np.random.default_rng([H, E, K])
    config = LanguageConfig(len(vocabulary), StackConfig(E, H, K, reset=form, residual=residual), tied=tied)
    weights = {name: rng.normal(size=shape).astype(np.float32) / 2 for name, shape in config.shapes().items() if shape}
    return Model(config, vocabulary, weights)


def file_of(model: Model, path: Path, precision: Precision) -> dict[str, Any]:
    """Writes it; gives the weights that stand in it, in float64."""
    content = model_file(model.config, model.vocabulary, model.weights, precision)
    path.write_bytes(content)
    arrays = safetensors.numpy.load(content)
    scales = {name.removesuffix(".scale"): value for name, value in arrays.items() if name.endswith(".scale")}
    wide = {name: value.astype(np.float64) for name, value in arrays.items() if not name.endswith(".scale")}
    for name, scale in scales.items():  # the script keeps the product in float32
        wide[name] = (wide[name] * scale[:, None].astype(np.float64)).astype(np.float32).astype(np.float64)
    return wide


def reads(path: Path, script: str) -> Any:
    return json.loads(
        run_node(f"""
        import {{ readFileSync }} from "node:fs";
        import {{ load, write, text }} from {json.dumps((WEB / "model.js").as_uri())};
        const read = readFileSync({json.dumps(str(path))});
        const model = load(read.buffer.slice(read.byteOffset, read.byteOffset + read.byteLength));
        const TEXT = {json.dumps(TEXT)};
        {script}""")
    )


def by_equations(model: Model, weights: dict[str, Any], ids: Any, h_0: Any, form: str) -> tuple[list[Any], Any]:
    """Each layer's steps from states (K, H), and the log-probabilities, (L, V)."""
    x, layers = weights["embedding.weight"][ids], []
    for k in range(model.config.stack.num_layers):
        of = [weights[f"layers.{k}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        layers.append(equations.gru(x[:, None], h_0[k][None], equations.by_gate(*of), reset=form))
        hidden = layers[-1].hidden[:, 0]
        x = x + hidden if k and model.config.stack.residual else hidden
    logits = x @ weights["embedding.weight" if model.config.tied else "output.weight"].T + weights["output.bias"]
    return layers, logits - np.log(np.exp(logits).sum(1, keepdims=True))


@pytest.mark.parametrize("precision", ["float64", "float32", "float16", "int8"])
@pytest.mark.parametrize("form", ["before", "after"])
@pytest.mark.parametrize(
    ("H", "E", "K", "how"), [(1, 1, 1, {}), (13, 7, 2, {}), (9, 9, 3, {"residual": True, "tied": True}), (33, 5, 1, {})]
)
def test_states_gates_and_expectations_are_those_of_the_equations(
    tmp_path: Path, precision: Precision, form: str, H: int, E: int, K: int, how: dict[str, bool]
) -> None:
    model = made(CharVocabulary(TEXT), H, E, K, form, **how)
    weights = file_of(model, tmp_path / "model", precision)
    found = reads(
        tmp_path / "model",
        """
        const state = model.state().map((h, k) => h.map((_, j) => Math.sin(1 + j + 10 * k)));
        const gates = model.layers.map(() => []);
        const copies = (arrays) => arrays.map((array) => Array.from(array));
        const seen = (k, { reset, update, candidate }, h) => gates[k].push(copies([reset, update, candidate, h]));
        const expected = model.vocabulary.encode(TEXT).ids.map((id) => Array.from(model.step(id, state, { seen })));
        console.log(JSON.stringify({ gates, expected }));""",
    )
    h_0 = np.sin(1 + np.arange(H) + 10 * np.arange(K)[:, None])
    layers, log_p = by_equations(model, weights, model.vocabulary.encode(TEXT), h_0, form)
    for layer, of_layer in zip(layers, found["gates"], strict=True):
        for k, name in enumerate(("reset", "update", "candidate", "hidden")):
            got = np.array([step[k] for step in of_layer])
            np.testing.assert_allclose(got, getattr(layer, name)[:, 0], rtol=0, atol=ERROR, err_msg=name)
    np.testing.assert_allclose(found["expected"], log_p, rtol=0, atol=1e-11)


@pytest.mark.parametrize("form", ["before", "after"])
def test_gates_that_are_held_and_a_form_that_is_swapped(tmp_path: Path, form: str) -> None:
    model = made(CharVocabulary(TEXT), 6, 4, 2, form)
    weights = file_of(model, tmp_path / "model", "float32")
    found = reads(
        tmp_path / "model",
        """
        const free = () => new Float64Array(6).fill(NaN);
        const held = [{ reset: free(), update: free(), candidate: free() }, {}];
        held[0].reset[2] = 0; held[0].update[1] = 0; held[0].candidate[1] = 0.25; held[0].update[4] = 1;
        const states = (how) => {
          const state = model.state().map((h, k) => h.fill(0.5));
          return model.vocabulary.encode(TEXT).ids.map((id) => {
            model.step(id, state, how);
            return state.map((h) => Array.from(h));
          });
        };
        const form = model.config.reset === "before" ? "after" : "before";
        console.log(JSON.stringify([states({ held }), states({ form })]));""",
    )
    ids, (held, swapped) = model.vocabulary.encode(TEXT), found
    h, top = np.full((2, 6), 0.5), []
    for k in range(2):  # the equations, with the same units held
        of = equations.by_gate(
            *(weights[f"layers.{k}.{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        )
        x = top if k else list(weights["embedding.weight"][ids])
        states, state = [], h[k]
        for of_step in x:
            r, z, n, _ = equations.step(of_step, state, of, form)
            if k == 0:
                r[2], z[1], z[4] = 0, 0, 1
                past = of.W_hn @ (r * state) + of.b_hn if form == "before" else r * (of.W_hn @ state + of.b_hn)
                n = np.tanh(of.W_in @ of_step + of.b_in + past)
                n[1] = 0.25
            state = z * state + (1 - z) * n
            states.append(state)
        np.testing.assert_allclose([step[k] for step in held], states, rtol=0, atol=ERROR)
        top = states
    layers, _ = by_equations(model, weights, ids, h, "after" if form == "before" else "before")
    for k, layer in enumerate(layers):
        np.testing.assert_allclose([step[k] for step in swapped], layer.hidden[:, 0], rtol=0, atol=ERROR)


@pytest.mark.parametrize("kind", ["byte", "char", "bpe"])
def test_text_becomes_the_tokens_that_python_makes_of_it(tmp_path: Path, kind: str) -> None:
    texts = [
        TEXT,
        "",
        " ",
        "it's we'll I'd they've  \n\n a\u00a0b",
        "x" * 700,
        "naïve ‘quotes’ … 你好吗",
        "\ufeff mark",
        "١٢٣ ௧",
    ]
    vocabularies: dict[str, Vocabulary] = {
        "byte": ByteVocabulary(),
        "char": CharVocabulary(TEXT),
        "word": WordVocabulary([" cat", " fish", "The", "\u2019t"]),
        "bpe": BpeVocabulary.trained_on([TEXT * 3, "the cats, which already ate the fishes, were full " * 9], 330),
    }
    vocabulary = vocabularies[kind]
    file_of(made(vocabulary, 4, 4, 1, "before"), tmp_path / "model", "float16")
    found = reads(
        tmp_path / "model",
        f"""
        const texts = {json.dumps(texts)};
        const back = (ids) => Array.from(text(model, ids)).join("");
        console.log(JSON.stringify(texts.map((t) => {{
          const {{ ids, tokens }} = model.vocabulary.encode(t);
          return {{ ids, tokens, back: back(ids) }};
        }})));""",
    )
    for given, of_text in zip(texts, found, strict=True):
        ids = vocabulary.encode(given)
        assert of_text["ids"] == ids.tolist(), given
        assert of_text["back"] == "".join(vocabulary.pieces(ids.tolist()))
        expected = list(given) if kind == "char" else list(token_labels(vocabulary, ids))
        assert of_text["tokens"] == expected


def test_it_writes_what_is_likeliest_as_python_does_and_draws_as_often_as_it_should(tmp_path: Path) -> None:
    model = made(CharVocabulary(TEXT), 17, 8, 1, "before")
    file_of(model, tmp_path / "model", "float32")
    found = reads(
        tmp_path / "model",
        """
        const likeliest = Array.from(model.generate("The ", { length: 60, temperature: 0 })).join("");
        const drawn = (temperature, random) => Array.from(model.generate("", { length: 1, temperature, random }))[0];
        const counts = {};
        for (let k = 0; k < 4096; k++) {
          const piece = drawn(0.7, () => (k + 0.5) / 4096);
          counts[piece] = (counts[piece] ?? 0) + 1;
        }
        console.log(JSON.stringify({ likeliest, counts, end: drawn(1, () => 1 - 2 ** -53) }));""",
    )
    assert found["likeliest"] == "".join(model.generate("The ", length=60, temperature=0))
    logits = model.step(int(model.vocabulary.encode("\n")[0]))[0] / 0.7
    logits[0] = -np.inf
    p = np.exp(logits - logits.max())
    p /= p.sum()
    for token, character in enumerate(model.vocabulary.pieces(range(len(p)))):
        assert found["counts"].get(character, 0) == pytest.approx(4096 * p[token], abs=2)
    assert len(found["end"]) >= 1


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "version", "short tensor"])
def test_a_file_that_is_damaged_is_refused_in_words(tmp_path: Path, damage: str) -> None:
    model = made(CharVocabulary("abc"), 3, 2, 1, "after")
    whole = model_file(model.config, model.vocabulary, model.weights, "float16")
    size = int.from_bytes(whole[:8], "little")
    broken = {
        "cut": whole[:-3],
        "empty": b"",
        "header": b"\xff" * 8 + whole[8:],
        "version": whole.replace(b'\\"version\\": 1', b'\\"version\\": 7'),
        "short tensor": whole[: 8 + size],
    }[damage]
    assert broken != whole
    (tmp_path / "model").write_bytes(broken)
    said = run_node(f"""
        import {{ readFileSync }} from "node:fs";
        import {{ load }} from {json.dumps((WEB / "model.js").as_uri())};
        const read = readFileSync({json.dumps(str(tmp_path / "model"))});
        try {{ load(read.buffer.slice(read.byteOffset, read.byteOffset + read.byteLength)); }}
        catch (error) {{ console.log(error.name, error.message); }}""")
    assert said.startswith("RangeError ")
    assert "whole" in said or "penstock-web" in said
