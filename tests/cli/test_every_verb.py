"""Every verb in bad surroundings: a verb is in all of this by being a verb.

Whatever it is given it ends, says in one line what was wrong, shows no traceback, and leaves alone what was there.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import safetensors.numpy
import torch
from helpers import ENVIRONMENT, files_of

from penstock import LanguageModel
from penstock.cli import app
from penstock.folder import held
from penstock.model_folder import CONFIG, WEIGHTS, LanguageConfig, StackConfig
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles
from penstock.nn.series_model import SeriesModel
from penstock.series import description, learn_features, read_series
from penstock.text import CharVocabulary

TEXT = "the cat sat on the mat\n" * 20
CALLS = {
    "agree": "MODEL --pairs PAIRS --out OUT.csv",
    "bench": "--roofline --quick --threads 1",
    "eval": "MODEL TEXT",
    "export": "MODEL --to c --out OUT",
    "generate": "MODEL --length 5",
    "import": "WEIGHTS --out OUT",
    "info": "",
    "lab": "limits --quick --out OUT.html",
    "look": "MODEL --file TEXT --out OUT.html",
    "predict": "SERIES ROWS --out OUT.csv",
    "prepare": "TEXT --out OUT",
    "quantize": "MODEL --out OUT --text TEXT",
    "score": "MODEL --in TEXT --out OUT",
    "serve": "MODEL --check",
    "train": "TEXT --out OUT --steps 1 --init MODEL",
}
"""How each verb is called. A new one is to be added here."""
VERBS = [name for name in app if not name.startswith("-")]

pytestmark = pytest.mark.slow


def test_every_verb_is_here() -> None:
    assert sorted(VERBS) == sorted(CALLS)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    torch.manual_seed(0)
    vocabulary = CharVocabulary(TEXT)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(3, 4)), vocabulary).save(tmp_path / "model")
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "pairs.tsv").write_text("the cat\tthe mat\n")
    (tmp_path / "rows.csv").write_text("id,a\ns,1\ns,2\n")
    _save_model_of_series(tmp_path / "series")
    return {
        "MODEL": str(tmp_path / "model"),
        "SERIES": str(tmp_path / "series"),
        "WEIGHTS": str(tmp_path / "series" / "model.safetensors"),
        "ROWS": str(tmp_path / "rows.csv"),
        "TEXT": str(tmp_path / "text.txt"),
        "PAIRS": str(tmp_path / "pairs.tsv"),
        "OUT": str(tmp_path / "out"),
        "OUT.html": str(tmp_path / "out.html"),
        "OUT.csv": str(tmp_path / "out.csv"),
    }


def _save_model_of_series(folder: Path) -> None:
    series = read_series([str(folder.parent / "rows.csv")])
    features = learn_features(series, np.array([[0, 2]]), ["a"])
    reads = {**description(series), "features": features.to_json(), "pattern": None}
    config = SeriesConfig(1, StackConfig(features.size, 3))
    answer = SeriesAnswer("numbers", ("a",), (), (0.0,), (1.0,), next=True)
    with held(folder, "model") as place:
        SeriesModel(config, SeriesFiles("steps", reads, answer, config, {})).save_into(place)


def call(verb: str, places: dict[str, str]) -> list[str]:
    return [verb, *(places.get(word, word) for word in CALLS[verb].split())]


def run(verb: str, places: dict[str, str], environment: dict[str, str] | None = None, **options: Any) -> Any:
    done = forked.run(call(verb, places), os.environ | ENVIRONMENT | (environment or {}), timeout=600, **options)
    stderr = done.stderr.decode()
    assert done.returncode in (0, 1, 2), stderr
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("penstock: error: ")]
    assert len(errors) == (done.returncode != 0) or verb == "score", stderr
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, stderr)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "0", "LINES": "0"},
        {"COLUMNS": "wide", "TERM": "dumb"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"TMPDIR": "/nowhere", "HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere", "MPLCONFIGDIR": "/nowhere"},
        {"TMPDIR": "", "HOME": "", "PATH": ""},
        {"WORLD_SIZE": "", "RANK": "", "MASTER_ADDR": "", "LOCAL_RANK": ""},
    ],
    ids=lambda environment: next(iter(environment)) + "=" + next(iter(environment.values())),
)
def test_surroundings_that_are_odd_but_enough(verb: str, environment: dict[str, str], places: dict[str, str]) -> None:
    done = run(verb, places, environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("variable", ["PENSTOCK_THREADS", "PENSTOCK_INSTRUCTION_SET", "WORLD_SIZE", "PENSTOCK_{}_OUT"])
def test_variables_that_mean_nothing(verb: str, variable: str, places: dict[str, str]) -> None:
    name = variable.format(verb.upper())
    done = run(verb, places, {name: "\udce9" if name.endswith("OUT") else "two"})
    if done.returncode:
        assert name in done.stderr or "--out" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stdout": "/dev/full"}, "standard output: No space left on device"),
        ({"stdout": None}, ""),
        ({"largest": 100}, "File too large"),
        ({"largest": 0}, r"File too large|No usable temporary directory .*; name a folder that can be written"),
        ({"largest": 3000}, "File too large"),
    ],
    ids=["stdout full", "stdout closed", "disk full soon", "disk full", "disk full later"],
)
def test_nowhere_to_write(
    verb: str, options: dict[str, Any], message: str, places: dict[str, str], tmp_path: Path
) -> None:
    before = files_of(tmp_path)
    done = run(verb, places, **({"stdout": os.devnull} | options if "largest" in options else options))
    if done.returncode:
        assert message
        assert re.search(message, done.stderr)
        assert files_of(tmp_path) == before or options.get("stdout")  # what was printed last may be of what was done


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_is_gone(verb: str, places: dict[str, str], tmp_path: Path) -> None:
    run(verb, places, folder=str(tmp_path))
    gone = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && exec"
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    command = ["sh", "-c", f'{gone} "$@"', "sh", sys.executable, "-m", "penstock", *call(verb, places)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_that_is_gone_is_nothing_wrong(verb: str, places: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", *call(verb, places)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    stderr = process.communicate()[1]
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "Broken" not in stderr


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_private_stays_so(verb: str, places: dict[str, str], tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    run(verb, places, mask=0o077)
    made = set(tmp_path.rglob("*")) - before
    assert made or "OUT" not in CALLS[verb]
    assert not [path for path in made if path.stat().st_mode & 0o077]


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _config(**change: Any) -> Callable[[Path], object]:
    def changed(folder: Path) -> None:
        content, left = json.loads((folder / CONFIG).read_text()), dict(change)
        for part in (content["stack"], content["input"], content):
            part |= {name: left.pop(name) for name in [*left] if name in part}
        assert not left
        (folder / CONFIG).write_text(json.dumps(content))

    return changed


def _weights(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def changed(folder: Path) -> None:
        weights = safetensors.numpy.load_file(folder / WEIGHTS)
        change(weights)
        safetensors.numpy.save_file(weights, folder / WEIGHTS)

    return changed


def _fill(value: float) -> Callable[[dict[str, Any]], object]:
    return lambda weights: weights["output.weight"].fill(value)


NESTED = b"[" * 200_000
BAD_MODELS: dict[str, Callable[[Path], object]] = {
    "gone": shutil.rmtree,
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "a file": lambda folder: (shutil.rmtree(folder), folder.write_text("model")),
    "half a configuration": _write(CONFIG, b'{"format": "penstock-model", "ver'),
    "a nested configuration": _write(CONFIG, NESTED),
    "a list": _write(CONFIG, b"[1]"),
    "a configuration that is no UTF-8": _write(CONFIG, b"\xff\xfe{}"),
    "version true": _config(version=True),
    "version 3": _config(version=3),
    "layers true": _config(num_layers=True),
    "3,000,000 layers": _config(num_layers=3_000_000),
    "a width beyond all": _config(hidden_size=10**30),
    "a width below all": _config(hidden_size=-1),
    "no such form": _config(reset="between"),
    "vocabulary of nothing": _config(vocabulary=None),
    "byte pairs without any": _config(vocabulary={"kind": "bpe"}),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "half the weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-9]),
    "weights that say they are 2**60 bytes": _write(WEIGHTS, (1 << 60).to_bytes(8, "little") + b"{}"),
    "a nested header": _write(WEIGHTS, len(NESTED).to_bytes(8, "little") + NESTED),
    "NaN": _weights(_fill(float("nan"))),
    "infinity": _weights(_fill(float("inf"))),
    "float16": _weights(lambda weights: weights.update({k: v.astype(np.float16) for k, v in weights.items()})),
    "one weight fewer": _weights(lambda weights: weights.pop("output.bias")),
}


@pytest.mark.parametrize("bad", BAD_MODELS)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if "MODEL" in CALLS[verb]])
def test_models_that_are_none(verb: str, bad: str, places: dict[str, str], tmp_path: Path) -> None:
    BAD_MODELS[bad](Path(places["MODEL"]))
    before = files_of(tmp_path)
    done = run(verb, places)
    assert done.returncode == 2, done.stderr
    assert places["MODEL"] in done.stderr
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "MODEL" in CALLS[verb]])
def test_a_stray_file_in_a_model_is_nothing(verb: str, places: dict[str, str]) -> None:
    Path(places["MODEL"], "tokenizer.json").write_text("mine")
    assert run(verb, places).returncode == 0


BAD_OUTPUTS: dict[str, Callable[[Path], object]] = {
    "a file": lambda out: out.write_text("mine"),
    "a link": lambda out: (out.parent / "elsewhere").mkdir() or out.symlink_to("elsewhere"),
    "a link to nothing": lambda out: out.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "somebody's": lambda out: out.mkdir() or (out / "config.json").write_text("mine"),
    "another kind's": lambda out: (
        out.mkdir()
        or (out / "penstock.json").write_text(
            json.dumps({"format": "penstock-folder", "version": 1, "folder": "something", "files": []})
        )
    ),
    "a nested list's": lambda out: out.mkdir() or (out / "penstock.json").write_bytes(NESTED),
    "a list that reaches out": lambda out: (
        out.mkdir()
        or (out / "penstock.json").write_text(
            json.dumps({"format": "penstock-folder", "version": 1, "folder": "model", "files": ["../text.txt"]})
        )
    ),
}


@pytest.mark.parametrize("bad", BAD_OUTPUTS)
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if "OUT" in CALLS[verb].split()])
def test_outputs_that_are_none(verb: str, force: bool, bad: str, places: dict[str, str], tmp_path: Path) -> None:
    BAD_OUTPUTS[bad](Path(places["OUT"]))
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    done = forked.run([*call(verb, places), *["--force"] * force], os.environ | ENVIRONMENT, timeout=600)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


FILES = [(verb, name) for verb in VERBS for name in CALLS[verb].split() if name.startswith("OUT.")]


@pytest.mark.parametrize(("verb", "name"), FILES)
def test_a_file_takes_the_place_of_its_like_alone(verb: str, name: str, places: dict[str, str]) -> None:
    file = Path(places[name])
    for content in ("", None):  # a new file that is empty, and what the verb then wrote
        if content is not None:
            file.write_text(content)
        assert run(verb, places).returncode == 0
        assert file.stat().st_size > 0
    file.write_text("mine")
    done = run(verb, places)
    assert done.returncode == 2
    assert f"{file.name}: was not written by Penstock, which leaves it alone" in done.stderr
    assert file.read_text() == "mine"


BAD_TEXTS: dict[str, tuple[str, bytes | None]] = {
    "gone": ("text.txt", None),
    "empty": ("text.txt", b""),
    "one letter": ("text.txt", b"t"),
    "an empty folder": ("text", None),
    "no UTF-8": ("text.txt", b"\xff\xfe\xfd" * 99),
    "a program": ("text.txt", b"\x7fELF\0\xff" * 99),
    "half a gzip": ("text.txt.gz", gzip.compress(TEXT.encode())[:-9]),
    "no zstd": ("text.txt.zst", b"\x28\xb5\x2f\xfd" + TEXT.encode()),
    "no xz": ("text.txt.xz", b"\xfd7zXZ\0" + TEXT.encode()),
    "nested lines": ("text.jsonl", NESTED),
    "a nested array": ("text.json", NESTED),
    "an object": ("text.json", b'{"text": "the cat"}'),
    "another column": ("text.jsonl", b'{"body": "the cat"}\n' * 9),
    "numbers": ("text.jsonl", b'{"text": 1}\n' * 9),
    "a table of another column": ("text.csv", b"body\nthe cat\n"),
    "a torn table": ("text.csv", b'text\n"the cat\n'),
    "no Parquet": ("text.parquet", b"PAR1" + TEXT.encode() + b"PAR1"),
    "no Arrow": ("text.arrow", b"ARROW1\0\0" + TEXT.encode()),
}


@pytest.mark.parametrize("bad", BAD_TEXTS)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if "TEXT" in CALLS[verb].split()])
def test_texts_that_are_none(verb: str, bad: str, places: dict[str, str], tmp_path: Path) -> None:
    name, content = BAD_TEXTS[bad]
    Path(places["TEXT"]).unlink()
    places["TEXT"] = str(tmp_path / name)
    if content is not None:
        Path(places["TEXT"]).write_bytes(content)
    elif name == "text":
        Path(places["TEXT"]).mkdir()
    before = files_of(tmp_path)
    done = run(verb, places)
    if bad == "one letter" and verb in ("look", "prepare"):
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode in (1, 2), done.stderr
    assert re.search(r"text\b", done.stderr)
    if verb != "score":  # which says in _errors what it could not score
        assert files_of(tmp_path) == before
