"""POST /v1/predict and the WebSocket /v1/stream: rows of numbers in, answers out; and texts that get an answer.

A row takes some microseconds: it is answered where it comes in, and waits for no batch.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from penstock.errors import PenstockError
from penstock.runtime import Model
from penstock.runtime.answers import AnswerStreams
from penstock.runtime.states_model import StatesRuntime
from penstock.runtime.text_answers import answers_to_texts
from penstock.runtime.text_model import TextRuntime
from penstock.serve import state as states
from penstock.serve.errors import Refused
from penstock.serve.metrics import Gauges
from penstock.serve.models import Limits, Loaded, Served
from penstock.serve.schemas import Prediction, PredictRequest, StreamMessage
from penstock.serve.texts import beside, encoded, warnings
from penstock.serve.wire import encode

TURN = 0.002
"""Seconds in which rows of a request are answered before others have their turn."""


class ServedRows:
    """Series that a client sends the rows of, each by its id."""

    def __init__(self, served: Served, loaded: Loaded) -> None:
        self.runtime = loaded.runtime
        if isinstance(self.runtime, Model | TextRuntime):
            what = "reads texts: ask /v1/completions" if isinstance(self.runtime, Model) else "reads texts, not rows"
            raise Refused(400, f"model: {served.name} {what}", param="model", code="wrong_task")
        self._bare = self._streams = None
        self._most = loaded.limits.tokens
        try:
            if isinstance(self.runtime, StatesRuntime):
                self._bare = self.runtime.stream()
            else:
                self._streams = AnswerStreams(self.runtime)
        except (PenstockError, ValueError) as error:
            raise Refused(400, f"model: {served.name}: {error}", param="model", code="wrong_task") from None

    def answer(self, row: Any, where: str = "row") -> dict[str, Any]:
        """To a row.

        Raises:
            Refused: it is none.
        """
        try:
            if self._bare is not None:
                return {"output": self._bare.step(self._numbers(row)).tolist()}
            assert self._streams is not None
            answer = self._streams.row(row if isinstance(row, dict) else self._named(row), where)
        except PenstockError as error:
            raise Refused(422, str(error), param=where, code="bad_row") from None
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise Refused(422, f"{where}: {error}", param=where, code="bad_row") from None
        if len(self._streams.streams) > self._most:
            raise Refused(400, f"{where}: expected at most {self._most:,} series; send the others apart", param=where)
        return answer

    def _numbers(self, row: Any) -> NDArray[np.float32]:
        """A row of a bare GRU."""
        if not isinstance(row, list) or not all(isinstance(cell, int | float) for cell in row):
            raise ValueError(f"expected a list of numbers, got {row!r:.60}")
        with np.errstate(over="ignore"):
            found = np.array(row, np.float32)
        if not np.isfinite(found).all():
            raise ValueError("expected numbers of float32, got some that are too large")
        return found

    def _named(self, row: Sequence[Any]) -> dict[str, Any]:
        """A list of cells, by the names of the columns that the model reads."""
        columns, reads = self.runtime.columns, self.runtime.reads
        if keys := [name for name in (*reads["id"], reads["time"], reads["episode"]) if name]:
            raise ValueError(f"expected an object, which has {', '.join(keys)} too, not a list of cells")
        if len(row) != len(columns):
            raise ValueError(f"expected {len(columns)} cells of {', '.join(columns)}, got {len(row)}")
        return dict(zip(columns, row, strict=True))

    def state(self) -> str:
        """Where the series stand, as a text."""
        if self._bare is not None:
            return states.written(self.runtime.digest, {}, self._bare.state)
        assert self._streams is not None
        of = self._streams.streams
        values = np.concatenate([self.runtime.initial_state()[:0], *(one.state for one in of.values())])
        about = {"ids": list(of), "episodes": self._streams.episodes}
        return states.written(self.runtime.digest, about, values)

    def restore(self, text: str, accepted: set[str]) -> None:
        """Goes on from there.

        Raises:
            Refused: it is no state of this model; nothing has changed.
        """
        found = states.read(text, {*accepted, self.runtime.digest})
        if self._bare is not None:
            like = self._bare.state
            values = states.numbers(found, like.dtype, like.shape)
            states.check_within(values)
            self._bare.state = values
            return
        assert self._streams is not None
        match found.about:
            case {"ids": [*ids], "episodes": dict(episodes)} if all(
                isinstance(one, str) for one in (*ids, *episodes.values())
            ):
                values = states.numbers(found, self.runtime.state_type, (len(ids),))
            case _:
                raise states.damaged()
        _check(values)
        streams = {id_: self.runtime.stream() for id_ in ids}
        for k, id_ in enumerate(ids):
            streams[id_].state = values[k : k + 1]
        self._streams.streams, self._streams.episodes = streams, episodes


def _check(values: NDArray[Any]) -> None:
    """Raises Refused unless each part of these states can be one: those with names are as the runtimes name them."""
    for name in values.dtype.names or ():
        part = values[name]
        if name == "hidden":
            states.check_within(part)
        if part.dtype.kind == "i" and (part < 0).any():
            raise states.damaged()
        if name == "filled" and (part >= values["rows"].shape[1]).any():
            raise states.damaged()


async def predict(asked: PredictRequest, served: Served, loaded: Loaded, limits: Limits, gauges: Gauges) -> Prediction:
    """Answers rows, or texts."""
    runtime = loaded.runtime
    for name, given in (("rows", asked.rows), ("texts", asked.texts)):
        if given is not None and len(given) > limits.tokens:
            raise Refused(400, f"{name}: expected at most {limits.tokens:,}, got {len(given):,}", param=name)
    if isinstance(runtime, TextRuntime):
        if asked.texts is None or asked.rows is not None or asked.state is not None or asked.return_state:
            raise Refused(
                400, f"texts: expected them, and no rows and no state: {served.name} reads texts", param="texts"
            )
        texts = asked.texts
        data, said = await asyncio.to_thread(lambda: (list(answers_to_texts(runtime, texts)), _said(runtime, texts)))
        return Prediction("list", served.name, data, warnings=said)
    if asked.rows is None or asked.texts is not None:
        raise Refused(400, f"rows: expected them, and no texts: {served.name} reads rows", param="rows")
    rows = ServedRows(served, loaded)
    if asked.state is not None:
        state = asked.state
        await beside(state, lambda: rows.restore(state, served.accepted))
    data, turn = [], time.perf_counter()
    for k, row in enumerate(asked.rows):
        data.append(rows.answer(row, f"rows[{k}]"))
        if time.perf_counter() - turn > TURN:
            await asyncio.sleep(0)
            turn = time.perf_counter()
    gauges.rows.inc(len(data))
    return Prediction("list", served.name, data, rows.state() if asked.return_state else None)


def _said(runtime: TextRuntime, texts: Sequence[str]) -> list[str] | None:
    """What a client is to know of how its texts were read."""
    found = [encoded(runtime.vocabulary, text, None, "texts") for text in texts]
    said = warnings(found) or []
    if cut := sum(one.given > runtime.longest for one in found):
        said.append(f"{cut:,} of {len(texts):,} texts have more than {runtime.longest:,} tokens; the rest was not read")
    return said or None


async def stream(socket: WebSocket, served: Served, gauges: Gauges) -> None:
    """Answers the rows of a connection, one message each, until it is closed."""
    decoder = msgspec.json.Decoder(StreamMessage)
    async with served.use() as loaded:
        runtime, rows = loaded.runtime, ServedRows(served, loaded)
        await socket.accept()
        try:
            while True:
                content = await _next(socket)
                if loaded is not served.loaded:
                    await socket.close(1012, "the model has new weights, to which this state means nothing; begin anew")
                    return
                if runtime is not loaded.runtime:
                    runtime, rows = loaded.runtime, _carried(rows, served, loaded)
                await socket.send_text(_answered(rows, decoder, content, served.accepted, gauges))
        except WebSocketDisconnect:
            return


async def _next(socket: WebSocket) -> str | bytes:
    """The next message.

    Raises:
        WebSocketDisconnect: there is none.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get("text") or message.get("bytes") or ""


def _answered(rows: ServedRows, decoder: Any, content: str | bytes, accepted: set[str], gauges: Gauges) -> str:
    try:
        message: StreamMessage = decoder.decode(content)
        found: dict[str, Any] = {}
        if message.state is not None:
            rows.restore(message.state, accepted)
        if message.row is not None:
            found["answer"] = rows.answer(message.row)
            gauges.rows.inc()
        if message.return_state:
            found["state"] = rows.state()
        return encode(found).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return encode(Refused(400, f"message: {error}", code="bad_message").body()).decode()
    except Refused as error:
        return encode(error.body()).decode()


def _carried(rows: ServedRows, served: Served, loaded: Loaded) -> ServedRows:
    after = ServedRows(served, loaded)
    before = rows.state()
    after.restore(before, {*served.accepted, rows.runtime.digest})
    return after
