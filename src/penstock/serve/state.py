"""The state as a text: where a client's text or series stands, which any server of the same model takes back.

A letter for the version, then base64url of a digest of 16 bytes and of what it is of: JSON that names the model by its
digest, a zero byte, and the numbers, little-endian. The digest tells what was cut or altered from what was not; it is
no signature, and needs none: a client can reach no state but such as it could compute with the model at home.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.serve.errors import Refused

VERSION = "1"
HEAD = 144
"""Bytes that the JSON has, at least, with spaces at its end: so all states of a language model have one size."""
_SEAL = 16


class State(NamedTuple):
    """What a text or a series was written down as."""

    about: dict[str, Any]
    values: bytes


def written(model: str, about: dict[str, Any], values: NDArray[Any]) -> str:
    """The state of a model with this digest."""
    head = json.dumps({"model": model, **about}, separators=(",", ":")).encode().ljust(HEAD)
    content = head + b"\0" + values.astype(values.dtype.newbyteorder("<")).tobytes()
    return VERSION + _letters(_seal(content) + content)


def read(text: str, models: Collection[str]) -> State:
    """What ``written`` was given, for one of the models with these digests.

    Raises:
        Refused: it is of another version or model, or was cut or altered.
    """
    if text[:1] != VERSION:
        raise refused(f"expected one of version {VERSION}, got one that begins with {text[:1]!r}", "state_version")
    try:
        content = base64.b64decode(text[1:].encode("ascii") + b"=" * (-len(text[1:]) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise refused("expected the text that an answer had, got other letters", "state_damaged") from None
    if _letters(content) != text[1:] or _seal(content[_SEAL:]) != content[:_SEAL]:
        raise refused("it is not whole: some of it was cut off or altered on its way", "state_damaged")
    head, _, values = content[_SEAL:].partition(b"\0")
    try:
        about = json.loads(head)
        own = str(about.pop("model"))
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise damaged() from None
    if own not in models:
        raise refused(
            "it is of another model, or of this one with other weights, to which it means nothing; begin anew without "
            "it",
            "state_of_another_model",
        )
    return State(about, values)


def numbers(state: State, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The numbers of a state, which must be so many.

    Raises:
        Refused: they are not.
    """
    kind = np.dtype(dtype)
    if len(state.values) != kind.itemsize * int(np.prod(shape)):
        raise refused(f"expected numbers of the shape {shape}, got {len(state.values):,} bytes", "state_damaged")
    return np.frombuffer(state.values, kind.newbyteorder("<")).astype(kind).reshape(shape)


def _letters(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _seal(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_SEAL, person=b"penstock-state").digest()


def check_within(states: NDArray[Any]) -> None:
    """A GRU's state is a mean of what was written, all of which is between -1 and 1.

    Raises:
        Refused: it is not, but for rounding.
    """
    if not (np.abs(states) <= 1.001).all():
        raise damaged()


def damaged() -> Refused:
    """What is told of a state that is whole, and yet none that a server wrote."""
    return refused("expected the text that an answer had, got something else", "state_damaged")


def refused(message: str, code: str) -> Refused:
    """What is told of a state that cannot be taken."""
    return Refused(422, f"state: {message}", param="state", code=code)
