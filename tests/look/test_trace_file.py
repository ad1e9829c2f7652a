"""A trace on disk: the same again, and nothing else is taken for one."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

import penstock
from penstock import LanguageModel, PenstockError
from penstock.look.trace import Trace
from penstock.look.trace_file import FORMAT
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary

TEXT = "the cat\nsat ‹on› the 猫 \ud800"


@pytest.fixture
def trace() -> Trace:
    torch.manual_seed(0)
    vocabulary = CharVocabulary(TEXT)
    return penstock.trace(
        LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9, 2, residual=True)), vocabulary), TEXT
    )


def test_what_is_loaded_is_what_was_saved(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "a.safetensors")
    again = Trace.load(tmp_path / "a.safetensors")
    assert again.language is not None
    assert trace.language is not None
    assert again.language.tokens == trace.language.tokens
    assert again.language.vocabulary == trace.language.vocabulary
    assert (again.log_probabilities() == trace.log_probabilities()).all()
    assert (again.gradients(5) == trace.gradients(5)).all()
    assert (again.layers[1].attention() == trace.layers[1].attention()).all()
    again.save(str(tmp_path / "b.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_trace_of_a_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = penstock.trace(penstock.GRU(3, 4, bidirectional=True, dtype=torch.float64), np.ones((5, 3)))
    trace.save(tmp_path / "t")
    again = Trace.load(tmp_path / "t")
    assert again.language is None
    assert [layer.reverse for layer in again.layers] == [False, True]
    assert again.layers[1].hidden.dtype == np.float64
    assert (again.layers[1].hidden == trace.layers[1].hidden).all()


def test_every_truncation_is_found(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    trace.between(0, 3).save(path)
    whole = path.read_bytes()
    for size in (*range(0, 60), *np.linspace(60, len(whole) - 1, 60).astype(int)):
        path.write_bytes(whole[:size])
        with pytest.raises(PenstockError, match=r"t\.safetensors: (not a whole trace|expected a trace)"):
            Trace.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "expected version 1, got 2; it needs another Penstock"),
        ({"layers": []}, "not a whole trace"),
        ({"layers": None}, "not a whole trace"),
        ({"language": {"tokens": []}}, "not a whole trace"),
        ({"layers": [{"name": "x", "form": "sideways", "reverse": False}] * 2}, "form or reverse is none"),
        ({"layers": [{"name": "x", "form": "before", "reverse": False, "more": 1}] * 2}, "not a whole trace"),
    ],
)
def test_what_no_save_wrote_is_refused(trace: Trace, tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "t.safetensors"
    trace.save(path)
    with safetensors.safe_open(path, "np") as file:
        content = json.loads(file.metadata()[FORMAT])
    arrays = safetensors.numpy.load_file(path)
    path.write_bytes(safetensors.numpy.save(arrays, {FORMAT: json.dumps(content | change)}))
    with pytest.raises(PenstockError, match=message):
        Trace.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers.0.update", np.zeros((2, 2), np.float32)),
        ("layers.1.hidden", np.zeros((len(TEXT), 9), np.int64)),
        ("layers.0.resets", np.zeros(3, bool)),
        ("layers.0.h_0", np.zeros((), np.float32)),
        ("language.ids", np.full(len(TEXT), 99)),
        ("language.bias", np.zeros(1, np.float32)),
        ("layers.0.weight_hh", None),
    ],
)
def test_arrays_that_do_not_fit_are_refused(trace: Trace, tmp_path: Path, name: str, value: np.ndarray | None) -> None:
    path = tmp_path / "t.safetensors"
    trace.save(path)
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    arrays = safetensors.numpy.load_file(path)
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    path.write_bytes(safetensors.numpy.save(arrays, metadata))
    with pytest.raises(PenstockError, match="not a whole trace"):
        Trace.load(path)


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with pytest.raises(PenstockError, match=r"t\.safetensors: no such file"):
        Trace.load(path)
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}))
    with pytest.raises(PenstockError, match=r"expected a trace, as Trace\.save writes, got another safetensors"):
        Trace.load(path)
    path.write_text("not one at all")
    with pytest.raises(PenstockError, match="not a whole trace"):
        Trace.load(path)
    with pytest.raises(PenstockError, match="cannot be read"):
        Trace.load(tmp_path)
