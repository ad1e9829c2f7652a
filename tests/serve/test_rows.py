"""/v1/predict and the WebSocket /v1/stream: the answers of ``AnswerStreams``, wherever the state was in between."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from serve_process import PATIENCE, ServerProcess, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from penstock.folder import held
from penstock.model_folder import StackConfig
from penstock.model_folder.forecast import ForecastAnswer, ForecastConfig, ForecastFiles, save_forecast_model
from penstock.runtime import load
from penstock.runtime.answers import AnswerStreams
from penstock.runtime.text_answers import answers_to_texts

ROWS = ["rows", "rows-decay", "rows-plain", "segments", "segments-decay", "rows-w8a16", "rows-plain-w8a16"]


def forecasts(folder: Path) -> Path:
    """A model of two targets, four steps ahead."""
    config = ForecastConfig(12, 4, 4, 2, 1, StackConfig(5, 6, 1, "after"))
    columns = [{"name": name, "role": "target", "kind": "number", "missing": 0} for name in ("a", "b")]
    reads = {"id": ["who"], "time": None, "episode": None, "dated": False, "columns": columns}
    answer = ForecastAnswer(("a", "b"), 4, (1.0, 2.0), (None, 0.05))
    with held(folder, "model") as place:
        save_forecast_model(place, ForecastFiles(reads, answer, config, made.weights(config)))
    return folder


@pytest.fixture(scope="module")
def folders(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("rows")
    keys = {"id": ["who", "where"], "episode": "game"}
    by_id = made.series(root / "by-id", made.CLASSES, made.features(gap=False), keys=keys, reset="before")
    dated = made.series(root / "dated", made.LABELS, made.features(), keys={"dated": True}, reset="after")
    backwards = made.bare(root / "backwards", StackConfig(4, 5, 1, "before"), "both")
    return {**models, "by-id": by_id, "dated": dated, "forecast": forecasts(root / "forecast"), "backwards": backwards}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[ServerProcess]:
    with serving(*folders.values()) as found:
        yield found


@pytest.fixture(scope="module")
def other(folders: dict[str, Path]) -> Iterator[ServerProcess]:
    with serving(*folders.values()) as found:
        yield found


def drawn(name: str, count: int = 40) -> list[dict[str, Any]]:
    """Rows, with gaps; of several series where the model has ids."""
    random, rows = np.random.default_rng(3), []
    for k in range(count):
        a, b = (None if random.random() < 0.2 else float(random.normal(20, 5)) for _ in range(2))
        row: dict[str, Any] = {"a": a, "b": b if name == "forecast" else float(random.normal())}
        if name not in ("rows-plain", "rows-plain-w8a16", "forecast"):
            row["kind"] = ["red", "green", "blue", "mauve", None, "*/ \\"][int(random.integers(6))]
        if name in ("rows", "rows-decay", "rows-w8a16", "segments-decay"):
            row["t"] = 60 * k + int(random.integers(50))
        if name == "dated":
            row["t"] = f"2024-02-{1 + k // 24:02} {k % 24:02}:00:00"
        if name == "by-id":
            row |= {"who": "xyz猫"[k * 7 % 4], "where": k % 2, "game": k // 9}
        if name == "forecast":
            row["who"] = "pq"[k % 2]
        rows.append(row)
    return rows


def in_json(answers: Any) -> Any:
    """As JSON says it: what is no number is null."""
    return json.loads(json.dumps(answers), parse_constant=lambda _: None)


def expected(folder: Path, rows: Sequence[dict[str, Any]]) -> Any:
    streams = AnswerStreams(load(folder))
    return in_json([streams.row(row) for row in rows])


NAMES = [*ROWS, "by-id", "dated", "forecast"]


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_to_rows(server: ServerProcess, folders: dict[str, Path], name: str) -> None:
    rows = drawn(name)
    answer = server.post("/v1/predict", model=name, rows=rows)
    assert (answer["object"], answer["model"]) == ("list", name)
    assert answer["data"] == expected(folders[name], rows)
    assert "state" not in answer
    assert server.post("/v1/predict", model=name, rows=[])["data"] == []


@pytest.mark.parametrize("name", ["rows-plain", "segments"])
def test_rows_as_lists(server: ServerProcess, name: str) -> None:
    rows = drawn(name)
    lists = [[*row.values()] for row in rows]
    assert (
        server.post("/v1/predict", model=name, rows=lists)["data"]
        == server.post("/v1/predict", model=name, rows=rows)["data"]
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", [0, 1, 17, 40])
def test_a_state_goes_on_elsewhere(
    server: ServerProcess, other: ServerProcess, folders: dict[str, Path], name: str, cut: int
) -> None:
    rows = drawn(name)
    whole = server.post("/v1/predict", model=name, rows=rows, return_state=True)
    first = server.post("/v1/predict", model=name, rows=rows[:cut], return_state=True)
    second = other.post("/v1/predict", model=name, rows=rows[cut:], state=first["state"], return_state=True)
    assert first["data"] + second["data"] == whole["data"] == expected(folders[name], rows)
    assert second["state"] == whole["state"]


def test_many_rows_of_many_series(server: ServerProcess, folders: dict[str, Path]) -> None:
    """More than are answered in one turn, and a state that is read in a thread."""
    rows = [{**row, "who": f"{k % 300}"} for k, row in enumerate(drawn("by-id", 2000))]
    first = server.post("/v1/predict", model="by-id", rows=rows[:1000], return_state=True)
    assert len(first["state"]) > 20_000
    second = server.post("/v1/predict", model="by-id", rows=rows[1000:], state=first["state"])
    assert first["data"] + second["data"] == expected(folders["by-id"], rows)


def test_a_state_has_the_size_that_the_server_says(server: ServerProcess) -> None:
    about = {one["id"]: one for one in server.client.get("/v1/models").json()["data"]}
    for name in (*ROWS, "states"):
        rows = [[0.5] * 9] if name == "states" else drawn(name)
        state = server.post("/v1/predict", model=name, rows=rows, return_state=True)["state"]
        assert len(state) == about[name]["state_characters"]


def test_a_bare_gru(server: ServerProcess, folders: dict[str, Path]) -> None:
    model, rows = load(folders["states"]), np.random.default_rng(0).standard_normal((30, 9)).astype(np.float32)
    outputs, _ = model.states(rows[:, None])
    found = server.post("/v1/predict", model="states", rows=rows[:11].tolist(), return_state=True)
    after = server.post("/v1/predict", model="states", rows=rows[11:].tolist(), state=found["state"])
    answers = np.array([one["output"] for one in found["data"] + after["data"]], np.float32)
    assert np.array_equal(answers, outputs[:, 0])


@pytest.mark.parametrize("name", ["texts", "texts-w8a16"])
def test_texts(server: ServerProcess, folders: dict[str, Path], name: str) -> None:
    texts = ["the cat", "", "猫€", "n" * 200, "a"]
    answer = server.post("/v1/predict", model=name, texts=texts)
    assert answer["data"] == in_json([*answers_to_texts(load(folders[name]), texts)])
    assert answer["warnings"] == [
        "1 of 210 characters the model never saw; they were read as U+FFFD",
        "1 of 5 texts have more than 50 tokens; the rest was not read",
    ]
    assert "warnings" not in server.post("/v1/predict", model=name, texts=["the cat"])
    assert server.post("/v1/predict", model=name, texts=[])["data"] == []


NO_ROWS: list[tuple[str, Any]] = [
    ("rows-plain", [1, 2, 3]),
    ("rows-plain", []),
    ("rows-plain", ["x", 1]),
    ("rows-plain", [1e39, 1]),
    ("rows-plain", [10**400, 1]),
    ("rows-plain", {"a": 1}),
    ("rows-plain", {}),
    ("rows-plain", {"a": 1, "b": "nan?"}),
    ("rows", [1, 2, "red"]),
    ("rows", {"a": 1, "b": 2, "kind": "red"}),
    ("rows", {"a": 1, "b": 2, "kind": "red", "t": None}),
    ("rows", {"a": 1, "b": 2, "kind": "red", "t": "soon"}),
    ("dated", {"a": 1, "b": 2, "kind": "red", "t": "soon"}),
    ("dated", {"a": 1, "b": 2, "kind": "red", "t": 5}),
    ("by-id", {"a": 1, "b": 2, "kind": "red", "who": "x"}),
    ("states", [0] * 8),
    ("states", []),
    ("states", {"a": 1}),
    ("states", [None] * 9),
    ("states", ["1"] * 9),
    ("states", [1e39] * 9),
    ("states", [10**400] * 9),
]


@pytest.mark.parametrize(("name", "row"), NO_ROWS, ids=lambda one: str(one)[:40])
def test_what_is_no_row(server: ServerProcess, name: str, row: Any) -> None:
    good = drawn(name, 1)[0] if name != "states" else [0.5] * 9
    status, error = server.refusal("/v1/predict", model=name, rows=[good, row])
    assert (status, error["param"], error["code"]) == (422, "rows[1]", "bad_row")
    assert error["message"].startswith("rows[1]")


def test_time_that_goes_back(server: ServerProcess) -> None:
    rows = [{"a": 1, "b": 2, "kind": "red", "t": t} for t in (60, 0)]
    status, error = server.refusal("/v1/predict", model="rows", rows=rows)
    assert (status, error["param"]) == (422, "rows[1]")


@pytest.mark.parametrize(
    ("asked", "status", "param"),
    [
        ({"model": "language", "rows": []}, 400, "model"),
        ({"model": "backwards", "rows": []}, 400, "model"),
        ({"model": "texts", "rows": []}, 400, "texts"),
        ({"model": "texts", "texts": ["a"], "rows": []}, 400, "texts"),
        ({"model": "texts", "texts": ["a"], "return_state": True}, 400, "texts"),
        ({"model": "texts", "texts": ["a"], "state": "1"}, 400, "texts"),
        ({"model": "texts", "texts": [1]}, 400, "texts[0]"),
        ({"model": "rows"}, 400, "rows"),
        ({"model": "rows", "texts": ["a"]}, 400, "rows"),
        ({"model": "rows", "rows": [], "texts": []}, 400, "rows"),
        ({"model": "rows", "rows": {}}, 400, "rows"),
        ({"model": "rows", "rows": [5]}, 400, "rows[0]"),
        ({"model": "rows", "rows": [{"a": [1]}]}, 400, "rows[0][...]"),
        ({"model": "rows-plain", "rows": [[]] * 100_001}, 400, "rows"),
        ({"model": "nobody", "rows": []}, 404, "model"),
        ({"rows": []}, 404, "model"),
    ],
    ids=lambda one: str(one)[:50],
)
def test_what_cannot_be_is_refused(server: ServerProcess, asked: Any, status: int, param: str) -> None:
    found, error = server.refusal("/v1/predict", **asked)
    assert (found, error["param"]) == (status, param)


def socket(server: ServerProcess, name: str | None) -> ClientConnection:
    query = "" if name is None else f"?model={name}"
    return connect(f"{server.url.replace('http', 'ws')}/v1/stream{query}", open_timeout=PATIENCE, proxy=None)


def told(connection: ClientConnection, **message: Any) -> Any:
    connection.send(json.dumps(message))
    return json.loads(connection.recv(timeout=PATIENCE))


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_of_rows(server: ServerProcess, other: ServerProcess, folders: dict[str, Path], name: str) -> None:
    rows = drawn(name)
    with socket(server, name) as connection:
        first = [told(connection, row=row) for row in rows[:10]]
        assert all(one.keys() == {"answer"} for one in first)
        tenth = told(connection, row=rows[10], return_state=True)
        kept = told(connection, return_state=True)
        assert kept.keys() == {"state"}
        assert kept["state"] == tenth["state"]
    with socket(other, name) as connection:
        after = [told(connection, row=rows[11], state=kept["state"])]
        after += [told(connection, row=row) for row in rows[12:20]]
        assert told(connection, state=kept["state"]) == {}  # again, from there
        after = [told(connection, row=row) for row in rows[11:]]
        last = told(connection, return_state=True)["state"]
    answers = [one["answer"] for one in [*first, tenth, *after]]
    assert answers == expected(folders[name], rows)
    assert last == server.post("/v1/predict", model=name, rows=rows, return_state=True)["state"]


def test_a_stream_of_a_bare_gru(server: ServerProcess, folders: dict[str, Path]) -> None:
    rows = np.random.default_rng(0).standard_normal((9, 9)).astype(np.float32)
    outputs, _ = load(folders["states"]).states(rows[:, None])
    with socket(server, "states") as connection:
        found = [told(connection, row=row.tolist())["answer"]["output"] for row in rows]
    assert np.array_equal(np.array(found, np.float32), outputs[:, 0])


def test_many_connections_side_by_side(server: ServerProcess, folders: dict[str, Path]) -> None:
    """Nothing of one shows in another."""
    rows = drawn("rows-plain", 60)
    with ExitStack() as stack:
        connections = [stack.enter_context(socket(server, "rows-plain")) for _ in range(20)]
        found: list[list[Any]] = [[] for _ in connections]
        for k in range(40):
            for n, connection in enumerate(connections):
                connection.send(json.dumps({"row": rows[n + k]}))
            for n, connection in enumerate(connections):
                found[n].append(json.loads(connection.recv(timeout=PATIENCE))["answer"])
    for n, answers in enumerate(found):
        assert answers == expected(folders["rows-plain"], rows[n : n + 40])


def test_what_is_wrong_is_said_and_the_connection_stays(server: ServerProcess, folders: dict[str, Path]) -> None:
    rows = drawn("rows-plain", 6)
    wrong: list[str | bytes] = [
        "", "{", "[]", "5", "null", "[" * 100_000, '{"row":' + "[" * 100_000, '{"row":5}', '{"rows":[]}',
        '{"row":[1e999,1]}', '{"row":["\\ud800",1]}', '{"row":[1,2,3]}', '{"row":{"a":1}}', '{"row":["x",1]}',
        '{"state":5}', '{"state":""}', '{"state":"1AAAA"}', '{"return_state":1}', b"\xff\xfe", b"{", b"",
        '{"row":[' + "9" * 5000 + ",1]}",
    ]  # fmt: skip
    with socket(server, "rows-plain") as connection:
        answers = []
        for k, row in enumerate(rows):
            answers.append(told(connection, row=row)["answer"])
            for one in wrong[k::6]:
                connection.send(one)
                error = json.loads(connection.recv(timeout=PATIENCE))["error"]
                assert error.keys() == {"message", "type", "param", "code"}, one
                assert error["type"] == "invalid_request_error"
                assert len(error["message"]) > 20
    assert answers == expected(folders["rows-plain"], rows)


def test_a_state_that_is_none_changes_nothing(server: ServerProcess) -> None:
    with socket(server, "by-id") as connection:
        for row in drawn("by-id", 9):
            told(connection, row=row)
        before = told(connection, return_state=True)["state"]
        assert told(connection, state=before[:-1], return_state=True)["error"]["code"] == "state_damaged"
        assert told(connection, row={"a": "x"})["error"]["code"] == "bad_row"
        assert told(connection, return_state=True)["state"] == before


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("language", 400, "wrong_task"),
        ("texts", 400, "wrong_task"),
        ("backwards", 400, "wrong_task"),
        ("nobody", 404, "model_not_found"),
        (None, 404, "model_not_found"),
    ],
)
def test_models_that_have_no_stream(server: ServerProcess, name: str | None, status: int, code: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        socket(server, name)
    response = caught.value.response
    assert response.status_code == status
    assert response.body is not None
    error = json.loads(response.body)["error"]
    assert (error["param"], error["code"]) == ("model", code)


def test_a_model_alone_needs_no_name_and_so_many_series_are_too_many(folders: dict[str, Path]) -> None:
    with serving(folders["by-id"], options=["--max-tokens", "5", "--max-body", "1000"]) as server:
        row = {"a": 1, "b": 2, "kind": "red", "where": 1, "game": 0}
        with socket(server, None) as connection:
            for k in range(5):
                assert "answer" in told(connection, row={**row, "who": k})
            assert "at most 5 series" in told(connection, row={**row, "who": 5})["error"]["message"]
            with pytest.raises(ConnectionClosed):
                told(connection, row={**row, "who": "x" * 1000})
        status, error = server.refusal("/v1/predict", rows=[{**row, "who": k} for k in range(6)])
        assert (status, error["param"]) == (400, "rows")
