"""The models of a server, by the names of their folders: loaded once, let go of when idle, loaded anew on SIGHUP."""

import asyncio
import dataclasses
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.model_folder.content import WEIGHTS
from penstock.runtime import Model, load
from penstock.serve.engine import Engine, EngineRequest
from penstock.serve.errors import Refused, busy
from penstock.serve.metrics import Gauges

log = logging.getLogger("penstock.serve")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server takes on at most."""

    streams: int = 1024
    """Texts and connections that are answered at once."""
    queue: int = 256
    """Texts that wait for a place."""
    body: int = 4 << 20
    """Bytes of a request."""
    tokens: int = 100_000
    """Tokens of a request, its prompts and what is to be written together; rows likewise."""
    seconds: float = 600.0
    """That an answer may take."""
    arrival: float = 10.0
    """Seconds that the head of a request may take to arrive, and then its body."""


class Loaded:
    """A model in memory, and of a language model what computes for it."""

    def __init__(self, runtime: Any, limits: Limits, gauges: Gauges) -> None:
        self.runtime, self.limits, self.users = runtime, limits, 0
        self.engine: Engine | None = None
        if isinstance(runtime, Model):
            self.engine = Engine(runtime, asyncio.get_running_loop(), limits.streams, gauges)

    def close(self, wait: bool = False) -> None:
        """Ends what computes; ``wait``: and waits until it has ended."""
        if self.engine is not None:
            self.engine.close(wait)

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Takes a request on, or raises Refused where there are too many."""
        assert self.engine is not None
        most, more = self.limits.streams + self.limits.queue, sum(one.weight for one in requests)
        if more > most:
            raise Refused(400, f"expected at most {most:,} texts in a request, got {more:,}", code="too_many_texts")
        if self.engine.live + more > most:
            raise busy(f"{most:,} texts are being written or wait; come again in a second")
        for one in requests:
            self.engine.submit(one)


class Served:
    """A model of a folder."""

    def __init__(self, name: str, folder: Path, limits: Limits, gauges: Gauges) -> None:
        self.name, self.folder = name, folder
        self.used = time.monotonic()
        self.loaded: Loaded | None = None
        self.accepted: set[str] = set()
        """The digests of weights whose states it takes."""
        self._limits, self._gauges, self._loading = limits, gauges, asyncio.Lock()

    @property
    def created(self) -> int:
        """When its weights were written, in seconds since 1970."""
        try:
            return int((self.folder / WEIGHTS).stat().st_mtime)
        except OSError:
            return 0

    async def load(self) -> Loaded:
        """The model, loaded if it is not.

        Raises:
            PenstockError: its folder holds none that is whole.
        """
        if self.loaded is None:
            async with self._loading:
                if self.loaded is None:
                    runtime = await asyncio.to_thread(_whole, self.folder)
                    self.loaded = Loaded(runtime, self._limits, self._gauges)
                    if runtime.digest not in self.accepted:
                        self.accepted = {runtime.digest}
        return self.loaded

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Loaded]:
        """The model, which stays while it is in use."""
        try:
            loaded = await self.load()
        except PenstockError as error:
            log.error("%s", error)
            raise Refused(
                503, f"model: {self.name} cannot be read now; see the server's log", code="no_model"
            ) from None
        loaded.users += 1
        try:
            yield loaded
        finally:
            loaded.users -= 1
            self.used = time.monotonic()
            if loaded.users == 0 and loaded is not self.loaded:
                loaded.close()

    async def reload(self, keep_states: bool) -> None:
        """Takes the weights that the folder has now; what is being written goes on with those of before, or with
        ``keep_states`` with the new ones from its next step on."""
        async with self._loading:
            if self.loaded is not None:
                await self._renew(self.loaded, keep_states)

    async def _renew(self, before: Loaded, keep_states: bool) -> None:
        try:
            runtime = await asyncio.to_thread(_whole, self.folder)
        except PenstockError as error:
            log.error("%s: not loaded anew, the model of before goes on: %s", self.name, error)
            return
        if runtime.digest == before.runtime.digest:
            log.warning("%s: the weights are those of before", self.name)
            return
        kept = keep_states and _same_shapes(before.runtime, runtime)
        if kept:
            if before.engine is not None:
                before.engine.swap(runtime)
            before.runtime = runtime
        else:
            self.loaded = Loaded(runtime, self._limits, self._gauges)
            if before.users == 0:
                before.close()
        self.accepted = self.accepted | {runtime.digest} if kept else {runtime.digest}
        why = "as --keep-states says" if kept else "shapes differ" if keep_states else "--keep-states would carry them"
        log.warning("%s: loaded anew; states of before are %s: %s", self.name, "carried" if kept else "refused", why)

    async def end(self) -> None:
        """Lets go of the model for ever."""
        if self.loaded is not None:
            await asyncio.to_thread(self.loaded.close, True)
        self.loaded = None

    def let_go(self, idle: float) -> None:
        """Forgets the model, if nobody used it for so many seconds."""
        if self.loaded is None or self.loaded.users or time.monotonic() - self.used < idle:
            return
        self.loaded.close()
        self.loaded = None
        log.warning("%s: idle, let go of", self.name)


class Models:
    """All of them, by their names."""

    def __init__(self, folders: Sequence[Path], limits: Limits, gauges: Gauges) -> None:
        self.served = {name: Served(name, folder, limits, gauges) for name, folder in named(folders).items()}

    def of(self, name: str | None) -> Served:
        """The model of this name; None where there is one alone.

        Raises:
            Refused: there is none.
        """
        if name is None and len(self.served) == 1:
            return next(iter(self.served.values()))
        if name in self.served:
            return self.served[name]
        got = "none" if name is None else repr(name[:80])
        known = ", ".join(list(self.served)[:8])
        raise Refused(404, f"model: expected one of {known}; got {got}", param="model", code="model_not_found")


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by the names that clients call them.

    Raises:
        PenstockError: two have one name.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        name = Path(os.path.abspath(folder)).name  # a link's own, wherever it leads
        if name in found:
            raise PenstockError(f"{folder}: expected another name, {name!r} is that of {found[name]}; rename a folder")
        found[name] = folder
    return found


def _whole(folder: Path) -> Any:
    """The model of a folder, with its digest, which takes long of a large one."""
    runtime = load(folder)
    _ = runtime.digest  # kept from now on
    return runtime


def _same_shapes(a: Any, b: Any) -> bool:
    """Whether states of one mean something to the other."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Model):
        same = a.config == b.config and a.quantized == b.quantized
        return bool(same and a.vocabulary.saved() == b.vocabulary.saved())
    if hasattr(a, "state_type"):
        return bool(a.state_type == b.state_type and a.reads == b.reads)
    return bool(getattr(a, "config", None) == getattr(b, "config", None))
