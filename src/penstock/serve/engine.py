"""The thread that computes for one language model: all texts that are being written step as one batch; what is to be
read is read in chunks between steps, each of which takes about as long as a step: a long prompt holds up nobody.

The event loop talks to it through ``submit``, ``cancel`` and ``resume``; it talks back through a mailbox a request.
What a text's tokens are does not depend on what is computed beside it by a bit.

Letters: L tokens, K layers, H hidden units, V tokens of the vocabulary.
"""

import asyncio
import codecs
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.native.core import available_threads
from penstock.runtime import Model
from penstock.runtime.batch import Place, Sampling, WritingBatch
from penstock.runtime.layer import log_softmax
from penstock.runtime.sampling import Until
from penstock.serve.metrics import Gauges

log = logging.getLogger("penstock.serve")

Floats = NDArray[np.float32]

BURST = 0.008
"""Seconds in which texts may be written before what they are is told, while nobody else wants anything."""
TELLING = 2.5e-5
"""Seconds of a core that it takes to tell of one text."""
FEW = 0.0067
"""Seconds that telling of all texts may take before bursts become longer."""
CHUNK = 0.002
"""Seconds in which something is read, at least, before texts are written on."""
IDLE = 0.02
"""The same where none are written."""
SHORTEST = 16
"""Tokens of a prompt that are read at once, at least."""
AHEAD = 1024
"""Tokens by which a text may be ahead of who reads it, before it waits."""


class Mailbox:
    """What the engine has to tell a request, in order. Used in the event loop alone."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._waiting: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        """Adds an item."""
        self._items.append(item)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def get(self) -> list[Any]:
        """All items there are, once there is one."""
        if not self._items:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        items, self._items = self._items, []
        return items


class Read(NamedTuple):
    """Told of a prompt that was read."""

    request: "EngineRequest"
    log_p: NDArray[np.float64]
    """Of each token but the first, (L − 1,), where it was asked for."""
    alternatives: list[list[tuple[int, float]]]
    """The likeliest tokens in the place of each, likewise."""
    place: Place


class EngineOutput(NamedTuple):
    """Told of tokens that were written."""

    writing: "Writing"
    text: str
    tokens: list[int]
    log_p: list[float]
    alternatives: list[list[tuple[int, float]]]
    finished: str | None
    """"stop" or "length", once it is."""


class Ended(NamedTuple):
    """Told where the engine cannot go on."""

    message: str


class Writing:
    """A text to be written.

    Args:
        length: tokens, at most.
        how: its tokens are drawn.
        stops: texts before which it ends.
        alternatives: likeliest tokens to tell beside each; None: no log-probabilities either.
        seed: of the numbers that it is drawn by; None: those of the place that it begins at go on.
        pending: the begin of a character that was written before.
        keeps: a character that is not whole at the end is left for what goes on from there; else it is told as U+FFFD.
        streamed: it is told as it is written; else once it is finished.
    """

    def __init__(
        self,
        length: int,
        how: Sampling,
        stops: Sequence[str] = (),
        *,
        alternatives: int | None = None,
        seed: int | None = None,
        pending: bytes = b"",
        keeps: bool = False,
        streamed: bool = True,
    ) -> None:
        self.how, self.alternatives, self.seed = how, alternatives, seed
        self.request: EngineRequest
        self.place: Place
        self.until = Until(stops) if stops else None
        self.keeps, self.streamed = keeps, streamed
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.decoder.setstate((pending, 0))
        self.left, self.told, self.heard, self.parked = length, 0, 0, False
        self.finished: str | None = None
        self.piece, self.tokens, self.log_p = "", list[int](), list[float]()
        self.likeliest = list[list[tuple[int, float]]]()

    @property
    def pending(self) -> bytes:
        """The begin of a character whose other bytes are not written yet."""
        return self.decoder.getstate()[0]

    def read(self, utf8: bytes, last: bool = False) -> None:
        """Adds what tokens stand for to what is to be told; of the ``last`` ones a character that is not whole too, as
        U+FFFD."""
        piece = self.decoder.decode(utf8, last)
        if self.until is None:
            self.piece += piece
            return
        self.piece += self.until.feed(piece)
        if self.until.found:
            self.finished = "stop"

    def end(self) -> None:
        """Nothing follows: what was held back is to be told too."""
        if self.finished == "stop":
            return
        if not self.keeps:
            self.read(b"", last=True)
        self.finished = "length"
        if self.until is not None:
            self.piece += self.until.rest()


class EngineRequest:
    """Tokens to read, and the texts that go on from there.

    Args:
        mailbox: of the request.
        ids: (L,), 1 or more; the last one is not read, but by the first step of a text.
        state: (K, H) before them; zeros at a text's beginning.
        seed, drawn: of the numbers that texts without a seed of their own are drawn by.
        judged: log-probabilities of the tokens are asked for.
        alternatives: likeliest tokens to tell beside each.
        writings: the texts.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        ids: NDArray[np.int64],
        state: Floats,
        *,
        seed: int = 0,
        drawn: int = 0,
        judged: bool = False,
        alternatives: int = 0,
        writings: Sequence[Writing] = (),
    ) -> None:
        self.mailbox, self.ids, self.state, self.seed, self.drawn = mailbox, ids, state, seed, drawn
        self.judged, self.alternatives, self.writings = judged, alternatives, writings
        self.at = 0
        self.log_p, self.likeliest = list[NDArray[np.float64]](), list[list[tuple[int, float]]]()
        self.asked = time.perf_counter()
        self.cancelled = False
        for writing in writings:
            writing.request = self

    @property
    def left(self) -> int:
        """Tokens to read."""
        return len(self.ids) - 1 - self.at

    @property
    def weight(self) -> int:
        """Places that it takes."""
        return max(len(self.writings), 1)


class Engine:
    """Of a model; ends with ``close``."""

    def __init__(self, model: Model, loop: asyncio.AbstractEventLoop, streams: int, gauges: Gauges) -> None:
        self.model, self._loop, self._streams, self._gauges = model, loop, streams, gauges
        self._batch = WritingBatch(model)
        self._texts: dict[int, Writing] = {}  # by the identity of their places
        self._inbox: list[Any] = []
        self._changed = threading.Condition()
        self._waiting = deque[EngineRequest]()
        self._reading = deque[EngineRequest]()
        self._parked: dict[int, Writing] = {}
        self._rows: list[NDArray[np.int64]] = []  # of the texts as they are now, untold
        self._letters: list[tuple[Mailbox, Any]] = []
        self._rate, self._step = 1e4, 0.0  # tokens read a second, seconds a step
        self.live = 0
        """Places that are taken or waited for; the event loop counts."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="penstock engine")
        self._thread.start()

    # what the event loop calls

    def submit(self, request: EngineRequest) -> None:
        """Takes a request on."""
        self.live += request.weight
        self._send(request)

    def cancel(self, request: EngineRequest) -> None:
        """Ends a request, done or not; its places are free within a step."""
        if not request.cancelled:
            request.cancelled = True
            self.live -= request.weight
            self._send(("cancel", request))

    def resume(self, writing: Writing) -> None:
        """Goes on with a text that waited for who reads it."""
        self._send(("resume", writing))

    def swap(self, model: Model) -> None:
        """Goes on with other weights, of the same sizes, from the next step on."""
        self._send(("swap", model))

    def close(self, wait: bool = False) -> None:
        """Ends the thread after its step, or before its next one; ``wait``: until it has ended."""
        self._send(None)
        if wait:
            self._thread.join()

    def _send(self, item: Any) -> None:
        with self._changed:
            self._inbox.append(item)
            self._changed.notify()

    # the thread

    def _run(self) -> None:
        _behind()
        going = True
        while going:
            try:
                going = self._take()
                if self._reading:
                    self._read()
                if len(self._batch):
                    self._write()
                self._tell()
            except Exception as error:  # a fault of ours: nobody may wait for ever
                log.exception("a fault while texts were computed")
                self._give_up(type(error).__name__)

    def _give_up(self, why: str) -> None:
        """Tells everybody that nothing follows, and begins with nobody."""
        texts = [*self._texts.values(), *self._parked.values()]
        everyone = {id(one): one for one in (*self._waiting, *self._reading, *(text.request for text in texts))}
        self._letters = [(one.mailbox, Ended(why)) for one in everyone.values()]
        self._batch, self._rows = WritingBatch(self.model), []
        for place in (self._texts, self._parked, self._waiting, self._reading):
            place.clear()
        self._tell()

    def _take(self) -> bool:
        """What came in; False at the end."""
        with self._changed:
            while not (self._inbox or self._reading or len(self._batch) or self._fits(len(self._parked))):
                self._changed.wait()
            inbox, self._inbox = self._inbox, []
        leave = list[Writing]()
        for item in inbox:
            if item is None:
                return False
            if isinstance(item, EngineRequest):
                self._waiting.append(item)
                continue
            what, of = item
            if what == "cancel":
                leave += self._forget(of)
            elif what == "swap":
                self._swap(of)
            elif self._parked.pop(id(of), None) is not None:
                of.parked = False
                self._join([of])
        if leave:
            self._change(leave, [])
        taken = len(self._batch) + len(self._parked) + sum(one.weight for one in self._reading)
        while self._fits(taken):
            request = self._waiting.popleft()
            if not request.cancelled:
                taken += request.weight
                self._gauges.waited.observe(time.perf_counter() - request.asked)
                self._reading.append(request)
        return True

    def _fits(self, taken: int) -> bool:
        """Whether the first request that waits has a place beside so many texts."""
        return bool(self._waiting) and (taken == 0 or taken + self._waiting[0].weight <= self._streams)

    def _forget(self, request: EngineRequest) -> list[Writing]:
        """Of a request that is over the texts that are in the batch."""
        if request in self._reading:
            self._reading.remove(request)
        for writing in request.writings:
            self._parked.pop(id(writing), None)
        return [text for text in self._texts.values() if text.request is request]

    def _swap(self, model: Model) -> None:
        texts = list(self._texts.values())
        self._change(texts, [])
        self.model, self._batch = model, WritingBatch(model)
        self._change([], texts)

    def _read(self) -> None:
        """Reads on in all prompts side by side, for about as long as a step takes."""
        seconds = max(CHUNK, self._step) if len(self._batch) else IDLE
        share = max(int(self._rate * seconds) // len(self._reading), SHORTEST)
        begun, count = time.perf_counter(), 0
        group = sorted(((min(one.left, share), k) for k, one in enumerate(self._reading)), reverse=True)
        some = []
        for take, k in group:
            if take and count < max(self._rate * seconds, SHORTEST):
                some.append((self._reading[k], take))
                count += take
        if some:
            self._read_side_by_side([one for one, _ in some], np.array([take for _, take in some]))
            self._rate += 0.3 * (count / (time.perf_counter() - begun) - self._rate)
            self._gauges.read.inc(count)
        for one, _ in some:  # each in its turn
            self._reading.remove(one)
            self._reading.append(one)
        for one in [one for one in self._reading if not one.left]:
            self._reading.remove(one)
            self._begin(one)

    def _read_side_by_side(self, requests: Sequence["EngineRequest"], takes: NDArray[np.int64]) -> None:
        tokens = np.zeros((int(takes[0]), len(requests)), np.int64)
        for n, (one, take) in enumerate(zip(requests, takes.tolist(), strict=True)):
            tokens[:take, n] = one.ids[one.at : one.at + take]
        states = np.ascontiguousarray(np.stack([one.state for one in requests], axis=1))
        hidden, after = self.model.hidden(tokens, states, takes)
        for n, (one, take) in enumerate(zip(requests, takes.tolist(), strict=True)):
            one.state = after[:, n].copy()
            if one.judged:
                following = one.ids[one.at + 1 : one.at + 1 + take]
                self._judge(one, np.ascontiguousarray(hidden[: len(following), n]), following)
            one.at += take

    def _judge(self, request: EngineRequest, hidden: Floats, following: NDArray[np.int64]) -> None:
        if not len(following):
            return
        if not request.alternatives:
            request.log_p.append(-self.model.output.nats(hidden, following))
            return
        log_p = self.model.output.log_probabilities(hidden)
        request.log_p.append(log_p[np.arange(len(following)), following].astype(np.float64))
        request.likeliest += [likeliest(row, request.alternatives) for row in log_p]

    def _begin(self, request: EngineRequest) -> None:
        """Tells that a prompt is read, and lets its texts join."""
        log_p = np.concatenate([np.zeros(0), *request.log_p])
        place = Place(request.state, int(request.ids[-1]), request.seed, request.drawn)
        self._post(request, Read(request, log_p, request.likeliest, place))
        for writing in request.writings:
            own = writing.seed is not None
            seed, drawn = (writing.seed, 0) if own else (request.seed, request.drawn)
            writing.place = Place(request.state, int(request.ids[-1]), int(seed or 0), drawn)
        self._join(request.writings)

    def _join(self, writings: Sequence[Writing]) -> None:
        for writing in writings:
            if writing.left == 0:
                writing.end()
                self._say(writing)
        self._change([], [writing for writing in writings if writing.left])

    def _change(self, leave: Sequence[Writing], join: Sequence[Writing]) -> None:
        """Lets texts leave the batch, and others join it."""
        if not leave and not join:
            return
        self._collect()
        self._batch.change([one.place for one in leave], [(one.place, one.how) for one in join])
        for one in leave:
            del self._texts[id(one.place)]
        self._texts |= {id(one.place): one for one in join}

    def _write(self) -> None:
        """Takes all texts on, by a step, or by as many as fit in a burst while nobody wants anything else."""
        texts = [self._texts[id(place)] for place in self._batch.places]
        watched = [(row, text) for row, text in enumerate(texts) if text.until is not None]
        logits = any(text.alternatives is not None for text in texts)
        left, burst = min(text.left for text in texts), _burst(sum(text.streamed for text in texts))
        begun, count = time.perf_counter(), 0
        while True:
            tokens = self._batch.step(logits)
            self._rows.append(tokens.copy())
            count += 1
            for row, text in watched:
                text.read(self.model.vocabulary.utf8(tokens[row : row + 1]))
            if logits:
                self._collect()
            if count >= left or self._inbox or self._reading or any(text.finished for _, text in watched):
                break
            if time.perf_counter() - begun > burst:
                break
        seconds = time.perf_counter() - begun
        self._step = seconds / count
        self._gauges.stepped(len(texts), count, seconds)
        self._collect()
        self._change([text for text in texts if text.finished or self._park(text)], [])
        for text in texts:
            if text.finished or (text.streamed and text.tokens):
                self._say(text)

    def _park(self, text: Writing) -> bool:
        """Whether a text is to wait for who reads it."""
        if text.told - text.heard <= AHEAD:
            return False
        text.parked = True  # first, so that whoever hears now sees it
        if text.told - text.heard <= AHEAD:
            text.parked = False
            return False
        self._parked[id(text)] = text
        return True

    def _collect(self) -> None:
        """Gives each text its tokens of the last steps."""
        if not self._rows:
            return
        rows, self._rows = np.stack(self._rows, axis=1), []
        for row, (place, tokens) in enumerate(zip(self._batch.places, rows.tolist(), strict=True)):
            text = self._texts[id(place)]
            text.tokens += tokens
            text.left -= len(tokens)
            if text.until is None:
                text.read(self.model.vocabulary.utf8(rows[row]))
            if text.alternatives is not None:
                self._account(text, row)
            if text.left == 0 or text.finished:
                text.end()

    def _account(self, text: Writing, row: int) -> None:
        """The log-probability of the last token of a text, and the likeliest in its place."""
        log_p = log_softmax(self._batch.logits[row].astype(np.float64))
        text.log_p.append(float(log_p[text.tokens[-1]]))
        text.likeliest.append(likeliest(log_p, text.alternatives or 0))

    def _say(self, text: Writing) -> None:
        """Tells what a text has that is new."""
        piece, tokens, log_p, best = text.piece, text.tokens, text.log_p, text.likeliest
        text.piece, text.tokens, text.log_p, text.likeliest = "", [], [], []
        text.told += len(tokens)
        self._post(text.request, EngineOutput(text, piece, tokens, log_p, best, text.finished))

    def _post(self, request: EngineRequest, item: Any) -> None:
        self._letters.append((request.mailbox, item))

    def _tell(self) -> None:
        letters, self._letters = self._letters, []
        if letters and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_deliver, letters)


def _deliver(letters: list[tuple[Mailbox, Any]]) -> None:
    for mailbox, item in letters:
        mailbox.put(item)


def _behind() -> None:
    """Lets this thread, and those that help it, come after the event loop where both could run."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + 5)


def _burst(texts: int) -> float:
    """Seconds of a burst: with few texts short, so that nobody waits; with many longer, and steeply so, for then it is
    not the telling, but the steps, that the machine's time is to go to."""
    telling = TELLING * texts / available_threads()
    return max(BURST, telling * (telling / FEW) ** 4)


def likeliest(log_p: NDArray[Any], count: int) -> list[tuple[int, float]]:
    """The likeliest tokens of (V,) log-probabilities; of equal ones the first comes first."""
    order = np.argsort(-log_p, kind="stable")[:count]
    return [(int(token), float(log_p[token])) for token in order]
