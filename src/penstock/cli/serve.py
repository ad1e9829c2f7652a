"""``penstock serve``."""

import contextlib
import logging
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Flag
from penstock.errors import PenstockError


def serve(
    dirs: Annotated[tuple[Path, ...], Parameter(name="DIR", negative=())] = (),
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    threads: Annotated[int | None, Parameter(show_default=False)] = None,
    streams: int = 1024,
    queue: int = 256,
    max_body: int = 4 << 20,
    max_tokens: int = 100_000,
    max_seconds: float = 600.0,
    max_arrival: float = 10.0,
    grace: float = 30.0,
    idle: float = 600.0,
    keep_states: Flag = False,
    api_key_file: Annotated[Path | None, Parameter(show_default=False)] = None,
    allow_origin: Annotated[tuple[str, ...], Parameter(show_default=False, negative=())] = (),
    check: Flag = False,
) -> int:
    """Answer over HTTP: texts that go on, scores, embeddings, rows of numbers; every state in the client's hands.

    As OpenAI's clients ask: /v1/completions, /v1/embeddings, /v1/models; and /v1/score, /v1/predict, the WebSocket
    /v1/stream, /metrics, /healthz, /readyz, /openapi.json and a page at /. SIGTERM lets answers end; SIGHUP takes the
    weights that the folders have then.

    Args:
        dirs: The models, each by its folder's name.
        host: Where to listen; 0.0.0.0 for everybody.
        port: Of it; 0 takes one that is free.
        workers: Processes that answer on this port.
        threads: Of each worker; without it they share the cores.
        streams: Texts and connections that a worker answers at once.
        queue: Of them that wait for a place; more are told to come again.
        max_body: Bytes of a request.
        max_tokens: Tokens, or rows, of a request.
        max_seconds: That an answer may take.
        max_arrival: Seconds that the head of a request may take to arrive, and then its body.
        grace: Seconds that answers have to end after SIGTERM.
        idle: Seconds after which a model that nobody uses is let go of, where there are several.
        keep_states: After SIGHUP carry states over to the new weights, where shapes allow it.
        api_key_file: A file of keys, a line each, one of which clients must send.
        allow_origin: A page's origin whose scripts may ask, by CORS; may be given more than once.
        check: Load the models, say what is wrong, and end without listening.
    """
    from penstock.model_folder.content import read_config
    from penstock.workers import processors

    if not dirs:
        raise PenstockError("DIR: expected a model to serve, got none")
    for folder in dirs:
        read_config(folder)
    at_least = {"workers": 1, "threads": 1, "streams": 1, "queue": 0, "max_body": 1, "max_tokens": 1}
    given = {"workers": workers, "streams": streams, "queue": queue, "max_body": max_body, "max_tokens": max_tokens}
    for name, value in {**given, "threads": 1 if threads is None else threads}.items():
        if value < at_least[name]:
            raise PenstockError(f"--{name.replace('_', '-')}: expected {at_least[name]} or more, got {value}")
    if not 0 <= port < 1 << 16:
        raise PenstockError(f"--port: expected 0 … 65535, got {port}")
    for name, seconds in {"max-seconds": max_seconds, "max-arrival": max_arrival, "grace": grace, "idle": idle}.items():
        if not 0 < seconds < 1e9:
            raise PenstockError(f"--{name}: expected more than 0 seconds, got {seconds:g}")
    try:
        from penstock.runtime import load
        from penstock.serve.app import Serving
        from penstock.serve.models import Limits, named
        from penstock.serve.server import Told, reserve
        from penstock.serve.server import serve as run
    except ImportError as error:
        raise PenstockError(f"serve: {error.name} is missing; pip install 'penstock[serve]'") from None

    named(dirs)
    cores = processors()
    if threads is None and workers > 1:
        threads = max(cores // workers, 1)
    limits = Limits(streams, queue, max_body, max_tokens, max_seconds, max_arrival)
    keys = () if api_key_file is None else _keys(api_key_file)
    if check:
        for folder in dirs:
            load(folder)
        return 0
    address = reserve(host, port, workers)
    if threads is not None and workers > 1 and workers * threads > cores:
        _tell(f"{workers} workers of {threads} threads each are more than the {cores} cores here: they take turns")
    if not keys and host not in ("127.0.0.1", "localhost", "::1"):
        _tell(f"--host {host}: whoever can reach it may ask, as there is no --api-key-file")
    logging.basicConfig(level=logging.WARNING, format="penstock: %(message)s", stream=sys.stderr)
    logging.raiseExceptions = False  # a log that cannot be written ends nothing
    shown = f"[{host}]" if ":" in host else host
    _tell(f"serving {', '.join(named(dirs))} at http://{shown}:{address.getsockname()[1]}")
    return run(Told(dirs, Serving(limits, keys, allow_origin, idle), workers, threads, grace, keep_states), address)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"penstock: {line}", file=sys.stderr, flush=True)


def _keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a file."""
    try:
        mode = path.stat().st_mode
        keys = tuple(line.strip() for line in path.read_bytes().splitlines() if line.strip())
    except OSError as error:
        raise PenstockError(f"--api-key-file: {path}: {error.strerror}") from None
    if not keys:
        raise PenstockError(f"--api-key-file: {path}: expected keys, a line each, got none")
    if mode & 0o077:
        _tell(f"--api-key-file: {path}: others may read it; chmod 600 {path}")
    return keys
