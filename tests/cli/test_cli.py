"""The command line through its real entry point: what a person types, sees and gets wrong."""

import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import penstock

from penstock import LanguageModel, __version__, load
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import ByteVocabulary, CharVocabulary

TEXT = "the cat sat on the mat\n" * 20
VERBS = "agree, bench, eval, export, generate, import, info, lab, look, predict, prepare, quantize, score, serve, train"
SCORES = {"nats_per_token", "bits_per_character", "bits_per_byte", "perplexity", "tokens", "unknown_characters"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    vocabulary = CharVocabulary(TEXT)
    folder = tmp_path_factory.mktemp("model")
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9)), vocabulary).save(folder)
    return folder


def test_help_names_the_verbs() -> None:
    done = penstock("--help")
    assert done.returncode == 0
    for verb in VERBS.split(", "):
        assert re.search(rf"│ {verb} +[A-Z]", done.stdout)
        page = penstock(verb, "--help")
        assert page.returncode == 0
        assert f"Usage: penstock {verb}" in page.stdout
    assert penstock("--version").stdout.strip() == __version__


def test_without_a_verb_it_shows_the_same_and_no_setting_that_it_ignores() -> None:
    assert penstock().stdout == penstock("--help").stdout


def test_the_script_is_the_module() -> None:
    script = shutil.which("penstock", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_info() -> None:
    done = penstock("info")
    assert done.returncode == 0
    assert f"{__version__}, Python" in done.stdout
    facts = json.loads(penstock("info", "--json").stdout)
    assert facts["packages"]["torch"] == torch.__version__
    assert list(facts["backends"]) == ["cudnn", "fused", "composite"]
    assert penstock("info", PENSTOCK_INSTRUCTION_SET="mmx").returncode in (0, 2)


def test_eval_prints_the_score(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.jsonl").write_text(json.dumps({"body": TEXT}) + "\n" + json.dumps({"body": "the cat"}) + "\n")
    figures = json.loads(penstock("eval", model, tmp_path / "a.txt", "--json").stdout)
    assert figures.keys() == SCORES
    score = load(model).score(TEXT)
    assert figures["nats_per_token"] == score.nats_per_token
    assert figures["tokens"] == len(TEXT) - 1
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    done = penstock("eval", model, tmp_path / "a.txt")
    assert f"bits per character  {score.bits_per_character:.4f}\n" in done.stdout
    done = penstock("eval", model, tmp_path, "--column", "body", "--json")
    assert json.loads(done.stdout)["tokens"] == 2 * (len(TEXT) - 1) + len("the cat") - 1


def test_eval_reads_standard_input_and_counts_the_unknown(model: Path) -> None:
    done = penstock("eval", model, "-", stdin="the cät".encode())
    assert re.search(r"^tokens +6$", done.stdout, re.MULTILINE)
    assert "unknown characters  1, each scored as the vocabulary's unknown character" in done.stdout


def test_generate_streams_the_same_text_for_the_same_seed(model: Path) -> None:
    arguments = ("generate", model, "--prompt", "the ", "--length", 50, "--seed", 7, "--top-k", 5, "--top-p", 0.9)
    done = penstock(*arguments)
    assert done.stdout == penstock(*arguments).stdout
    expected = load(model).generate("the ", length=50, temperature=0.8, seed=7, top_k=5, top_p=0.9)
    written = "".join(expected)
    assert done.stdout == f"the {written}\n"
    ended = penstock(*arguments, "--stop", written[11:13], "--stop", "no such text")
    assert ended.stdout == f"the {written[: written.index(written[11:13])]}\n"
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "generate", str(model), "--length", "1000000000"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(20)  # comes before the end, which would take days
    process.stdout.close()  # as "| head" does
    assert process.wait(300) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["eval", "nowhere", "x.txt"],
            "nowhere: no model here: expected a folder with config.json and model.safetensors",
        ),
        (["eval", "MODEL"], "FILE: expected text to score, got none"),
        (["eval", "MODEL", "nowhere.txt"], "nowhere.txt: no such file or folder"),
        (["eval", "MODEL", "-"], "/dev/stdin: expected at least two tokens to score, got fewer"),
        (["generate", "MODEL", "--temperature", "-1"], "--temperature: expected 0 or more, got -1.0"),
        (["generate", "MODEL", "--top-k", "0"], "--top-k: expected 1 or more, got 0"),
        (["generate", "MODEL", "--stop", ""], "--stop: expected texts, got an empty one"),
        (["generate", "MODEL", "--length", "many"], "--length"),
        (["generate"], 'Command "generate" parameter DIR requires an argument'),
        (["generate", "MODEL", "more"], "expected nothing more, got more"),
        (["generate", "MODEL", "--seed", "-1"], "--seed: expected 0 or more, got -1"),
        (["generate", "MODEL", "--length", "3.7"], "--length: expected a whole number, got 3.7"),
        (["train", "--out", "OUT", "--stesp", "5"], "Unknown option: --stesp. Did you mean --steps?"),
        (["train", "x.txt"], "--out: expected the folder for the model, got none; add --out DIR"),
        (["train", "nowhere.txt", "--out", "OUT"], "nowhere.txt: no such file or folder"),
        (["train", "--out", 300 * "x"], "cannot be written: File name too long"),
        (["train", "--out", "OUT", "--steps", "0"], "--steps: expected more than 0, got 0"),
        (["train", "--out", "OUT", "--steps", "3.7"], "--steps: expected a whole number, got 3.7"),
        (["train", "--out", "OUT", "--vocab", "words"], "words"),
        (["train", "--out", "OUT", "--vocab-size", "1" + 22 * "0"], "--vocab-size: expected 1 to 1048576, got 1"),
        (["train", "--out", "OUT", "--hidden", "1000000000", "--steps", "1"], "out of memory: choose a smaller --size"),
        (["train", "--out", "OUT", "--device", "meta"], "--device: 'meta' cannot be used here: "),
        (["train", "--out", "OUT", "--holdout", "1e-9"], "--holdout: 1e-09 of 2"),
        (["train", "--out", "OUT", "--config", "nowhere.toml"], "--config: nowhere.toml: cannot be read as TOML"),
        (["fly"], "fly"),
    ],
)
def test_bad_input_is_one_line_and_status_2(model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    places = {"MODEL": str(model), "OUT": str(tmp_path / "out")}
    done = penstock(*(places.get(a, a) for a in arguments))
    assert done.returncode == 2, done.stderr
    *account, error = done.stderr.splitlines()
    assert error.startswith("penstock: error: ")
    assert message in error
    assert len(account) <= (arguments[0] == "eval")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "steps = 10",
            f"expected tables named {VERBS}, got 'steps'",
        ),
        (
            "[trian]\nsteps = 10",
            f"expected tables named {VERBS}, got 'trian'",
        ),
        ("[train]\nhidden = 12.5", "--hidden: expected a whole number, got 12.5"),
        ("[train]\nstesp = 10", "stesp"),
        ("a = " + "[" * 100_000, "cannot be read as TOML: maximum recursion depth exceeded"),
    ],
)
def test_a_settings_file_that_means_nothing(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "run.toml").write_text(toml)
    done = penstock("train", "--out", tmp_path / "out", "--config", tmp_path / "run.toml")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("prompt", ["-", "-x", "--json", "é"])
def test_any_text_can_be_the_prompt(model: Path, prompt: str) -> None:
    done = penstock("generate", model, "--prompt", prompt, "--length", 5)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(prompt)


def test_what_cannot_be_shown(model: Path) -> None:
    arguments = ("generate", model, "--prompt", "é", "--length", 0)
    assert penstock(*arguments, PYTHONIOENCODING="ascii").stdout == "?\n"
    command = [sys.executable, "-m", "penstock", *map(str, arguments)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(b"penstock: error: standard output: No space left on device\n")
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, check=False)
    assert (closed.returncode, closed.stderr.count(b"\n")) == (0, 1)


def test_what_the_model_never_saw_is_counted(model: Path) -> None:
    done = penstock("generate", model, "--prompt", "the Ωμέγα", "--length", 3)
    assert done.stderr == "5 of the prompt's 9 characters the model never saw\n"
    assert penstock("generate", model, "--prompt", "the", "--length", 3).stderr == ""


def test_a_model_of_bytes_writes_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    LanguageModel(LanguageConfig(256, StackConfig(6, 9)), ByteVocabulary()).save(tmp_path / "m")
    command = [sys.executable, "-m", "penstock", "generate", tmp_path / "m", "--prompt", "é", "--length", "300"]
    done = subprocess.run([*command, "--seed", "1"], capture_output=True, check=True)
    assert len(done.stdout) == 302
    assert done.stdout.startswith("é".encode())
    expected = b"".join(load(tmp_path / "m").generate_bytes("é", length=300, temperature=0.8, seed=1))
    assert done.stdout[2:] == expected
    assert b"\xef\xbf\xbd" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "a.txt", "--out", ""], "--out: expected a path, got an empty one"),
        (["prepare", "a.txt", "--out="], "--out: expected a path, got an empty one"),
        (["eval", "", "a.txt"], "DIR: expected a path, got an empty one"),
        (["train", "caf\udce9.txt", "--out", "m"], r"FILES: expected a name in UTF-8, got 'caf\udce9.txt'; rename it"),
        (["train", "a.txt", "--out", "\udce9"], r"--out: expected a name in UTF-8, got '\udce9'; rename it"),
        (["train", "a.txt", "--out", "/"], "/: expected a folder of its own, got the root of all files"),
    ],
)
def test_names_that_are_none(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    command = [sys.executable, "-m", "penstock", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_in_a_folder_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "caf\udce9.txt").write_text(TEXT)
    done = penstock("prepare", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert r"caf\udce9.txt': expected a name in UTF-8; rename it" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "value", "status"),
    [("WORLD_SIZE", "", 0), ("WORLD_SIZE", "two", 2), ("PENSTOCK_RENDEZVOUS_SECONDS", "2min", 0)],
)
def test_an_environment_that_means_nothing(
    corpus: Path, tmp_path: Path, variable: str, value: str, status: int
) -> None:
    done = penstock("train", corpus, "--out", tmp_path / "m", "--steps", 1, "--hidden", 8, **{variable: value})
    assert done.returncode == status, done.stderr
    if status:
        assert done.stderr.endswith(f"{variable}: expected a number of 0 or more in the environment, got {value!r}\n")


def test_debug_shows_the_traceback() -> None:
    done = penstock("eval", "nowhere", "x.txt", "--debug")
    assert "Traceback" in done.stderr
    assert "PenstockError" in done.stderr


@pytest.mark.slow
def test_flag_beats_environment_beats_file_beats_default(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[train]\nhidden = 8\nsteps = 3\nchunk = 9\n")
    done = penstock(
        "train",
        corpus,
        *("--out", tmp_path / "out", "--config", tmp_path / "run.toml", "--hidden", 10),
        PENSTOCK_TRAIN_HIDDEN="9",
        PENSTOCK_TRAIN_STEPS="4",
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "out" / "train.json").read_text())["plan"]
    assert (plan["model"]["stack"]["hidden_size"], plan["steps"], plan["settings"]["chunk"]) == (10, 4, 9)
    assert plan["settings"]["seed"] == 0


@pytest.mark.slow
def test_a_budget_of_a_higher_source_replaces_the_lower_ones(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[train]\nminutes = 600\nhidden = 8\n")
    common = (corpus, "--config", tmp_path / "run.toml", "--json")
    done = penstock("train", *common, "--out", tmp_path / "a", PENSTOCK_TRAIN_STEPS="2")
    assert json.loads(done.stdout)["steps"] == 2, done.stderr
    done = penstock("train", *common, "--out", tmp_path / "b", "--steps", 3, PENSTOCK_TRAIN_EPOCHS="7")
    assert json.loads(done.stdout)["steps"] == 3, done.stderr
    done = penstock("train", *common, "--out", tmp_path / "c", "--steps", 3, "--epochs", 1)
    assert "expected one of --minutes, --steps and --epochs, got --steps and --epochs" in done.stderr


@pytest.mark.slow
def test_a_run_whose_reader_has_gone_goes_on(corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock", "train", corpus, "--out", tmp_path / "out", "--steps", "4"]
    process = subprocess.Popen([*map(str, command), "--hidden", "8"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(600) == 0
    assert json.loads((tmp_path / "out" / "train.json").read_text())["results"]["steps"] == 4


@pytest.mark.slow
def test_a_newcomers_first_run(corpus: Path, tmp_path: Path) -> None:
    """Piped, the output is plain lines; the commands that it proposes work."""
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 30)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for words in (
        "held-out text",
        "xz -9 needs",
        "perplexity",
        "It writes after “the cat sat on the mat. the dog ate the food of the cat!”, at temperature 0.7:",
        "Next:",
    ):
        assert words in done.stdout
    (proposed,) = re.findall(r"^  penstock (generate .*)$", done.stdout, re.MULTILINE)
    assert "--prompt 'the cat'" in proposed  # of the person's own text
    assert penstock(*shlex.split(proposed)).returncode == 0


@pytest.mark.slow
def test_the_default_corpus(tmp_path: Path) -> None:
    done = penstock("train", "--out", tmp_path / "out", "--steps", 2, "--hidden", 8, "--json")
    assert done.returncode == 0, done.stderr
    assert "reading the Python language reference" in done.stderr
    assert json.loads(done.stdout)["steps"] == 2


@pytest.mark.slow
def test_it_learns_tinyshakespeare(tmp_path: Path) -> None:
    """In forty steps, the loss of the held-out text falls below what single letters allow."""
    shared = Path(__file__).parents[3] / "shared" / "data" / "tinyshakespeare.txt"
    if not shared.exists():
        pytest.skip("tinyshakespeare.txt is not beside the checkout, and it is not part of the project")
    arguments = ("--out", tmp_path / "out", "--steps", 60, "--size", "small", "--json")
    done = penstock("train", shared, *arguments, OMP_NUM_THREADS=str(os.cpu_count()))  # a real size, and all threads
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["nats_per_character"] < 2.5  # the entropy of its letters alone is 3.3
