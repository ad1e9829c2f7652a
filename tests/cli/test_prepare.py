"""``penstock prepare`` as a person types it, and what is done with what it makes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import files_of, penstock

SMALL = ("--hidden", "16", "--streams", "4", "--chunk", "16", "--device", "cpu", "--steps", "20")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Documents of different lengths."""
    path = tmp_path / "rows.jsonl"
    texts = [f"{k} cats sat on the mat, which already ate. " * (1 + k % 5) for k in range(150)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_what_it_says(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokens"
    done = penstock("prepare", rows, "--out", out, "--holdout", "0.2", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"^documents +150$", done.stdout, re.MULTILINE)
    assert f"Next:\n  penstock train {out} --out DIR\n" in done.stdout
    before = files_of(out)
    done = penstock("prepare", rows, "--out", out, "--holdout", "0.2", "--json")  # it is all there already
    figures = json.loads(done.stdout)
    assert figures.keys() == {"documents", "characters", "tokens", "held_out_tokens", "vocabulary"}
    assert 0.1 < figures["held_out_tokens"] / figures["tokens"] < 0.4
    assert files_of(out) == before


def test_settings_come_from_everywhere(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[prepare]\nvocab = "bpe"\nvocab-size = 300\n')
    arguments = ("prepare", rows, "--out", tmp_path / "tokens", "--config", tmp_path / "run.toml", "--json")
    done = penstock(*arguments, PENSTOCK_PREPARE_VOCAB_SIZE="280")
    assert json.loads(done.stdout)["vocabulary"] == 280


def test_from_standard_input(tmp_path: Path) -> None:
    for k in range(2):  # the second one finds the same text, and that all is done
        done = penstock("prepare", "-", "--out", tmp_path / "tokens", "--json", stdin=b"text from a pipe")
        assert json.loads(done.stdout)["tokens"] == 16, (k, done.stderr)
    done = penstock("prepare", "-", "--out", tmp_path / "tokens", stdin=b"another text!!!!")
    assert "/dev/stdin: has changed since" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ROWS"], "--out: expected the folder for the tokens, got none; add --out DIR"),
        (["--out", "OUT"], "FILE: expected text to prepare, got none; name files, or - for standard input"),
        (["ROWS", "--out", "OUT", "--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["ROWS", "--out", "OUT", "--holdout", "2"], "--holdout: expected 0 to 0.9, got 2"),
        (["ROWS", "--out", "OUT", "--column", "body"], "expected a column 'body', got 'text'; name it with --column"),
        (["nowhere.txt", "--out", "OUT"], "nowhere.txt: no such file or folder"),
        (
            ["ROWS", "--out", "OUT", "--config", "TOML"],
            "expected tables named agree, bench",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(rows: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "run.toml").write_text("[toaster]\n")
    places = {"ROWS": str(rows), "OUT": str(tmp_path / "out"), "TOML": str(tmp_path / "run.toml")}
    done = penstock("prepare", *(places.get(a, a) for a in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("penstock: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_its_workers_and_it_goes_on(tmp_path: Path, number: int) -> None:
    """As by Ctrl-C, which every process of the terminal gets."""
    with (tmp_path / "large.txt").open("w") as file:
        file.writelines(f"line {k} of the cats\n" for k in range(2_000_000))
    out = tmp_path / "tokens"
    command = [sys.executable, "-m", "penstock", "prepare", str(tmp_path / "large.txt"), "--out", str(out)]
    command += ["--workers", "2", "--vocab", "byte"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while not [*out.glob("unfinished/.*.tokens.*")]:
        assert process.poll() is None
        time.sleep(0.002)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert b"Traceback" not in process.communicate()[1]
    assert process.returncode == 128 + number
    while is_alive(process.pid):
        time.sleep(0.01)
    assert penstock(*command[3:]).returncode == 0
    done = penstock("prepare", tmp_path / "large.txt", "--out", tmp_path / "undisturbed", "--vocab", "byte")
    assert done.returncode == 0, done.stderr
    assert files_of(out) == files_of(tmp_path / "undisturbed")
    assert len(files_of(out)) > 3


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Rows, their tokens, and a model of them."""
    folder = tmp_path_factory.mktemp("trained")
    texts = [f"{k} cats sat on the mat, which already ate. " * (1 + k % 5) for k in range(150)]
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert penstock("prepare", folder / "rows.jsonl", "--out", folder / "tokens", "--holdout", "0.1").returncode == 0
    done = penstock("train", folder / "tokens", "--out", folder / "model", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder / "rows.jsonl", folder / "tokens", folder / "model"


@pytest.mark.slow
def test_a_run_on_tokens_is_the_run_on_their_text(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    rows, _, model = trained
    done = penstock("train", rows, "--out", tmp_path / "model", "--holdout", "0.1", *SMALL)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model/model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    of_text, of_tokens = (json.loads((m / "train.json").read_text()) for m in (tmp_path / "model", model))
    assert of_tokens["results"]["bits_per_character"] == of_text["results"]["bits_per_character"]
    assert 0 < of_tokens["results"]["input_share"] < 1
    assert of_tokens["plan"]["settings"]["holdout"] == 0.1
    assert not (model / "training" / "tokens").exists()  # nothing was copied
    log = [json.loads(line) for line in (model / "training" / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["input_share"] < 1 for line in log if line["kind"] == "step")


@pytest.mark.slow
def test_eval_scores_what_is_held_out(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, tokens, model = trained
    figures = json.loads(penstock("eval", model, tokens, "--json").stdout)
    results = json.loads((model / "train.json").read_text())["results"]
    assert figures["bits_per_character"] == pytest.approx(results["bits_per_character"])
    assert figures["tokens"] == results["scored_tokens"]
    (tmp_path / "a.txt").write_text("another text\n" * 30)
    assert penstock("prepare", tmp_path / "a.txt", "--out", tmp_path / "tokens").returncode == 0
    done = penstock("eval", model, tmp_path / "tokens")
    assert "prepared with another vocabulary than the model's: 9" not in done.stdout
    assert re.search(r"prepared with another vocabulary than the model's: \d+ tokens \(char\), expected", done.stderr)


@pytest.mark.slow
def test_tokens_that_moved_and_tokens_that_changed(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, tokens, _ = trained
    shutil.copytree(tokens, tmp_path / "tokens")
    done = penstock("train", tmp_path / "tokens", "--out", tmp_path / "model", *SMALL)
    assert done.returncode == 0, done.stderr
    (tmp_path / "tokens").rename(tmp_path / "moved")
    done = penstock("train", "--out", tmp_path / "model", "--resume")
    assert done.returncode == 2
    assert f"{tmp_path}/tokens/index.json: cannot be read: No such file or directory" in done.stderr
    assert penstock("train", tmp_path / "moved", "--out", tmp_path / "model", "--resume").returncode == 0
    (tmp_path / "a.txt").write_text("another text\n" * 30)
    assert penstock("prepare", tmp_path / "a.txt", "--out", tmp_path / "others").returncode == 0
    done = penstock("train", tmp_path / "others", "--out", tmp_path / "model", "--resume")
    assert f"{tmp_path}/others: expected the data that the run in {tmp_path}/model began with" in done.stderr
    shard = tmp_path / "moved" / "00000.tokens"
    shard.write_bytes(shard.read_bytes()[:-1])
    for arguments in (("--resume",), ("--steps", "3", "--force")):
        done = penstock("train", tmp_path / "moved", "--out", tmp_path / "model", *arguments)
        assert done.returncode == 2
        assert f"{shard}: not the file that was written: expected" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_tokens_that_are_not_all_there_or_of_another_recipe(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, tokens, model = trained
    out = ("--out", tmp_path / "model", *SMALL)
    done = penstock("train", tokens, "--vocab", "byte", *out)
    assert f"--vocab: {tokens} was prepared with char, got byte; leave it out, or prepare" in done.stderr
    assert done.returncode == 2
    (tmp_path / "tokens" / "unfinished").mkdir(parents=True)
    (tmp_path / "tokens" / "unfinished" / "plan.json").write_text("{}")
    for arguments in (("train", tmp_path / "tokens", *out), ("eval", model, tmp_path / "tokens")):
        done = penstock(*arguments)
        assert done.returncode == 2
        assert "tokens: not prepared to the end; run the same penstock prepare again, and it goes on" in done.stderr
        assert not (tmp_path / "model").exists()
