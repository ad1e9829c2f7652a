"""What a client is told that asked for what cannot be: OpenAI's shape of an error, with a sentence that helps."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.serve.wire import encode

TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "overloaded_error",
}


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        message: what was wrong, what was expected, what to do.
        param: the field that it is about.
        code: a word for programs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, headers

    def body(self) -> dict[str, Any]:
        """As the client sees it."""
        kind = TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """As an answer."""
        return Response(encode(self.body()), self.status, self.headers, "application/json")


def busy(message: str) -> Refused:
    """A request that may come again in a second."""
    return Refused(429, message, code="overloaded", headers={"Retry-After": "1"})


async def refused(_: Request, error: Exception) -> Response:
    """What Starlette answers in place of the error."""
    assert isinstance(error, Refused)
    return error.response()
