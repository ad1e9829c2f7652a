"""What can be measured of a server, for Prometheus."""

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
STEP_SECONDS = (2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several processes add up, in the environment. Prometheus's library looks for it when it is
imported, which is done late for that."""


class Gauges:
    """All measures of a server; of one with several processes those of all."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        registry = registry or REGISTRY
        counter, histogram = (
            functools.partial(Counter, registry=registry),
            functools.partial(Histogram, registry=registry),
        )
        self.requests = counter("penstock_requests", "Requests that were answered", ["path", "status"])
        self.seconds = histogram(
            "penstock_request_seconds", "From a request to its answer's end", ["path"], buckets=SECONDS
        )
        self.written = counter("penstock_tokens_written", "Tokens that models wrote")
        self.read = counter("penstock_tokens_read", "Tokens of prompts and texts that models read")
        self.rows = counter("penstock_rows", "Rows that models of numbers answered")
        self.streams = Gauge(
            "penstock_streams",
            "Requests and connections that are being answered",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.batch = histogram("penstock_batch_size", "Texts that step side by side, each step", buckets=SIZES)
        self.waited = histogram("penstock_queue_seconds", "From a request to its first step", buckets=SECONDS)
        self.step = histogram("penstock_step_seconds", "A step of all texts", buckets=STEP_SECONDS)

    def stepped(self, texts: int, steps: int, seconds: float) -> None:
        """Counts a burst of steps."""
        self.batch.observe(texts)
        self.step.observe(seconds / steps)
        self.written.inc(texts * steps)


def exposed() -> bytes:
    """All measures, in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    if not os.environ.get(SHARED):
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
