"""A trained model of series without torch: whole series, or row by row, with the same bits."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.errors import PenstockError
from penstock.model_folder.content import digest_of
from penstock.model_folder.series import TEXT, SeriesFiles, load_series_model
from penstock.runtime.answer_model import AnswerRuntime, Floats
from penstock.series import Features, SeriesSet
from penstock.series.segments import in_segments, with_change

BATCH = 64
"""Series that are read side by side."""


class SeriesState(NamedTuple):
    """Where a series stands between two of its rows."""

    features: NDArray[np.float64]
    """What turning rows into features remembers; see ``penstock.series.FeatureStream``."""
    hidden: Floats
    """(K, H) of the stack; of segments, after the last whole one."""
    total: Floats
    """(H,) the sum of the top layer's states after all whole segments."""
    segments: int
    """How many they are."""
    rows: Floats
    """(P, 2 D) those of the segment that is not whole, with their changes."""
    filled: int
    """How many they are."""
    last: Floats
    """(D,) the last row."""


class SeriesRuntime(AnswerRuntime):
    """A model of series to run. Letters: L steps, C columns that are read, H hidden units; everything is float32.

    It never changes and may be used from many threads at once.
    """

    def __init__(self, files: SeriesFiles) -> None:
        super().__init__(files)
        self.features = Features.from_json(files.reads["features"])
        size = self.features.size * (2 * self.config.segment or 1)
        if size != self.config.stack.input_size:
            raise PenstockError(
                f"features: expected {self.config.stack.input_size} numbers, as the weights have, got {size}"
            )

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self._files.weights, self.reads, self.answer)

    @property
    def columns(self) -> tuple[str, ...]:
        """(C,) the names of the columns that are read, in the order of a row."""
        return tuple(column.name for column in self.features.columns)

    def initial_state(self) -> SeriesState:
        """The state before a series."""
        stack, P, D = self.config.stack, self.config.segment, self.features.size
        zeros = np.zeros((stack.num_layers, stack.hidden_size), np.float32)
        rows, last = np.zeros((P, 2 * D), np.float32), np.zeros(D, np.float32)
        return SeriesState(self.features.stream().state, zeros, zeros[0], 0, rows, 0, last)

    def stream(self, state: SeriesState | None = None) -> "SeriesStream":
        """One series that is read row by row, from its beginning or from a ``state``."""
        return SeriesStream(self, self.initial_state() if state is None else state)

    def step(
        self, row: Sequence[float], state: SeriesState | None = None, time: float | None = None
    ) -> tuple[Floats, SeriesState]:
        """Reads one row; many of a series are read faster by ``stream``.

        Args:
            row: (C,) by ``columns``; NaN where missing.
            state: of the series so far; None at its beginning.
            time: of the row, where rows had times in training.

        Returns:
            what is answered, (outputs,): see ``answers``; and the new state.

        Raises:
            ValueError: a shape cannot work, or the time is missing.
        """
        stream = self.stream(state)
        return stream.step(row, time), stream.state

    def _step(self, x: Floats, state: Floats, new: Floats) -> Floats:
        """From (1, D) and a state (K, H): the top layer's, (1, H); the next, (K, H), goes into ``new``."""
        if self.config.decay:
            state = state * self._decays(x[0, self.config.features - 1].item())
        for k, run in enumerate(self._layers):
            h = run.step(x, state[k : k + 1], out=new[k : k + 1])
            x = x + h if k and self.config.stack.residual else h
        return x

    def predict(self, values: ArrayLike, times: ArrayLike | None = None) -> NDArray[np.float64]:
        """The answers to one series.

        Args:
            values: (L, C) by ``columns``, NaN where missing; of categories their codes.
            times: (L,) where rows had times in training.

        Returns:
            (outputs,) of the whole series for the task "sequence", (L, outputs) at its rows for "steps": probabilities
            of ``answer.classes`` or of labels, or numbers of the columns' own size.

        Raises:
            ValueError: a shape cannot work, or there are no rows, or no times.
        """
        rows = np.asarray(values, np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.columns) or not len(rows):
            raise ValueError(
                f"values: expected (L, C={len(self.columns)}) of {', '.join(self.columns)}, got {rows.shape}"
            )
        outputs = self._read([self._inputs(rows, None if times is None else np.asarray(times))])[0]
        return self.answers(outputs[0] if self.config.segment else outputs)

    def read(self, series: SeriesSet) -> list[Floats]:
        """The answers to each series, in their order: (L, outputs) at its rows, or (1, outputs) to the whole; to one
        without rows (0, outputs)."""
        found: list[list[Floats]] = [[] for _ in range(len(series))]
        order = sorted(range(len(series)), key=lambda k: -int(series.lengths[k]))  # those of about one length together
        for start in range(0, len(order), BATCH):
            parts = [(k, part) for k in order[start : start + BATCH] for part in self._parts(series, k)]
            for (k, _), outputs in zip(parts, self._read([part for _, part in parts]), strict=True):
                found[k].append(outputs)
        return [np.concatenate(outputs) for outputs in found]

    def _parts(self, series: SeriesSet, k: int) -> list[Floats]:
        """What the stack reads of a series: as a whole, or episode by episode, each from a state of zeros."""
        one = series.one(k)
        x = self._inputs(one.values[:, [series.index(name) for name in self.columns]], one.times)
        if one.episodes is None or self.config.segment:
            return [x]
        return np.split(x, np.flatnonzero(one.episodes[1:]) + 1)

    def _inputs(self, values: NDArray[np.floating[Any]], times: NDArray[Any] | None) -> Floats:
        """What the stack reads of a series' rows (L, C)."""
        x = self.features.whole(values, times)
        return in_segments(x, self.config.segment) if self.config.segment else x


class SeriesStream:
    """One series, row by row: the answers have the bits of those to the whole of it."""

    def __init__(self, model: SeriesRuntime, state: SeriesState) -> None:
        self.model, self._features = model, model.features.stream()
        self.state = state

    @property
    def state(self) -> SeriesState:
        """Where it stands; set, it goes on from there."""
        return SeriesState(
            self._features.state,
            self._hidden.copy(),
            self._total.copy(),
            self._segments,
            self._rows.copy(),
            self._filled,
            self._last.copy(),
        )

    @state.setter
    def state(self, state: SeriesState) -> None:
        self._features.state = state.features
        self._hidden, self._total, self._segments = state.hidden.copy(), state.total.copy(), state.segments
        self._rows, self._filled, self._last = state.rows.copy(), state.filled, state.last.copy()
        self._next = np.empty_like(self._hidden)
        self._x = np.empty((1, self.model.features.size), np.float32)

    def reset(self) -> None:
        """Begins a new episode: the layers' states are cleared; what was seen of each column stays."""
        self._hidden[:] = 0

    def step(self, row: Sequence[float], time: float | None = None) -> Floats:
        """Reads a row; arguments, result and errors as ``SeriesRuntime.step``."""
        model = self.model
        if not model.config.segment:
            self._features.step(row, time, self._x[0])
            top = model._step(self._x, self._hidden, self._next)
            self._hidden, self._next = self._next, self._hidden
            outputs: Floats = model._output_layer.logits(top)[0]
            return outputs
        x: Floats = self._features.step(row, time)
        self._rows[self._filled] = with_change(x, self._last if self._segments + self._filled else x)
        self._rows[self._filled + 1 :] = np.concatenate([x, np.zeros_like(x)])
        self._filled, self._last = self._filled + 1, x
        top = model._step(self._rows.reshape(1, -1), self._hidden, self._next)
        total = self._total + top[0]
        outputs = model._pooled(top, total[None], self._segments + 1)[0]
        if self._filled == len(self._rows):
            self._hidden, self._next = self._next, self._hidden
            self._total, self._segments, self._filled = total, self._segments + 1, 0
        return outputs


def load_series(folder: str | Path) -> SeriesRuntime:
    """The model of series of a folder.

    Raises:
        PenstockError: the folder holds none that is whole.
    """
    files = load_series_model(Path(folder))
    if files.task == TEXT:
        raise PenstockError(f"{folder}: expected a model of series of numbers, got one of texts")
    return SeriesRuntime(files)
