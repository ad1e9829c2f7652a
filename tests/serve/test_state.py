"""The state as a value: what it was given goes on anywhere, and what nobody was given is refused."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_process import ServerProcess, serving

from penstock.model_folder import StackConfig
from penstock.runtime import Model, load
from penstock.serve import state as states
from penstock.serve.errors import Refused
from penstock.text import ByteVocabulary

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module")
def bytes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bytes"
    return made.language(folder, StackConfig(7, 20, 2, "after"), vocabulary=ByteVocabulary())


@pytest.fixture(scope="module")
def server(models: dict[str, Path], bytes_folder: Path) -> Iterator[ServerProcess]:
    with serving(*models.values(), bytes_folder) as found:
        yield found


@pytest.fixture(scope="module")
def other(models: dict[str, Path], bytes_folder: Path) -> Iterator[ServerProcess]:
    """Another process with the same models, which has the state from its client alone."""
    with serving(*models.values(), bytes_folder) as found:
        yield found


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> Model:
    found = load(models["language"])
    assert isinstance(found, Model)
    return found


def written(server: ServerProcess, **asked: Any) -> Any:
    (choice,) = server.post("/v1/completions", **{"model": "language", "return_state": True, **asked})["choices"]
    return choice


@pytest.fixture(scope="module")
def state(server: ServerProcess) -> str:
    """Of a text that was written."""
    return str(written(server, prompt="the cat", max_tokens=9, seed=1)["state"])


@pytest.mark.parametrize("name", ["language", "language-after", "language-tied", "language-w8a16", "bytes"])
@pytest.mark.parametrize("breaks", [[0], [1, 2, 3], [31, 32, 33], [100, 255, 256]])
def test_a_text_with_breaks_is_the_text_without(
    server: ServerProcess, other: ServerProcess, name: str, breaks: list[int]
) -> None:
    how = {"model": name, "temperature": 0.9, "top_p": 0.95}
    whole = written(server, prompt="the 猫", max_tokens=300, seed=7, **how)
    at, text, state = 0, "", None
    for k, end in enumerate([*breaks, 300]):
        begin = {"prompt": "the 猫", "seed": 7} if state is None else {"state": state}
        part = written((server, other)[k % 2], max_tokens=end - at, **begin, **how)
        at, text, state = end, text + part["text"], part["state"]
    assert text == whole["text"]
    assert state == whole["state"]  # to the last bit


def test_a_prompt_in_parts(server: ServerProcess, model: Model) -> None:
    """Between them something may be written, or nothing."""
    read = written(server, prompt="the c", max_tokens=0, seed=3)
    assert read["text"] == ""
    on = written(server, prompt="at sat", state=read["state"], max_tokens=40)
    assert on["text"] == "".join(model.generate("the cat sat", length=40, seed=3))
    ids = model.vocabulary.encode("at sat").tolist()
    assert written(server, prompt=ids, state=read["state"], max_tokens=40)["text"] == on["text"]
    # the end of what was written is not read twice
    again = written(server, prompt="on", state=on["state"], max_tokens=5, seed=8)
    assert again["text"] == "".join(model.generate("the cat sat" + on["text"] + "on", length=5, seed=8))


def test_branches(server: ServerProcess, state: str) -> None:
    asked = {"model": "language", "state": state, "max_tokens": 30}
    one, two = (written(server, **asked)["text"] for _ in range(2))
    assert one == two  # it goes on with the numbers that it had
    seeded = [written(server, seed=seed, **asked)["text"] for seed in (1, 2, 1)]
    assert seeded[0] == seeded[2] != seeded[1]
    three = server.post("/v1/completions", n=3, **asked)["choices"]
    texts = [choice["text"] for choice in three]
    assert texts[0] == one
    assert len(set(texts)) == 3
    assert [choice["text"] for choice in server.post("/v1/completions", n=3, **asked)["choices"]] == texts


def test_a_stream_ends_with_its_state(server: ServerProcess) -> None:
    asked = {"model": "language", "prompt": ["the", "a"], "n": 2, "max_tokens": 50, "seed": 1, "return_state": True}
    whole = server.post("/v1/completions", **asked)["choices"]
    answer = server.client.post("/v1/completions", json={**asked, "stream": True})
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    found = {}
    for event in map(json.loads, events):
        (choice,) = event["choices"]
        assert ("state" in choice) == (choice["finish_reason"] is not None)
        found[choice["index"]] = choice.get("state")
    assert found == {choice["index"]: choice["state"] for choice in whole}


def test_a_character_that_the_end_cuts_is_whole_over_the_break(server: ServerProcess, bytes_folder: Path) -> None:
    """Texts of bytes at random are rarely characters: what is read is, and its last byte is yet to come."""
    model = load(bytes_folder)
    assert isinstance(model, Model)
    ids, cut = model.vocabulary.encode("猫").tolist(), 0
    for seed in range(6):
        whole = written(server, model="bytes", prompt="a", max_tokens=120, seed=seed)["text"]
        text, state = "", None
        for _ in range(120):
            begin = {"prompt": "a", "seed": seed} if state is None else {"state": state}
            part = written(server, model="bytes", max_tokens=1, **begin)
            cut += part["text"] == ""
            text, state = text + part["text"], part["state"]
        assert text == whole
    assert cut  # some bytes began a character
    # without a state to go on from, what is there of a character is told
    (alone,) = server.post("/v1/completions", model="bytes", prompt=ids[:2], max_tokens=0, echo=True)["choices"]
    assert alone["text"] == "\ufffd"


def test_its_size_is_what_the_server_says(server: ServerProcess, models: dict[str, Path], bytes_folder: Path) -> None:
    about = {one["id"]: one for one in server.client.get("/v1/models").json()["data"]}
    folders = {**models, "bytes": bytes_folder}
    for name in folders:
        runtime = load(folders[name])
        if isinstance(runtime, Model):
            assert about[name]["state_bytes"] == runtime.initial_state().nbytes
            for asked in (
                {"prompt": "a", "max_tokens": 0},
                {"prompt": "the", "max_tokens": 300, "seed": -1},
                {"prompt": "the", "max_tokens": 50, "seed": (1 << 63) - 1},
            ):
                assert len(written(server, model=name, **asked)["state"]) == about[name]["state_characters"]


def refused(server: ServerProcess, state: Any, path: str = "/v1/completions", **asked: Any) -> str:
    body = {"prompt": "a"} if path == "/v1/completions" else {"input": "a"} if path == "/v1/score" else {"rows": []}
    status, error = server.refusal(path, **{"model": "language", **body, "state": state, **asked})
    assert (status, error["type"], error["param"]) == (422, "invalid_request_error", "state")
    assert error["message"].startswith("state: ")
    return str(error["code"])


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/score"])
def test_what_is_no_state(server: ServerProcess, models: dict[str, Path], state: str, path: str) -> None:
    for text in ("", "2" + state[1:], "é", "\x00", " " + state, "state"):
        assert refused(server, text, path) == "state_version"
    for text in (state + "=", state[:-1] + "+", "1é", "1" + state[1:].replace("A", "\n", 1), state + "====", "1-_*"):
        assert refused(server, text, path) == "state_damaged"
    for size in (1, 2, 10, 22, 23, 100, len(state) - 4, len(state) - 1):
        assert refused(server, state[:size], path) == "state_damaged"
    assert refused(server, state + "AAAA", path) == "state_damaged"
    assert refused(server, state + state, path) == "state_damaged"
    for name in ("language-after", "language-tied", "language-w8a16", "bytes"):
        assert refused(server, state, path, model=name) == "state_of_another_model"
    for name in ("rows", "segments", "states"):
        assert refused(server, state, "/v1/predict", model=name) == "state_of_another_model"
    rows = server.post("/v1/predict", model="states", rows=[], return_state=True)["state"]
    assert refused(server, rows, path) == "state_of_another_model"
    assert server.refusal(path, model="language", state=5, prompt="a")[0] == 400


@given(st.data())
@settings(max_examples=200)
def test_an_altered_letter_is_seen(state: str, model: Model, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(state) - 1))
    letter = data.draw(st.sampled_from(LETTERS).filter(lambda one: one != state[at]))
    with pytest.raises(Refused):
        states.read(state[:at] + letter + state[at + 1 :], [model.digest])


def test_the_last_letter_too(state: str, model: Model) -> None:
    """Which holds bits that stand for nothing."""
    for letter in set(LETTERS) - {state[-1]}:
        with pytest.raises(Refused):
            states.read(state[:-1] + letter, [model.digest])
    states.read(state, [model.digest])


def test_what_was_written_is_read(model: Model) -> None:
    values = np.array([[1.5, -0.0], [np.nan, 3e38]], np.float32)
    text = states.written("digest", {"ids": ["é", "\ud800", "a\x00"], "n": 1 << 63}, values)
    found = states.read(text, {"digest"})
    assert found.about == {"ids": ["é", "\ud800", "a\x00"], "n": 1 << 63}
    assert states.numbers(found, np.float32, (2, 2)).tobytes() == values.tobytes()
    for shape in ((2, 3), (1, 2), (0,), (2, 2, 2)):
        with pytest.raises(Refused):
            states.numbers(found, np.float32, shape)


GOOD = {"token": 1, "seed": 2, "drawn": 3, "pending": ""}


def sealed(head: bytes, values: bytes) -> str:
    """A state of any content, with the seal that belongs to it."""
    content = head + b"\0" + values
    return "1" + base64.urlsafe_b64encode(states._seal(content) + content).decode().rstrip("=")


def forged(model: Any, about: Any, values: bytes) -> str:
    return sealed(json.dumps({"model": model.digest, **about}).encode(), values)


@pytest.mark.parametrize(
    "about",
    [
        {**GOOD, "token": -1},
        {**GOOD, "token": 10**6},
        {**GOOD, "token": 1.5},
        {**GOOD, "token": "1"},
        {**GOOD, "token": None},
        {**GOOD, "token": 1 << 80},
        {**GOOD, "seed": -1},
        {**GOOD, "seed": 1 << 64},
        {**GOOD, "seed": [1]},
        {**GOOD, "seed": float("nan")},
        {**GOOD, "drawn": 1 << 62},
        {**GOOD, "drawn": -1},
        {**GOOD, "drawn": 1e308},
        {**GOOD, "pending": "zz"},
        {**GOOD, "pending": "e"},
        {**GOOD, "pending": "ffffffff"},
        {**GOOD, "pending": 5},
        {**GOOD, "pending": "e7\n"},
        {**GOOD, "pending": "٣٣"},
        {},
        {"token": 1, "seed": 2, "drawn": 3},
    ],
    ids=str,
)
def test_a_forged_head(server: ServerProcess, model: Model, about: dict[str, Any]) -> None:
    values = np.zeros((2, 37), "<f4").tobytes()
    assert refused(server, forged(model, about, values)) == "state_damaged"
    assert server.post("/v1/completions", model="language", state=forged(model, GOOD, values))["choices"]


def test_forged_heads_that_are_no_object(server: ServerProcess, model: Model) -> None:
    values = np.zeros((2, 37), "<f4").tobytes()
    digest = json.dumps(model.digest).encode()
    for head in (
        b"",
        b"[]",
        b"5",
        b"null",
        b'"model"',
        b"{",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"model":' + b"[" * 20_000,
        b'{"model":' + digest + b',"token":' + b"9" * 9000 + b"}",
        b'{"model":[]}',
        b'{"model":{}}',
        b'{"model":null}',
        b'{"model":' + digest + b',"model":1}',
        b'{"model":NaN}',
    ):
        assert refused(server, sealed(head, values)) in ("state_damaged", "state_of_another_model"), head


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3e38, -1.5, 2.0])
@pytest.mark.parametrize("name", ["language", "language-w8a16", "states", "rows"])
def test_forged_numbers(server: ServerProcess, models: dict[str, Path], name: str, number: float) -> None:
    runtime = load(models[name])
    like, about = runtime.initial_state(), {} if name == "states" else {"ids": [""], "episodes": {}}
    if name == "rows":
        like["hidden"].reshape(-1)[3] = number
        text = forged(runtime, about, like.tobytes())
        assert refused(server, text, "/v1/predict", model=name) == "state_damaged"
        return
    like.reshape(-1)[3] = number
    path = "/v1/predict" if name == "states" else "/v1/completions"
    text = forged(runtime, about if name == "states" else GOOD, like.astype("<f4").tobytes())
    assert refused(server, text, path, model=name) == "state_damaged"


def test_forged_numbers_of_another_size(server: ServerProcess, model: Model) -> None:
    for size in (0, 1, 4, 2 * 37 * 4 - 1, 2 * 37 * 4 + 1, 37 * 4, 1 << 20):
        assert refused(server, forged(model, GOOD, b"\0" * size)) == "state_damaged"


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"ids": None, "episodes": {}},
        {"ids": [1], "episodes": {}},
        {"ids": [""], "episodes": []},
        {"ids": [""], "episodes": {"": 1}},
        {"ids": {}, "episodes": {}},
        {"ids": ["a", "b"], "episodes": {}},
        {"ids": [], "episodes": {}},
        {"ids": [""]},
    ],
    ids=str,
)
def test_forged_series(server: ServerProcess, models: dict[str, Path], about: dict[str, Any]) -> None:
    for name in ("rows", "segments"):
        runtime = load(models[name])
        values = runtime.initial_state().tobytes()
        assert refused(server, forged(runtime, about, values), "/v1/predict", model=name) == "state_damaged"


@pytest.mark.parametrize("name", ["segments", "segments-decay"])
@pytest.mark.parametrize(("field", "value"), [("filled", 3), ("filled", -1), ("filled", 1 << 62), ("segments", -1)])
def test_forged_segments(server: ServerProcess, models: dict[str, Path], name: str, field: str, value: int) -> None:
    runtime = load(models[name])
    like = runtime.initial_state()
    like[field] = value
    text = forged(runtime, {"ids": [""], "episodes": {}}, like.tobytes())
    assert refused(server, text, "/v1/predict", model=name) == "state_damaged"


@pytest.mark.parametrize("name", ["rows", "rows-decay", "segments", "segments-decay", "rows-w8a16"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e308, -1e308])
def test_forged_features_are_no_fault(server: ServerProcess, models: dict[str, Path], name: str, number: float) -> None:
    """What turns rows into features remembers any number: the answer is any too, or none."""
    runtime = load(models[name])
    like = runtime.initial_state()
    like["features"] = number
    text = forged(runtime, {"ids": [""], "episodes": {}}, like.tobytes())
    row = {"a": 1, "b": None, "kind": "red", "t": 60}
    answer = server.client.post("/v1/predict", json={"model": name, "state": text, "rows": [row, row]})
    assert answer.status_code in (200, 422), answer.text
