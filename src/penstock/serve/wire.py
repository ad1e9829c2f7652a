"""JSON as it comes and goes."""

import math
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON; a number that is none, or has no end, is null."""
    return _encoder.encode(value)


def finite(value: float) -> float | None:
    """A number, or None in place of one that JSON cannot say."""
    return value if math.isfinite(value) else None
