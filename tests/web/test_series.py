"""Models of series and of texts in Node: their answers are those of the runtime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from node import run_model

from penstock.model_folder.series import load_series_model
from penstock.model_folder.states import load_states_model
from penstock.runtime import load
from penstock.web import Numbers
from penstock.web.model_file import answers_file, states_file

ERROR = 2e-6
"""Of probabilities, and of numbers as a share of their spread: float32's rounding."""
KINDS = ("rows", "rows-decay", "rows-plain", "segments", "segments-decay")
KINDS = (*KINDS, *(f"{kind}-w8a16" for kind in KINDS))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = made.everything(tmp_path_factory.mktemp("models"))
    return found | {f"{kind}-w8a16": made.in_8_bits(found[kind]) for kind in ("rows-decay", "segments-decay")}


def runs(folder: Path, tmp_path: Path, given: Any, script: str) -> Any:
    (tmp_path / "model").write_bytes(answers_file(load_series_model(folder, quantized=True), "float32"))
    numbers: Numbers = "w8a16" if folder.name.endswith("w8a16") else "float32"
    return run_model(tmp_path / "model", f"const given = {json.dumps(given)};\n{script}", numbers=numbers)


def rows_of(model: Any, seed: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows (L, C) of about the size of training's, some cells missing, some categories unknown; and times."""
    rng, columns, scaling = np.random.default_rng(seed), model.features.columns, model.features.scaling
    values = rng.normal(scaling.center, scaling.spread, (23, len(columns))).astype(np.float32)
    for k, column in enumerate(columns):
        if column.categories is not None:
            values[:, k] = rng.integers(0, len(column.categories) + 1, len(values))
    if any(column.misses for column in columns):
        values[rng.random(values.shape) < 0.3] = np.nan
        values[:2, 0] = np.nan  # before the first that is there
    times = None if model.features.step is None else np.cumsum(rng.exponential(90.0, len(values)))
    return values, times


def as_json(values: np.ndarray) -> Any:
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_to_rows_are_the_runtimes(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    model = load(folders[kind])
    values, times = rows_of(model)
    given = {"rows": as_json(values), "times": [] if times is None else times.tolist()}
    found = runs(
        folders[kind],
        tmp_path,
        given,
        """
        const { rows, times } = given;
        let state = model.state();
        const steps = rows.map((row, t) => {
          if (t === 7) state = model.state(JSON.parse(JSON.stringify(state)));  // in the midst of a segment
          return Object.values(model.step(row, state, times[t]));
        });
        const named = rows.map((row) => Object.fromEntries(model.columns.map((name, k) => [name, row[k]])));
        const whole = [model.predict(named, times)].flat().map((answer) => Object.values(answer));
        console.log(JSON.stringify({ steps, whole, names: Object.keys(model.step(rows[0], model.state(), 0)) }));""",
    )
    stream = model.stream()
    steps = [model.answers(stream.step(row, None if times is None else times[t])) for t, row in enumerate(values)]
    spread = np.array(model.answer.spread or 1.0)
    np.testing.assert_allclose(found["steps"] / spread, np.array(steps) / spread, rtol=0, atol=ERROR)
    whole = np.atleast_2d(model.predict(values, times))
    np.testing.assert_allclose(found["whole"] / spread, whole / spread, rtol=0, atol=ERROR)
    assert tuple(found["names"]) == (model.answer.classes or model.answer.targets)


@pytest.mark.parametrize("kind", ["texts", "texts-w8a16"])
def test_answers_to_texts_are_the_runtimes(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    texts = ["the cat", "a mat on 猫 é.", "t" * 80]  # of the last 50 are read
    found = runs(
        folders[kind],
        tmp_path,
        texts,
        """
        const stepped = (text) => {
          const state = model.state();
          return model.vocabulary.encode(text).ids.map((id) => model.step(id, state)).at(-1);
        };
        const values = (answers) => answers.map((answer) => Object.values(answer));
        console.log(JSON.stringify([values(given.map(model.predict)), values(given.slice(0, 2).map(stepped))]));""",
    )
    expected = load(folders[kind]).predict(texts)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=ERROR)
    np.testing.assert_allclose(found[1], expected[:2], rtol=0, atol=ERROR)


def test_states_of_a_bare_gru_are_the_runtimes(folders: dict[str, Path], tmp_path: Path) -> None:
    files = load_states_model(folders["states"])
    (tmp_path / "model").write_bytes(states_file(files, "float32"))
    x = np.random.default_rng(1).normal(size=(12, 1, files.config.stack.input_size)).astype(np.float32)
    before = np.random.default_rng(2).uniform(-1, 1, (2, 1, files.config.stack.hidden_size)).astype(np.float32)
    found = run_model(
        tmp_path / "model",
        f"""
        const state = model.state();
        state.hidden.set({json.dumps(before.ravel().tolist())});
        const outputs = {json.dumps(x[:, 0].tolist())}.map((row) => Array.from(model.step(row, state)));
        console.log(JSON.stringify([outputs, Array.from(state.hidden)]));""",
    )
    outputs, after = load(folders["states"]).states(x, before)
    np.testing.assert_allclose(found[0], outputs[:, 0], rtol=0, atol=ERROR)
    np.testing.assert_allclose(found[1], after.ravel(), rtol=0, atol=ERROR)


def test_what_is_no_row_is_refused_in_words(folders: dict[str, Path], tmp_path: Path) -> None:
    found = runs(
        folders["rows"],
        tmp_path,
        None,
        """
        const state = model.state();
        const refused = (what) => {
          try { what(); return ""; } catch (error) { return `${error.name}: ${error.message}`; }
        };
        console.log(JSON.stringify([
          () => model.step([1, 2], state, 0),
          () => model.step({ a: 1, b: 2 }, state, 0),
          () => model.step(["x", 2, "red"], state, 0),
          () => model.step([1, 2, "red"], state),
          () => model.predict([]),
        ].map(refused)));""",
    )
    assert found == [
        "RangeError: row: expected (C=3,), got (2,)",
        "RangeError: row: expected kind, got a, b",
        "RangeError: row: a: expected a number, got x",
        "RangeError: time: expected that of the row, got undefined",
        "RangeError: rows: expected at least one, got none",
    ]
