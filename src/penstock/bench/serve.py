"""``penstock serve`` under load: the server is a process, its clients are another, both on this machine's cores over
loopback. Every figure stands beside one of the same run: the core alone, ``generate``, or a server on ONNX Runtime.

Letters: H hidden units.
"""

from __future__ import annotations

import contextlib
import json
import os
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from penstock.errors import PenstockError
from penstock.folder import held
from penstock.model_folder import LanguageConfig, StackConfig, save_model
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles, save_series_model
from penstock.runtime import load
from penstock.series.features import FeatureColumn, Features
from penstock.series.scaling import Scaling
from penstock.text import CharVocabulary

H, E = 512, 64
"""Of the model of characters, one layer."""
SENSOR = 64
"""Units of the model of numbers."""
PROMPT = "the cat, which already ate, was full. "


class Load(NamedTuple):
    """How much is asked, and how long."""

    streams: int
    sensors: int
    seconds: float


FULL, QUICK = Load(1000, 10_000, 10.0), Load(40, 100, 1.0)


class ServedRow(NamedTuple):
    """One figure of a server."""

    name: str
    measured: float
    unit: str
    target: float | None
    at_most: bool
    beside: str
    """What it stands beside."""

    @property
    def reached(self) -> bool | None:
        """Whether it is what it was to be."""
        if self.target is None:
            return None
        return self.measured <= self.target if self.at_most else self.measured >= self.target


def measure(threads: int, load_: Load, told: Callable[[str], None]) -> list[ServedRow]:
    """All figures.

    Raises:
        PenstockError: a server cannot be started, or writes another text than ``generate``.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as place:
        texts, numbers = _language(Path(place)), _numbers(Path(place))
        found = []
        cases: list[tuple[str, Callable[[], list[ServedRow]]]] = [
            ("start, one stream", lambda: _alone(texts, load_)),
            (f"{load_.streams:,} streams", lambda: _many(texts, load_, threads)),
            ("a long prompt among 200 streams", lambda: _prompt(texts, load_, threads)),
            (f"{load_.sensors:,} sensors", lambda: _sensors(numbers, load_, threads)),
            ("a server on ONNX Runtime", lambda: _peer(texts, load_, threads)),
        ]
        for told_of, each in cases:
            told(f"serve: {told_of}")
            found += each()
        return found


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, command: list[str], workers: int = 1) -> None:
        begun = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if " at http://" in line:
                self.port = int(line.strip().rsplit(":", 1)[1])
            workers -= line.strip().endswith("ready")
            if not workers:
                break
        else:
            raise PenstockError(f"bench: {' '.join(command[:4])} did not start")
        self.seconds = time.perf_counter() - begun
        """From its start until it was ready."""

    def post(self, path: str, body: Any) -> Any:
        """What it answers to JSON."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())

    def end(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.communicate()

    def memory(self) -> int:
        """Bytes that it has in memory, with its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (self.process.pid, *children)]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def server(folder: Path, load_: Load, workers: int) -> Iterator[ServerProcess]:
    """``penstock serve`` of a model."""
    most = str(max(load_.streams, load_.sensors) + 500)
    how = ["--port", "0", "--streams", most, "--workers", str(workers), "--grace", "1"]
    made = ServerProcess([sys.executable, "-m", "penstock", "serve", str(folder), *how], workers)
    try:
        yield made
    finally:
        made.end()


def clients(**asked: Any) -> dict[str, Any]:
    """What clients in another process found: see ``penstock.bench.serve_load``."""
    command = [sys.executable, "-m", "penstock.bench.serve_load"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
    if done.returncode:
        raise PenstockError(f"bench: the clients ended: {done.stderr.strip().splitlines()[-1:]}")
    return dict(json.loads(done.stdout))


def _alone(folder: Path, load_: Load) -> list[ServedRow]:
    """One stream beside ``generate``, and the start."""
    model, length = load(folder), 2000
    asked = {"prompt": PROMPT, "max_tokens": length, "seed": 1}
    with server(folder, load_, 1) as one:
        expected = "".join(model.generate(PROMPT, length=length, seed=1))
        if one.post("/v1/completions", asked)["choices"][0]["text"] != expected:
            raise PenstockError("bench: the server wrote another text than generate")
        ours, others = [], []
        for _ in range(5 if load_ is FULL else 1):
            begun = time.perf_counter()
            one.post("/v1/completions", asked)
            ours.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            for _ in model.generate(PROMPT, length=length, seed=1):
                pass
            others.append(time.perf_counter() - begun)
        ratio = float(np.median(ours) / np.median(others))
        beside = f"generate, {np.median(others) / length * 1e6:.0f} µs"
        return [
            ServedRow("start to ready", one.seconds, "s", 0.5, True, ""),
            ServedRow("one stream, a token", ratio, "×", 1.5, True, beside),
        ]


def _core(folder: Path, streams: int, seconds: float) -> float:
    """Tokens a second of the core's own steps of so many streams at once."""
    model = load(folder)
    stream = model.stream(streams)
    tokens = np.random.default_rng(0).integers(1, len(model.vocabulary), streams)
    stream.step(tokens)
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        stream.step(tokens)
        steps += 1
    return steps * streams / (time.perf_counter() - begun)


def _many(folder: Path, load_: Load, threads: int) -> list[ServedRow]:
    """Tokens a second with all places taken, gaps with half of them, and memory."""
    n, half = load_.streams, load_.streams // 2
    rates = [_core(folder, n, load_.seconds / 4)]
    with server(folder, load_, threads) as one:
        before = one.memory()
        full = clients(kind="streams", port=one.port, count=n, seconds=load_.seconds, warm=2.0, prompt=PROMPT)
        memory = (one.memory() - before) / n
    rates.append(_core(folder, n, load_.seconds / 4))
    with server(folder, load_, threads) as one:
        part = clients(kind="streams", port=one.port, count=half, seconds=load_.seconds, warm=2.0, prompt=PROMPT)
    share = full["tokens_per_second"] / float(np.mean(rates))
    size = H * 4
    return [
        ServedRow(
            f"{n:,} streams, tokens/s", full["tokens_per_second"], "", None, False, f"{full['gap_p99']:.3f} s p99"
        ),
        ServedRow(f"{n:,} streams, of the core's", share, "×", 0.8, False, f"steps alone, {np.mean(rates):,.0f}/s"),
        ServedRow(f"{half:,} streams, between pieces, p99", part["gap_p99"] * 1e3, "ms", 20, True, ""),
        ServedRow("memory a live stream", memory / size, "×", 3, True, f"its state, {size:,} bytes"),
    ]


def _prompt(folder: Path, load_: Load, threads: int) -> list[ServedRow]:
    """200 streams while a prompt of 1,000 tokens comes in."""
    n = min(200, load_.streams)
    asked = {"prompt": "x" * 1000, "max_tokens": 16, "stream": True}
    with server(folder, load_, threads) as one:
        about = {"port": one.port, "count": n, "seconds": load_.seconds / 2, "warm": 1.0, "prompt": PROMPT}
        without = clients(kind="streams", **about)
        during = clients(kind="streams", **about, probe=asked)
    grows = during["gap_p99"] / without["gap_p99"]
    first = during["first"] or float("inf")
    return [
        ServedRow(
            f"{n} streams, p99 with a long prompt", grows, "×", 2, True, f"without, {without['gap_p99'] * 1e3:.1f} ms"
        ),
        ServedRow("the long prompt's first token", first * 1e3, "ms", None, True, ""),
    ]


def _sensors(folder: Path, load_: Load, threads: int) -> list[ServedRow]:
    """WebSockets that each send a row a second."""
    with server(folder, load_, threads) as one:
        before = one.memory()
        row = {"a": 20.5, "b": -2.75}
        found = clients(
            kind="sensors", port=one.port, count=load_.sensors, seconds=load_.seconds, warm=load_.seconds / 2, row=row
        )
        memory = (one.memory() - before) / load_.sensors
    name = f"{load_.sensors:,} sensors"
    beside = f"p99 {found['wait_p99'] * 1e3:.1f} ms, longest {found['wait_max'] * 1e3:.0f} ms"
    return [
        ServedRow(f"{name}, later than 100 ms", found["late"] / found["answered"], "of all", 0, True, beside),
        ServedRow(f"{name}, rows/s", found["rows_per_second"], "", None, False, f"{memory / 1e3:.1f} kB a connection"),
    ]


def _peer(folder: Path, load_: Load, threads: int) -> list[ServedRow]:
    """The same weights on ONNX Runtime, in Python, a step of one request at a time."""
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return []
    from penstock.exchange.onnx import export

    graph, n, tokens = folder.with_suffix(".onnx"), min(100, load_.streams), 1000
    export(folder, graph, force=True)
    about = {"kind": "requests", "count": n, "seconds": load_.seconds, "tokens": tokens, "path": "/v1/completions"}
    other = ServerProcess([sys.executable, "-m", "penstock.bench.peers.serve_onnx", str(graph)])
    try:
        theirs = clients(port=other.port, **about)["tokens_per_second"]
    finally:
        other.end()
    with server(folder, load_, threads) as one:
        ours = clients(port=one.port, **about)["tokens_per_second"]
    return [
        ServedRow(f"{n} streams, whole texts", ours / theirs, "×", 10, False, f"ONNX Runtime's server, {theirs:,.0f}/s")
    ]


def _language(root: Path) -> Path:
    """A model of characters, with weights as PyTorch would begin them."""
    vocabulary = CharVocabulary(string.printable)
    config = LanguageConfig(len(vocabulary), StackConfig(E, H, 1, "before"))
    with held(root / "characters", "model") as folder:
        save_model(folder, config, vocabulary, _weights(config))
    return root / "characters"


def _numbers(root: Path) -> Path:
    """A model of two columns, that answers with a class at each row."""
    columns = (FeatureColumn("a", None, (), False, 0.0), FeatureColumn("b", None, (), False, 0.0))
    read = Features(columns, Scaling(np.zeros(2), np.ones(2), ("mean", "mean")), None, False)
    config = SeriesConfig(3, StackConfig(read.size, SENSOR, 1, "before"), 0, False)
    reads = {
        "columns": [{"name": name, "role": "seen"} for name in "ab"],
        "features": read.to_json(),
        "id": [],
        "time": None,
        "episode": None,
        "dated": False,
    }
    answer = SeriesAnswer("class", ("state",), ("low", "fair", "high"))
    with held(root / "numbers", "model") as folder:
        save_series_model(folder, SeriesFiles("steps", reads, answer, config, _weights(config)))
    return root / "numbers"


def _weights(config: Any) -> dict[str, Any]:
    rng, found = np.random.default_rng(0), {}
    for name, shape in config.shapes().items():
        bound = 1.0 if name.startswith("embedding") else config.stack.hidden_size**-0.5
        found[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        if name.endswith("reset_after"):
            found[name] = np.array(config.stack.reset == "after", np.float32)
    return found
