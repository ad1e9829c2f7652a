"""Texts that one model writes side by side, a token of each a step; any of them joins or leaves between two steps."""

import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.runtime.model import Model
from penstock.runtime.sampling import draw

Floats = NDArray[np.float32]

NUMBERS = 32
"""That are drawn at once for a text."""


class Sampling(NamedTuple):
    """How a text's tokens are drawn; checked by ``sampling.check_sampling``."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


class Place:
    """Where a text stands: a value, which moves on while the text is in a batch. Letters: K layers, H hidden units.

    Args:
        state: (K, H) after all tokens but the last.
        token: the last one, which is not yet read.
        seed: of the numbers that tokens are drawn by: those of ``Model.generate``.
        drawn: how many of these are used.
    """

    def __init__(self, state: Floats, token: int, seed: int, drawn: int = 0) -> None:
        self.state, self.token, self.seed, self.drawn = state, token, seed, drawn


class WritingBatch:
    """Texts that a model writes side by side. What one writes does not depend on those beside it by a bit.

    One thread at a time may use it. Letters: n texts, K layers, H hidden units, V tokens.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.places = model, list[Place]()
        self._hows, self._generators = list[Sampling](), list[np.random.Generator]()
        self._network = model.logits_network
        (K, H), self._V = self._network.state_shape, self._network.outputs
        self._state, self._tokens = np.zeros((K, 0, H), np.float32), np.zeros(0, np.int64)
        self._numbers, self._used, self._steps = np.zeros((0, NUMBERS)), np.zeros(0, np.int64), np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.places)

    def change(self, leave: Iterable[Place], join: Sequence[tuple[Place, Sampling]]) -> None:
        """Lets texts leave, whose places have then moved on to where they stand, and others join."""
        gone = set(map(id, leave))
        stay = [row for row, place in enumerate(self.places) if id(place) not in gone]
        for row, place in enumerate(self.places):
            if id(place) in gone:
                place.state, place.token = self._state[:, row].copy(), int(self._tokens[row])
                place.drawn += int(self._steps[row])
        new, n = [place for place, _ in join], len(stay) + len(join)
        self.places = [self.places[row] for row in stay] + new
        self._hows = [self._hows[row] for row in stay] + [how for _, how in join]
        self._generators = [self._generators[row] for row in stay] + [_generator(place) for place in new]
        states = [self._state[:, stay], *(place.state[:, None] for place in new)]
        self._state = np.ascontiguousarray(np.concatenate(states, axis=1))
        self._tokens = np.array([*self._tokens[stay], *(place.token for place in new)], np.int64)
        self._numbers = np.concatenate([self._numbers[stay], np.zeros((len(join), NUMBERS))])
        self._used = np.array([*self._used[stay], *[NUMBERS] * len(join)], np.int64)
        self._steps = np.array([*self._steps[stay], *[0] * len(join)], np.int64)
        self._logits, self._rows = np.empty((n, self._V), np.float32), np.arange(n)
        self._memory = self._network.memory(max(n, 1))
        same: dict[Sampling, list[int]] = {}
        for row, how in enumerate(self._hows):
            same.setdefault(how, []).append(row)
        self._groups = [(self.model.drawing(*how), np.array(rows)) for how, rows in same.items()]

    def step(self, logits: bool = False) -> NDArray[np.int64]:
        """The next token (n,) of each text, in an array of the batch's own, which the next step overwrites.

        Args:
            logits: also leave in ``logits`` what they were drawn from.
        """
        for row in np.flatnonzero(self._used == NUMBERS).tolist():
            self._numbers[row], self._used[row] = self._generators[row].random(NUMBERS), 0
        numbers = self._numbers[self._rows, self._used]
        self._used += 1
        self._steps += 1
        if len(self.places) == 1 and not logits:
            settings, token = self._groups[0][0], int(self._tokens[0])
            self._tokens[0] = self._network.sample(token, self._state, float(numbers[0]), *settings, self._memory)
            return self._tokens
        self._network.step(self._tokens, self._state, self._logits, self._memory, None)
        for settings, rows in self._groups:
            if len(self._groups) == 1:
                draw(self._logits, numbers, *settings, self._tokens)
            else:
                drawn = np.empty(len(rows), np.int64)
                draw(self._logits[rows], numbers[rows], *settings, drawn)
                self._tokens[rows] = drawn
        return self._tokens

    @property
    def logits(self) -> Floats:
        """(n, V) that the last tokens were drawn from, where the step was to leave them."""
        return self._logits


def _generator(place: Place) -> np.random.Generator:
    """The numbers of a text from where it stands on."""
    bits = np.random.PCG64(place.seed)  # that of default_rng
    bits.advance(place.drawn)  # a number is one step of it
    return np.random.Generator(bits)


def fresh(seed: int | None) -> int:
    """A seed: the one that was asked for, or one of its own."""
    return secrets.randbits(63) if seed is None else seed
