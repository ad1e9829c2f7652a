"""HTTP by uvicorn, with an end to waiting for the head of a request, and to its length."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.serve.errors import Refused
from penstock.serve.wire import encode

HEAD = 1 << 16
"""Bytes of the head of a request, at most."""
HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }.items()
)
"""Of every answer that has no others of these names."""


def guarded(seconds: float) -> type[HttpToolsProtocol]:
    """The protocol; a head that takes longer ends the connection."""

    class Guarded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _came = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and self._is_free():
                self._expect_head()
            super().data_received(data)
            if self._deadline is not None:
                self._came += len(data)
                if self._came > HEAD and not self.transport.is_closing():
                    self._refuse(431, f"head: expected at most {HEAD:,} bytes; send less in headers and in the address")

        def on_message_begin(self) -> None:
            if self._deadline is None:  # it begins while another one is answered
                self._expect_head()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head_is_there()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            if self._is_free():
                self._refuse(400, "expected a request of HTTP/1.1, got something else")
            self.transport.close()  # in the middle of an answer nothing else can be said

        def _is_free(self) -> bool:
            """Whether no request is being answered."""
            return self.cycle is None or self.cycle.response_complete

        def _expect_head(self) -> None:
            self._came = 0
            self._deadline = self.loop.call_later(seconds, self._waited)

        def _waited(self) -> None:
            if self._is_free():
                self.transport.close()
            else:
                self._expect_head()

        def _head_is_there(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, status: int, message: str) -> None:
            body = encode(Refused(status, message).body())
            said = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ]
            lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
            lines += [name + b": " + value for name, value in (*said, *HEADERS)]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
            self.transport.close()

    return Guarded
