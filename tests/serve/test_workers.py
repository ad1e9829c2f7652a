"""Several processes at one address, and several servers behind a proxy."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from serve_process import (
    ENDLESS,
    PATIENCE,
    ServerProcess,
    error_of,
    language,
    measure,
    reading,
    refuses,
    serving,
    until,
)
from websockets.sync.client import connect

import penstock
from penstock.workers import processors


def workers(server: ServerProcess) -> set[int]:
    """The processes that answer."""
    return {child.pid for child in psutil.Process(server.pid).children()}


def answering(server: ServerProcess) -> dict[int, int]:
    """How many clients' connections each of them has."""
    found = {}
    for pid in workers(server):
        connections = psutil.Process(pid).net_connections("tcp")
        found[pid] = sum(one.status == psutil.CONN_ESTABLISHED for one in connections)
    return found


def ready(server: ServerProcess) -> int:
    """How often a worker said that it is."""
    return server.stderr.count("penstock: ready\n")


@contextmanager
def two(*folders: Path, options: list[str] | None = None) -> Iterator[ServerProcess]:
    """A server of two workers, both of which answer."""
    with serving(*folders, options=["--workers", "2", "--threads", "1", *(options or [])]) as server:
        until(lambda: ready(server) == 2, "both are ready")
        yield server


def fresh(server: ServerProcess, **body: Any) -> dict[str, Any]:
    """An answer on a connection of its own, which any worker may take."""
    answer = httpx.post(f"{server.url}/v1/completions", json=body, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["choices"][0])


def test_all_answer_as_one(models: dict[str, Path]) -> None:
    with two(models["language"]) as server:
        asked: dict[str, Any] = {"max_tokens": 20, "seed": 3, "return_state": True}
        whole = fresh(server, prompt="the", **{**asked, "max_tokens": 400})["text"]
        text, state, count = "", None, 20
        for k in range(count):  # the odds that one worker takes all are one in half a million
            begin = {"prompt": "the", **asked} if state is None else {"state": state, **asked, "seed": None}
            choice = fresh(server, **begin)
            text, state = text + choice["text"], choice["state"]
            assert whole.startswith(text), k
        assert text == whole
        assert measure(server, "penstock_tokens_written_total") == 20 * count + 400
        plain = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(100)]
        until(lambda: sum(answering(server).values()) >= 100, "all connections are taken")
        assert min(answering(server).values()) > 10
        for one in plain:
            one.close()


def test_one_that_is_killed_is_replaced(models: dict[str, Path]) -> None:
    with two(models["language"]) as server:
        killed = min(workers(server))
        os.kill(killed, signal.SIGKILL)
        until(lambda: ready(server) == 3, "another one is ready")
        assert len(workers(server)) == 2
        assert killed not in workers(server)
        assert "a worker ended with signal 9; another one takes its place" in server.stderr
        for _ in range(20):
            assert fresh(server, prompt="the")["text"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_end_their_answers(number: signal.Signals, models: dict[str, Path]) -> None:
    asked: dict[str, Any] = {"max_tokens": 8000, "logprobs": 5, "seed": 7}
    with two(models["language"], options=["--grace", f"{PATIENCE}"]) as server:
        whole = fresh(server, prompt="the", **asked)["text"]
        with reading(server, **asked) as one, reading(server, **asked) as other, reading(server, **asked) as third:
            until(lambda: measure(server, "penstock_streams") == 3, "all are answered")
            for pid in (server.pid, *workers(server)):  # as a terminal's Ctrl-C, and as systemd ends a service
                os.kill(pid, number)
            until(lambda: refuses(server.port), "nothing new is taken")
            assert [one.text(), other.text(), third.text()] == [whole] * 3
        assert server.process.wait(PATIENCE) == 0


def test_all_take_new_weights(tmp_path: Path) -> None:
    with two(language(tmp_path / "model")) as server:
        before = fresh(server, prompt="the", seed=1, max_tokens=50)["text"]
        language(tmp_path / "model", seed=1)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.stderr.count("model: loaded anew") == 2, "both have the new weights")
        after = {fresh(server, prompt="the", seed=1, max_tokens=50)["text"] for _ in range(20)}
        assert len(after) == 1
        assert after != {before}


def test_none_outlives_its_parent(models: dict[str, Path]) -> None:
    with two(models["language"], options=["--max-tokens", f"{ENDLESS}", "--grace", "0.1"]) as server:
        left = workers(server)
        with reading(server, max_tokens=ENDLESS // 2):
            server.kill()
            until(lambda: not any(psutil.pid_exists(pid) for pid in left), "all have ended")
        assert refuses(server.port)


def test_a_model_that_none_can_load_is_said_once(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["language"], tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\xff" * 99)
    server = ServerProcess([folder], ["--workers", "2", "--threads", "1"], ready=False)
    try:
        assert server.process.wait(PATIENCE) == 2
        *before, error = server.stderr.splitlines()
        assert not [line for line in before if "error" in line]
        assert error.startswith(f"penstock: error: {folder / 'model.safetensors'}")
    finally:
        server.close()


def test_one_that_cannot_be_replaced_leaves_the_others_answering(tmp_path: Path) -> None:
    folder = language(tmp_path / "model")
    weights = (folder / "model.safetensors").read_bytes()
    with two(folder) as server:
        (folder / "model.safetensors").write_bytes(b"\xff" * 99)
        os.kill(min(workers(server)), signal.SIGKILL)
        until(lambda: server.stderr.count("a worker ended with status 2") == 2, "others cannot load the model")
        assert server.stderr.count("not a whole safetensors file") == 2
        for _ in range(20):
            assert fresh(server, prompt="the")["text"]
        (folder / "model.safetensors").write_bytes(weights)
        until(lambda: ready(server) == 3, "one can")


def test_more_than_the_cores_is_said(models: dict[str, Path]) -> None:
    cores = processors()
    with serving(models["language"], options=["--workers", "2", "--threads", f"{cores}"]) as server:
        assert f"2 workers of {cores} threads each are more than the {cores} cores here" in server.stderr


NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream penstock {{ server 127.0.0.1:{ports[0]}; server 127.0.0.1:{ports[1]}; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://penstock;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen penstock
  bind 127.0.0.1:{port}
  balance roundrobin
  option httpchk GET /readyz
  server a 127.0.0.1:{ports[0]} check inter 200ms
  server b 127.0.0.1:{ports[1]} check inter 200ms
"""
PROXIES = {"nginx": (NGINX, ["-c"]), "haproxy": (HAPROXY, ["-f"])}


@pytest.mark.parametrize("name", PROXIES)
def test_behind_a_proxy_of_two_servers(name: str, models: dict[str, Path], tmp_path: Path) -> None:
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"{name} is missing: apt-get install {name}")
    content, option = PROXIES[name]
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        port = plain.getsockname()[1]
    folders, options = (models["language"], models["states"]), ["--max-tokens", f"{ENDLESS}"]
    with serving(*folders, options=options) as one, serving(*folders, options=options) as other:
        about = {"folder": tmp_path, "port": port, "ports": [one.port, other.port]}
        (tmp_path / "config").write_text(content.format(**about))
        process = subprocess.Popen([program, *option, str(tmp_path / "config")], stderr=subprocess.DEVNULL)
        try:
            behind(f"http://127.0.0.1:{port}", one, other, models["states"])
        finally:
            process.terminate()
            process.wait(PATIENCE)


def behind(url: str, one: ServerProcess, other: ServerProcess, states: Path) -> None:
    """What a client sees of two servers as one."""

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/readyz", timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False

    until(answers, "the proxy answers")
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        asked = {"model": "language", "max_tokens": 20, "return_state": True}
        body = {"prompt": "the", "seed": 3, **asked, "max_tokens": 200}
        whole = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
        text, body = "", {"prompt": "the", "seed": 3, **asked}
        for _ in range(10):
            choice = client.post("/v1/completions", json=body).json()["choices"][0]
            text, body = text + choice["text"], {"state": choice["state"], **asked}
        assert text == whole
        assert [measure(server, "penstock_tokens_written_total") > 0 for server in (one, other)] == [True, True]
        status, error = error_of(client.post("/v1/completions", content=b"{"))
        assert (status, error["code"]) == (400, "not_json")
        body = {"model": "language", "prompt": "the", "max_tokens": ENDLESS // 2, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as stream:  # what never ends comes in pieces
            lines = stream.iter_lines()
            assert next(lines).startswith('data: {"id"')
            assert measure(one, "penstock_streams") + measure(other, "penstock_streams") == 1
        until(lambda: measure(one, "penstock_streams") + measure(other, "penstock_streams") == 0, "the client is gone")
        rows, stream = np.random.default_rng(0).normal(size=(5, 9)), penstock.load(states).stream()
        with connect(f"{url.replace('http', 'ws')}/v1/stream?model=states", open_timeout=PATIENCE) as socket:
            for row in rows.tolist():
                socket.send(json.dumps({"row": row}))
                assert json.loads(socket.recv(PATIENCE))["answer"]["output"] == stream.step(row).tolist()
        # one server ends; the proxy asks the other
        assert one.end() == 0
        for seed in range(6):
            body = {"model": "language", "prompt": "the", "seed": seed}
            assert client.post("/v1/completions", json=body).status_code in (200, 502, 503)
        until(lambda: client.post("/v1/completions", json=body).status_code == 200, "it asks the other")
