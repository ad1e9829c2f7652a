"""``penstock prepare`` of series as a person types it, and training on what it makes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from helpers import ENVIRONMENT, files_of, penstock

TINY = ("--hidden", 8, "--device", "cpu", "--steps", 6, "--streams", 4)


def write_table(path: Path, series: int, steps: int) -> None:
    """Series side by side in time, with gaps, a target and a column of text."""
    random = np.random.default_rng(0)
    t, k = np.divmod(np.arange(series * steps), series)
    a = np.round(np.sin(t / 3 + k) + 0.1 * random.standard_normal(len(t)), 4)
    frame = {
        "id": pl.Series([f"s{one}" for one in range(series)] * steps),
        "t": t,
        "a": pl.Series(np.where(random.random(len(t)) < 0.1, np.nan, a)).fill_nan(None),
        "b": np.round(a**2, 4),
        "kind": pl.Series(np.array(["x", "y", "z"])[k % 3]),
        "label": pl.Series(np.array(["down", "up"])[k % 2]),
    }
    pl.DataFrame(frame).write_csv(path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    write_table(folder / "rows.csv", 25, 60)
    done = penstock("prepare", folder / "rows.csv", "--task", "steps", "--out", folder / "series")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read         ")
    assert "id           id (by its name)" in done.stdout
    assert f"  penstock train {folder / 'series'} --task steps --out RUN\n" in done.stdout
    return folder


def losses(out: Path) -> list[Any]:
    lines = map(json.loads, (out / "training" / "log.jsonl").read_text().splitlines())
    return [(line["step"], line.get("loss"), line.get("held_out_loss")) for line in lines if "step" in line]


@pytest.mark.parametrize(
    "task",
    [
        ("steps", "--target", "b"),
        ("sequence",),
        ("forecast", "--horizon", 4, "--target", "b"),
    ],
)
def test_training_is_the_same_to_the_last_bit(prepared: Path, tmp_path: Path, task: tuple[Any, ...]) -> None:
    for name in ("rows.csv", "series"):
        done = penstock("train", prepared / name, "--task", *task, "--out", tmp_path / name, *TINY)
        assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "series") == losses(tmp_path / "rows.csv")
    assert len(losses(tmp_path / "series")) >= 6
    one, other = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("rows.csv", "series"))
    assert one == other
    assert not (tmp_path / "series" / "training" / "series.safetensors").exists()  # it is where it was prepared
    done = penstock("eval", tmp_path / "series", prepared / "series", "--json")
    assert json.loads(done.stdout) == json.loads(
        penstock("eval", tmp_path / "series", prepared / "rows.csv", "--json").stdout
    )


def test_a_run_goes_on_with_what_was_prepared(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = penstock("train", prepared / "series", "--task", "steps", "--out", out, *TINY)
    assert done.returncode == 0, done.stderr
    done = penstock("train", "--out", out, "--resume", "--steps", 12)
    assert done.returncode == 0, done.stderr
    assert losses(out)[-1][0] == 12


def test_it_says_what_it_reads_and_what_it_made(prepared: Path, tmp_path: Path) -> None:
    dry = penstock("prepare", prepared / "rows.csv", "--id", "id", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "seen so far  a, b, kind (3 categories)" in dry.stdout
    of_folder = penstock("train", prepared / "series", "--task", "steps", "--dry-run")
    of_file = penstock("train", prepared / "rows.csv", "--task", "steps", "--dry-run")
    assert of_folder.stdout == of_file.stdout
    done = penstock("prepare", prepared / "rows.csv", "--target", "b", "--out", tmp_path / "series", "--json")
    assert json.loads(done.stdout)["rows"] == 25 * 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "steps", "--out", "OUT"], "FILE: expected series to prepare, got none; name files of rows"),
        (["ROWS", "--task", "steps"], "--out: expected the folder for the series, got none"),
        (["ROWS", "--task", "steps", "--out", "OUT", "--vocab", "char"], "--vocab: means nothing to series"),
        (["ROWS", "--task", "language", "--out", "OUT", "--id", "id"], "--id: means nothing to text"),
        (["ROWS", "--target", "lable", "--out", "OUT"], "no column 'lable'; did you mean 'label'?"),
        (["BAD", "--task", "steps", "--out", "OUT"], "bad.csv: row 3, column 't': 1 of 's0' stands twice"),
        (["SERIES", "--task", "steps", "--out", "OUT"], "the folder holds no series"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_left(
    prepared: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "bad.csv").write_text("id,t,a\ns0,0,1\ns0,1,2\ns0,1,3\n")
    places = {"ROWS": prepared / "rows.csv", "BAD": tmp_path / "bad.csv", "SERIES": prepared / "series"}
    done = penstock("prepare", *({**places, "OUT": tmp_path / "out"}.get(word, word) for word in arguments))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("penstock: error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_was_prepared_otherwise_is_said(prepared: Path, tmp_path: Path) -> None:
    for flag, name, message in (
        ("--features", "a", "--features: "),
        ("--time", "a", "--time: "),
        ("--target", "c", "no column 'c'"),
    ):
        done = penstock("train", prepared / "series", "--task", "steps", flag, name, "--out", tmp_path / "run")
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.slow
def test_two_processes_train_on_it(prepared: Path, tmp_path: Path) -> None:
    """By the real torchrun: the optimisation of one process, to rounding."""
    arguments = [prepared / "series", "--task", "steps", "--target", "b", *TINY, "--dropout", 0]
    done = penstock("train", *arguments, "--out", tmp_path / "one")
    assert done.returncode == 0, done.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "penstock"]
    command = [*launcher, "train", *map(str, arguments), "--out", str(tmp_path / "two")]
    two = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=1200)
    assert two.returncode == 0, two.stderr
    one, other = ([loss for _, loss, _ in losses(tmp_path / name) if loss is not None] for name in ("one", "two"))
    np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.slow
def test_a_killed_one_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    write_table(tmp_path / "rows.csv", 1000, 2000)  # some 60 MB: several parts
    command = [sys.executable, "-m", "penstock", "prepare", str(tmp_path / "rows.csv"), "--task", "steps"]
    out = tmp_path / "series"
    process = subprocess.Popen([*command, "--out", str(out), "--workers", "2"], env=os.environ | ENVIRONMENT)
    while not [*out.glob("unfinished/*.json")]:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for arguments in (["--out", str(out)], ["--out", str(tmp_path / "undisturbed"), "--workers", "1"]):
        assert penstock(*command[3:], *arguments).returncode == 0
    assert files_of(out) == files_of(tmp_path / "undisturbed")


@pytest.mark.slow
def test_memory_stays_small(tmp_path: Path) -> None:
    """A table is prepared in less memory than it has bytes."""
    write_table(tmp_path / "rows.csv", 1000, 8000)
    size = (tmp_path / "rows.csv").stat().st_size
    code = (
        "import resource, sys; from pathlib import Path; from penstock.series import Roles;"
        "from penstock.series.prepare import prepare_series; import polars;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "prepare_series([sys.argv[1]], Path(sys.argv[2]), Roles());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "rows.csv"), str(tmp_path / "series")]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert 1024 * int(done.stdout) < size / 1.5
