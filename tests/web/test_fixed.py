"""A model in w8a16 in Node: the whole numbers of ``penstock.fixed_point``, every one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node import run_model

from penstock import fixed_point
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.model_folder.quantized import embedding_of, layer_of, output_of, quantized
from penstock.text.vocabulary import CharVocabulary
from penstock.web.model_file import language_file

TEXT = "The cat, which already ate the fish, was full. \u732b"


class Made:
    """A language model of random weights, and its whole numbers."""

    def __init__(self, H: int, E: int, K: int, form: Any, tied: bool = False, residual: bool = False) -> None:
        rng = np.random.default_rng([H, E, K])
        self.vocabulary = CharVocabulary(TEXT)
        self.config = LanguageConfig(len(self.vocabulary), StackConfig(E, H, K, reset=form, residual=residual), tied)
        size = np.float32(H**0.5)
        shapes = self.config.shapes()
        self.weights = {n: np.asarray(rng.normal(size=shape) / size, np.float32) for n, shape in shapes.items()}
        self.whole = quantized(self.weights, self.config, None)
        self.output, self.embedding = output_of(self.whole), embedding_of(self.whole)
        self.layers = [layer_of(self.whole, k).fixed for k in range(K)]
        self.file = language_file(self.config, self.vocabulary, self.whole, "float32")

    def read(self, ids: Any, states: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Each step's states (K, H) and outputs (V,)."""
        stack, found, outputs = self.config.stack, [], []
        for token in ids:
            new, x = [], fixed_point.embed(self.embedding, np.array(token))
            for k, layer in enumerate(self.layers):
                new.append(fixed_point.step(layer, x, states[k], stack.reset))
                x = fixed_point.total(np.array(new)) if stack.residual else new[-1]
            states = np.array(new)
            found.append(states)
            outputs.append(fixed_point.output(self.output, x))
        return found, outputs


@pytest.mark.parametrize("form", ["before", "after"])
@pytest.mark.parametrize(
    ("H", "E", "K", "how"),
    [(1, 1, 1, {}), (13, 7, 2, {}), (9, 9, 3, {"residual": True, "tied": True}), (33, 5, 1, {}), (48, 20, 2, {})],
)
def test_every_number_is_the_oracles(tmp_path: Path, form: str, H: int, E: int, K: int, how: Any) -> None:
    made = Made(H, E, K, form, **how)
    (tmp_path / "model").write_bytes(made.file)
    begun = np.random.default_rng(3).integers(-32767, 32768, (K, H)).astype(np.int16)
    found = run_model(
        tmp_path / "model",
        f"""
        const state = model.state();
        state.hidden.set({json.dumps(begun.ravel().tolist())});
        const ids = model.vocabulary.encode({json.dumps(TEXT)}).ids;
        const said = ids.map((id) => [Array.from(model.step(id, state)), Array.from(state.hidden)]);
        const again = model.state(JSON.parse(JSON.stringify(state)));
        console.log(JSON.stringify({{ said, saved: Array.from(again.hidden) }}));""",
        numbers="w8a16",
    )
    states, outputs = made.read(made.vocabulary.encode(TEXT), begun)
    for (log_p, hidden), state, output in zip(found["said"], states, outputs, strict=True):
        assert hidden == state.ravel().tolist()
        logits = output / 2.0**16
        np.testing.assert_allclose(log_p, logits - np.log(np.exp(logits).sum()), rtol=0, atol=1e-12)
    assert found["saved"] == states[-1].ravel().tolist()


def test_what_has_no_whole_numbers_is_refused(tmp_path: Path) -> None:
    made = Made(5, 4, 1, "before")
    (tmp_path / "model").write_bytes(made.file)
    (tmp_path / "float").write_bytes(language_file(made.config, made.vocabulary, made.weights, "float32"))
    said = run_model(
        tmp_path / "model",
        """
        try { model.step(1, model.state(), { seen() {} }); }
        catch (error) { console.log(JSON.stringify(error.message)); }""",
        numbers="w8a16",
    )
    assert said == "held, seen, form: a model in w8a16 has whole numbers, whose gates stay inside; take float32"
    for name, numbers, got in (("float", "w8a16", "float32"), ("model", "float32", "w8a16")):
        said = run_model(tmp_path / name, "", catching=True, numbers=numbers)  # type: ignore[arg-type]
        assert said == f"RangeError: expected a model in {numbers}, got one in {got}\n"
