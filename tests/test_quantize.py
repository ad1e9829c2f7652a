"""penstock quantize from end to end: what it costs, what it refuses, and who reads what it wrote."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from helpers import files_of, penstock

import penstock as package

TEXT = "the cat, which already ate the food, was full. the cats were.\n" * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of language, and text."""
    path = tmp_path_factory.mktemp("quantize")
    (path / "text.txt").write_text(TEXT)
    done = penstock(
        *("train", path / "text.txt", "--out", path / "model", "--steps", 60, "--hidden", 30, "--layers", 2),
        *("--vocab", "char", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def rounded(folder: Path, tmp_path: Path) -> Path:
    done = penstock("quantize", folder / "model", "--out", tmp_path / "out", "--text", folder / "text.txt")
    assert done.returncode == 0, done.stderr
    assert "bits per character: " in done.stdout
    return tmp_path / "out"


def test_its_cost_is_that_of_eval(folder: Path, rounded: Path) -> None:
    said = json.loads((rounded / "quantize.json").read_text())
    for name, model in (("float32", folder / "model"), ("w8a16", rounded)):
        done = penstock("eval", model, folder / "text.txt", "--json")
        assert json.loads(done.stdout)["bits_per_character"] == pytest.approx(said[name], abs=1e-9)
    assert said["metric"] == "bits_per_character"
    assert 0 <= abs(said["worse"]) < 0.005 < said["limit"] == 0.01
    assert (rounded / "model.safetensors").stat().st_size < 0.4 * (folder / "model/model.safetensors").stat().st_size
    assert json.loads((rounded / "config.json").read_text())["precision"] == "w8a16"


def test_a_rounded_model_writes(rounded: Path) -> None:
    done = penstock("generate", rounded, "--prompt", "the ", "--length", 9, "--temperature", 1, "--seed", 1)
    assert done.returncode == 0, done.stderr
    model = package.load(rounded)
    assert done.stdout.startswith("the " + "".join(model.generate("the ", length=9, seed=1)))


@pytest.mark.parametrize(
    "call",
    [
        ("quantize", "{model}", "--out", "{out}", "--text", "{text}"),
        ("train", "{text}", "--init", "{model}", "--out", "{out}", "--steps", 1),
        ("look", "{model}", "--text", "the cat", "--out", "{out}.html"),
        ("look", "{model}", "--live", "--out", "{out}.html"),
        ("export", "{model}", "--to", "onnx", "--out", "{out}.onnx"),
    ],
    ids=lambda call: " ".join(map(str, call[:1] + call[2:4])),
)
def test_who_needs_float32_says_so(call: tuple[str, ...], folder: Path, rounded: Path, tmp_path: Path) -> None:
    places = {"model": rounded, "out": tmp_path / "new", "text": folder / "text.txt"}
    done = penstock(*(str(word).format(**places) for word in call))
    assert done.returncode == 2, done.stderr
    assert "8 bits (w8a16)" in done.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.html").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--text", "{text}"), "--out: expected a folder"),
        (("--out", "{out}"), "--text: expected files"),
        (("--out", "{out}", "--data", "{text}"), "--text: expected files"),
        (("--out", "{out}", "--text", "{text}", "--data", "{text}"), "--data: means nothing"),
        (("--out", "{out}", "--text", "{text}", "--limit", "nan"), "--limit: expected 0 or more"),
        (("--out", "{out}", "--text", "{text}", "--limit", "-1"), "--limit: expected 0 or more"),
        (("--out", "{model}", "--text", "{text}"), "model"),
        (("--out", "{out}", "--text", "/nowhere"), "/nowhere"),
    ],
)
def test_what_means_nothing_is_refused_and_writes_nothing(
    more: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    before = files_of(folder)
    places = {"model": folder / "model", "out": tmp_path / "out", "text": folder / "text.txt"}
    done = penstock("quantize", folder / "model", *(word.format(**places) for word in more))
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
    assert files_of(folder) == before


def test_a_folder_of_others_is_left_alone_and_ours_needs_force(folder: Path, rounded: Path, tmp_path: Path) -> None:
    call = ("quantize", folder / "model", "--text", folder / "text.txt", "--out")
    again = penstock(*call, rounded)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert penstock(*call, rounded, "--force").returncode == 0
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/notes.txt").write_text("mine")
    done = penstock(*call, tmp_path / "theirs", "--force")
    assert done.returncode == 2
    assert files_of(tmp_path / "theirs").keys() == {"notes.txt"}


def test_what_costs_more_than_the_limit_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = safetensors.numpy.load_file(folder / "model/model.safetensors")
    weights["output.weight"][:, 0] = 25  # beside which the other weights of a row are rounded away
    changed = copied(folder / "model", tmp_path / "model", weights)
    call = ("quantize", changed, "--out", tmp_path / "out", "--text", folder / "text.txt")
    done = penstock(*call)
    assert done.returncode == 2
    assert "worse; --limit allows 0.01 bits: nothing is written" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()
    assert penstock(*call, "--limit", 99).returncode == 0


def copied(model: Path, to: Path, weights: dict[str, np.ndarray]) -> Path:
    """A model's folder with other weights."""
    to.mkdir(exist_ok=True)
    for path in model.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    safetensors.numpy.save_file(weights, to / "model.safetensors")
    return to


def test_weights_that_are_no_numbers_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = safetensors.numpy.load_file(folder / "model/model.safetensors")
    weights["layers.1.weight_hh_l0"][3, 2] = np.inf
    changed = copied(folder / "model", tmp_path / "model", weights)
    done = penstock("quantize", changed, "--out", tmp_path / "out", "--text", folder / "text.txt")
    assert done.returncode == 2
    assert "layers.1.weight_hh_l0: expected finite numbers, got inf" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["layers.0.bias", "embedding.multiplier", "output.bias", "layers.1.weight_ih_l0"])
def test_a_file_that_means_harm_is_refused(name: str, rounded: Path) -> None:
    weights = safetensors.numpy.load_file(rounded / "model.safetensors")
    large = np.iinfo(weights[name].dtype).max
    weights[name][...] = large if name != "layers.1.weight_ih_l0" else -128
    safetensors.numpy.save_file(weights, rounded / "model.safetensors")
    done = penstock("eval", rounded, rounded / "config.json")
    assert done.returncode == 2
    assert name.rpartition(".")[0] in done.stderr


SERIES = {
    "class": ("sequence", "accuracy"),
    "numbers": ("steps", "rmse"),
    "forecast": ("forecast", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERIES)
def test_models_of_series_and_of_forecasts(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    task, metric = SERIES[kind]
    rng = np.random.default_rng(0)
    lines = ["id,t,a,y"]
    for n in range(60 if kind == "class" else 4):
        up = rng.random() < 0.5
        for t in range(12 if kind == "class" else 300):
            a = np.sin(t / 3 + n) + 0.1 * rng.normal() + (0.4 if up else -0.4)
            lines.append(f"s{n},{t},{a:.4f},{('up' if up else 'down') if kind == 'class' else f'{a / 2 + 0.1:.4f}'}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    done = penstock(
        *("train", tmp_path / "rows.csv", "--task", task, "--target", "y", "--out", tmp_path / "model"),
        *("--steps", 120, "--hidden", 12, "--device", "cpu"),
        *(("--horizon", 6) if kind == "forecast" else ()),
    )
    assert done.returncode == 0, done.stderr
    done = penstock(
        *("quantize", tmp_path / "model", "--data", tmp_path / "rows.csv", "--out", tmp_path / "small", "--json"),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["metric"] == metric or not metric
    assert figures["worse"] <= figures["limit"]
    said = penstock("eval", tmp_path / "small", tmp_path / "rows.csv", "--json")
    assert json.loads(said.stdout)["model"][figures["metric"]] == pytest.approx(figures["w8a16"], rel=1e-9)
    done = penstock("predict", tmp_path / "small", tmp_path / "rows.csv", "--out", tmp_path / "answers.csv")
    assert done.returncode == 0, done.stderr
