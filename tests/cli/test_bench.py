"""``penstock bench`` through its real entry point."""

import json
import os
import subprocess
import sys

import pytest
from helpers import penstock

from penstock import native
from penstock.bench.peers import PEERS

pytestmark = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


@pytest.mark.parametrize(
    ("options", "left_out"), [(["--quick"], {"torch.compile"}), pytest.param([], set(), marks=pytest.mark.slow)]
)
def test_everyone_who_is_here_is_right_and_timed(options: list[str], left_out: set[str]) -> None:
    done = penstock("bench", "--json", *options, "--threads", 1, "--shape", "2,3,4,5", "3,1,2,6")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["roofline"]["threads"] == 1
    assert [(row["kind"], *row["shape"].values()) for row in facts["rows"]] == [
        ("inference", 2, 3, 4, 5),
        ("inference", 3, 1, 2, 6),
        ("training", 2, 3, 4, 5),
        ("training", 3, 1, 2, 6),
    ]
    for row in facts["rows"]:
        here = {peer.name for peer in PEERS if row["kind"] in peer.functions and not peer.missing()} - left_out
        timed = [entry for entry in row["peers"] if entry["note"] is None]
        assert {entry["name"] for entry in timed} == here
        assert row["best_peer"] in here
        for entry in (row["penstock"], *timed):
            assert entry["milliseconds"] > 0
            assert entry["error"] < 1e-5
        assert all(entry["milliseconds"] > 0 for entry in row["variants"])


@pytest.mark.slow
def test_one_step_and_a_busy_machine() -> None:
    done = penstock("bench", "--steps", "--busy", "--quick", "--threads", 1, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["rows"] == []
    assert all(group["mean"] > 0 for group in facts["steps"])
    assert {(row["case"]["name"], row["load"]) for row in facts["busy"]} == {
        (name, load)
        for name in ("native.RecurrentLayer", "penstock.GRU", "penstock.GRU, training")
        for load in (0, 1, 2)
    }


@pytest.mark.parametrize("flag", ["--training", "--steps", "--busy"])
def test_without_torch_what_needs_it_says_so(flag: str) -> None:
    code = (
        f"import sys; sys.modules['torch'] = None; sys.argv = ['penstock', 'bench', {flag!r}]\n"
        "from penstock.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"penstock: error: {flag} needs PyTorch, which is not installed: pip install 'penstock[train]'\n"
    )


def test_the_roofline_alone() -> None:
    done = penstock("bench", "--roofline")
    assert done.returncode == 0, done.stderr
    assert "multiply-add peak, float32" in done.stdout
    assert "Penstock" not in done.stdout
    assert json.loads(penstock("bench", "--roofline", "--json").stdout)["rows"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shape", "1,2,3"], "--shape: expected N,L,D,H, four positive integers, got '1,2,3'"),
        (["--threads", "0"], f"--threads: expected 1 … {len(os.sched_getaffinity(0))}, the cores that"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    done = penstock("bench", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"penstock: error: {message}")
    assert done.stderr.count("\n") == 1


def test_without_the_core_there_is_nothing_to_measure() -> None:
    code = (
        "import sys; sys.modules['penstock.native._core'] = None; sys.argv = ['penstock', 'bench']\n"
        "from penstock.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("penstock: error: bench measures the compiled core, which is not there: ")
