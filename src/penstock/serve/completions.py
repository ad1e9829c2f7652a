"""POST /v1/completions, as OpenAI's clients send it."""

import codecs
import math
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import numpy as np

from penstock.runtime import Model
from penstock.runtime.batch import Sampling, fresh
from penstock.serve.engine import Ended, Engine, EngineOutput, EngineRequest, Mailbox, Read, Writing
from penstock.serve.errors import Refused
from penstock.serve.models import Limits, Loaded, Served
from penstock.serve.schemas import Choice, Completion, CompletionRequest, LogProbabilities, Usage
from penstock.serve.texts import Begin, Prompt, begun, beside, encoded, kept, language, prompts, shown, warnings

incremental_decoder = codecs.getincrementaldecoder("utf-8")


class Completing:
    """A request while it is answered."""

    def __init__(self, asked: CompletionRequest, served: Served, loaded: Loaded, limits: Limits) -> None:
        self.asked, self.loaded = asked, loaded
        self.model: Model = language(served, loaded)
        if asked.best_of not in (None, asked.n or 1):
            raise Refused(
                400, f"best_of: expected n={asked.n or 1}, got {asked.best_of}: all are answered", param="best_of"
            )
        self.mailbox = Mailbox()
        begin = begun(self.model, served.accepted, asked.state)
        given = prompts(asked.prompt, "prompt")
        self.prompts = [encoded(self.model.vocabulary, one, begin.token, "prompt") for one in given]
        self.texts = [one if isinstance(one, str) else self._text(one) for one in given] if asked.echo else []
        self.n, self.length = asked.n or 1, 16 if asked.max_tokens is None else asked.max_tokens
        self._expect_few(limits)
        self.id, self.created, self.name = f"cmpl-{secrets.token_hex(12)}", int(time.time()), served.name
        self.fingerprint = f"penstock-{self.model.digest[:12]}"
        self.requests = [self._reading(one, begin) for one in self.prompts]
        self._index = {id(text): k for k, text in enumerate(text for one in self.requests for text in one.writings)}
        count = len(self._index) if asked.logprobs is not None else 0
        self._offsets, self._decoders = [0] * count, [incremental_decoder("replace") for _ in range(count)]
        for decoder in self._decoders:
            decoder.setstate((begin.pending, 0))
        self.written = 0

    @classmethod
    async def begun(cls, asked: CompletionRequest, served: Served, loaded: Loaded, limits: Limits) -> "Completing":
        """A request whose texts are tokens now, sent to the engine.

        Raises:
            Refused: it cannot be answered, or too much is asked of the engine.
        """
        completing = await beside(asked.prompt, lambda: cls(asked, served, loaded, limits))
        loaded.submit(completing.requests)
        return completing

    def _text(self, tokens: list[int]) -> str:
        return self.model.vocabulary.utf8(np.array(tokens)).decode("utf-8", "replace")

    def _expect_few(self, limits: Limits) -> None:
        tokens = sum(len(one.ids) + self.n * self.length for one in self.prompts)
        if tokens > limits.tokens:
            raise Refused(
                400,
                f"max_tokens: expected at most {limits.tokens:,} tokens a request, prompts and what is to be written; "
                f"got {tokens:,}; ask for less, and go on from the state",
                param="max_tokens",
                code="too_many_tokens",
            )
        if self.n * len(self.prompts) > limits.streams:
            raise Refused(400, f"n: expected at most {limits.streams:,} texts at once", param="n")

    def _reading(self, prompt: Prompt, begin: Begin) -> EngineRequest:
        asked = self.asked
        temperature = 1.0 if asked.temperature is None else asked.temperature
        how = Sampling(temperature, asked.top_k, None if asked.top_p == 1 else asked.top_p)
        stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
        seed = asked.seed if asked.seed is None else asked.seed % (1 << 63)
        # the first of those that go on from a state, and ask for no seed, goes on with its numbers
        goes_on = seed is None and begin.seed is not None
        first = fresh(begin.seed if goes_on else seed)
        writings = [
            Writing(
                self.length,
                how,
                stops,
                alternatives=asked.logprobs,
                seed=None if goes_on and k == 0 else first + k,
                pending=begin.pending,
                keeps=asked.return_state,
                streamed=bool(asked.stream),
            )
            for k in range(self.n)
        ]
        return EngineRequest(
            self.mailbox,
            prompt.ids,
            begin.state,
            seed=begin.seed or 0,
            drawn=begin.drawn,
            judged=bool(asked.echo) and asked.logprobs is not None,
            alternatives=asked.logprobs or 0,
            writings=writings,
        )

    @property
    def engine(self) -> Engine:
        """What computes."""
        assert self.loaded.engine is not None
        return self.loaded.engine

    def end(self) -> None:
        """Frees its places, done or not."""
        for one in self.requests:
            self.engine.cancel(one)

    async def parts(self) -> AsyncIterator[list[Choice]]:
        """What is told, as it comes: pieces of texts."""
        left = len(self._index)
        while left:
            choices, heard = [], []
            for item in await self.mailbox.get():
                if isinstance(item, Ended):
                    raise Refused(500, f"the model's engine ended: {item.message}", code="engine")
                if isinstance(item, Read):
                    choices += self._echoed(item)
                elif isinstance(item, EngineOutput):
                    choices.append(self._choice(item))
                    self.written += len(item.tokens)
                    left -= item.finished is not None
                    heard.append((item.writing, len(item.tokens)))
            if choices:
                yield choices
            for writing, count in heard:  # only now that they are sent
                self._hear(writing, count)

    def _hear(self, writing: Writing, count: int) -> None:
        writing.heard += count
        if writing.parked and writing.told == writing.heard:
            self.engine.resume(writing)

    def _echoed(self, read: Read) -> list[Choice]:
        if not self.asked.echo:
            return []
        k = self.requests.index(read.request)
        text, prompt = self.texts[k], self.prompts[k]
        return [self._echo(text, prompt, read, k * self.n + i) for i in range(self.n)]

    def _echo(self, text: str, prompt: Prompt, read: Read, index: int) -> Choice:
        about = None
        if self.asked.logprobs is not None:
            own = prompt.ids[len(prompt.ids) - prompt.given :].tolist()
            first = prompt.given == len(prompt.ids)  # nothing before it, so that nothing expected it
            log_p: list[float | None] = [*[None] * first, *read.log_p.tolist()]
            best = [*[None] * first, *read.alternatives]
            about = self._log_probabilities(index, own, log_p, best)
        return Choice(text, index, about, None)

    def _choice(self, said: EngineOutput) -> Choice:
        index = self._index[id(said.writing)]
        about = None
        if self.asked.logprobs is not None:
            about = self._log_probabilities(index, said.tokens, said.log_p, said.alternatives)
        state = None
        if said.finished and self.asked.return_state:
            state = kept(self.loaded.runtime, said.writing.place, said.writing.pending)
        return Choice(said.text, index, about, said.finished, state)  # type: ignore[arg-type]

    def _log_probabilities(
        self, index: int, tokens: Sequence[int], log_p: Sequence[float | None], best: Sequence[Any]
    ) -> LogProbabilities:
        vocabulary = self.model.vocabulary
        known = {*tokens, *(token for one in best for token, _ in one or ())}
        names = {token: shown(vocabulary, token) for token in known}
        utf8 = {token: vocabulary.utf8(np.array([token])) for token in known}
        top: list[dict[str, float] | None] = [None] * len(tokens)
        if self.asked.logprobs:
            top = [
                None if one is None else {names[token]: value for token, value in one if value > -math.inf}
                for one in best
            ]
        offsets, decoder = [], self._decoders[index]
        for token in tokens:  # where each begins, be it within a character
            offsets.append(self._offsets[index] + bool(decoder.getstate()[0]))
            self._offsets[index] += len(decoder.decode(utf8[token]))
        return LogProbabilities([names[token] for token in tokens], [*log_p], top, offsets)

    def usage(self) -> Usage:
        """What was computed so far."""
        given = sum(one.given for one in self.prompts)
        return Usage(given, self.written, given + self.written)

    def completion(self, choices: list[Choice], usage: Usage | None = None, said: bool = False) -> Completion:
        """An answer, or a part of one; ``said``: with the warnings."""
        said_of = warnings(self.prompts) if said else None
        kind: Literal["text_completion"] = "text_completion"
        return Completion(self.id, kind, self.created, self.name, choices, self.fingerprint, usage, said_of)

    async def whole(self) -> Completion:
        """All of it at once."""
        found = [Choice("", k, None, None) for k in range(len(self._index))]
        async for choices in self.parts():
            for part in choices:
                one = found[part.index]
                one.text += part.text
                one.logprobs = _joined(one.logprobs, part.logprobs)
                one.finish_reason = part.finish_reason or one.finish_reason
                one.state = part.state or one.state
        return self.completion(found, self.usage(), said=True)


def _joined(a: LogProbabilities | None, b: LogProbabilities | None) -> LogProbabilities | None:
    if a is None or b is None:
        return a or b
    return LogProbabilities(
        a.tokens + b.tokens,
        a.token_logprobs + b.token_logprobs,
        a.top_logprobs + b.top_logprobs,
        a.text_offset + b.text_offset,
    )
