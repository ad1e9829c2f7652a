"""HTTP by uvicorn, with an end to waiting for the head of a request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def guarded(seconds: float) -> type[HttpToolsProtocol]:
    """The protocol; a head that takes longer ends the connection."""

    class Guarded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
                self._expect_head()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._head_is_there()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            super().connection_lost(exc)

        def _expect_head(self) -> None:
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _head_is_there(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Guarded
