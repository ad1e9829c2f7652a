"""The server as an ASGI application: which path answers what, and what holds for all of them."""

import asyncio
import dataclasses
import hmac
import importlib.resources
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from penstock.runtime import Model
from penstock.runtime.states_model import StatesRuntime
from penstock.serve.completions import Completing
from penstock.serve.errors import Refused, busy, refused
from penstock.serve.metrics import Gauges, exposed
from penstock.serve.models import Limits, Loaded, Models, Served
from penstock.serve.openapi import described
from penstock.serve.protocol import HEADERS
from penstock.serve.reading import detokenized, embeddings, score, tokenized, tokenizer
from penstock.serve.schemas import (
    CompletionRequest,
    DetokenizeRequest,
    EmbeddingRequest,
    ModelAbout,
    ModelList,
    PredictRequest,
    ScoreRequest,
    TokenizeRequest,
)
from penstock.serve.state import written
from penstock.serve.texts import begun, kept
from penstock.serve.wire import encode

log = logging.getLogger("penstock.serve")

T = TypeVar("T")
CHECK = 1.0
"""Seconds between two looks for models that are idle."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CLOSE = {"Connection": "close"}
GONE = 499
"""The status in the measures of a request whose client went away before the answer."""
OPEN = ("/", "/page.js", "/page.css", "/healthz", "/readyz", "/openapi.json")
"""Paths that ask for no key: they say nothing of the models, and nothing is computed there."""


@dataclasses.dataclass(frozen=True)
class Serving:
    """What a server is told at its start."""

    limits: Limits
    keys: tuple[bytes, ...] = ()
    """One of them is to be sent; none: nobody is asked."""
    origins: tuple[str, ...] = ()
    """Of pages that may ask, by CORS."""
    idle: float = 600.0
    """Seconds after which a model that nobody uses is let go of, if there are several."""


class Server:
    """What answers."""

    def __init__(self, models: Models, settings: Serving, gauges: Gauges) -> None:
        self.models, self.settings, self.limits, self.gauges = models, settings, settings.limits, gauges
        self.ready = False
        """All models are loaded, and no end is near."""
        self.streams = 0
        self._watched = set[asyncio.Future[None]]()
        self._abouts: dict[str, ModelAbout] = {}
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads the models, and from then on lets go of those that are idle.

        Raises:
            PenstockError: a folder holds no whole model.
        """
        for served in self.models.served.values():
            await served.load()
        if len(self.models.served) > 1:
            self._looking = asyncio.create_task(self._let_go())
        self.ready = True

    async def _let_go(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            for served in self.models.served.values():
                served.let_go(self.settings.idle)

    def cut(self) -> None:
        """Ends what is still being answered; those who wait for it are told."""
        for gone in self._watched:
            gone.cancel()

    async def end(self) -> None:
        """Lets go of the models for ever."""
        if self._looking is not None:
            self._looking.cancel()
        for served in self.models.served.values():
            await served.end()

    async def reload(self, keep_states: bool) -> None:
        """Loads the weights anew that the folders have now."""
        for served in self.models.served.values():
            await served.reload(keep_states)

    # what the paths answer

    async def completions(self, request: Request) -> Response:
        """POST /v1/completions."""
        asked = await self._asked(request, CompletionRequest)
        served = self.models.of(asked.model)
        if asked.stream:
            return Events(self, asked, served)
        async with self._place(), served.use() as loaded:
            completing = await Completing.begun(asked, served, loaded, self.limits)
            try:
                return _json(await self.within(request.receive, completing.whole()))
            finally:
                completing.end()

    async def score(self, request: Request) -> Response:
        """POST /v1/score."""
        asked = await self._asked(request, ScoreRequest)
        served = self.models.of(asked.model)
        async with self._place(), served.use() as loaded:
            return _json(await self.within(request.receive, score(asked, served, loaded, self.limits)))

    async def embeddings(self, request: Request) -> Response:
        """POST /v1/embeddings."""
        asked = await self._asked(request, EmbeddingRequest)
        served = self.models.of(asked.model)
        async with self._place(), served.use() as loaded:
            return _json(await self.within(request.receive, embeddings(asked, served, loaded, self.limits)))

    async def tokenize(self, request: Request) -> Response:
        """POST /tokenize."""
        asked = await self._asked(request, TokenizeRequest)
        served = self.models.of(asked.model)
        async with self._place(), served.use() as loaded:
            return _json(await tokenized(asked, served, loaded))

    async def detokenize(self, request: Request) -> Response:
        """POST /detokenize."""
        asked = await self._asked(request, DetokenizeRequest)
        served = self.models.of(asked.model)
        async with self._place(), served.use() as loaded:
            return _json(detokenized(asked, served, loaded))

    async def tokenizer_info(self, request: Request) -> Response:
        """GET /tokenizer_info."""
        served = self.models.of(request.query_params.get("model"))
        async with served.use() as loaded:
            return _json(tokenizer(served, loaded))

    async def predict(self, request: Request) -> Response:
        """POST /v1/predict."""
        from penstock.serve import rows  # 0.05 seconds that models of texts need not wait for

        asked = await self._asked(request, PredictRequest)
        served = self.models.of(asked.model)
        async with self._place(), served.use() as loaded:
            found = rows.predict(asked, served, loaded, self.limits, self.gauges)
            return _json(await self.within(request.receive, found))

    async def stream(self, socket: WebSocket) -> None:
        """The WebSocket /v1/stream."""
        from penstock.serve import rows

        try:
            async with self._place():
                served = self.models.of(socket.query_params.get("model"))
                await rows.stream(socket, served, self.gauges)
        except Refused as error:
            await socket.send_denial_response(error.response())

    async def list(self, _: Request) -> Response:
        """GET /v1/models."""
        return _json(ModelList("list", [await self._about(one) for one in self.models.served.values()]))

    async def one(self, request: Request) -> Response:
        """GET /v1/models/{model}."""
        return _json(await self._about(self.models.of(request.path_params["model"])))

    async def _about(self, served: Served) -> ModelAbout:
        """What there is to know of a model; one that is let go of stays so."""
        if served.loaded is not None:
            self._abouts[served.name] = _described(served, served.loaded)
        elif served.name not in self._abouts:
            async with served.use() as loaded:
                self._abouts[served.name] = _described(served, loaded)
        return self._abouts[served.name]

    async def healthz(self, _: Request) -> Response:
        """GET /healthz: the process lives."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz: new requests are answered."""
        return _json({"status": "ready"}) if self.ready else _json({"status": "not ready"}, 503)

    async def metrics(self, _: Request) -> Response:
        """GET /metrics."""
        return Response(exposed(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Request) -> Response:
        """GET /openapi.json."""
        return _json(described())

    async def page(self, request: Request) -> Response:
        """GET /: a page to try it on."""
        name = request.url.path.strip("/") or "index.html"
        kind = {"html": "text/html", "js": "text/javascript", "css": "text/css"}[name.rsplit(".", 1)[1]]
        content = (importlib.resources.files("penstock.serve") / "page" / name).read_bytes()
        return Response(content, media_type=kind, headers={"Content-Security-Policy": PAGE_POLICY})

    # what they share

    async def _asked(self, request: Request, kind: type[T]) -> T:
        """The body of a request.

        Raises:
            Refused: it is too large or too slow, or not what is expected.
        """
        size = request.headers.get("content-length", "")
        if size.isdigit() and int(size) > self.limits.body:
            raise self._too_large()
        try:
            body = await asyncio.wait_for(self._body(request), self.limits.arrival)
        except asyncio.TimeoutError:
            raise Refused(408, "body: expected the rest of it sooner", code="slow", headers=CLOSE) from None
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            message, _, where = str(error).partition(" - at `$")
            param = where.rstrip("`").lstrip(".") or None
            raise Refused(400, f"{param or 'body'}: {message}; see /openapi.json", param=param) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"body: expected JSON in UTF-8: {error}", code="not_json") from None

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self.limits.body:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> Refused:
        message = f"body: expected at most {self.limits.body:,} bytes; send parts, and go on from the state"
        return Refused(413, message, code="too_large", headers=CLOSE)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place among the requests that are answered at once."""
        most = self.limits.streams + self.limits.queue
        if self.streams >= most:
            raise busy(f"{most:,} requests and connections are being answered; come again in a second")
        self.streams += 1
        self.gauges.streams.inc()
        try:
            yield
        finally:
            self.streams -= 1
            self.gauges.streams.dec()

    async def within(self, receive: Receive, answer: Coroutine[Any, Any, T]) -> T:
        """The answer.

        Raises:
            ClientDisconnect: its client went away.
            Refused: it takes too long, or the server ends.
        """
        working, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_gone(receive))
        self._watched.add(gone)
        try:
            await asyncio.wait((working, gone), timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if gone.cancelled():
                raise _unfinished("the server ends: ask another, or this one in a while")
            if gone.done():
                raise ClientDisconnect
            raise _unfinished(f"the answer took longer than {self.limits.seconds:g} seconds; ask for less")
        finally:
            self._watched.discard(gone)
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)


def _unfinished(why: str) -> Refused:
    return Refused(503, f"{why}, and go on from the state", code="unfinished", headers={"Retry-After": "1"})


class Events(Response):
    """A completion as server-sent events. What is wrong before the first of them is answered as an error."""

    def __init__(self, server: Server, asked: CompletionRequest, served: Served) -> None:
        self.server, self.asked, self.served = server, asked, served
        self.background = None
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them."""
        server = self.server
        try:
            async with server._place(), self.served.use() as loaded:
                completing = await Completing.begun(self.asked, self.served, loaded, server.limits)
                try:
                    await server.within(receive, self._send(completing, send))
                finally:
                    completing.end()
        except ClientDisconnect:
            return
        except Refused as error:
            if not self.begun:
                raise
            # its place is free by now: a client that reads nothing holds no more than its connection
            last = b"data: " + encode(error.body()) + b"\n\n"
            await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _send(self, completing: Completing, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        self.begun = True
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        first = True
        async for choices in completing.parts():
            await send({"type": "http.response.body", "body": _parts(completing, choices, first), "more_body": True})
            first = False
        end = b"data: [DONE]\n\n"
        if self.asked.stream_options is not None and self.asked.stream_options.include_usage:
            end = b"data: " + encode(completing.completion([], completing.usage())) + b"\n\n" + end
        await send({"type": "http.response.body", "body": end, "more_body": False})


def _parts(completing: Completing, choices: Sequence[Any], first: bool) -> bytes:
    """An event for each choice."""
    events = [encode(completing.completion([one], said=first)) for one in choices]
    return b"".join(b"data: " + event + b"\n\n" for event in events)


async def _gone(receive: Receive) -> None:
    """Returns once the client is."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _described(served: Served, loaded: Loaded) -> ModelAbout:
    runtime = loaded.runtime
    task, parameters = "language", sum(int(weight.size) for weight in runtime.weights.values())
    reads: Any = "text"
    keys = None
    if isinstance(runtime, Model):
        state, size = kept(runtime, begun(runtime, set(), None)), runtime.initial_state().nbytes  # type: ignore[arg-type]
    elif hasattr(runtime, "initial_state"):
        state, size = written(runtime.digest, {}, runtime.initial_state()), runtime.initial_state().nbytes
        task, reads = "states", [f"x{k}" for k in range(runtime.config.stack.input_size)]
        if not isinstance(runtime, StatesRuntime):
            task, reads, of = runtime.task, list(runtime.columns), runtime.reads
            keys = [name for name in (*of["id"], of["time"], of["episode"]) if name]
    else:
        state, size, task = "", 0, runtime.task
    return ModelAbout(
        served.name,
        "model",
        served.created,
        "penstock",
        task,
        reads,
        size,
        len(state),
        parameters,
        f"penstock-{runtime.digest[:12]}",
        keys,
    )


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


class Guard:
    """Around all paths: keys, headers, counts, and an answer to whatever went wrong."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server
        self.paths = {route.path for route in routes(server) if isinstance(route, Route | WebSocketRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        begun_at, status = time.perf_counter(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                have = {name for name, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(one for one in HEADERS if one[0] not in have)]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            self._expect_key(scope)
            await self.app(scope, receive, told)
        except Refused as error:
            if not status:
                await self._refuse(error, scope, receive, told)
        except Exception:
            log.exception("a fault")  # with no word of what was asked
            if not status:
                await self._refuse(_fault(), scope, receive, told)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.server.gauges.requests.labels(path, str(status or GONE)).inc()
            self.server.gauges.seconds.labels(path).observe(time.perf_counter() - begun_at)

    def _expect_key(self, scope: Scope) -> None:
        keys = self.server.settings.keys
        if not keys or scope["path"] in OPEN or scope.get("method") == "OPTIONS":
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, key = given.partition(b" ")
        found = [hmac.compare_digest(key.strip(), one) for one in keys]
        if kind.lower() != b"bearer" or not any(found):
            message = "expected the header Authorization: Bearer KEY, with a key that this server knows"
            raise Refused(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})

    async def _refuse(self, error: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await error.response()(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).send_denial_response(error.response())


def _fault() -> Refused:
    return Refused(500, "a fault of the server's, which is in its log", code="fault")


async def _failed(_: Request, __: Exception) -> Response:
    return _fault().response()


async def _nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=GONE)


async def _no_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "there is no such path", 405: f"the path does not take {request.method}"}.get(
        error.status_code, error.detail
    )
    return Refused(error.status_code, f"{what}; see /openapi.json", headers=error.headers).response()


def routes(server: Server) -> list[Route | WebSocketRoute]:
    """Which path answers what."""
    posts = {
        "/v1/completions": server.completions,
        "/v1/score": server.score,
        "/v1/embeddings": server.embeddings,
        "/v1/predict": server.predict,
        "/tokenize": server.tokenize,
        "/detokenize": server.detokenize,
    }
    gets = {
        "/v1/models": server.list,
        "/v1/models/{model}": server.one,
        "/tokenizer_info": server.tokenizer_info,
        "/healthz": server.healthz,
        "/readyz": server.readyz,
        "/metrics": server.metrics,
        "/openapi.json": server.openapi,
        "/": server.page,
        "/page.js": server.page,
        "/page.css": server.page,
    }
    return [
        *(Route(path, answer, methods=["POST"]) for path, answer in posts.items()),
        *(Route(path, answer, methods=["GET"]) for path, answer in gets.items()),
        WebSocketRoute("/v1/stream", server.stream),
    ]


def application(server: Server) -> ASGIApp:
    """The application."""
    more = []
    if server.settings.origins:
        more.append(
            Middleware(
                CORSMiddleware,
                allow_origins=server.settings.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type"],
            )
        )
    handlers: dict[Any, Callable[..., Any]] = {
        Refused: refused,
        HTTPException: _no_path,
        ClientDisconnect: _nobody,
        Exception: _failed,
    }
    app = Starlette(routes=routes(server), middleware=more, exception_handlers=handlers)
    return Guard(app, server)
