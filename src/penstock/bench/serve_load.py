"""Clients of a server, many in one process: a plain loop over sockets that keeps what came and when, and makes sense of
it afterwards, so that they take little of the machine that the server runs on. Started as ``python -m``, with what to
do as JSON on standard input; says what it found as JSON.
"""

import base64
import json
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Chunks = list[tuple[float, bytes]]
REST = 0.002
"""Seconds between two looks: the server's machine does not wake this process for every event."""
TOKEN = b'"text":"'


def request(host: str, path: str, body: Any) -> bytes:
    """An HTTP request."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return f"{head}\r\n\r\n".encode() + content


def connected(port: int) -> socket.socket:
    """A socket that does not wait, connected to the server."""
    made = socket.create_connection(("127.0.0.1", port))
    made.setblocking(False)
    return made


def streams(port: int, count: int, seconds: float, prompt: str, warm: float, probe: Any = None) -> Any:
    """So many texts at once, each begun anew where it ends: tokens a second, and the seconds between the events of each
    in the seconds after ``warm``; ``probe``: another request, sent in the midst, and the seconds to its first event."""
    one = request("x", "/v1/completions", {"prompt": prompt, "max_tokens": 90_000, "stream": True, "temperature": 1})
    poll, of = select.epoll(), {}
    for _ in range(count):
        made = connected(port)
        made.sendall(one)
        of[made.fileno()] = made, list[tuple[float, bytes]]()
        poll.register(made.fileno(), select.EPOLLIN)
    end = time.perf_counter() + warm + seconds
    probed: list[float] = []
    sent = 0.0
    other: socket.socket | None = None
    while (now := time.perf_counter()) < end:
        if probe is not None and other is None and now > end - seconds / 2:
            other, sent = connected(port), now
            other.sendall(request("x", "/v1/completions", probe))
            poll.register(other.fileno(), select.EPOLLIN)
        time.sleep(REST)
        for number, _ in poll.poll(0.05):
            if other is not None and number == other.fileno():
                if TOKEN in other.recv(1 << 16) and not probed:
                    probed.append(time.perf_counter() - sent)
                continue
            made, chunks = of[number]
            chunks.append((time.perf_counter(), made.recv(1 << 16)))
    for made, _ in of.values():
        made.close()
    return _account([chunks for _, chunks in of.values()], end - seconds, end, probed)


def _account(all_chunks: list[Chunks], begin: float, end: float, probed: list[float]) -> dict[str, Any]:
    """What came between two times."""
    tokens, gaps, events = 0, list[float](), 0
    for chunks in all_chunks:
        inside = [(at, content) for at, content in chunks if begin <= at < end]
        times = [at for at, content in inside if TOKEN in content]
        gaps += np.diff(times).tolist()
        joined = b"".join(content for _, content in inside)
        for event in joined.split(b"data: "):
            if TOKEN in event:
                events += 1
                text = event.split(TOKEN, 1)[1].split(b'","index"', 1)[0]
                tokens += len(json.loads(b'"' + text + b'"')) if text else 0
    return {
        "tokens_per_second": tokens / (end - begin),
        "events_per_second": events / (end - begin),
        "gap_p50": float(np.percentile(gaps, 50)) if gaps else None,
        "gap_p99": float(np.percentile(gaps, 99)) if gaps else None,
        "first": probed[0] if probed else None,
        "read": sum(1 for chunks in all_chunks if any(TOKEN in content for _, content in chunks)),
    }


def sensors(port: int, count: int, seconds: float, row: Any, warm: float) -> Any:
    """So many WebSockets, each of which sends a row a second: how long each waits for its answer."""
    content = json.dumps({"row": row}).encode()
    mask = b"\0\0\0\0"  # of zeros: what is masked is what it was
    size = bytes([0x80 | len(content)]) if len(content) < 126 else bytes([0xFE]) + len(content).to_bytes(2, "big")
    message = b"\x81" + size + mask + content
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = (
        f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    poll, sockets = select.epoll(), []
    for _ in range(count):
        made = socket.create_connection(("127.0.0.1", port))
        made.sendall(upgrade)
        sockets.append(made)
    for made in sockets:
        if b" 101 " not in made.recv(4096):
            raise SystemExit("the server opened no WebSocket")
        made.setblocking(False)
        poll.register(made.fileno(), select.EPOLLIN)
    place = {made.fileno(): k for k, made in enumerate(sockets)}
    begun = time.perf_counter()
    due = begun + np.arange(count) / count  # each at its own moment of every second
    asked, waits = np.zeros(count), list[float]()
    k, sent = 0, 0
    while (now := time.perf_counter()) < begun + warm + seconds:
        while due[k] <= now:
            sockets[k].send(message)
            asked[k] = due[k]  # late is late, whoever is
            due[k] += 1
            k, sent = (k + 1) % count, sent + 1
        for number, _ in poll.poll(max(0.0, min(due[k] - time.perf_counter(), 0.001))):
            one = place[number]
            sockets[one].recv(4096)
            if due[one] - 1 > begun + warm:
                waits.append(time.perf_counter() - asked[one])
    found = np.array(waits)
    return {
        "rows_per_second": sent / (time.perf_counter() - begun),
        "answered": len(found),
        "wait_p50": float(np.percentile(found, 50)),
        "wait_p99": float(np.percentile(found, 99)),
        "wait_max": float(found.max()),
        "late": int((found > 0.1).sum()),
    }


def requests(port: int, count: int, seconds: float, tokens: int, path: str) -> Any:
    """So many clients, each with a request after the other for so many tokens: tokens a second."""
    poll, of, whole = select.epoll(), {}, 0
    body = {"prompt": "a", "max_tokens": tokens, "temperature": 1}
    one = request("x", path, body)
    for _ in range(count):
        made = connected(port)
        made.sendall(one)
        of[made.fileno()] = made
        poll.register(made.fileno(), select.EPOLLIN)
    got = dict.fromkeys(of, b"")
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        for number, _ in poll.poll(0.05):
            got[number] += of[number].recv(1 << 16)
            head, _, content = got[number].partition(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) if content else -1
            if len(content) == size:
                whole, got[number] = whole + 1, b""
                of[number].sendall(one)
    return {"tokens_per_second": whole * tokens / (time.perf_counter() - begun)}


def main() -> None:
    """Does what standard input says."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asked = json.load(sys.stdin)
    kinds: dict[str, Callable[..., Any]] = {"streams": streams, "sensors": sensors, "requests": requests}
    print(json.dumps(kinds[asked.pop("kind")](**asked)))


if __name__ == "__main__":
    main()
