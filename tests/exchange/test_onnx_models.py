"""Whole models as ONNX graphs, computed by ONNX's own reference: what the runtime gives, whole and step by step."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from numpy.typing import NDArray

import penstock
from penstock import PenstockError
from penstock.exchange import from_onnx
from penstock.exchange.model import of_folder
from penstock.exchange.onnx import export
from penstock.model_folder import StackConfig

onnx = pytest.importorskip("onnx", reason="the package onnx writes its files")
reference = pytest.importorskip("onnx.reference")
Array = NDArray[Any]
CLOSE = {"rtol": 2e-5, "atol": 2e-6}
"""Float32 through some layers, summed in another order."""


def carried(folder: Path) -> tuple[Any, Any]:
    """The model of the file and what computes it."""
    out = folder.with_suffix(".onnx")
    export(folder, out, force=False)
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    return model, reference.ReferenceEvaluator(model)


def run(graph: Any, inputs: dict[str, Array]) -> list[Array]:
    with np.errstate(over="ignore"):  # in its sigmoid, of numbers below −88
        found: list[Array] = graph.run(None, inputs)
    return found


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_reads_text_in_any_pieces(tmp_path: Path, tied: bool) -> None:
    stack = StackConfig(9, 9, 3, "after", residual=True) if tied else StackConfig(5, 8, 2, "before")
    folder = made.language(tmp_path / "m", stack, tied)
    model, graph = carried(folder)
    ours = penstock.load(folder)
    tokens = np.random.default_rng(3).integers(0, len(ours.vocabulary), (7, 2))
    begin = np.random.default_rng(4).standard_normal((stack.num_layers, 2, stack.hidden_size)).astype(np.float32)
    expected, after = np.zeros((7, 2, len(ours.vocabulary)), np.float32), begin.copy()
    for t in range(7):
        for n in range(2):
            expected[t, n], after[:, n] = ours.step(int(tokens[t, n]), after[:, n].copy())
    for cuts in ([7], [1] * 7, [3, 4]):
        state, found = begin, []
        for piece in np.split(tokens, np.cumsum(cuts)[:-1]):
            part, state = run(graph, {"tokens": piece, "state": state})
            found.append(part)
        np.testing.assert_allclose(np.concatenate(found), expected, **CLOSE)
        np.testing.assert_allclose(state, after, **CLOSE)
    layers = from_onnx(model)
    assert (len(layers.layers), layers.reset, layers.residual) == (stack.num_layers, stack.reset, stack.residual)
    left_out = layers.notes[-1].partition("left out of the graph: ")[2]
    assert sorted(left_out.split(", ")) == ["Add", "Gather", "LogSoftmax", "MatMul"]
    for one, other in zip(layers.directions, of_folder(folder).directions, strict=True):
        np.testing.assert_array_equal(one.weight_hh, other.weight_hh)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["penstock.holds"] == "language"
    assert json.loads(about["config.json"])["input"]["vocabulary"]["characters"]


ROWS = {
    "plain": (made.CLASSES, {"misses": False, "category": False, "gap": False}),
    "categories": (made.LABELS, {"misses": False, "gap": False}),
    "missing": (made.LABELS, {"gap": False}),
    "times": (made.NUMBERS, {}),
}


def rows(C: int, L: int, missing: bool, seed: int) -> Array:
    random = np.random.default_rng(seed)
    values = random.standard_normal((L, C)).astype(np.float32) * 6 + 20
    if missing:
        values[random.random(L) < 0.5, 0] = np.nan
        values[0, 0] = np.nan if seed % 2 else 1
    if C > 2:
        values[:, 2] = random.integers(0, 5, L)
        values[1, 2] = np.nan
    return values


@pytest.mark.parametrize("kind", ROWS)
def test_rows_are_made_features_in_the_graph(tmp_path: Path, kind: str) -> None:
    answer, options = ROWS[kind]
    features = made.features(**options)
    folder = made.series(tmp_path / "m", answer, features, hidden=7, num_layers=2, reset="before")
    _, graph = carried(folder)
    ours, C, L = penstock.load(folder), len(features.columns), 6
    series = [rows(C, L, options.get("misses", True), seed) for seed in (1, 2)]
    apart = np.random.default_rng(5).integers(1, 400, (L, 2)).astype(np.float64)
    apart[0] = 0
    times = 1e9 + apart.cumsum(0)
    expected = [ours.predict(one, times[:, n] if features.step else None) for n, one in enumerate(series)]
    names = [value.name for value in graph.input_types and graph.proto_.graph.input]
    assert ("elapsed" in names, "memory" in names) == (kind == "times", kind in ("missing", "times"))
    for cuts in ([L], [1] * L, [2, 4]):
        inputs = {"state": np.zeros((2, 2, 7), np.float32), "memory": np.zeros((2, 2, C))}
        found, start = [], 0
        for size in cuts:
            part = slice(start, start + size)
            given = {"rows": np.stack(series, 1)[part], "elapsed": apart[part], **inputs}
            results = run(graph, {name: given[name] for name in names})
            outputs = dict(zip(graph.output_names, results, strict=True))
            found.append(outputs["answers"])
            inputs = {"state": outputs["new_state"], "memory": outputs.get("new_memory", inputs["memory"])}
            start += size
        for n, one in enumerate(expected):
            np.testing.assert_allclose(np.concatenate(found)[:, n], one, **CLOSE)


@pytest.mark.parametrize("segment", [1, 3])
def test_whole_series_have_one_answer_each_whatever_their_lengths(tmp_path: Path, segment: int) -> None:
    features = made.features(gap=False)
    folder = made.series(tmp_path / "m", made.NUMBERS, features, segment=segment, hidden=7, reset="after", num_layers=2)
    _, graph = carried(folder)
    ours, lengths = penstock.load(folder), np.array([7, 1, 5, 6])
    batch = np.full((7, 4, 3), 77, np.float32)
    for n, length in enumerate(lengths):
        batch[:length, n] = rows(3, 7, True, n)[:length]
    (found,) = run(graph, {"rows": batch, "lengths": lengths})
    for n, length in enumerate(lengths):
        np.testing.assert_allclose(found[n], ours.predict(batch[:length, n]), **CLOSE)


def test_texts_have_one_answer_each(tmp_path: Path) -> None:
    folder = made.texts(tmp_path / "m", num_layers=2, residual=True)
    _, graph = carried(folder)
    ours = penstock.load(folder)
    texts = ["the cat", "a", "sat on a mat"]
    ids = [ours.vocabulary.encode(text) for text in texts]
    tokens = np.zeros((max(map(len, ids)), 3), np.int64)
    for n, one in enumerate(ids):
        tokens[: len(one), n] = one
    (found,) = run(graph, {"tokens": tokens, "lengths": np.array([len(one) for one in ids])})
    np.testing.assert_allclose(found, ours.predict(texts), **CLOSE)


def test_what_the_graph_cannot_say_is_refused_and_nothing_written(tmp_path: Path) -> None:
    fading = made.series(tmp_path / "m", made.LABELS, made.features(), decay=True)
    with pytest.raises(
        PenstockError, match="its state fades over the time between rows, which layers alone cannot say"
    ):
        export(fading, tmp_path / "m.onnx", force=False)
    model = made.language(tmp_path / "l", StackConfig(3, 4))
    with pytest.raises(PenstockError, match=r"--out: expected a name that ends in .onnx, got .*/m.pb$"):
        export(model, tmp_path / "m.pb", force=False)
    (tmp_path / "other.onnx").write_bytes(b"mine")
    with pytest.raises(PenstockError, match=r"other.onnx: was not written by Penstock, which leaves it alone"):
        export(model, tmp_path / "other.onnx", force=True)
    assert not (tmp_path / "m.onnx").exists()
    assert (tmp_path / "other.onnx").read_bytes() == b"mine"


def test_a_model_too_large_for_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made.language(tmp_path / "l", StackConfig(3, 4))
    monkeypatch.setattr("penstock.exchange.onnx.MOST", 1 << 24)
    with pytest.raises(PenstockError, match="onnx cannot say it in one file: a file of protobuf has 16,777,216 bytes"):
        export(model, tmp_path / "m.onnx", force=False)
    assert not (tmp_path / "m.onnx").exists()


def test_what_was_exported_before_is_replaced(tmp_path: Path) -> None:
    model = made.language(tmp_path / "l", StackConfig(3, 4))
    export(model, tmp_path / "m.onnx", force=False)
    with pytest.raises(PenstockError, match=r"m.onnx: is there already; add --force"):
        export(model, tmp_path / "m.onnx", force=False)
    said = export(model, tmp_path / "m.onnx", force=True)
    assert said[1] == "reads tokens (L, N) int64; state (1, N, 4) float32"
    assert said[2].startswith("gives log_probabilities (L, N, ")
