"""Streams: a model one step at a time, its state in the caller's hands."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock import native
from penstock.errors import PenstockError
from penstock.runtime.layer import NetworkInNumPy
from penstock.runtime.quantized import QuantizedNetwork

Array = NDArray[Any]
FORMAT = "penstock-state-1"
ANOTHER = "of another model, or of one with other weights"


class Stateful(ABC):
    """Some streams side by side: the value of where they stand.

    ``bytes(stream)`` is that value with a mark of the model's weights; ``restore`` takes it back and refuses that of
    another model.
    """

    def __init__(self, mark: Callable[[], str]) -> None:
        self._mark = mark

    @property
    @abstractmethod
    def state(self) -> Array:
        """A copy of where the streams stand, a row each; set, they go on from there."""

    @state.setter
    @abstractmethod
    def state(self, value: Array) -> None: ...

    @abstractmethod
    def reset(self, rows: ArrayLike | None = None) -> None:
        """Lets these streams begin anew, by their numbers or by a (n,) bool; None: all."""

    def __bytes__(self) -> bytes:
        state = self.state
        about = {"format": FORMAT, "model": self._mark(), "streams": len(state)}
        return json.dumps(about).encode() + b"\n" + state.astype(_little(state.dtype)).tobytes()

    def restore(self, saved: bytes) -> None:
        """Goes on from ``bytes`` of a stream of the same model, and of as many streams.

        Raises:
            PenstockError: they are of another model, or not whole; nothing has changed.
        """
        state = self.state
        state[...] = read_state(saved, self._mark(), state)
        self.state = state


def read_state(saved: bytes, mark: str, like: Array) -> Array:
    """The array in ``bytes`` of a stream of the model with this mark, of the type and shape of ``like``.

    Raises:
        PenstockError: it is of another model, or not whole.
    """
    head, _, values = bytes(saved).partition(b"\n")
    try:
        about = json.loads(head)
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise ValueError(f"expected a {FORMAT}")
    except (ValueError, RecursionError) as error:
        raise PenstockError(f"state: expected the bytes of a stream: {error}") from None
    if about.get("model") != mark:
        raise PenstockError(f"state: {ANOTHER}: it means nothing here")
    if about.get("streams") != len(like):
        raise PenstockError(f"state: expected one of n={len(like)} streams, got {about.get('streams')!r:.20}")
    if len(values) != like.nbytes:
        raise PenstockError(f"state: expected {like.nbytes:,} bytes of numbers, got {len(values):,}: it is not whole")
    return np.frombuffer(values, _little(like.dtype)).reshape(like.shape)


def _little(dtype: np.dtype[Any]) -> Any:
    return dtype.newbyteorder("<")


def chosen(rows: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """The streams that ``reset`` means.

    Raises:
        ValueError: there are no such streams.
    """
    if rows is None:
        return np.arange(n)
    found = np.atleast_1d(np.asarray(rows))
    if found.dtype == np.bool_ and found.shape == (n,):
        return np.flatnonzero(found)
    if found.size == 0:
        return np.zeros(0, np.int64)
    if not np.issubdtype(found.dtype, np.integer) or found.ndim != 1 or found.min() < 0 or found.max() >= n:
        raise ValueError(f"rows: expected numbers of streams, 0 … n − 1={n - 1}, or (n={n},) bool, got {rows!r:.60}")
    return found.astype(np.int64)


def check_count(n: int) -> None:
    """Raises ValueError unless there can be so many streams."""
    if n < 1:
        raise ValueError(f"n: expected 1 or more streams, got {n}")


class Stream(Stateful):
    """n streams of a network, which every call takes one step on: the bits of whole sequences read at once.

    Nothing is allocated and nothing packed for a step. A stream's results do not depend on those beside it. One thread
    at a time may use it.

    Letters: n streams, D numbers that are read, K layers, H hidden units, V numbers of an answer.
    """

    def __init__(
        self, network: native.Network | NetworkInNumPy | QuantizedNetwork, n: int, mark: Callable[[], str]
    ) -> None:
        check_count(n)
        super().__init__(mark)
        (K, H), self.n = network.state_shape, n
        self._network, self._step, self._memory = network, network.step, network.memory(n)
        self._state = np.zeros((K, n, H), network.dtype)
        self._out = np.empty((n, network.outputs), network.dtype)
        self._row = self._out[0]

    def step(self, x: Any, out: Array | None = None) -> Array:
        """Reads a step of all streams.

        Args:
            x: (n,) tokens, or (n, D) numbers; of one stream also a token, or (D,).
            out: (n, V), or (V,) where ``x`` has no axis for streams: takes the answers; None for an array of the
                stream's own, which its next step overwrites.

        Returns:
            the answers, in ``out``.

        Raises:
            ValueError: a shape cannot work, or there is no such token; nothing has changed.
            TypeError: x or out are of another type.
        """
        try:
            if out is None:
                return self._step(x, self._state, self._out, self._memory, self._row)  # type: ignore[no-any-return]
            return self._step(x, self._state, out, self._memory, out)  # type: ignore[no-any-return]
        except (TypeError, ValueError):
            to = (self._out, self._row) if out is None else (out, out)
            return self._step(self._read(x), self._state, to[0], self._memory, to[1])  # type: ignore[no-any-return]

    def _read(self, x: Any) -> Any:
        """x as a step takes it, of whatever it came."""
        tokens, n, D = self._network.tokens, self.n, self._network.input_size
        rows = self._network.read(x)
        shape = np.shape(rows)
        if shape != ((n,) if tokens else (n, D)) and not (n == 1 and shape == (() if tokens else (D,))):
            raise ValueError(f"x: expected (n={n}{',' if tokens else f', D={D}'}), got {shape}")
        return rows

    @property
    def state(self) -> Array:
        """(n, K, H), a copy of where the streams stand; set, they go on from there.

        Raises:
            ValueError: a shape cannot work.
        """
        return np.array(self._state.transpose(1, 0, 2), order="C")

    @state.setter
    def state(self, value: ArrayLike) -> None:
        K, n, H = self._state.shape
        if np.shape(value) != (n, K, H):
            raise ValueError(f"state: expected (n={n}, K={K}, H={H}), got {np.shape(value)}")
        self._state[...] = np.asarray(value, self._state.dtype).transpose(1, 0, 2)

    def reset(self, rows: ArrayLike | None = None) -> None:
        """Lets these streams begin anew, by their numbers or by a (n,) bool; None: all.

        Raises:
            ValueError: there are no such streams.
        """
        self._state[:, chosen(rows, self.n)] = 0
