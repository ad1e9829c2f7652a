"""What requests on texts have in common: prompts, where they begin, and how tokens are shown."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock.runtime import Model
from penstock.runtime.batch import Place
from penstock.serve import state as states
from penstock.serve.errors import Refused
from penstock.serve.models import Loaded, Served
from penstock.text.vocabulary import Vocabulary

T = TypeVar("T")
LONG = 20_000
"""Characters, or tokens, that the event loop has no time for."""


class Begin(NamedTuple):
    """Where a text begins. Letters: K layers, H hidden units."""

    state: NDArray[np.float32]
    """(K, H)."""
    token: int | None
    """What was read last, or is to be read first; None at a text's beginning."""
    seed: int | None = None
    drawn: int = 0
    pending: bytes = b""
    """Of a character that is not whole yet."""


class Prompt(NamedTuple):
    """A text that a client sent, as tokens."""

    ids: NDArray[np.int64]
    given: int
    """How many of the tokens, at the end, are the client's own."""
    unknown: int


def language(served: Served, loaded: Loaded) -> Model:
    """The language model.

    Raises:
        Refused: it is of another kind.
    """
    if isinstance(loaded.runtime, Model):
        return loaded.runtime
    raise Refused(
        400,
        f"model: {served.name} answers rows or texts, and writes none; ask /v1/predict, or a language model here",
        param="model",
        code="wrong_task",
    )


def begun(model: Model, accepted: set[str], text: str | None) -> Begin:
    """Where a text begins that brings a state, or none.

    Raises:
        Refused: it is no state of this model.
    """
    if text is None:
        return Begin(model.initial_state(), None)
    found = states.read(text, {*accepted, model.digest})
    values = states.numbers(found, np.float32, model.initial_state().shape)
    states.check_within(values)
    match found.about:
        case {"token": int(token), "seed": int(seed), "drawn": int(drawn), "pending": str(pending)} if (
            0 <= token < model.config.vocabulary_size
            and 0 <= seed < 1 << 64
            and 0 <= drawn < 1 << 62
            and re.fullmatch("([0-9a-f]{2}){0,3}", pending)
        ):
            return Begin(values, token, seed, drawn, bytes.fromhex(pending))
    raise states.damaged()


def kept(model: Model, place: Place, pending: bytes = b"") -> str:
    """Where a text stands, as a text."""
    about = {"token": place.token, "seed": place.seed, "drawn": place.drawn, "pending": pending.hex()}
    return states.written(model.digest, about, place.state)


def prompts(asked: str | Sequence[Any] | None, name: str) -> list[str | list[int]]:
    """The texts of a request, or their tokens.

    Raises:
        Refused: some are texts and some are not.
    """
    if asked is None:
        return [""]
    if isinstance(asked, str):
        return [asked]
    if all(isinstance(one, int) for one in asked):
        return [[*asked]]
    if len({type(one) for one in asked}) != 1:
        raise Refused(400, f"{name}: expected texts, or tokens, not both", param=name)
    return [*asked]


def encoded(vocabulary: Vocabulary, text: str | list[int], before: int | None, name: str) -> Prompt:
    """The tokens of a text, after the one that stands before them, if there is one.

    Raises:
        Refused: there are no such tokens.
    """
    if isinstance(text, str):
        own = vocabulary.encode(text)
    else:
        own = np.array(text, np.int64)
        if len(own) and int(own.max()) >= len(vocabulary):
            raise Refused(400, f"{name}: expected tokens below {len(vocabulary):,}, got {int(own.max()):,}", param=name)
    unknown = 0 if vocabulary.unknown is None else int((own == vocabulary.unknown).sum())
    first = np.array([] if before is None else [before], np.int64)
    if not len(own) and before is None:
        first = vocabulary.encode("\n")  # an empty text stands for the start of a line
    return Prompt(np.concatenate([first, own]), len(own), unknown)


async def beside(asked: str | Sequence[Any] | None, work: Callable[[], T]) -> T:
    """What work on these texts gives; on long ones in a thread, as millions of characters become tokens in seconds."""
    if asked is None or isinstance(asked, str):
        size = len(asked or "")
    else:
        size = sum(len(one) if isinstance(one, str | list) else 1 for one in asked)
    return work() if size <= LONG else await asyncio.to_thread(work)


def warnings(found: Sequence[Prompt]) -> list[str] | None:
    """What a client is to know of what was read."""
    unknown, all_ = sum(one.unknown for one in found), sum(one.given for one in found)
    if not unknown:
        return None
    return [f"{unknown:,} of {all_:,} characters the model never saw; they were read as U+FFFD"]


def shown(vocabulary: Vocabulary, token: int) -> str:
    """A token as text; as OpenAI does, ``bytes:\\xe4\\xb8`` where it is no whole character."""
    utf8 = vocabulary.utf8(np.array([token]))
    try:
        return utf8.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in utf8)
