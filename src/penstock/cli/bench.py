"""``penstock bench``."""

import contextlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock import native
from penstock.cli.console import Console
from penstock.cli.parameters import Flag, Json
from penstock.errors import PenstockError
from penstock.folder import held
from penstock.layout import say
from penstock.native import core

RESULTS = ("results.json", "results.md", "results.png", "results.svg")
"""What --out writes."""


def bench(
    *,
    roofline: Flag = False,
    inference: Flag = False,
    training: Flag = False,
    scoring: Flag = False,
    steps: Flag = False,
    edge: Flag = False,
    busy: Flag = False,
    serve: Flag = False,
    shape: Annotated[tuple[str, ...], Parameter(consume_multiple=True, show_default=False, negative=())] = (),
    threads: Annotated[int | None, Parameter(show_default=False)] = None,
    quick: Flag = False,
    json_: Json = False,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> int:
    """Measure this machine's roofline, and Penstock beside its peers; without a choice --busy, --edge and --serve not.

    Args:
        roofline: What the machine can do at best.
        inference: Penstock called from NumPy, beside torch.nn.GRU, torch.compile, ONNX Runtime, OpenVINO and JAX, as
            far as they are installed.
        training: Forward and backward through PyTorch, beside torch.nn.GRU, torch.compile and JAX.
        scoring: penstock score, beside the core alone on full batches.
        steps: One step at a time, as users call it: penstock.GRU and GRUCell beside those of torch.nn,
            native.RecurrentLayer and Stream.step beside the core alone, generate beside Stream.step.
        edge: One step where models are shipped to, on one thread: from Python without torch beside LiteRT and ONNX
            Runtime, compiled C beside the core, WebAssembly beside ONNX Runtime Web (npm install onnxruntime-web); and
            a process that loads a model, writes and ends.
        serve: penstock serve under load from another process: a thousand streams beside the core alone, one beside
            generate, ten thousand sensors, and a server on ONNX Runtime.
        busy: Calls while other processes spin, on each number of threads, beside torch.nn.GRU under that load.
        shape: N,L,D,H: batch, steps, input features, hidden units; repeat it for more. Replaces the usual shapes.
        threads: For everyone; as many as there are cores unless you say.
        quick: A few shapes, briefly, without torch.compile: seconds instead of minutes.
        json_: Print one JSON object.
        out: Write results.json, results.md and a plot as PNG and SVG into this folder.
    """
    if native.unavailable is not None:
        raise PenstockError(f"bench measures the compiled core, which is not there: {native.unavailable}")
    available = core.available_threads()
    threads = available if threads is None else threads
    if not 1 <= threads <= available:
        raise PenstockError(f"--threads: expected 1 … {available}, the cores that this process may use, got {threads}")
    for name, chosen in (("training", training), ("steps", steps), ("busy", busy)):
        if chosen and find_spec("torch") is None:
            raise PenstockError(f"--{name} needs PyTorch, which is not installed: pip install 'penstock[train]'")
    if scoring and find_spec("pyarrow") is None:
        raise PenstockError("--scoring needs Parquet, which is not installed: pip install 'penstock[parquet]'")
    if serve and find_spec("uvicorn") is None:
        raise PenstockError("--serve needs the server, which is not installed: pip install 'penstock[serve]'")
    if out is not None and find_spec("matplotlib") is None:
        raise PenstockError("--out draws with matplotlib, which is not installed: pip install 'penstock[bench]'")
    from penstock.bench import busy as under_load
    from penstock.bench import edge as shipped
    from penstock.bench import one_step, peers
    from penstock.bench import roofline as machine
    from penstock.bench import scoring as bulk
    from penstock.bench import serve as served
    from penstock.bench.measure import FULL, QUICK, Row, measure
    from penstock.bench.report import as_json, show, write
    from penstock.bench.report import machine as machine_facts
    from penstock.bench.shapes import QUICK as QUICK_SHAPES
    from penstock.bench.shapes import TARGETS, VARIED, Kind, parse
    from penstock.bench.tables import Measurements, notes, tables

    with contextlib.nullcontext() if out is None else held(out, "results") as folder:
        if folder is not None:
            folder.claim(RESULTS)  # before minutes of measuring, not after
        # Inference comes first: penstock.GRU, once imported, moves the core to the threads of torch.
        kinds: list[Kind] = ["inference"] if inference else []
        kinds += ["training"] if training else []
        if not kinds and (shape or not (roofline or scoring or steps or edge or busy or serve)):
            kinds = ["inference", "training"] if find_spec("torch") else ["inference"]
            scoring = not shape and find_spec("pyarrow") is not None
            steps = not shape and find_spec("torch") is not None
        given = [parse(text) for text in shape]
        contestants = [peer for peer in peers.PEERS if not (quick and peer.slow_start)]
        progress = Console(stderr=True)
        peers.limit_threads(threads)
        facts, roof = machine_facts(), machine.measure(threads)
        rows: list[Row] = []
        scored: list[bulk.Scoring] = []

        def told(line: str) -> None:
            say(progress, line)

        for hidden in (bulk.HIDDEN[:1] if quick else bulk.HIDDEN) if scoring else ():
            told(f"scoring, {hidden} units")
            scored.append(bulk.measure(hidden, threads, bulk.QUICK if quick else bulk.FULL))
        for kind in kinds:
            for size in given or (QUICK_SHAPES[kind] if quick else TARGETS[kind]):
                told(f"{kind} {size}")
                variants = bool(given) or size in VARIED[kind]
                rows.append(measure(kind, size, roof, QUICK if quick else FULL, peers=contestants, variants=variants))
        groups = one_step.measure(roof, one_step.QUICK if quick else one_step.FULL, told) if steps else []
        groups += shipped.measure(roof, shipped.QUICK if quick else shipped.FULL, told) if edge else []
        started = shipped.start(3 if quick else 15) if edge else None
        loaded = under_load.measure(threads, under_load.QUICK if quick else under_load.FULL, told) if busy else []
        answered = served.measure(threads, served.QUICK if quick else served.FULL, told) if serve else []
        results = Measurements(roof, rows, scored, groups, loaded, answered, started)
        if folder is not None:  # before it is printed, where a reader may be gone
            write(folder, facts, results)
        if json_:
            print(json.dumps(as_json(facts, results)))
        else:
            show(Console(), tables(results), notes(results))
        ours = [entry for row in rows for entry in (row.penstock, *row.variants)]
        ours += [step.ours for group in groups for step in group.steps]
        return 1 if any(entry.note for entry in ours) else 0
