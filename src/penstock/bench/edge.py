"""One step where models are shipped to: from Python without torch, in C, in a browser; beside what runs them there.

Everybody is given the same layer, reset="after", and takes the same steps from the same state, first to be checked,
then in turns to be timed. RTNeural and rnnoise, to which C is compared elsewhere, come in no package and are not here.
"""

from __future__ import annotations

import functools
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from penstock import equations, fixed_point
from penstock.bench import edge_c, ours
from penstock.bench.measure import Duration, Entry, timed
from penstock.bench.one_step import Comparison, Group
from penstock.bench.problem import Array, Problem, draw
from penstock.bench.roofline import Roofline, bound
from penstock.bench.shapes import Shape
from penstock.errors import PenstockError
from penstock.export import web
from penstock.folder import held
from penstock.model_folder import save_model
from penstock.model_folder.quantized import WholeLayer
from penstock.model_folder.stack import StackConfig
from penstock.model_folder.states import StatesConfig, StatesFiles, save_states_model
from penstock.native import core
from penstock.runtime.layer import network
from penstock.runtime.quantized import whole_layers
from penstock.runtime.states_model import StatesRuntime
from penstock.runtime.stream import Stream

CHECKED, AT_ONCE = 10, 100
"""Steps that are compared with float64, and those of one timed call."""
FULL, QUICK = Duration(15, 0.03), Duration(3, 0.01)
SIZES = (64, 128, 256)
"""H, which D is too."""
FLOAT, ROUNDED = 1e-6, 5e-3
"""The root of the mean square error of the state that is allowed, of float32 and of weights of 8 bits."""


WRITTEN = 20
"""Characters that a process writes once it has loaded its model."""
SECONDS, MEGABYTES = 0.35, 120.0
"""That it may take at most, from its start to its end."""
# From a process that holds little: the peak that the system tells of a child begins with what its parent holds.
_START = """
import json, os, sys, time
found, quiet = [], [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
for _ in range(int(sys.argv[1])):
    begun = time.perf_counter()
    process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    found.append([time.perf_counter() - begun, used.ru_maxrss * 1024 / 1e6, os.waitstatus_to_exitcode(status)])
print(json.dumps(found))
"""


class Started(NamedTuple):
    """``penstock generate`` as a process of its own, which loads a model of 512 units and writes."""

    runs: int
    seconds: float
    """From its start to its end, the median."""
    megabytes: float
    """10⁶ bytes of memory, the most of all runs."""


class StepTaker(NamedTuple):
    """Who takes steps, of the same input, from the problem's state on."""

    advance: Callable[[int], object]
    """Takes so many."""
    state: Callable[[], Array]
    """(H,), as real numbers."""


class Contender(NamedTuple):
    """A way to take a step."""

    name: str
    prepare: Callable[[Problem], StepTaker]
    allowed: float
    """The error at most."""
    needs: str | None = None
    """A module or a program that has to be there."""


class Contest(NamedTuple):
    """Ours beside another, and how much of the other's time ours may take at most, by H."""

    ours: str
    other: str
    targets: Mapping[int, float] = MappingProxyType({})


def files(problem: Problem) -> StatesFiles:
    """The problem's layer as a model."""
    names = (f"layers.0.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    weights = {**dict(zip(names, problem.weights, strict=True)), "layers.0.reset_after": np.array(1, np.float32)}
    return StatesFiles(
        StatesConfig(StackConfig(problem.shape.D, problem.shape.H, reset="after"), ("forward",)), weights
    )


def _stream(problem: Problem) -> StepTaker:
    return _streamed(StatesRuntime(files(problem)).stream(1), problem)


def _stream_fixed(problem: Problem) -> StepTaker:
    x_scale = float(np.abs(problem.x).max()) / fixed_point.MOST
    fixed = fixed_point.quantize(*problem.weights, reset="after", x_scale=x_scale)
    layers = whole_layers([WholeLayer(fixed, 1 / x_scale)], reset="after")
    return _streamed(Stream(network(layers), 1, str), problem)


def _streamed(stream: Stream, problem: Problem) -> StepTaker:
    stream.state = problem.h_0[None]
    x, out = problem.x[0, 0].copy(), np.empty(problem.shape.H, np.float32)

    def advance(count: int) -> None:
        for _ in range(count):
            stream.step(x, out)

    return StepTaker(advance, lambda: stream.state.reshape(-1))


def _core(problem: Problem) -> StepTaker:
    packed = core.chosen().pack(True, 0, *problem.weights)  # reset="after", float32
    x, state = problem.x[0], problem.h_0.copy()

    def advance(count: int) -> None:
        for _ in range(count):
            packed.step(x, state, state, 1)

    return StepTaker(advance, lambda: state[0])


def _fed_back(step: Callable[[Array], Array], problem: Problem) -> StepTaker:
    """Of a step from a state (1, H) to the next."""
    state = problem.h_0

    def advance(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state = step(state)

    return StepTaker(advance, lambda: state.reshape(-1))


def _litert(problem: Problem, *, int8: bool = False) -> StepTaker:
    from penstock.bench.peers.in_litert import litert_step

    return _fed_back(litert_step(problem, int8=int8), problem)


def _onnxruntime(problem: Problem) -> StepTaker:
    from penstock.bench.peers.in_onnx import onnxruntime_step

    return _fed_back(onnxruntime_step(problem), problem)


def _in_c(problem: Problem, *, fixed: bool) -> StepTaker:
    step = edge_c.CompiledStep(problem, fixed=fixed)
    return StepTaker(step.advance, step.state)


PYTHON, PYTHON_FIXED, CORE = "Stream.step", "Stream.step, weights of 8 bits", "the core alone"
IN_C, IN_C_FIXED = "C", "C, weights of 8 bits"
LITERT, LITERT_INT8, ONNX, WEB, ONNX_WEB = "LiteRT", "LiteRT, 8 bits", "ONNX Runtime", "WebAssembly", "ONNX Runtime Web"

CONTENDERS = (
    Contender(PYTHON, _stream, FLOAT),
    Contender(PYTHON_FIXED, _stream_fixed, ROUNDED),
    Contender(CORE, _core, FLOAT),
    Contender(LITERT, _litert, FLOAT, "ai_edge_litert"),
    Contender(ONNX, _onnxruntime, FLOAT, "onnxruntime"),
    Contender(LITERT_INT8, functools.partial(_litert, int8=True), ROUNDED, "ai_edge_litert"),
    Contender(IN_C, functools.partial(_in_c, fixed=False), FLOAT, "cc"),
    Contender(IN_C_FIXED, functools.partial(_in_c, fixed=True), ROUNDED, "cc"),
)
CONTESTS = (
    Contest(PYTHON, LITERT, {64: 0.5, 128: 0.6, 256: 0.85}),
    Contest(PYTHON, ONNX),
    Contest(PYTHON_FIXED, LITERT_INT8, {64: 0.55, 128: 0.55, 256: 0.8}),
    Contest(IN_C, CORE),
    Contest(IN_C_FIXED, IN_C),
    Contest(WEB, ONNX_WEB, {64: 0.12, 128: 0.35, 256: 0.75}),
)


def measure(
    roofline: Roofline, duration: Duration, say: Callable[[str], None], sizes: Sequence[int] = SIZES
) -> list[Group]:
    """Checks and times all that can be had here, on one thread; sizes are multiples of 16."""
    one, groups = roofline.on_one_thread(), [Group(f"{c.ours}, one step", c.other, None) for c in CONTESTS]
    for H in sizes:
        say(f"one step where models are shipped to, H = {H}")
        problem = draw(Shape(1, 1, H, H), 1)
        entries = {**_timed(problem, duration), **_in_node(problem, duration)}
        for entry in entries.values():
            if entry.milliseconds is not None:
                entry.share = bound(one, *problem.shape) * 1e3 / entry.milliseconds
        for contest, group in zip(CONTESTS, groups, strict=True):
            step = Comparison(problem.shape, 1, entries[contest.ours], entries[contest.other], contest.targets.get(H))
            group.steps.append(step)
    return groups


def _timed(problem: Problem, duration: Duration) -> dict[str, Entry]:
    entries = {contender.name: Entry(contender.name) for contender in CONTENDERS}
    runs: list[tuple[Entry, Callable[[], Sequence[Any]]]] = []
    for contender in CONTENDERS:
        entry = entries[contender.name]
        if (needs := contender.needs) and not (find_spec(needs) or shutil.which(needs)):
            entry.note = f"not here: {needs}"
            continue
        taker = contender.prepare(problem)
        taker.advance(CHECKED)
        if _right(entry, taker.state(), problem, contender.allowed):
            runs.append((entry, functools.partial(_many, taker)))
    timed(runs, duration)
    for entry, _ in runs:
        entry.milliseconds = (entry.milliseconds or math.nan) / AT_ONCE
        entry.late_milliseconds = (entry.late_milliseconds or math.nan) / AT_ONCE
    return entries


def _many(taker: StepTaker) -> Sequence[Any]:
    taker.advance(AT_ONCE)
    return ()


def _right(entry: Entry, state: Array, problem: Problem, allowed: float) -> bool:
    """Whether the state after the first steps is as float64 has it; the entry says by how much it is not."""
    x = np.repeat(problem.x.astype(np.float64), CHECKED, 0)
    weights = equations.by_gate(*(weight.astype(np.float64) for weight in problem.weights))
    want = equations.gru(x, problem.h_0.astype(np.float64), weights, reset="after").h_n[0]
    entry.error = float(np.sqrt(np.square(state - want).mean()))
    if not entry.error <= allowed:
        entry.note = f"refused: its state is off by {entry.error:.1e} (root mean square), allowed {allowed:.0e}"
    return entry.note is None


def _in_node(problem: Problem, duration: Duration) -> dict[str, Entry]:
    """The web export, and ONNX Runtime Web where npm has installed it here: they take turns in a process of Node."""
    entries = {name: Entry(name) for name in (WEB, ONNX_WEB)}
    if shutil.which("node") is None:
        for entry in entries.values():
            entry.note = "not here: node"
        return entries
    with tempfile.TemporaryDirectory() as folder:
        model, site = Path(folder) / "model", Path(folder) / "site"
        with held(model, "model") as place:
            save_states_model(place, files(problem))
        web.export(model, site, force=False)
        about = {"x": problem.x[0, 0].tolist(), "state": problem.h_0[0].tolist()}
        (site / "problem.json").write_text(json.dumps(about), "utf-8")
        if find_spec("onnx"):
            from penstock.bench.peers.in_onnx import onnx_model

            (site / "gru.onnx").write_bytes(onnx_model(problem))
        seconds = duration.blocks * duration.seconds
        command = ["node", str(Path(__file__).with_name("edge_web.js")), str(site), str(seconds)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for name, key in ((WEB, "penstock"), (ONNX_WEB, "onnxruntime")):
        if key not in found:
            entries[name].note = "not here: npm install onnxruntime-web"
        elif _right(entries[name], np.array(found[key]["state"]), problem, FLOAT):
            entries[name].milliseconds = found[key]["microseconds"] / 1e3
    return entries


def start(runs: int) -> Started:
    """Starts it so many times, one after the other, after it was seen to write what the model writes here.

    Raises:
        PenstockError: it imports torch, or writes another text, or fails.
    """
    model = ours.model(draw(Shape(1, 1, 512, 512), 1))
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        with held(Path(folder) / "model", "model") as place:
            weights = {**model.weights, "layers.0.reset_after": np.array(1, np.float32)}
            save_model(place, model.config, model.vocabulary, weights)
        how = ["--prompt", "x", "--length", str(WRITTEN), "--temperature", "0"]
        verb = ["penstock", "generate", str(Path(folder) / "model"), *how]
        checked = [sys.executable, "-X", "importtime", "-m", *verb]
        seen = subprocess.run(checked, check=False, capture_output=True, encoding="utf-8")
        told = [line for line in seen.stderr.splitlines() if not line.startswith("import time:")]
        if any(line.rpartition("|")[2].strip() == "torch" for line in seen.stderr.splitlines()):
            raise PenstockError("penstock generate imports torch: not timed")
        if seen.stdout.rstrip("\n") != "".join(["x", *model.generate("x", length=WRITTEN, temperature=0)]):
            raise PenstockError(f"penstock generate writes another text than its model: {seen.stdout!r:.80} {told}")
        command = [sys.executable, "-c", _START, str(runs), sys.executable, "-m", *verb]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if any(status for *_, status in found):
        raise PenstockError(f"penstock generate: expected the exit status 0, got {[status for *_, status in found]}")
    return Started(runs, statistics.median(seconds for seconds, *_ in found), max(most for _, most, _ in found))
