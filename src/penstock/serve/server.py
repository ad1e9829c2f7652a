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
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.errors import PenstockError
from penstock.serve.metrics import SHARED

if TYPE_CHECKING:
    from penstock.serve.app import Serving

log = logging.getLogger("penstock.serve")

BACKLOG = 4096
"""Connections that the system keeps for the server until it takes them."""
UNSENT = 1 << 17
"""Bytes of an answer that the system keeps for a client which reads slowly."""
KEEP_ALIVE = 75
"""Seconds that a connection may wait for its next request: longer than load balancers wait."""
LAST_WORDS = 5.0
"""Seconds after ``grace`` in which clients are told that their answers are cut off, and connections are closed."""
AGAIN = 1.0
"""Seconds until a worker that ended is replaced, so that one which cannot live takes no core of the others."""


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


def reserve(host: str, port: int, workers: int) -> socket.socket:
    """A socket of this address, which is nobody else's. One process listens at once; workers listen on sockets of their
    own, each once it is ready, among which the system shares connections out evenly.

    Raises:
        PenstockError: there can be none.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(kind)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            if workers == 1:
                found.listen(BACKLOG)
            else:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # after it was bound alone
        except BaseException:
            found.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise PenstockError(f"{host}:{port}: cannot listen there: {why}; name another with --host and --port") from None
    return found


def serve(told: Told, address: socket.socket) -> int:
    """Answers until a signal ends it; the exit status.

    Raises:
        PenstockError: a model cannot be loaded.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it asks for, the weights of now, is still to be read
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    _many_files()
    if told.workers == 1:
        return _one(told, address)
    with tempfile.TemporaryDirectory(prefix="penstock-") as shared:
        os.environ[SHARED] = shared
        return _Workers(told, address).run()


def _many_files() -> None:
    """A connection is a file: as many as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _bound(listening: socket.socket, seconds: float) -> None:
    """Bounds what the system keeps for clients that take nothing, and ends their connections after a while; those that
    are accepted inherit it."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # as on Linux
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(int(seconds * 1000), 2**31 - 1))


def _one(told: Told, listening: socket.socket) -> int:
    """One process, which answers."""
    _bound(listening, told.settings.limits.seconds)
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
        http=guarded(told.settings.limits.arrival),
        ws="websockets-sansio",
        ws_max_size=told.settings.limits.body,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=told.grace + LAST_WORDS,  # type: ignore[arg-type]  # a number of seconds
        backlog=BACKLOG,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what clients do wrong; faults the application tells

    class Uvicorn(uvicorn.Server):
        """Loads the models before it answers, and ends with status 0 on a signal."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            loop = asyncio.get_running_loop()
            reloads = set[Any]()

            def reload() -> None:
                task = asyncio.ensure_future(server.reload(told.keep_states))
                reloads.add(task)
                task.add_done_callback(reloads.discard)

            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, self.handle_exit)
            signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        async def startup(self, sockets: Any = None) -> None:
            await server.start()
            await super().startup(sockets=sockets)
            log.warning("ready")

        async def shutdown(self, sockets: Any = None) -> None:
            server.ready = False
            cut = asyncio.get_running_loop().call_later(told.grace, server.cut)
            await super().shutdown(sockets=sockets)
            cut.cancel()
            await server.end()

    Uvicorn(config).run(sockets=[listening])
    return 0


class _Workers:
    """Processes that share an address: what one of them takes, it answers. One that ends is replaced."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self, told: Told, address: socket.socket) -> None:
        self.told, self.address = told, address
        self.processes: set[int] = set()
        self.ending = False
        self._said, self._say = os.pipe()

    def run(self) -> int:
        """Until a signal ends them; the exit status.

        Raises:
            PenstockError: they cannot load a model.
        """
        for number in self.SIGNALS:
            signal.signal(number, self._signalled)
        for _ in range(self.told.workers):
            self._start(self._complain)
        first, cannot, failed = set(self.processes), False, False
        while self.processes:
            process, status = os.wait()
            self.processes.discard(process)
            code = os.waitstatus_to_exitcode(status)
            if self.ending:
                failed = failed or code > 0
            elif code == PenstockError.status and process in first:  # and so it is with the others
                cannot = True
                self._end()
            else:
                self._replace(process, f"signal {-code}" if code < 0 else f"status {code}")
        if cannot:
            raise PenstockError(os.read(self._said, 1 << 16).split(b"\0")[0].decode())
        return int(failed)

    def _start(self, complain: Callable[[PenstockError], object]) -> None:
        """Forked before there are threads, and before anything is loaded; ``complain`` is called in the new process, if
        it cannot load a model."""
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)  # what comes now is told to the new one too
        try:
            if self.ending:
                return
            if process := os.fork():
                self.processes.add(process)
                return
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C reaches all of them; the parent passes it on
                signal.signal(number, signal.SIG_IGN)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)
        status = 1
        try:
            threading.Thread(target=_end_without, args=(parent,), daemon=True).start()
            status = _one(self.told, self._listening())
        except PenstockError as error:
            status = error.status
            complain(error)
        except BaseException:
            log.exception("a worker cannot go on")
        finally:
            os._exit(status)

    def _listening(self) -> socket.socket:
        found = socket.socket(self.address.family)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            found.setsockopt(socket.SOL_SOCKET, option, 1)
        found.bind(self.address.getsockname())
        return found

    def _replace(self, process: int, how: str) -> None:
        from prometheus_client import multiprocess

        log.warning("a worker ended with %s; another one takes its place", how)
        multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]
        time.sleep(AGAIN)
        self._start(log.error)

    def _complain(self, error: PenstockError) -> None:
        """Tells the parent, which says it once for all."""
        os.write(self._say, f"{error}\0".encode())

    def _signalled(self, number: int, _: Any) -> None:
        if number == signal.SIGHUP:
            self._tell(number)
        elif self.ending and number == signal.SIGINT:  # asked twice
            self._tell(signal.SIGKILL)
        else:
            self._end()

    def _end(self) -> None:
        self.ending = True
        self._tell(signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _end_without(parent: int) -> None:
    """Ends this process once its parent is gone, be it by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
