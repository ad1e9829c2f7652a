"""JSON as it comes and goes."""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON; a number that is none, or has no end, is null."""
    return _encoder.encode(value)
