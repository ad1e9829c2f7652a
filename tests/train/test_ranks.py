"""Runs on several processes, by the real torchrun: the same optimisation, and no fault loses work."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ENVIRONMENT, penstock

from penstock.train.fit import _seed
from penstock.train.ranks import Ranks

TINY = ("--hidden", 16, "--streams", 6, "--chunk", 16, "--device", "cpu")
SMALL = (*TINY, "--dropout", 0)
RANDOM = (*TINY, "--dropout", 0.1)
pytestmark = pytest.mark.slow


def launch(ranks: int, *arguments: Any, restarts: int = 0) -> "subprocess.Popen[bytes]":
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    launcher += [f"--max-restarts={restarts}", "--monitor-interval=0.1", "-m", "penstock", "train"]
    environment = os.environ | ENVIRONMENT
    return subprocess.Popen(
        [*launcher, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )


def finish(process: "subprocess.Popen[bytes]") -> str:
    said = process.communicate(timeout=1200)[0].decode()
    assert process.returncode == 0, said
    return said


def steps_of(out: Path) -> list[dict[str, Any]]:
    path = out / "training" / "log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    read = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [line for line in read if line["kind"] == "step"]


def wait_until(done: Callable[[], Any], process: "subprocess.Popen[bytes]") -> Any:
    while process.poll() is None:
        if value := done():
            return value
        time.sleep(0.002)
    process.kill()
    raise AssertionError(process.communicate()[0].decode())


def workers(process: "subprocess.Popen[bytes]") -> dict[int, int]:
    """The processes of each rank below a launcher, by rank."""
    found = {}
    for child in subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split():
        try:
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        found |= {int(entry[5:]): int(child) for entry in environment if entry.startswith(b"RANK=")}
    return found


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of different lengths, so that ranks predict different numbers of tokens; nothing to learn by heart."""
    path = tmp_path_factory.mktemp("text") / "text.jsonl"
    letters = np.random.default_rng(0).choice(list("abcdefgh "), 30_000)
    cuts = np.cumsum(np.arange(200) % 7 * 40 + 20)
    texts = ["".join(part) for part in np.split(letters, cuts[cuts < len(letters)])]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="module")
def alone(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    done = penstock("train", text, "--out", out, "--steps", 150, *SMALL)
    assert done.returncode == 0, done.stderr
    return out


def assert_same_optimisation(out: Path, alone: Path) -> None:
    """Every step once, in order, with the loss and the gradients of one process, to rounding."""
    mine, theirs = steps_of(out), steps_of(alone)
    assert [line["step"] for line in mine] == [line["step"] for line in theirs]
    for name in ("loss", "gradient_norm"):
        # rounding, 1e-7 a step, grows along the way as in any training
        np.testing.assert_allclose([line[name] for line in mine], [line[name] for line in theirs], rtol=1e-3)
        first = slice(0, 10)
        np.testing.assert_allclose(
            [line[name] for line in mine[first]], [line[name] for line in theirs[first]], rtol=2e-6
        )


@pytest.mark.parametrize(("ranks", "accumulate"), [(2, 2), (4, 1)])
def test_any_number_of_ranks_is_the_same_optimisation(
    text: Path, alone: Path, tmp_path: Path, ranks: int, accumulate: int
) -> None:
    out = tmp_path / "out"
    said = finish(launch(ranks, text, "--out", out, "--steps", 150, "--accumulate", accumulate, *SMALL))
    assert f"{ranks} processes" in said
    assert said.count("perplexity") == 1  # the first rank speaks for all
    assert_same_optimisation(out, alone)


def test_accumulation_alone_is_the_same_optimisation(text: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert penstock("train", text, "--out", out, "--steps", 150, "--accumulate", 4, *SMALL).returncode == 0
    assert_same_optimisation(out, alone)


def test_a_stopped_run_goes_on_with_any_number_of_ranks(text: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for ranks, moment in ((4, 20), (1, 70), (2, None)):
        arguments = ("--resume",) if out.exists() else (text, "--steps", 150, *SMALL)
        process = launch(ranks, *arguments, "--out", out)
        if moment is None:
            finish(process)
            break
        at = moment
        wait_until(lambda at=at: len(steps_of(out)) >= at, process)
        process.send_signal(signal.SIGTERM)  # as a scheduler does before it takes the machine away
        said = process.communicate(timeout=600)[0].decode()
        assert process.returncode != 0
        assert re.search(r"stopped after step \d+; go on with", said), said
    assert_same_optimisation(out, alone)


def same_bytes(one: Path, other: Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    weights = [torch_file(folder) for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def torch_file(folder: Path) -> dict[str, np.ndarray]:
    import safetensors.numpy

    tensors: dict[str, np.ndarray] = safetensors.numpy.load_file(max((folder / "training").glob("checkpoint-*")))
    return tensors


@pytest.fixture(scope="module")
def pair(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two ranks, with dropout, that nothing happened to."""
    out = tmp_path_factory.mktemp("pair") / "out"
    finish(launch(2, text, "--out", out, "--steps", 150, *RANDOM))
    return out


def test_a_killed_worker_is_started_again_and_the_run_ends_bit_for_bit(text: Path, pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    frequent = ("--checkpoint-every", 0.05)
    process = launch(2, text, "--out", out, "--steps", 150, *RANDOM, *frequent, restarts=2)
    wait_until(lambda: len(steps_of(out)) >= 60, process)
    os.kill(workers(process)[1], signal.SIGKILL)
    said = finish(process)
    assert re.search(r"from step \d+", said), said
    same_bytes(out, pair)


def test_the_first_rank_killed_in_the_middle_of_a_checkpoint(text: Path, pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    always = ("--checkpoint-every", 0.001)
    process = launch(2, text, "--out", out, "--steps", 150, *RANDOM, *always, restarts=2)
    wait_until(lambda: len(steps_of(out)) >= 30, process)
    first = workers(process)[0]
    wait_until(lambda: list((out / "training").glob(".checkpoint-*")), process)
    os.kill(first, signal.SIGKILL)
    finish(process)
    same_bytes(out, pair)


def by_hand(rank: int, port: int, *arguments: Any, **environment: str) -> "subprocess.Popen[bytes]":
    """A rank without a launcher, as somebody's cluster starts it."""
    ours = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "penstock", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | ENVIRONMENT | ours | environment
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("--seed", 7), "--seed: the processes of a run must be started alike: 0 on rank 0, 7 on rank 1"),
        (("more.txt",), "FILE: the processes of a run must be started alike: "),
    ],
)
def test_ranks_that_disagree_stop_at_once(text: Path, tmp_path: Path, other: tuple[Any, ...], message: str) -> None:
    port, out = free_port(), tmp_path / "out"
    said = (text, "--out", out, "--steps", 5, *SMALL)
    processes = [by_hand(0, port, *said), by_hand(1, port, *said, *other)]
    errors = [process.communicate(timeout=600)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    assert all(message in error for error in errors), errors
    assert not out.exists()


def test_a_rendezvous_that_nobody_comes_to(text: Path, tmp_path: Path) -> None:
    port = free_port()
    done = by_hand(1, port, text, "--out", tmp_path / "out", PENSTOCK_RENDEZVOUS_SECONDS="3")
    error = done.communicate(timeout=600)[1].decode()
    assert done.returncode == 2
    assert f"did not find the other processes at 127.0.0.1:{port} within 3 s" in error


def test_shards_are_whole_and_equal() -> None:
    for count in range(12):
        for size in range(1, 7):
            parts = [Ranks(rank, size).shard(count) for rank in range(size)]
            assert [n for part in parts for n in range(part.start, part.stop)] == list(range(count))
            lengths = [part.stop - part.start for part in parts]
            assert max(lengths) - min(lengths) <= 1


def test_one_process_alone_needs_nobody() -> None:
    ranks, model = Ranks(), torch.nn.Linear(2, 2)
    assert ranks.wrap(model) is model
    assert ranks.total(1.5, 2) == (1.5, 2)
    assert ranks.told("x") == "x"
    state = torch.zeros(1, 3, 2)
    assert ranks.gathered(state, 3) is state
    ranks.agree({"anything": 1})
    seeds = {_seed(seed, step, rank) for seed in range(5) for step in range(50) for rank in range(4)}
    assert len(seeds) == 1000
