"""``penstock score`` through its real entry point."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import files_of, penstock
from score.scored import read_parquet, save, texts, write_parquet

from penstock import load


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "model")


def test_it_scores_and_sums_up(model: Path, tmp_path: Path) -> None:
    lines = texts(30)
    write_parquet(tmp_path / "data" / "a.parquet", body=[*lines, None], id=[*range(31)])
    (tmp_path / "data" / "b.jsonl").write_text('{"body": "the cät"}\n')
    arguments = ("score", model, "--in", f"{tmp_path}/data/*.parquet", f"{tmp_path}/data/*.jsonl", "--column", "body")
    done = penstock(*arguments, "--out", tmp_path / "out", "--embed")
    assert done.returncode == 0, done.stderr
    columns = read_parquet(tmp_path / "out" / "a.parquet")
    alone = [load(model).score(text) for text in lines]
    assert columns["nats"] == [*(score.nats for score in alone), None]
    assert columns["id"] == [*range(31)]
    assert len(columns["embedding"][0]) == 9
    account, *files = done.stderr.splitlines()
    assert re.fullmatch(r"2 files, [\d,]+ bytes; nothing left out", account)
    told = [line.partition(": ")[2] for line in files]
    assert re.fullmatch(r"31 rows, 1 not scored, \d\.\d{4} bits per byte", told[0])
    assert re.fullmatch(r"1 rows, \d\.\d{4} bits per byte", told[1])
    assert done.stderr.endswith("a.parquet: row 31: expected text, got null\n")
    assert re.search(r"^rows +32$", done.stdout, re.MULTILINE)
    assert re.search(r"^unknown characters +1, each scored", done.stdout, re.MULTILINE)
    figures = json.loads(penstock(*arguments, "--out", tmp_path / "other", "--json", "--workers", 1).stdout)
    total = sum(alone[1:], alone[0]) + load(model).score("the cät")
    assert figures["bits_per_byte"] == pytest.approx(total.bits_per_byte, rel=1e-12)
    assert (figures["rows"], figures["rows_not_scored"], figures["tokens"]) == (32, 1, total.tokens)
    again = json.loads(penstock(*arguments, "--out", tmp_path / "other", "--json").stdout)
    assert (again["files"], again["files_finished_before"], again["perplexity"]) == (0, 2, None)


def test_a_broken_file_among_good_ones_is_status_1(model: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "a.parquet", text=texts(3))
    (tmp_path / "data" / "b.parquet").write_bytes(b"no")
    done = penstock("score", model, "--in", tmp_path / "data", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "b.parquet: not scored: not a Parquet file that can be read: " in done.stderr
    assert (tmp_path / "out" / "a.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MODEL", "--out", "OUT"], "--in: expected files to score, got none"),
        (["MODEL", "--in", "DATA"], "--out: expected the folder for the scores, got none"),
        (["nowhere", "--in", "DATA", "--out", "OUT"], "nowhere: no model here"),
        (["MODEL", "--in", "DATA/*.csv", "--out", "OUT"], "*.csv: nothing matches it"),
        (["MODEL", "--in", "DATA", "--out", "OUT", "--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["MODEL", "--in", "DATA", "--out", "OUT", "--engine", "spark"], "spark"),
        (["MODEL", "--in", "DATA", "--out", "DATA"], "lies in the output folder"),
        (
            ["MODEL", "--in", "DATA", "--out", "MODEL"],
            "expected a scores folder, got one of model; choose",
        ),
        (["MODEL", "--in", "DATA", "--out", "DATA/a.parquet/x"], "cannot be written: Not a directory"),
    ],
)
def test_bad_input_is_one_line_and_status_2(model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    write_parquet(tmp_path / "data" / "a.parquet", text=texts(3))
    names = {"MODEL": str(model), "DATA": str(tmp_path / "data"), "OUT": str(tmp_path / "out")}
    done = penstock("score", *(re.sub("MODEL|DATA|OUT", lambda m: names[m[0]], argument) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_such_column_lists_the_columns(model: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "a.parquet", text=texts(3), id=[1, 2, 3])
    done = penstock("score", model, "--in", tmp_path / "data", "--out", tmp_path / "out", "--column", "body")
    assert done.returncode == 2
    assert "error: not one row could be scored: " in done.stderr
    assert done.stderr.endswith("a.parquet: expected a column 'body', got 'text', 'id'; name it with --column\n")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_whole_files_and_goes_on(tmp_path: Path, stop: signal.Signals) -> None:
    model = save(tmp_path / "model", 128)
    for k in range(6):
        write_parquet(tmp_path / "data" / f"{k}.parquet", text=texts(700 if k else 20, seed=k))
    arguments = ["score", str(model), "--in", str(tmp_path / "data"), "--workers", "1", "--out"]
    command = [sys.executable, "-m", "penstock", *arguments, str(tmp_path / "out")]
    # a signal that meets coverage's collector leaves its lock taken for ever
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=unmeasured)
    assert process.stderr is not None
    for _ in ("the account", "the first file"):
        process.stderr.readline()
    process.send_signal(stop)
    rest = process.communicate(timeout=300)[1]
    assert process.returncode == (-stop if stop == signal.SIGKILL else 128 + stop)
    assert "Traceback" not in rest
    finished = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    assert 1 <= len(finished) < 6
    time.sleep(0.01)
    done = penstock(*arguments, tmp_path / "out", "--json")
    assert json.loads(done.stdout)["files_finished_before"] == len(finished)
    assert all(os.stat(tmp_path / "out" / name).st_mtime_ns == when for name, when in finished.items())
    penstock(*arguments, tmp_path / "whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
