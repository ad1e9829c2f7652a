"""What training on many processes costs: python benchmarks/many_processes.py [ROUNDS]; writes many-processes.md here.

Each figure is of whole `penstock train` runs, one after the other in turns, by the tokens per second of their own logs:
one process with all threads; the same under torchrun; two Gloo ranks of one thread each; and with a checkpoint every
second, for what one costs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.bench.report import machine

SIZES = ("--hidden", "512", "--streams", "64", "--chunk", "64", "--steps", "60", "--device", "cpu", "--dropout", "0")
NEVER, OFTEN = ("--checkpoint-every", "1e6"), ("--checkpoint-every", "1")
WARM_UP = 5


def run(launcher: list[str], threads: int, *more: str) -> tuple[float, float]:
    """Tokens per second, the median over the steps; and the seconds from the first step to the last."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *launcher, "-m", "penstock", "train", "--out", f"{folder}/out", *SIZES, *more]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        lines = map(json.loads, (Path(folder) / "out/training/log.jsonl").read_text().splitlines())
        steps = [line for line in lines if line["kind"] == "step"][WARM_UP:]
    return statistics.median(s["tokens_per_second"] for s in steps), steps[-1]["seconds"] - steps[0]["seconds"]


def main(rounds: int = 5) -> None:
    """Measures, prints and writes."""
    cores = len(os.sched_getaffinity(0))
    torchrun = ["-m", "torch.distributed.run", "--standalone"]
    rows = {
        "one process": ([], cores, NEVER),
        "one rank under torchrun": ([*torchrun, "--nproc-per-node=1"], cores, NEVER),
        "two ranks, half the threads each": ([*torchrun, "--nproc-per-node=2"], max(cores // 2, 1), NEVER),
        "one process, a checkpoint a second": ([], cores, OFTEN),
    }
    speeds: dict[str, list[float]] = {name: [] for name in rows}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, (launcher, threads, every) in rows.items():
            speed, spent = run(launcher, threads, *every)
            speeds[name].append(speed)
            seconds[name].append(spent)
    median = {name: statistics.median(values) for name, values in speeds.items()}
    alone = median["one process"]
    spent = {name: statistics.median(values) for name, values in seconds.items()}
    often, never = spent["one process, a checkpoint a second"], spent["one process"]
    stall = max(often - never, 0) / max(often, 1) / 30
    table = ["| 512 hidden units, 64 streams | tokens per second | × one process |", "|---|---|---|"]
    table += [f"| {name} | {speed:,.0f} | {speed / alone:.3f} |" for name, speed in median.items()]
    about = machine()
    facts = f"{about['processor']}, {cores} cores; PyTorch {about['packages']['torch']}"
    text = "\n".join([
        "# Training on many processes",
        "",
        f"Of `python benchmarks/many_processes.py`, medians of {rounds} rounds. {facts}.",
        "",
        *table,
        "",
        f"A checkpoint costs {max(often - never, 0) / max(often, 1):.3f} s: {stall:.2%} of the time at one in 30 s.",
        "",
    ])  # fmt: skip
    print(text)
    Path(__file__).with_name("many-processes.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
