"""A real ``penstock serve``, a process of its own, with what tests of it ask for."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from export import made

from penstock.folder import held
from penstock.model_folder import LanguageConfig, StackConfig, save_model
from penstock.text import CharVocabulary

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds after which a state that is waited for is a failure."""
ENDLESS = 10_000_000
"""Tokens that take any machine longer than a test."""


def until(done: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What ``done`` returns once it is true.

    Raises:
        AssertionError: it never is.
    """
    last = time.monotonic() + patience
    while not (found := done()):
        assert time.monotonic() < last, f"after {patience:g} seconds still not so: {what}"
        time.sleep(0.01)
    return found


class ServerProcess:
    """A server that runs until ``end`` or ``kill``; to be closed in any case.

    Args:
        folders: the models.
        options: of ``penstock serve``; the port is a free one.
        environment: more of it.
        ready: waited for until it answers; False: only until it listens.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        ready: bool = True,
    ) -> None:
        self._said = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - no pipe, which would be full some day
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "serve", *map(str, folders), "--port", "0", *options],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        try:
            line = until(lambda: self._alive() and re.search(r" at (http://\S+:(\d+))\n", self.stderr), "it listens")
            self.url, self.port = line[1], int(line[2])
            self.client = httpx.Client(base_url=self.url, timeout=PATIENCE)
            if ready:
                until(lambda: self._alive() and self._answers(), "it is ready")
        except BaseException:
            self.close()
            raise

    def _alive(self) -> bool:
        assert self.process.poll() is None, f"it ended with status {self.process.returncode}: {self.stderr}"
        return True

    def _answers(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.ConnectError:  # workers listen once they are ready
            return False

    @property
    def pid(self) -> int:
        """Of the process; with workers, of their parent."""
        return self.process.pid

    @property
    def stderr(self) -> str:
        """All that it said so far."""
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), size, 0).decode()

    def post(self, path: str, **body: Any) -> Any:
        """The answer to a request, which must be one."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refusal(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """The status and the error of a request that must be refused."""
        return error_of(self.client.post(path, json=body))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end, and waits; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        """Ends it at once, and what the test has of it."""
        self.kill()
        self._said.close()
        if hasattr(self, "client"):
            self.client.close()


def error_of(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    """The status and the error of an answer that must be one, in OpenAI's shape."""
    assert 400 <= answer.status_code < 600, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    assert len(error["message"]) > 10
    return answer.status_code, error


@contextmanager
def serving(*folders: Path, options: Sequence[str] = (), **about: Any) -> Iterator[ServerProcess]:
    """A server of these models, ended afterwards; it must end well, and have met no fault."""
    server = ServerProcess(folders, options, **about)
    try:
        yield server
        if server.process.poll() is None:
            assert server.end() == 0, server.stderr
        assert "Traceback" not in server.stderr, server.stderr
    finally:
        server.close()


class Reading:
    """A stream of text that is read when asked to; the system keeps little of it for the client."""

    def __init__(self, server: ServerProcess, **body: Any) -> None:
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(PATIENCE)
            plain.connect(("127.0.0.1", server.port))
            self._connection = http.client.HTTPConnection("127.0.0.1", server.port)
            self._connection.sock = plain.dup()
        content = json.dumps({"prompt": "the", "stream": True, **body})
        self._connection.request("POST", "/v1/completions", content, {"Content-Type": "application/json"})
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def events(self) -> Iterator[dict[str, Any]]:
        """Those that follow, but the end."""
        for line in self.answer:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])

    def text(self) -> str:
        """The rest of it."""
        return "".join(one["choices"][0]["text"] for one in self.events())

    def close(self) -> None:
        """Goes away."""
        self.answer.close()
        self._connection.close()


@contextmanager
def reading(server: ServerProcess, **body: Any) -> Iterator[Reading]:
    """A stream, gone away from afterwards."""
    found = Reading(server, **body)
    try:
        yield found
    finally:
        found.close()


def refuses(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def measure(server: ServerProcess, name: str) -> float:
    """The sum of what is measured under this name."""
    lines = httpx.get(f"{server.url}/metrics", timeout=PATIENCE).text.splitlines()
    found = [line.rpartition(" ") for line in lines if re.split(r"[ {]", line)[0] == name]
    assert found, f"{name} is not measured"
    return sum(float(value) for _, _, value in found)


def paused(server: ServerProcess) -> bool:
    """Whether something was written, and nothing more is for a while."""
    before = measure(server, "penstock_tokens_written_total")
    time.sleep(0.5)
    return 0 < before == measure(server, "penstock_tokens_written_total")


def language(folder: Path, seed: int = 0, hidden: int = 16) -> Path:
    """A language model, in place of the one that is there."""
    vocabulary = CharVocabulary(made.CHARACTERS)
    config = LanguageConfig(len(vocabulary), StackConfig(5, hidden, 1, "before"), False)
    with held(folder, "model") as place:
        save_model(place, config, vocabulary, made.weights(config, seed))
    return folder
