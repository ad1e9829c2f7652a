"""What clients and machines do to a server: too much, too slowly, not to the end."""

import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from serve_process import ENDLESS, PATIENCE, ServerProcess, error_of, measure, paused, reading, serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

FOR_EVER = {"prompt": "the", "max_tokens": ENDLESS // 2}


def asking(**body: Any) -> bytes:
    """A request for a text, as it is sent."""
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return head.encode() + b"\r\n\r\n" + content


@contextmanager
def sent(server: ServerProcess, content: bytes) -> Iterator[socket.socket]:
    """A connection on which this was sent."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain:
        plain.sendall(content)
        yield plain


def free(server: ServerProcess) -> bool:
    """Whether it answers nobody."""
    return measure(server, "penstock_streams") == 0


def files(server: ServerProcess) -> int:
    """How many a server has open; connections are files too."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def test_more_than_fits_waits_and_yet_more_is_told_to_come_again(models: dict[str, Path]) -> None:
    options = ["--streams", "2", "--queue", "1", "--max-tokens", f"{ENDLESS}"]
    with serving(models["language"], models["rows"], options=options) as server, ExitStack() as streams:
        asked = {"model": "language", **FOR_EVER}
        first, second, waits = (streams.enter_context(reading(server, **asked)) for _ in range(3))
        assert next(first.events())["choices"]
        assert next(second.events())["choices"]
        answer = server.client.post("/v1/completions", json={"model": "language", "prompt": "the"})
        status, error = error_of(answer)
        assert (status, error["type"], error["code"]) == (429, "rate_limit_error", "overloaded")
        assert answer.headers["retry-after"] == "1"
        with pytest.raises(InvalidStatus, match="429"):
            connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", open_timeout=PATIENCE)
        assert server.client.get("/readyz").status_code == 200  # those who look after it are answered
        first.close()
        assert next(waits.events())["choices"]
        for one in (second, waits):
            one.close()
        until(lambda: free(server), "their places are free")
        status, error = server.refusal("/v1/completions", model="language", prompt="the", n=3)
        assert (status, error["param"]) == (400, "n")
        assert len(server.post("/v1/score", model="language", input=["the", "cat", "sat", "on"])["data"]) == 4


def test_requests_that_are_too_large(models: dict[str, Path]) -> None:
    options = ["--max-body", "1000", "--max-tokens", "100"]
    with serving(models["language"], models["rows"], options=options) as server:
        name = {"model": "language"}

        def parts() -> Iterator[bytes]:
            yield b'{"prompt": "'
            while True:
                yield b"x" * 500

        large = json.dumps({"prompt": "x" * (8 << 20)})
        for content in (parts(), large, large[:1001]):
            answer = server.client.post("/v1/completions", content=content)
            status, error = error_of(answer)
            assert (status, error["code"]) == (413, "too_large")
            assert "at most 1,000 bytes" in error["message"]
            assert answer.headers["connection"] == "close"
        for body in ({"prompt": "the" * 30, "max_tokens": 20}, {"prompt": "the", "n": 10, "max_tokens": 10}):
            status, error = server.refusal("/v1/completions", **name, **body)
            assert (status, error["code"], error["param"]) == (400, "too_many_tokens", "max_tokens")
        assert server.refusal("/v1/score", **name, input=["the " * 20] * 2)[0] == 400
        assert server.refusal("/v1/predict", model="rows", rows=[[1]] * 101)[0] == 400
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", open_timeout=PATIENCE) as plain:
            plain.send("x" * 1001)
            with pytest.raises(ConnectionClosed) as closed:
                plain.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        assert server.post("/v1/completions", **name, prompt="the")["choices"]


def test_answers_that_take_too_long_are_ended_in_words(models: dict[str, Path]) -> None:
    options = ["--max-seconds", "2", "--max-tokens", f"{ENDLESS}"]
    with serving(models["language"], options=options) as server:
        status, error = server.refusal("/v1/completions", **FOR_EVER)
        assert (status, error["code"]) == (503, "unfinished")
        assert "longer than 2 seconds" in error["message"]
        with reading(server, **FOR_EVER) as stream:
            *_, last = stream.events()
        assert last["error"] == error
        alone = files(server)
        with reading(server, **FOR_EVER, logprobs=5):  # which it does not read
            until(lambda: measure(server, "penstock_streams") == 0, "its place is free")
            until(lambda: files(server) <= alone, "and its connection is closed")


def test_who_reads_slowly_holds_up_nobody_and_gets_it_all(models: dict[str, Path]) -> None:
    with serving(models["language"]) as server:
        asked = {"max_tokens": 8000, "logprobs": 5, "seed": 1}
        whole = server.post("/v1/completions", prompt="the", **asked)["choices"][0]["text"]
        written = measure(server, "penstock_tokens_written_total")
        with reading(server, **asked) as slow:
            until(lambda: paused(server), "it waits for the client")
            assert measure(server, "penstock_tokens_written_total") - written < asked["max_tokens"]
            assert measure(server, "penstock_streams") == 1
            for seed in range(20):
                assert server.post("/v1/completions", prompt="cat", max_tokens=50, seed=seed)["choices"]
            assert slow.text() == whole
        until(lambda: free(server), "its place is free")


def hang_up(plain: socket.socket) -> None:
    """Closes it in the way that is least polite."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


STREAM = asking(**FOR_EVER, stream=True)
WHOLE = asking(**FOR_EVER)
LEAVING: list[tuple[bytes, int, Callable[[socket.socket], object]]] = [
    (STREAM, 1, lambda plain: None),
    (STREAM, 1, hang_up),
    (STREAM, 600, lambda plain: None),
    (asking(**FOR_EVER, stream=True, n=3, logprobs=2), 1, hang_up),
    (STREAM, 0, hang_up),
    (WHOLE, 0, lambda plain: None),
    (WHOLE, 0, lambda plain: plain.shutdown(socket.SHUT_WR)),
    (STREAM[:-5], 0, lambda plain: None),
    (STREAM[:20], 0, hang_up),
    (b"", 0, lambda plain: None),
]
"""What clients send, how many bytes of the answer they read, and how they go away."""


def test_a_thousand_who_go_away_leave_nothing_behind(models: dict[str, Path]) -> None:
    options = ["--max-tokens", f"{ENDLESS}", "--streams", "100", "--queue", "100"]  # a leak would soon fill them
    with serving(models["language"], options=options) as server:
        kinds = itertools.cycle(LEAVING)

        def leave(times: int, at_once: int) -> None:
            for _ in range(times):
                with ExitStack() as stack:
                    for content, read, go in itertools.islice(kinds, at_once):
                        plain = stack.enter_context(sent(server, content))
                        assert len(plain.recv(read)) > 0 or not read
                        go(plain)
            until(lambda: free(server), "all places are free", patience=5 * PATIENCE)

        leave(20, 1)
        leave(2, 100)  # what is kept for reuse is there now
        process, alone = psutil.Process(server.pid), files(server)
        before = process.memory_info().rss
        leave(200, 1)
        leave(50, 10)
        leave(3, 100)
        until(lambda: files(server) <= alone, "all connections are closed")
        assert process.memory_info().rss - before < 8 << 20
        counted = server.client.get("/metrics").text
        assert 'status="499"' in counted  # those who waited for a whole answer
        assert 'status="500"' not in counted
        assert server.post("/v1/completions", prompt="the")["choices"]


def test_who_sends_slowly_is_cut_and_holds_up_nobody(models: dict[str, Path]) -> None:
    with serving(models["language"], options=["--max-arrival", "2"]) as server, ExitStack() as stack:
        content = asking(prompt="the")
        slow = [
            stack.enter_context(sent(server, content[:size])) for size in (0, 1, 30, len(content) - 3) for _ in range(9)
        ]
        again = stack.enter_context(
            sent(server, asking(prompt="the") + b"GET /read")
        )  # the second one on its connection
        for seed in range(10):
            assert server.post("/v1/completions", prompt="the", seed=seed)["choices"]
        for k, plain in enumerate(slow):
            said = b"".join(iter(lambda plain=plain: plain.recv(1 << 16), b""))
            if k < 27:
                assert said == b""
            else:
                assert said.startswith(b"HTTP/1.1 408 ")
                assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "slow"
        assert b"".join(iter(lambda: again.recv(1 << 16), b"")).startswith(b"HTTP/1.1 200 ")
        assert free(server)


@pytest.mark.parametrize("to", ["/dev/full", None])
def test_a_log_that_cannot_be_written_ends_nothing(to: str | None, models: dict[str, Path], tmp_path: Path) -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        port = plain.getsockname()[1]
    command = [sys.executable, "-m", "penstock", "serve", str(models["language"]), "--port", str(port)]
    shell = f'exec "$@" 2>{to or "&-"}'
    process = subprocess.Popen(["sh", "-c", shell, "sh", *command], stdin=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            assert process.poll() is None
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE).status_code == 200
            except httpx.ConnectError:
                return False

        until(answers, "it is ready")
        (models["language"] / "note").touch()
        process.send_signal(signal.SIGHUP)  # of which it would tell
        url = f"http://127.0.0.1:{port}/v1/completions"
        for content in (b"\xff", b'{"prompt": "the"}'):
            assert httpx.post(url, content=content, timeout=PATIENCE).status_code in (200, 400)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
