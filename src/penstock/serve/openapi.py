"""/openapi.json, made of the types that check requests."""

import functools
from typing import Any

import msgspec

from penstock import __version__
from penstock.serve import schemas

POSTS = {
    "/v1/completions": (schemas.CompletionRequest, schemas.Completion),
    "/v1/score": (schemas.ScoreRequest, schemas.Scores),
    "/v1/embeddings": (schemas.EmbeddingRequest, schemas.Embeddings),
    "/v1/predict": (schemas.PredictRequest, schemas.Prediction),
    "/tokenize": (schemas.TokenizeRequest, schemas.Tokenized),
    "/detokenize": (schemas.DetokenizeRequest, schemas.Detokenized),
}
GETS: dict[str, tuple[str, str, Any]] = {
    "/v1/models": ("The models that are served.", "application/json", schemas.ModelList),
    "/v1/models/{model}": ("One of them.", "application/json", schemas.ModelAbout),
    "/tokenizer_info": ("What begins a text.", "application/json", schemas.TokenizerAbout),
    "/healthz": ("Whether the process lives.", "application/json", schemas.Status),
    "/readyz": ("Whether new requests are answered.", "application/json", schemas.Status),
    "/metrics": ("Measures, for Prometheus.", "text/plain", None),
    "/openapi.json": ("This description.", "application/json", None),
    "/": ("A page to try the models on.", "text/html", None),
}
REFUSALS = {
    "400": "what was asked cannot be",
    "401": "a key is expected",
    "404": "there is no such model",
    "408": "the body came too slowly",
    "413": "the body is too large",
    "422": "a state or a row cannot be taken",
    "429": "too many are answered; come again after Retry-After",
    "500": "a fault of the server's",
    "503": "it took too long, or no new requests are answered",
}

EVENT = {
    "type": "object",
    "properties": {"data": {"type": "string", "description": "a Completion as JSON; after the last one [DONE]"}},
    "required": ["data"],
}
"""Of a stream."""


@functools.cache
def described() -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    types = [schemas.Error, schemas.StreamMessage, *(one for pair in POSTS.values() for one in pair)]
    types += [kind for _, _, kind in GETS.values() if kind is not None]
    found, parts = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    of = dict(zip(types, found, strict=True))
    refusals = {status: _answer(why, "application/json", of[schemas.Error]) for status, why in REFUSALS.items()}
    paths: dict[str, Any] = {}
    for path, (asked, answered) in POSTS.items():
        answers = _answer("the answer", "application/json", of[answered])
        if asked is schemas.CompletionRequest:
            answers["content"]["text/event-stream"] = {"schema": EVENT}
        paths[path] = {
            "post": {
                "summary": (asked.__doc__ or "").partition(": ")[2],
                "security": [{}, {"key": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": of[asked]}}},
                "responses": {"200": answers, **refusals},
            }
        }
    for path, (summary, media, kind) in GETS.items():
        schema = {"type": "object" if media == "application/json" else "string"} if kind is None else of[kind]
        get: dict[str, Any] = {"summary": summary, "responses": {"200": _answer(summary, media, schema)}}
        if path.startswith("/v1/") or path in ("/metrics", "/tokenizer_info"):
            get["security"] = [{}, {"key": []}]
            get["responses"] |= {status: refusals[status] for status in ("401", "404", "503")}
        if path == "/readyz":
            get["responses"]["503"] = _answer("not yet, or no more", media, schema)
        if path == "/tokenizer_info":
            get["parameters"] = [{"name": "model", "in": "query", "schema": {"type": "string"}}]
            get["responses"]["400"] = refusals["400"]
        if "{model}" in path:
            get["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]
        paths[path] = {"get": get}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": parts, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


_ABOUT = (
    "Trained gated recurrent units. Every answer can carry a state, every request may bring one: the text goes on from "
    "there, on this server or on another with the same model. The WebSocket /v1/stream?model=NAME takes StreamMessages "
    "as JSON; it answers each with {answer, state} or {error}."
)


def _answer(description: str, media: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}
