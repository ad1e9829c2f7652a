"""/openapi.json is what the server does: requests drawn from it meet no fault, and answers are as it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import NotFoundError, OpenAI
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_url
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serve_process import PATIENCE, ServerProcess, error_of, serving

from penstock import __version__
from penstock.model_folder import WEIGHTS
from penstock.runtime import load
from penstock.serve.openapi import described

SERVED = ["language", "rows-plain", "states", "texts", "segments"]
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[ServerProcess]:
    with serving(*(models[name] for name in SERVED), options=["--max-tokens", "2000"]) as found:
        yield found


@pytest.fixture(scope="module")
def state(server: ServerProcess) -> str:
    (choice,) = server.post("/v1/completions", model="language", prompt="the", return_state=True)["choices"]
    return str(choice["state"])


GETS = [path for path, methods in described()["paths"].items() if "get" in methods]
POSTS = [path for path, methods in described()["paths"].items() if "post" in methods]


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("path", POSTS)
def test_requests_that_are_drawn_from_it(server: ServerProcess, state: str, path: str, mode: str) -> None:
    operation = from_url(f"{server.url}/openapi.json")[path]["POST"]
    statuses = set[int]()

    @given(operation.as_strategy(generation_mode=GenerationMode(mode)), st.integers(0, 9))
    @settings(max_examples=100)
    def run(case: Any, draw: int) -> None:
        if isinstance(case.body, dict):
            if draw:  # of a model that there is, or nothing else would be reached
                case.body["model"] = "language" if draw < 6 else SERVED[draw - 6]
            if isinstance(case.body.get("texts"), list) and draw > 4:
                case.body = {"model": "texts", "texts": case.body["texts"]}
            if isinstance(case.body.get("state"), str) and draw % 3:
                case.body["state"] = state
        response = case.call()
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    run()
    assert (200 if mode == "positive" else 400) in statuses


@pytest.mark.parametrize("path", GETS)
def test_what_is_asked_without_a_body(server: ServerProcess, path: str) -> None:
    operation = from_url(f"{server.url}/openapi.json")[path]["GET"]

    @given(operation.as_strategy())
    @settings(max_examples=30)
    def run(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    run()


def test_it_is_valid_and_names_every_path(server: ServerProcess) -> None:
    content = server.client.get("/openapi.json").json()
    assert content == described()
    assert content["info"]["version"] == __version__
    server_paths = {
        "/tokenize",
        "/detokenize",
        "/tokenizer_info",
        "/v1/completions",
        "/v1/score",
        "/v1/embeddings",
        "/v1/predict",
        "/v1/models",
        "/v1/models/{model}",
    }
    assert server_paths | {"/healthz", "/readyz", "/metrics", "/openapi.json", "/"} == content["paths"].keys()
    from_url(f"{server.url}/openapi.json").validate()
    for path, methods in content["paths"].items():
        for about in methods.values():
            assert len(about["summary"]) > 10, path


def test_the_models(server: ServerProcess, models: dict[str, Path]) -> None:
    listed = server.client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [one["id"] for one in listed["data"]] == SERVED
    for about in listed["data"]:
        runtime = load(models[about["id"]])
        assert server.client.get(f"/v1/models/{about['id']}").json() == about
        assert about["object"] == "model"
        assert about["created"] == int((models[about["id"]] / WEIGHTS).stat().st_mtime)
        assert about["parameters"] == sum(weight.size for weight in runtime.weights.values())
        if about["id"] == "texts":
            assert about["state_bytes"] == 0
        else:
            assert about["state_bytes"] == runtime.initial_state().nbytes
    reads = {about["id"]: about["reads"] for about in listed["data"]}
    assert reads["language"] == "text"
    assert reads["segments"] == ["a", "b", "kind"]


def test_openais_client_lists_them(server: ServerProcess) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=PATIENCE) as client:
        assert [one.id for one in client.models.list()] == SERVED
        assert client.models.retrieve("texts").owned_by == "penstock"
        with pytest.raises(NotFoundError) as caught:
            client.models.retrieve("nobody")
    assert (caught.value.param, caught.value.code, caught.value.type) == ("model", "model_not_found", "not_found_error")
    assert "language" in caught.value.message


BODIES: list[tuple[bytes, str]] = [
    (b"", "not_json"),
    (b"{", "not_json"),
    (b"\xef\xbb\xbf{}", "not_json"),
    (b"\xff\xfe{\x00}\x00", "not_json"),
    (b'{"prompt":"\xff"}', "not_json"),
    (b'{"prompt":"\xed\xa0\x80"}', "not_json"),
    (b'{"prompt":"\\ud800"}', "not_json"),
    (b'{"prompt":"\\udc00\\ud800"}', "not_json"),
    (b'{"prompt":"a\x00"}', "not_json"),
    (b'{"prompt":NaN}', "not_json"),
    (b'{"temperature":Infinity}', "not_json"),
    (b"prompt=the", "not_json"),
    (b"null", ""),
    (b"[]", ""),
    (b'"x"', ""),
    (b"[" * 100_000, ""),
    (b'{"prompt":' + b"[" * 100_000, ""),
    (b'{"x":' + b"[" * 100_000, ""),
    (b'{"prompt":' + b'{"a":' * 100_000, ""),
    (b'{"max_tokens":1e999}', ""),
    (b'{"max_tokens":' + b"9" * 100_000 + b"}", ""),
    (b'{"seed":' + b"9" * 400 + b"}", ""),
    (b'{"temperature":' + b"9" * 400 + b"}", ""),
    (b'{"prompt":[' + b"9" * 400 + b"]}", ""),
    (b'{"logit_bias":{"a":' + b"[" * 100_000, ""),
]


@pytest.mark.parametrize(("body", "code"), BODIES, ids=lambda one: str(one)[:30])
@pytest.mark.parametrize("path", POSTS)
def test_bodies_that_are_none(server: ServerProcess, path: str, body: bytes, code: str) -> None:
    status, error = error_of(server.client.post(path, content=body))
    assert status == 400
    assert not code or path != "/v1/completions" or error["code"] == code
    assert not any(name in error["message"] for name in ("/work", "/home", "site-packages", "Traceback"))


def test_the_last_of_two_fields_of_one_name_counts(server: ServerProcess) -> None:
    """As Python reads JSON."""
    body = b'{"model":"nobody","model":"language","prompt":"the","max_tokens":1,"max_tokens":2}'
    answer = server.client.post("/v1/completions", content=body)
    assert answer.json()["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", None]
)
def test_json_is_json_whatever_it_is_called(server: ServerProcess, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    body = '{"model":"language","prompt":"猫","max_tokens":1,"seed":1}'.encode()
    answer = server.client.post("/v1/completions", content=body, headers=headers)
    assert answer.status_code == 200
    assert "warnings" not in answer.json()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/v1/completions", 405),
        ("DELETE", "/v1/models/language", 405),
        ("GET", "/v1/models/a/b", 404),
        ("GET", "/v1/models/%ff%00", 404),
        ("GET", "/v1/models/..%2f..%2fetc", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/v1/stream", 404),
        ("PATCH", "/v1/completions", 405),
    ],
)
def test_paths_that_are_none(server: ServerProcess, method: str, path: str, status: int) -> None:
    found, error = error_of(server.client.request(method, path))
    assert found == status
    assert error["type"] in ("not_found_error", "invalid_request_error")
