"""Processes, sockets and signals: what ``penstock serve`` starts."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.serve.app import Serving

log = logging.getLogger("penstock.serve")

BACKLOG = 4096
"""Connections that the system keeps for the server until it takes them."""
KEEP_ALIVE = 75
"""Seconds that a connection may wait for its next request: longer than load balancers wait."""


class Told(NamedTuple):
    """How a server is started."""

    folders: Sequence[Path]
    settings: "Serving"
    workers: int
    threads: int | None
    """Of each worker's steps."""
    grace: float
    """Seconds that answers have to end once an end is asked for."""
    keep_states: bool


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        PenstockError: it cannot.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(kind)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise PenstockError(f"{host}:{port}: cannot listen there: {why}; name another with --host and --port") from None
    found.set_inheritable(True)
    return found


def serve(told: Told, listening: socket.socket) -> int:
    """Answers until a signal ends it; the exit status."""
    _many_files()
    if told.workers == 1:
        return _one(told, listening)
    with tempfile.TemporaryDirectory(prefix="penstock-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared  # before its library is imported
        return _Workers(told, listening).run()


def _many_files() -> None:
    """A connection is a file: as many as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _one(told: Told, listening: socket.socket) -> int:
    """One process, which answers."""
    if told.threads is not None:
        os.environ["PENSTOCK_THREADS"] = str(told.threads)
    sys.setswitchinterval(0.0005)  # a step that has ended waits so long for the event loop's turn to end, at most

    import uvicorn

    from penstock.serve.app import Server, application
    from penstock.serve.metrics import Gauges
    from penstock.serve.models import Models
    from penstock.serve.protocol import guarded

    gauges = Gauges()
    server = Server(Models(told.folders, told.settings.limits, gauges), told.settings, gauges)
    config = uvicorn.Config(
        application(server),
        http=guarded(told.settings.limits.header_seconds),
        ws="websockets-sansio",
        ws_max_size=told.settings.limits.body,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=told.grace,  # type: ignore[arg-type]  # a number of seconds
        backlog=BACKLOG,
    )

    class Uvicorn(uvicorn.Server):
        """Ends with status 0 on a signal, and says what holds until then."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._end)
            reloads = set[Any]()

            def reload() -> None:
                task = asyncio.ensure_future(server.reload(told.keep_states))
                reloads.add(task)
                task.add_done_callback(reloads.discard)

            loop.add_signal_handler(signal.SIGHUP, reload)
            yield

        def _end(self) -> None:
            server.ready = False
            if self.should_exit:  # asked twice
                self.force_exit = True
            self.should_exit = True

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            log.warning("ready")

    running = Uvicorn(config)
    try:
        running.run(sockets=[listening])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


class _Workers:
    """Processes that share a socket: what one of them takes, it answers. One that ends is replaced."""

    def __init__(self, told: Told, listening: socket.socket) -> None:
        self.told, self.listening = told, listening
        self.processes: set[int] = set()
        self.ending = False

    def run(self) -> int:
        """Until a signal ends them; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        for _ in range(self.told.workers):
            self._start()
        failed = 0
        while self.processes:
            process, status = os.wait()
            self.processes.discard(process)
            code = os.waitstatus_to_exitcode(status)
            failed = failed or int(code > 0)
            if code > 0 and not self.ending:  # it could not start, and neither will another
                self.ending = True
                self._tell(signal.SIGTERM)
            elif not self.ending:
                log.warning("a worker was ended by signal %d; another one takes its place", -code)
                self._forget(process)
                self._start()
        return failed

    def _start(self) -> None:
        """Forked before there are threads, and before anything is loaded."""
        parent = os.getpid()
        process = os.fork()
        if process:
            self.processes.add(process)
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        status = 1
        try:
            threading.Thread(target=_end_without, args=(parent,), daemon=True).start()
            status = _one(self.told, self.listening)
        except PenstockError as error:
            print(f"penstock: error: {error}", file=sys.stderr)
            status = 2
        except BaseException:
            log.exception("a worker cannot go on")
        finally:
            os._exit(status)

    def _forget(self, process: int) -> None:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]

    def _signalled(self, number: int, _: Any) -> None:
        if number != signal.SIGHUP:
            self.ending = True
        self._tell(number)

    def _tell(self, number: int) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _end_without(parent: int) -> None:
    """Ends this process once its parent is gone, be it by SIGKILL."""
    import time

    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
