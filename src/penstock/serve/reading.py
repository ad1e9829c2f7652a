"""POST /v1/score and /v1/embeddings: texts that are read alone, between the steps of those that are written."""

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.runtime.batch import fresh
from penstock.runtime.score import count_characters
from penstock.serve.engine import Ended, EngineRequest, Mailbox, Read
from penstock.serve.errors import Refused
from penstock.serve.models import Limits, Loaded, Served
from penstock.serve.schemas import (
    Detokenized,
    DetokenizeRequest,
    Embedding,
    EmbeddingRequest,
    Embeddings,
    ScoreRequest,
    Scores,
    TextScore,
    Tokenized,
    TokenizerAbout,
    TokenizeRequest,
    Usage,
)
from penstock.serve.texts import Begin, Prompt, begun, beside, encoded, kept, language, prompts, shown, warnings

AT_ONCE = 64
"""Texts of a request that are read side by side."""


async def score(asked: ScoreRequest, served: Served, loaded: Loaded, limits: Limits) -> Scores:
    """How well a language model expected texts: those that ``penstock score`` says, to the last bit."""
    model = language(served, loaded)
    begin = begun(model, served.accepted, asked.state)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    found = await beside(texts, lambda: [encoded(model.vocabulary, text, begin.token, "input") for text in texts])
    reads = await _read(loaded, found, begin, limits, judged=True)
    data = []
    for k, (text, prompt, read) in enumerate(zip(texts, found, reads, strict=True)):
        own = prompt.ids[len(prompt.ids) - prompt.given :]
        first = int(prompt.given == len(prompt.ids))  # expected after nothing
        if model.vocabulary.unknown is None:
            utf8 = model.vocabulary.utf8(own[first:])
        else:
            utf8 = text[first:].encode("utf-8", "surrogatepass")
        nats = float(np.sum(-read.log_p))
        one = TextScore(
            k,
            nats,
            len(read.log_p),
            count_characters(utf8),
            len(utf8),
            nats / math.log(2) / len(utf8) if utf8 else None,
        )
        if asked.tokens:
            names = {token: shown(model.vocabulary, token) for token in np.unique(own).tolist()}
            one.tokens = [names[token] for token in own.tolist()]
            one.token_logprobs = [*[None] * (first and len(own) > 0), *read.log_p.tolist()]
        if asked.return_state:
            one.state = kept(model, read.place, begin.pending)
        data.append(one)
    return Scores("list", served.name, data, _usage(found), warnings(found))


async def embeddings(asked: EmbeddingRequest, served: Served, loaded: Loaded, limits: Limits) -> Embeddings:
    """The top layer's state after each text: that of ``penstock score --embed``."""
    model = language(served, loaded)
    H = model.config.stack.hidden_size
    if asked.dimensions not in (None, H):
        raise Refused(400, f"dimensions: expected {H}, as the model has, got {asked.dimensions}", param="dimensions")
    begin = begun(model, served.accepted, asked.state)
    texts = prompts(asked.input, "input")
    found = await beside(texts, lambda: [encoded(model.vocabulary, text, begin.token, "input") for text in texts])
    reads = await _read(loaded, found, begin, limits, judged=False)
    data = []
    for k, (prompt, read) in enumerate(zip(found, reads, strict=True)):
        nothing = not prompt.given and begin.token is None
        top = begin.state[-1] if nothing else model.step(read.place.token, read.place.state)[1][-1]
        value: Any = top.tolist()
        if asked.encoding_format == "base64":
            value = base64.b64encode(top.astype("<f4").tobytes()).decode()
        state = kept(model, read.place, begin.pending) if asked.return_state else None
        data.append(Embedding("embedding", k, value, state))
    return Embeddings("list", served.name, data, _usage(found), warnings(found))


async def tokenized(asked: TokenizeRequest, served: Served, loaded: Loaded) -> Tokenized:
    """The tokens of a text."""
    vocabulary = language(served, loaded).vocabulary
    tokens = await beside(asked.prompt, lambda: vocabulary.encode(asked.prompt).tolist())
    return Tokenized(tokens, len(tokens))


def detokenized(asked: DetokenizeRequest, served: Served, loaded: Loaded) -> Detokenized:
    """The text of tokens."""
    vocabulary = language(served, loaded).vocabulary
    found = encoded(vocabulary, asked.tokens, None, "tokens")
    own = found.ids[len(found.ids) - found.given :]
    return Detokenized(vocabulary.utf8(own).decode("utf-8", "replace"))


def tokenizer(served: Served, loaded: Loaded) -> TokenizerAbout:
    """What there is beside the tokens of texts."""
    vocabulary = language(served, loaded).vocabulary
    known = vocabulary.unknown is None or vocabulary.unknown not in vocabulary.encode("\n")
    return TokenizerAbout("\n" if known else None, None)


async def _read(loaded: Loaded, found: Sequence[Prompt], begin: Begin, limits: Limits, *, judged: bool) -> list[Read]:
    """Of each text what the engine tells of it."""
    tokens = sum(len(one.ids) for one in found)
    if tokens > limits.tokens:
        raise Refused(
            400,
            f"input: expected at most {limits.tokens:,} tokens a request, got {tokens:,}; send parts, and go on from "
            "the state",
            param="input",
            code="too_many_tokens",
        )
    reads: list[Read] = []
    most = min(AT_ONCE, limits.streams)
    for start in range(0, len(found), most):
        requests = [
            EngineRequest(Mailbox(), one.ids, begin.state, seed=fresh(begin.seed), drawn=begin.drawn, judged=judged)
            for one in found[start : start + most]
        ]
        reads += await _side_by_side(loaded, requests)
    return reads


async def _side_by_side(loaded: Loaded, requests: Sequence[EngineRequest]) -> list[Read]:
    loaded.submit(requests)
    reads = []
    try:
        for one in requests:
            (item,) = await one.mailbox.get()
            if isinstance(item, Ended):
                raise Refused(500, f"the model's engine ended: {item.message}", code="engine")
            reads.append(item)
    finally:
        assert loaded.engine is not None
        for one in requests:
            loaded.engine.cancel(one)
    return reads


def _usage(found: Sequence[Prompt]) -> Usage:
    given = sum(one.given for one in found)
    return Usage(given, 0, given)
