"""The peers: what else runs a GRU on this machine. Each gets the same weights and the same threads."""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from typing import NamedTuple

from penstock.bench.problem import Problem, Run
from penstock.bench.shapes import Kind


class Peer(NamedTuple):
    """One peer. What it computes is a plain call: float32, reset="after", whole sequences."""

    name: str
    packages: tuple[str, ...]
    module: str
    """Of this folder; imported when it is needed, as it imports the peer."""
    functions: dict[Kind, str]
    """The names of those that turn a ``Problem`` into a ``Run``."""
    slow_start: bool = False
    """Takes up to minutes before its first call; ``--quick`` leaves it out."""

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        absent = [name for name in self.packages if find_spec(name) is None]
        return f"{' and '.join(absent)} not installed" if absent else None

    def prepare(self, kind: Kind, problem: Problem) -> Run:
        """Gets it ready to solve a problem."""
        module = importlib.import_module(f"{__name__}.{self.module}")
        run: Run = getattr(module, self.functions[kind])(problem)
        return run


def limit_threads(threads: int) -> None:
    """Makes every peer of this process use so many threads. To be called before any of them is imported.

    Not each has a setting of its own, but each looks at how many cores it may use.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


PEERS = (
    Peer("torch.nn.GRU", ("torch",), "in_torch", {"inference": "inference", "training": "training"}),
    Peer(
        "torch.compile",
        ("torch",),
        "in_torch",
        {"inference": "compiled_inference", "training": "compiled_training"},
        slow_start=True,
    ),
    Peer("ONNX Runtime", ("onnx", "onnxruntime"), "in_onnx", {"inference": "onnxruntime_inference"}),
    Peer("OpenVINO", ("onnx", "openvino"), "in_onnx", {"inference": "openvino_inference"}),
    Peer("JAX", ("jax",), "in_jax", {"inference": "inference", "training": "training"}),
)
