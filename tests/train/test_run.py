"""Whole runs, through real processes where the process matters: killed, stopped, out of disk, resumed."""

import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import safetensors.numpy
import torch
from helpers import ENVIRONMENT, files_of, penstock
from rich.console import Console

from penstock import LanguageModel, load
from penstock.errors import PenstockError
from penstock.tasks.language import task as of_language
from penstock.tasks.language.settings import LanguageSettings
from penstock.tasks.language.task import TASK
from penstock.text import CharVocabulary
from penstock.train.run import train
from penstock.train.settings import Settings

LANGUAGE = LanguageSettings()

SMALL = ("--hidden", "24", "--streams", "4", "--chunk", "16", "--dropout", "0.2", "--device", "cpu")
pytestmark = pytest.mark.slow


def start(*arguments: Any, env: Mapping[str, str] = os.environ, **options: Any) -> "subprocess.Popen[bytes]":
    command, env = [sys.executable, "-m", "penstock", "train", *map(str, arguments)], {**env, **ENVIRONMENT}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, **options)


def wait_for_step(process: "subprocess.Popen[bytes]", out: Path, step: int) -> None:
    while process.poll() is None:
        path = out / "training" / "log.jsonl"
        if path.exists() and path.read_bytes().count(b'"kind": "step"') >= step:
            return
        time.sleep(0.005)
    raise AssertionError(process.communicate()[0].decode())


def log_of(out: Path) -> list[dict[str, Any]]:
    """The log without what the clock decides."""
    lines = [json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("seconds", "steps_per_second", "input_share")} for line in lines
    ]


def tensors_of(out: Path) -> dict[str, bytes]:
    checkpoint = safetensors.numpy.load_file(max((out / "training").glob("checkpoint-*.safetensors")))
    return {name: value.tobytes() for name, value in checkpoint.items()}


def assert_same_run(one: Path, other: Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert tensors_of(one) == tensors_of(other)
    assert log_of(one) == log_of(other)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus of several documents and a run on it that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    corpus = folder / "corpus.jsonl"
    sentence = "the cat, which already ate the food, was full; the cats were full. "
    corpus.write_text("".join(json.dumps({"text": sentence * (1 + k % 5)}) + "\n" for k in range(60)))
    done = penstock("train", corpus, "--out", folder / "out", "--steps", 300, *SMALL)
    assert done.returncode == 0, done.stderr
    return corpus, folder / "out"


@pytest.mark.parametrize("moment", [0, 140])
def test_a_killed_run_goes_on_bit_for_bit(undisturbed: tuple[Path, Path], tmp_path: Path, moment: int) -> None:
    corpus, expected = undisturbed
    out = tmp_path / "out"
    process = start(corpus, "--out", out, "--steps", 300, "--checkpoint-every", "0.05", *SMALL)
    wait_for_step(process, out, moment)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = penstock("train", "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_run(out, expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_says_how_to_go_on(undisturbed: tuple[Path, Path], tmp_path: Path, number: int) -> None:
    corpus, expected = undisturbed
    out = tmp_path / "out"
    process = start(corpus, "--out", out, "--steps", 300, *SMALL)
    wait_for_step(process, out, 30)
    process.send_signal(number)
    output = process.communicate()[0].decode()
    assert process.returncode == 128 + number, output
    assert re.search(rf"stopped after step \d+; go on with\n  penstock train --out {out} --resume", output)
    load(out)  # the model so far can be used
    done = penstock("train", "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_run(out, expected)


def test_resuming_a_finished_run_changes_nothing(undisturbed: tuple[Path, Path]) -> None:
    _, out = undisturbed
    before = files_of(out)
    assert penstock("train", "--out", out, "--resume").returncode == 0
    after = files_of(out)
    changed = {k for k in after if after[k] != before.get(k)}
    assert changed <= {"training/checkpoint-000000300.safetensors", "train.json"}
    assert before.keys() == after.keys()


def test_it_learned_and_says_so(undisturbed: tuple[Path, Path]) -> None:
    corpus, out = undisturbed
    record = json.loads((out / "train.json").read_text())
    results = record["results"]
    assert results["steps"] == 300
    assert results["bits_per_character"] < results["xz_bits_per_character"] < 8
    assert record["plan"]["settings"]["steps"] == 300
    assert LanguageModel.load(out).config.stack.hidden_size == 24
    validations = [line for line in log_of(out) if line["kind"] == "validation"]
    assert [line["step"] for line in validations] == list(range(30, 301, 30))
    scored = json.loads(penstock("eval", out, corpus, "--json").stdout)
    assert scored["bits_per_character"] == pytest.approx(results["bits_per_character"], rel=0.5)


def test_a_disk_that_fills_up_loses_nothing(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, expected = undisturbed
    out = tmp_path / "out"
    size = 55_000  # more than a checkpoint, less than the log of the whole run

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    # the limit would also fail a coverage report of this process
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    arguments = (corpus, "--out", out, "--steps", 300, "--checkpoint-every", "0.05", *SMALL)
    process = start(*arguments, preexec_fn=limited, env=environment)
    output = process.communicate()[0].decode()
    assert process.returncode == 2, output
    assert "log.jsonl: cannot be written: File too large" in output
    assert "Traceback" not in output
    assert penstock("train", "--out", out, "--resume").returncode == 0
    assert_same_run(out, expected)


def test_a_loss_that_explodes_keeps_the_last_checkpoint(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 50, "--learning-rate", "1e30", *SMALL)
    assert done.returncode == 1
    assert "training left the finite numbers at step" in done.stderr
    assert "start anew with a --learning-rate below 1e+30" in done.stderr
    assert "the last checkpoint is kept in" in done.stderr
    assert done.stderr.count("\n") == 1
    assert tensors_of(out)


def test_a_held_out_loss_that_is_not_finite_is_no_best_model(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 1, "--learning-rate", "1e39", *SMALL)
    assert done.returncode == 1
    assert re.search(r"step 1: loss (nan|inf) on held-out data; the last checkpoint is kept in", done.stderr)
    assert not (out / "model.safetensors").exists()


def test_a_folder_in_use_is_not_touched(undisturbed: tuple[Path, Path], corpus: Path) -> None:
    _, out = undisturbed
    before = files_of(out)
    done = penstock("train", corpus, "--out", out, "--steps", 5, *SMALL)
    assert done.returncode == 2
    assert "already holds model.safetensors; add --resume to go on with it, --force to replace it" in done.stderr
    # what is wrong with the new run is found before the old one goes
    for bad in (["nowhere.txt"], [corpus, "--device", "toaster"]):
        done = penstock("train", *bad, "--out", out, "--steps", 5, "--force")
        assert done.returncode == 2, done.stderr
    assert files_of(out) == before


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_penstock_did_not_write_is_left_alone(corpus: Path, tmp_path: Path, force: list[str]) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 2, *SMALL).returncode == 0
    for name in ("notes.txt", "training/book.txt", "training/tokens/more.txt"):
        (out / name).write_text("mine")
        before = files_of(out)
        done = penstock("train", corpus, "--out", out, "--steps", 2, *SMALL, *force)
        assert done.returncode == 2
        assert f"{out / name}: was not written by Penstock, which leaves it alone" in done.stderr
        assert files_of(out) == before
        (out / name).unlink()


def test_an_input_is_never_replaced(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 2, *SMALL).returncode == 0
    before = files_of(out)
    for inside in ("training/tokens", "train.json"):
        done = penstock("train", out / inside, "--out", out, "--steps", 2, *SMALL, "--force")
        assert done.returncode == 2
        assert re.search(f"{out / inside}: is an input and lies in the output folder, {out}", done.stderr)
    assert files_of(out) == before


def test_force_replaces_all_of_it(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 3, "--vocab", "bpe", *SMALL)
    assert done.returncode == 0, done.stderr
    (out / ".gitignore").write_text("*")
    done = penstock("train", corpus, "--out", out, "--steps", 5, *SMALL, "--force")
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "train.json").read_text())["results"]["steps"] == 5
    assert not (out / "tokenizer.json").exists()
    assert (out / ".gitignore").read_text() == "*"
    assert {path.name for path in out.iterdir()} - {".gitignore"} == {
        "config.json", "model.safetensors", "penstock.json", "train.json", "training"
    }  # fmt: skip
    assert not (out / "training" / "model").exists()
    load(out)


def test_the_old_model_stays_until_the_new_one_stands(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 3, "--vocab", "bpe", *SMALL).returncode == 0

    def model() -> dict[str, bytes]:
        return {name: value for name, value in files_of(out).items() if not name.startswith("training/")}

    before = model()
    done = penstock("train", corpus, "--out", out, "--steps", 50, "--learning-rate", "1e30", *SMALL, "--force")
    assert done.returncode == 1
    assert "the last checkpoint and the model that was there before are kept in" in done.stderr
    assert model() == before
    process = start(corpus, "--out", out, "--steps", 100_000, *SMALL, "--force")
    wait_for_step(process, out, 10)
    process.send_signal(signal.SIGHUP)
    output = process.communicate()[0].decode()
    assert process.returncode == 128 + signal.SIGHUP, output
    assert f"the model that {out} held before stays until the run is done; go on with" in output
    assert model() == before
    assert (out / "training" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_an_interrupted_replacement_is_taken_up(corpus: Path, tmp_path: Path, kind: Any) -> None:
    out, other = tmp_path / "out", {"char": "bpe", "bpe": "char"}[kind]
    assert penstock("train", corpus, "--out", out, "--steps", 3, "--vocab", other, *SMALL).returncode == 0
    for moved in range(3 if kind == "bpe" else 2):
        folder = tmp_path / f"{moved}"
        shutil.copytree(out, folder)
        left = iter(range(moved))

        def interrupted(source: Any, to: Any, left: Iterator[int] = left, replace: Any = os.replace) -> None:
            if Path(source).parent.name == "model" and Path(source).name in TASK.files and next(left, None) is None:
                raise KeyboardInterrupt
            replace(source, to)

        settings, own = Settings(steps=5, hidden=24), LanguageSettings(vocab=kind)
        with mock.patch.object(os, "replace", interrupted), pytest.raises(KeyboardInterrupt):
            train(TASK, settings, own, [str(corpus)], folder, force=True)
        with pytest.raises(PenstockError):  # between two models there is none, and never a mixture
            load(folder)
        train(TASK, Settings(), LANGUAGE, [], folder, resume=True)
        assert load(folder).vocabulary.kind == kind
        assert (folder / "tokenizer.json").exists() == (kind == "bpe")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden", "32"], "--hidden: the run in .* began with 24, got 32; leave it out to resume"),
        (["--dropout", "0"], "--dropout: the run in .* began with 0.2, got 0.0; leave it out to resume"),
        (["--chunk", "64"], "--chunk: the run in .* began with 16, got 64; leave it out to resume"),
        (["other.txt"], "FILE: the run in .* reads .*, got other.txt; leave it out to resume"),
        (["--force"], "expected one of --resume and --force, got both"),
    ],
)
def test_resuming_with_other_settings(undisturbed: tuple[Path, Path], arguments: list[str], message: str) -> None:
    _, out = undisturbed
    done = penstock("train", *arguments, "--out", out, "--resume")
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("checkpoint-000000300.safetensors", None, "training/tokens: expected the data that the run in"),
        (
            "tokens/index.json",
            b"{}",
            "index.json: not the file that was written: its checksum is that of another content",
        ),
    ],
)
def test_resuming_from_files_of_another_run(
    undisturbed: tuple[Path, Path], corpus: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 2, *SMALL).returncode == 0
    foreign = undisturbed[1] / "training" / name
    (out / "training" / name).write_bytes(foreign.read_bytes() if content is None else content)
    before = files_of(out)
    done = penstock("train", "--out", out, "--resume")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert files_of(out) == before


def test_what_may_change_when_a_run_is_resumed(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 2, *SMALL).returncode == 0
    done = penstock("train", "--out", out, "--resume", "--keep", 1, "--checkpoint-every", 9)
    assert done.returncode == 0, done.stderr
    settings = json.loads((out / "train.json").read_text())["plan"]["settings"]
    assert (settings["keep"], settings["checkpoint_every"]) == (1, 9)
    assert len(list((out / "training").glob("checkpoint-*"))) == 1


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_log_that_was_shortened_is_cut_not_padded(corpus: Path, tmp_path: Path, left: int) -> None:
    out = tmp_path / "out"
    assert penstock("train", corpus, "--out", out, "--steps", 9, *SMALL).returncode == 0
    log = out / "training" / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:left])
    assert penstock("train", "--out", out, "--resume").returncode == 0
    assert log.read_bytes() == whole[: whole[:left].rfind(b"\n") + 1]


@pytest.mark.parametrize("characters", [300, 2400, 20_000])
def test_epochs_are_passes_and_what_was_read_is_counted(tmp_path: Path, characters: int) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "out"
    text.write_text(("The cat, which already ate, was full. " * 2000)[:characters])
    done = penstock(
        "train", text, "--out", out, "--epochs", 4, "--hidden", 8, "--patience", 99, "--device", "cpu", "--json"
    )
    assert done.returncode == 0, done.stderr
    with (out / "training" / "log.jsonl").open() as log:
        steps = [line for line in map(json.loads, log) if line["kind"] == "step"]
    plan = json.loads((out / "train.json").read_text())["plan"]
    N = max(1, min(plan["streams"], plan["training"] // 2))
    length = (plan["training"] - 1) // N
    assert len(steps) == 4 * -(-length // min(64, length))
    assert json.loads(done.stdout)["tokens_read"] == 4 * N * length
    assert plan["expected_passes"] == pytest.approx(4)


def test_nothing_to_resume(tmp_path: Path) -> None:
    done = penstock("train", "--out", tmp_path, "--resume")
    assert done.returncode == 2
    assert "nothing to resume: no checkpoint here; start without --resume" in done.stderr


def test_a_folder_that_cannot_be_made(corpus: Path) -> None:
    done = penstock("train", corpus, "--out", corpus / "out", "--steps", 1)
    assert done.returncode == 2
    assert "cannot be written: Not a directory" in done.stderr


def test_a_stop_while_it_prepares_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("-", "--out", out, stdin=subprocess.PIPE)
    while not (out / ".training").exists():
        time.sleep(0.01)
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not out.exists()


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"ok \xff")
    done = penstock("train", tmp_path / "bad.txt", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "bad.txt: not UTF-8 at byte 3; go on with --errors replace, or --vocab byte reads its bytes" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--vocab", "byte"), ("--errors", "replace"), ("--vocab", "bpe", "--vocab-size", "270", "--errors", "replace")],
)
def test_every_vocabulary_on_bytes_that_are_no_text(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "bad.txt").write_bytes("门控循环单元 \n".encode() * 200 + b"\xff\xfe" + b"GRU\n" * 200)
    done = penstock("train", tmp_path / "bad.txt", "--out", tmp_path / "out", "--steps", 8, *arguments, *SMALL)
    assert done.returncode == 0, done.stderr
    assert penstock("generate", tmp_path / "out", "--prompt", "门", "--length", 5).returncode == 0


def test_without_held_out_text(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 10, "--holdout", 0, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bits_per_character"] is None
    assert "scoring what was held out" not in done.stderr
    load(out)


def test_what_the_model_writes_meanwhile_changes_no_bit(corpus: Path, tmp_path: Path) -> None:
    settings = Settings(
        hidden=24, streams=4, chunk=16, dropout=0.2, steps=40, device="cpu", learning_rate=0.01, minutes=None
    )
    for name, put in (("with", of_language.written), ("without", lambda model, prompt, seed: "")):
        with mock.patch("penstock.tasks.language.task.written", side_effect=put) as written:
            train(TASK, settings, LANGUAGE, [str(corpus)], tmp_path / name, console=Console(quiet=True))
        assert written.call_count == 10
    assert_same_run(tmp_path / "with", tmp_path / "without")


def test_early_stopping(tmp_path: Path) -> None:
    """Held-out text that has nothing to do with the training text only gets worse."""
    path = tmp_path / "corpus.txt"
    path.write_text("ab" * 9000 + "cdefghijklmnopqrstuv" * 100)
    done = penstock("train", path, "--out", tmp_path / "out", "--steps", 300, "--patience", 2, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] < 300
    assert re.search(r"stopped at \d+%: the last 2 validations were no better; --patience says", done.stderr)


def test_minutes_are_kept_and_the_clock_goes_on_over_a_stop(corpus: Path, tmp_path: Path) -> None:
    """By a clock that a call moves on by a tenth of a second, three calls or a few more a step."""
    out, now = tmp_path / "out", itertools.count()

    def clock() -> float:
        ticks = next(now)
        if ticks == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return ticks / 10

    small = {"hidden": 24, "streams": 4, "chunk": 16, "dropout": 0.2, "device": "cpu"}
    stopped = train(TASK, Settings(minutes=0.1, **small), LANGUAGE, [str(corpus)], out, clock=clock)
    assert stopped.interrupted == signal.SIGINT
    assert train(TASK, Settings(), LANGUAGE, [], out, resume=True, clock=clock).results is not None
    log = [json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()]
    *before, end = [line["seconds"] for line in log if line["kind"] == "step"]
    assert before == sorted(before)
    assert len(before) > 2
    assert max(before) < 6.0 <= end < 7.0  # no step begins when the time is over, and none of the time is lost


def test_a_run_is_made_longer(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, whole = undisturbed
    out = tmp_path / "out"
    short = train_of(whole, steps=3)
    assert train(TASK, short, LANGUAGE, [str(corpus)], out).results is not None
    with pytest.raises(PenstockError, match=r"--steps: the run in .* has 3 steps behind it, got 2; say more to go on"):
        train(TASK, Settings(steps=2), LANGUAGE, [], out, resume=True)
    longer = train(TASK, Settings(steps=6), LANGUAGE, [], out, resume=True)
    assert longer.results is not None
    assert longer.results.steps == 6
    record = json.loads((out / "train.json").read_text())["plan"]
    assert (record["steps"], record["settings"]["steps"]) == (6, 6)
    rates = [line["learning_rate"] for line in log_of(out) if line["kind"] == "step"]
    assert rates[3] == pytest.approx(record["learning_rate"] / 2, rel=0.1)  # where a run of six is after half of it
    assert [line["step"] for line in log_of(out) if line["kind"] == "validation"][-1] == 6
    epochs = train(TASK, Settings(epochs=0.1), LANGUAGE, [], out, resume=True)
    assert epochs.results is not None
    assert json.loads((out / "train.json").read_text())["plan"]["settings"]["steps"] is None


def train_of(out: Path, **change: Any) -> Settings:
    """The settings of a run, or some of them changed."""
    settings = json.loads((out / "train.json").read_text())["plan"]["settings"]
    return Settings(**settings | change)


def test_a_run_begins_from_a_model(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    _, before = undisturbed
    text = tmp_path / "new.txt"
    text.write_text("Ein Kätzchen, das schon gegessen hatte, war satt. " * 90)
    out = tmp_path / "out"
    said = ("--init", before, "--out", out, "--streams", 4, "--chunk", 16)
    done = penstock("train", text, *said, "--steps", 1, "--learning-rate", 1e-30, "--json")
    assert done.returncode == 0, done.stderr
    old, new = LanguageModel.load(before), LanguageModel.load(out)
    assert new.config.stack.hidden_size == old.config.stack.hidden_size == 24
    assert isinstance(old.vocabulary, CharVocabulary)
    assert isinstance(new.vocabulary, CharVocabulary)
    assert set(new.vocabulary.characters) == set(old.vocabulary.characters) | set(text.read_text())
    known = "the cat, which already ate the food"
    ids = [torch.from_numpy(model.vocabulary.encode(known)) for model in (old, new)]
    logits = [model(i[:, None])[0][:, 0, i] for model, i in zip((old, new), ids, strict=True)]
    # of what both know, the same, but for the order in which a wider product adds up: logits of some units, float32
    torch.testing.assert_close(*logits, rtol=0, atol=1e-5)
    for arguments, message in (
        (("--hidden", 32), r"--hidden: the model in .* has 24, got 32; leave it out with --init"),
        (("--vocab", "byte"), r"--vocab: the model in .* has char, got byte; leave it out with --init"),
        (("--size", "tiny"), r"--size: the model in .* has sizes of its own, got tiny; leave it out with --init"),
    ):
        done = penstock("train", text, *said, "--force", "--steps", 1, *arguments)
        assert done.returncode == 2
        assert re.search(message, done.stderr), done.stderr
    done = penstock("train", "--out", out, "--resume", "--steps", 9, "--learning-rate", 1e-30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_a_run_begins_from_a_model_of_other_tokens(corpus: Path, tmp_path: Path, kind: str) -> None:
    small = ("--hidden", 8, "--streams", 4, "--chunk", 16, "--steps", 1)
    assert penstock("train", corpus, "--out", tmp_path / "a", "--vocab", kind, *small).returncode == 0
    text = tmp_path / "new.txt"
    text.write_text("Ein Kätzchen, das schon gegessen hatte, war satt. " * 90)
    done = penstock("train", text, "--init", tmp_path / "a", "--out", tmp_path / "b", *small[2:])
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "a").vocabulary.saved() == load(tmp_path / "b").vocabulary.saved()
    tokens = tmp_path / "tokens"
    assert penstock("prepare", text, "--out", tokens, "--vocab", "char", "--holdout", 0.1).returncode == 0
    done = penstock("train", tokens, "--init", tmp_path / "a", "--out", tmp_path / "c", *small[2:])
    assert done.returncode == 2
    assert re.search(rf"--vocab: .*tokens was prepared with char, got {kind}", done.stderr)


def test_a_text_that_changed_is_told_of(tmp_path: Path) -> None:
    folder, out = tmp_path / "texts", tmp_path / "out"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.txt").write_text(f"the cat {name}, which already ate, was full. " * 99)
    assert penstock("train", folder, "--out", out, "--steps", 1, *SMALL).returncode == 0
    before = load(out).score("the cat").nats

    def resumed() -> str:
        done = penstock("train", "--out", out, "--resume")
        assert done.returncode == 0, done.stderr
        assert load(out).score("the cat").nats == before
        (said,) = re.findall(r"(\S+) is not as it was when the run began", done.stdout) or [""]
        return Path(said).name

    assert resumed() == ""
    (folder / "c.txt").write_text("a new one")
    assert resumed() == "c.txt"
    (folder / "c.txt").unlink()
    (folder / "b.txt").write_text("another")
    assert resumed() == "b.txt"
    (folder / "b.txt").unlink()
    assert resumed() == "b.txt"


def test_tensorboard(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = penstock("train", corpus, "--out", out, "--steps", 5, "--tensorboard", *SMALL)
    assert done.returncode == 0, done.stderr
    assert any((out / "training" / "tensorboard").iterdir())


def test_layers_tied_and_residual(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    extra = ("--layers", "3", "--tied", "--residual", "--reset", "after")
    done = penstock("train", corpus, "--out", out, "--steps", 20, *SMALL, *extra)
    assert done.returncode == 0, done.stderr
    config = load(out).config
    assert (config.stack.num_layers, config.tied, config.stack.residual, config.stack.reset) == (3, True, True, "after")
    assert penstock("train", "--out", out, "--resume").returncode == 0
