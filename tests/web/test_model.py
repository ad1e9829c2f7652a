"""The script that computes in browsers, in Node: against the equations in float64, and against the model in Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from node import run_model

from penstock import equations
from penstock.look.language import token_labels
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime.model import Model
from penstock.runtime.sampling import sample
from penstock.text.vocabulary import BpeVocabulary, ByteVocabulary, CharVocabulary, Vocabulary, WordVocabulary
from penstock.web.model_file import Precision, language_file

TEXT = "The cat, which already ate the fish, was full. 猫吃鱼 \U0001f431\n\t don't 1234  x"
ERROR = 3e-6
"""Of states and gates, against the equations in float64 with the weights that stand in the file: float32's rounding."""
ERROR_OUT = 2e-5
"""Likewise of log-probabilities, which are sums of more and larger numbers."""


def made(
    vocabulary: Vocabulary, H: int, E: int, K: int, form: Any, *, tied: bool = False, residual: bool = False
) -> Model:
    rng = np.random.default_rng([H, E, K])
    config = LanguageConfig(len(vocabulary), StackConfig(E, H, K, reset=form, residual=residual), tied=tied)
    size = np.float32(max(2, H**0.5))  # larger weights would make much of a rounding from step to step
    weights = {
        name: rng.normal(size=shape).astype(np.float32) / size for name, shape in config.shapes().items() if shape
    }
    return Model(config, vocabulary, weights)


def file_of(model: Model, path: Path, precision: Precision = "float32") -> dict[str, Any]:
    """Writes it; gives the weights that stand in it, in float64."""
    content = language_file(model.config, model.vocabulary, model.weights, precision)
    path.write_bytes(content)
    return {name: array.astype(np.float64) for name, array in safetensors.numpy.load(content).items()}


def reads(path: Path, script: str) -> Any:
    return run_model(path, f"const TEXT = {json.dumps(TEXT)};\n{script}")


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


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("form", ["before", "after"])
@pytest.mark.parametrize(
    ("H", "E", "K", "how"),
    [(1, 1, 1, {}), (13, 7, 2, {}), (9, 9, 3, {"residual": True, "tied": True}), (33, 5, 1, {}), (48, 20, 2, {})],
)
def test_states_gates_and_expectations_are_those_of_the_equations(
    tmp_path: Path, precision: Precision, form: str, H: int, E: int, K: int, how: dict[str, bool]
) -> None:
    model = made(CharVocabulary(TEXT), H, E, K, form, **how)
    weights = file_of(model, tmp_path / "model", precision)
    found = reads(
        tmp_path / "model",
        """
        const state = model.state();
        state.layers.forEach((h, k) => h.forEach((_, j) => (h[j] = Math.sin(1 + j + 10 * k))));
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
    np.testing.assert_allclose(found["expected"], log_p, rtol=0, atol=ERROR_OUT)


@pytest.mark.parametrize("form", ["before", "after"])
def test_gates_that_are_held_and_a_form_that_is_swapped(tmp_path: Path, form: str) -> None:
    model = made(CharVocabulary(TEXT), 6, 4, 2, form)
    weights = file_of(model, tmp_path / "model")
    found = reads(
        tmp_path / "model",
        """
        const free = () => new Float64Array(6).fill(NaN);
        const held = [{ reset: free(), update: free(), candidate: free() }, {}];
        held[0].reset[2] = 0; held[0].update[1] = 0; held[0].candidate[1] = 0.25; held[0].update[4] = 1;
        const states = (how) => {
          const state = model.state();
          state.hidden.fill(0.5);
          return model.vocabulary.encode(TEXT).ids.map((id) => {
            model.step(id, state, how);
            return state.layers.map((h) => Array.from(h));
          });
        };
        const form = model.config.reset === "before" ? "after" : "before";
        const nothing = [{ reset: free(), update: free() }, { candidate: free() }];
        console.log(JSON.stringify([states({ held }), states({ form }), states({ held: nothing }), states()]));""",
    )
    ids, (held, swapped, not_held, free) = model.vocabulary.encode(TEXT), found
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
    assert not_held == free


@pytest.mark.parametrize("kind", ["byte", "char", "word", "bpe"])
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
        const back = (ids) => Array.from(web.text(model, ids)).join("");
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


def test_it_loses_what_the_model_in_python_loses_and_writes_what_is_likeliest(tmp_path: Path) -> None:
    model = made(CharVocabulary(TEXT), 17, 8, 1, "before")
    file_of(model, tmp_path / "model")
    found = reads(
        tmp_path / "model",
        """
        const ids = model.vocabulary.encode(TEXT).ids;
        const state = model.state();
        const nats = ids.slice(1).reduce((sum, id, t) => sum - model.step(ids[t], state)[id], 0);
        const likeliest = Array.from(model.generate("The ", { length: 60, temperature: 0 })).join("");
        const drawn = (seed) => Array.from(model.generate("The ", { length: 40, seed })).join("");
        console.log(JSON.stringify({ nats, likeliest, drawn: [drawn(1), drawn(1), drawn(2)] }));""",
    )
    assert found["nats"] == pytest.approx(model.score(TEXT).nats, rel=1e-6)
    assert found["likeliest"] == "".join(model.generate("The ", length=60, temperature=0))
    first, again, other = found["drawn"]
    assert first == again != other


@pytest.mark.parametrize(
    "how",
    [{}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.8}, {"temperature": 1.5, "top_k": 9, "top_p": 0.5},
     {"top_k": 99, "top_p": 1.0}, {"temperature": 0}, {"temperature": 1e-300}],
)  # fmt: skip
def test_it_draws_what_python_draws_by_the_same_random_number(tmp_path: Path, how: dict[str, Any]) -> None:
    file_of(made(CharVocabulary("abc"), 3, 2, 1, "after"), tmp_path / "model")
    values = np.random.default_rng(4).normal(size=23) * 2
    values[[5, 9]] = values.max()  # of equals the first
    names = {"top_k": "topK", "top_p": "topP"}
    given = {names.get(name, name): value for name, value in how.items()}
    randoms = (np.arange(512) + 0.5) / 512
    found = reads(
        tmp_path / "model",
        f"""
        const values = {json.dumps(values.tolist())};
        const randoms = {json.dumps([*randoms.tolist(), 1 - 2**-53])};
        const how = {json.dumps(given | {"unknown": 2})};
        console.log(JSON.stringify(randoms.map((u) => web.draw(values, how, () => u))));""",
    )

    values[2] = -np.inf
    expected = [sample(values, u, **how) for u in randoms]
    assert sum(a != b for a, b in zip(found[:-1], expected, strict=True)) <= 1  # a number just at an edge
    assert found[-1] != 2


def test_a_state_is_a_value_that_another_model_refuses(tmp_path: Path) -> None:
    for name, H in (("one", 11), ("other", 11)):
        model = made(CharVocabulary("abc" if name == "one" else "abd"), H, 4, 2, "before")
        file_of(model, tmp_path / name)
    found = reads(
        tmp_path / "one",
        f"""
        const other = await web.load(readFileSync({json.dumps(str(tmp_path / "other"))}));
        const state = model.state();
        for (const id of [1, 2, 3]) model.step(id, state);
        const [copy, bytes, text] = [state.copy(), state.toBytes(), JSON.parse(JSON.stringify(state))];
        const next = (from) => Array.from(model.step(1, from));
        const all = [state, copy, model.state(bytes), model.state(text)].map(next);
        const refused = (what) => {{
          try {{ what(); return ""; }} catch (error) {{ return `${{error.name}}: ${{error.message}}`; }}
        }};
        console.log(JSON.stringify({{ all, refused: [
          () => other.state(bytes),
          () => other.step(1, state),
          () => model.state(bytes.slice(0, -1)),
          () => model.step(9, state),
          () => model.generate("a", {{ temperature: -1 }}),
          () => model.generate("a", {{ topP: 0 }}),
        ].map(refused) }}));""",
    )
    assert found["all"][1:] == found["all"][:1] * 3
    another, used, short, token, *settings = found["refused"]
    assert another == used == "RangeError: state: expected one of this model, got one of another"
    assert short == "RangeError: state: expected 104 bytes, got 103"
    assert token == "RangeError: token: expected 0 … 3, got 9"
    assert settings == [
        "RangeError: temperature: expected 0 or more, got -1",
        "RangeError: topP: expected more than 0 and at most 1, got 0",
    ]


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "version", "short tensor"])
def test_a_file_that_is_damaged_is_refused_in_words(tmp_path: Path, damage: str) -> None:
    model = made(CharVocabulary("abc"), 3, 2, 1, "after")
    whole = language_file(model.config, model.vocabulary, model.weights, "float16")
    size = int.from_bytes(whole[:8], "little")
    broken = {
        "cut": whole[:-3],
        "empty": b"",
        "header": b"\xff" * 8 + whole[8:],
        "version": whole.replace(b'\\"version\\": 2', b'\\"version\\": 7'),
        "short tensor": whole[: 8 + size],
    }[damage]
    assert broken != whole
    (tmp_path / "model").write_bytes(broken)
    said = run_model(tmp_path / "model", "", catching=True)
    assert said.startswith("RangeError: ")
    assert "whole" in said or "penstock-web" in said
