"""A server from its start to its end: signals, new weights, several models, keys, and what holds for every answer."""

import http.client
import json
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from export import made
from serve_process import (
    ENDLESS,
    PATIENCE,
    ServerProcess,
    error_of,
    language,
    paused,
    reading,
    refuses,
    serving,
    until,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import penstock
from penstock.folder import held
from penstock.model_folder import StackConfig


def test_it_says_where_it_listens_and_needs_no_torch(models: dict[str, Path]) -> None:
    with serving(models["language"]) as server:
        assert server.stderr.splitlines() == [f"penstock: serving language at {server.url}", "penstock: ready"]
        assert server.client.get("/healthz").json() == {"status": "ok"}
        assert server.client.get("/readyz").json() == {"status": "ready"}
        server.post("/v1/completions", prompt="the")
        assert "torch" not in Path(f"/proc/{server.pid}/maps").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_answers_end_and_takes_no_more(number: signal.Signals, models: dict[str, Path]) -> None:
    asked: dict[str, Any] = {"max_tokens": 8000, "logprobs": 5, "seed": 7}  # more than the system keeps
    with serving(models["language"], options=["--grace", f"{PATIENCE}"]) as server, reading(server, **asked) as slow:
        whole = server.post("/v1/completions", prompt="the", **asked)["choices"][0]["text"]
        server.process.send_signal(number)
        until(lambda: refuses(server.port), "nothing new is taken")
        assert server.process.poll() is None
        assert slow.text() == whole
        assert server.process.wait(PATIENCE) == 0


def test_answers_that_outlast_the_grace_are_ended_in_words(models: dict[str, Path]) -> None:
    options = ["--grace", "0.2", "--max-tokens", f"{ENDLESS}"]
    with serving(models["language"], options=options) as server:
        found: list[httpx.Response] = []

        def whole() -> None:
            found.append(server.client.post("/v1/completions", json={"prompt": "the", "max_tokens": ENDLESS // 2}))

        waiting = threading.Thread(target=whole)
        waiting.start()
        with reading(server, max_tokens=ENDLESS // 2) as stream:
            until(lambda: b"penstock_streams 2.0" in httpx.get(f"{server.url}/metrics").content, "both are answered")
            server.process.send_signal(signal.SIGTERM)
            *_, last = stream.events()
        assert last["error"]["code"] == "unfinished"
        waiting.join(PATIENCE)
        status, error = error_of(found[0])
        assert (status, error["code"]) == (503, "unfinished")
        assert "the server ends" in error["message"]
        assert found[0].headers["retry-after"] == "1"
        assert server.process.wait(PATIENCE) == 0


def test_a_client_that_reads_nothing_holds_up_no_end(models: dict[str, Path]) -> None:
    options = ["--grace", "0.2", "--max-tokens", f"{ENDLESS}"]
    with serving(models["language"], options=options) as server, reading(server, max_tokens=ENDLESS // 2, logprobs=5):
        until(lambda: paused(server), "it waits for the client")
        assert server.end() == 0


def test_asked_twice_by_hand_it_ends_at_once(models: dict[str, Path]) -> None:
    options = ["--grace", f"{10 * PATIENCE}", "--max-tokens", f"{ENDLESS}"]
    with serving(models["language"], options=options) as server, reading(server, max_tokens=ENDLESS // 2):
        server.process.send_signal(signal.SIGTERM)  # again and again means no more than once
        until(lambda: refuses(server.port), "nothing new is taken")
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        assert server.end(signal.SIGINT) == 0


def test_who_carries_the_state_loses_nothing_to_a_kill(models: dict[str, Path]) -> None:
    pieces: list[str] = []
    state = None
    for length in (37, 1, 200, 11):
        with serving(models["language"], options=["--max-tokens", f"{ENDLESS}"]) as server:
            asked: dict[str, Any] = {"seed": 3} if state is None else {"state": state}
            if state is None:
                whole = server.post("/v1/completions", prompt="the", max_tokens=249, **asked)["choices"][0]["text"]
            prompt = "the" if state is None else ""
            with reading(server, max_tokens=ENDLESS // 2), reading(server, max_tokens=ENDLESS // 2):
                body = {"prompt": prompt, "max_tokens": length, "return_state": True, **asked}
                choice = server.post("/v1/completions", **body)["choices"][0]
                server.kill()
        pieces.append(choice["text"])
        state = choice["state"]
    assert "".join(pieces) == whole


def test_new_weights_come_between_texts(tmp_path: Path) -> None:
    folder, asked = language(tmp_path / "model"), {"max_tokens": 8000, "logprobs": 5, "seed": 7}
    with serving(folder) as server:
        before = server.post("/v1/completions", prompt="the", return_state=True, **asked)
        name = server.client.get("/v1/models").json()["data"][0]["fingerprint"]
        with reading(server, **asked) as running:
            language(folder, seed=1)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "model: loaded anew" in server.stderr, "it has the new weights")
            after = server.post("/v1/completions", prompt="the", **asked)
            assert after["choices"][0]["text"] != before["choices"][0]["text"]
            assert after["system_fingerprint"] != before["system_fingerprint"] == name
            assert running.text() == before["choices"][0]["text"]
        status, error = server.refusal("/v1/completions", state=before["choices"][0]["state"])
        assert (status, error["code"]) == (422, "state_of_another_model")
        assert "states of before are refused: --keep-states would carry them" in server.stderr
        fresh = "".join(penstock.load(folder).generate("the", length=20, seed=7))
        assert server.post("/v1/completions", prompt="the", max_tokens=20, seed=7)["choices"][0]["text"] == fresh
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the weights are those of before" in server.stderr, "it has looked")


def test_states_are_carried_over_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = language(tmp_path / "model")
    with serving(folder, options=["--keep-states", "--max-tokens", f"{ENDLESS}"]) as server:
        state = server.post("/v1/completions", prompt="the", return_state=True, seed=7)["choices"][0]["state"]
        with reading(server, max_tokens=ENDLESS // 2) as running:
            language(folder, seed=1)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "states of before are carried" in server.stderr, "it has the new weights")
            assert next(running.events())["choices"][0]["text"]
        after = server.post("/v1/completions", prompt="", state=state, return_state=True)["choices"][0]
        language(folder, seed=2, hidden=17)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "states of before are refused: shapes differ" in server.stderr, "it has a wider model")
        status, error = server.refusal("/v1/completions", state=after["state"])
        assert (status, error["code"]) == (422, "state_of_another_model")


def test_a_folder_that_broke_leaves_the_model_of_before(tmp_path: Path) -> None:
    folder = language(tmp_path / "model")
    with serving(folder) as server:
        before = server.post("/v1/completions", prompt="the", seed=7)["choices"]
        (folder / "model.safetensors").write_bytes(b"\xff" * 99)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "not loaded anew, the model of before goes on" in server.stderr, "it has looked")
        assert server.post("/v1/completions", prompt="the", seed=7)["choices"] == before
        language(folder, seed=1)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "model: loaded anew" in server.stderr, "it has the new weights")
        assert server.post("/v1/completions", prompt="the", seed=7)["choices"] != before


def bare(folder: Path, seed: int) -> Path:
    """A bare GRU, in place of the one that is there."""
    from penstock.model_folder.states import StatesConfig, StatesFiles, save_states_model

    config = StatesConfig(StackConfig(3, 20, 1, "after"), ("forward",))
    with held(folder, "model") as place:
        save_states_model(place, StatesFiles(config, made.weights(config, seed)))
    return folder


@pytest.mark.parametrize("keep", [False, True])
def test_a_connection_of_rows_over_new_weights(keep: bool, tmp_path: Path) -> None:
    folder, rows = bare(tmp_path / "model", seed=0), [[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]]
    stream = penstock.load(folder).stream()
    with (
        serving(folder, options=["--keep-states"] * keep) as server,
        connect(f"ws://127.0.0.1:{server.port}/v1/stream", open_timeout=PATIENCE) as socket,
    ):
        socket.send(json.dumps({"row": rows[0]}))
        assert json.loads(socket.recv(PATIENCE))["answer"]["output"] == stream.step(rows[0]).tolist()
        bare(folder, seed=1)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "model: loaded anew" in server.stderr, "it has the new weights")
        socket.send(json.dumps({"row": rows[1]}))
        if keep:
            after = penstock.load(folder).stream()
            after.state = stream.state
            assert json.loads(socket.recv(PATIENCE))["answer"]["output"] == after.step(rows[1]).tolist()
        else:
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert "begin anew" in closed.value.rcvd.reason


def test_connections_of_rows_are_counted_at_their_end(server: ServerProcess) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", open_timeout=PATIENCE):
        pass
    counted = 'penstock_requests_total{path="/v1/stream",status="101"} 1.0'
    until(lambda: counted in server.client.get("/metrics").text, "it is counted")


def test_the_end_closes_connections_of_rows(models: dict[str, Path]) -> None:
    with serving(models["states"]) as server:
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream", open_timeout=PATIENCE) as socket:
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert server.process.wait(PATIENCE) == 0


def test_models_that_nobody_uses_are_let_go_of(models: dict[str, Path], tmp_path: Path) -> None:
    folder, asked = language(tmp_path / "other"), {"prompt": "the", "seed": 5}
    with serving(models["language"], folder, options=["--idle", "0.1"]) as server:
        of = {name: server.post("/v1/completions", model=name, **asked)["choices"] for name in ("language", "other")}
        listed = server.client.get("/v1/models").json()
        assert {one["id"] for one in listed["data"]} == of.keys()
        until(lambda: all(f"{name}: idle, let go of" in server.stderr for name in of), "both are let go of")
        said = server.stderr
        assert server.client.get("/v1/models").json() == listed
        assert server.client.get("/v1/models/other").status_code == 200
        assert server.stderr == said  # who lists them, loads none
        for name, choices in of.items():
            assert server.post("/v1/completions", model=name, **asked)["choices"] == choices
        (folder / "config.json").write_text("{")
        until(lambda: server.stderr.count("other: idle, let go of") > 1, "it is let go of again")
        status, error = server.refusal("/v1/completions", model="other", **asked)
        assert (status, error["code"]) == (503, "no_model")
        assert str(tmp_path) not in error["message"]
        assert server.post("/v1/completions", model="language", **asked)["choices"] == of["language"]
        for body in ({"model": "else"}, {}):
            status, error = server.refusal("/v1/completions", prompt="the", **body)
            assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
            assert "language, other" in error["message"]


PATHS: list[Callable[[httpx.Client], httpx.Response]] = [
    lambda client: client.get("/"),
    lambda client: client.get("/nowhere"),
    lambda client: client.get("/healthz"),
    lambda client: client.get("/metrics"),
    lambda client: client.get("/v1/models"),
    lambda client: client.get("/v1/models/nothing"),
    lambda client: client.put("/v1/models"),
    lambda client: client.get("/openapi.json"),
    lambda client: client.post("/v1/completions", content=b"{"),
    lambda client: client.post("/v1/completions", json={"prompt": "the"}),
    lambda client: client.post("/v1/completions", json={"prompt": "the", "stream": True}),
]


@pytest.mark.parametrize("k", range(len(PATHS)))
def test_every_answer_has_headers_that_keep_browsers_from_harm(k: int, server: ServerProcess) -> None:
    answer = PATHS[k](server.client)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "/tmp" not in answer.text


def test_what_is_no_http_is_told_so(server: ServerProcess) -> None:
    for said, status in (
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 99_999, 431),
    ):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain:
            plain.sendall(said)
            answer = http.client.HTTPResponse(plain)
            answer.begin()
            assert answer.status == status
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert json.loads(answer.read())["error"]["type"] == "invalid_request_error"


def test_keys(models: dict[str, Path], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first-key\n\n  second-key  \n")
    keys.chmod(0o600)
    with serving(models["language"], models["rows"], options=["--api-key-file", str(keys)]) as server:
        assert "others may read it" not in server.stderr
        for path in ("/healthz", "/readyz", "/openapi.json", "/"):
            assert server.client.get(path).status_code == 200
        asked = {"model": "language", "prompt": "the"}
        for header in ({}, {"Authorization": "Bearer third-key"}, {"Authorization": "Basic first-key"},
                       {"Authorization": "Bearer"}, {"Authorization": "Bearer first-key second-key"}):  # fmt: skip
            for answer in (
                server.client.get("/metrics", headers=header),
                server.client.get("/v1/models", headers=header),
                server.client.post("/v1/completions", json=asked, headers=header),
            ):
                status, error = error_of(answer)
                assert (status, error["code"]) == (401, "invalid_api_key")
                assert answer.headers["www-authenticate"] == "Bearer"
            with pytest.raises(Exception, match="401"):
                connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", additional_headers=header)
        for key in ("first-key", "second-key"):
            header = {"Authorization": f"Bearer {key}"}
            assert server.client.post("/v1/completions", json=asked, headers=header).status_code == 200
            with connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", additional_headers=header):
                pass
        assert "key" not in server.stderr.replace(str(keys), "")


def test_pages_of_others_may_ask_where_they_are_named(models: dict[str, Path]) -> None:
    with serving(models["language"], options=["--allow-origin", "https://a.example"]) as server:
        wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, allowed in (("https://a.example", True), ("https://b.example", False)):
            asks = server.client.options("/v1/completions", headers={"Origin": origin, **wants})
            assert (asks.headers.get("access-control-allow-origin") == origin) == allowed
            body = {"prompt": "the"}
            answer = server.client.post("/v1/completions", json=body, headers={"Origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) == allowed


def test_what_was_asked_is_in_no_log(models: dict[str, Path]) -> None:
    secret = "the cat on a mat"
    with serving(models["language"], models["texts"], models["rows"]) as server:
        for body in (
            {"prompt": secret},
            {"prompt": secret, "state": secret},
            {"prompt": secret, "stop": 7},
            {"prompt": [secret, 5]},
            {"prompt": secret, secret: 1},
        ):
            server.client.post("/v1/completions", json={"model": "language", **body})
        server.client.post("/v1/completions", content=f'{{"{secret}'.encode())
        server.client.get(f"/v1/models/{secret}?{secret}")
        server.client.post("/v1/predict", json={"model": "texts", "texts": [secret]})
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream?model=rows", open_timeout=PATIENCE) as socket:
            socket.send(secret)
            socket.send(json.dumps({"row": {"a": secret}}))
            for _ in range(2):
                assert "error" in json.loads(socket.recv(PATIENCE))
        assert "cat" not in server.stderr
        assert "cat" not in server.client.get("/metrics").text
