"""A trained model of series without torch: whole series, or row by row, with the same bits."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from penstock.errors import PenstockError
from penstock.model_folder.content import digest_of
from penstock.model_folder.series import TEXT, SeriesFiles, load_series_model
from penstock.runtime.answer_model import AnswerRuntime, Floats
from penstock.runtime.layer import network
from penstock.runtime.stream import Stateful, check_count, chosen
from penstock.series import Features, SeriesSet
from penstock.series.segments import in_segments, with_change

BATCH = 64
"""Series that are read side by side."""


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
        output = None if self.config.segment else self._output_layer
        self._network = network(self._layers, residual=self.config.stack.residual, output=output)

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self._files.weights, self.reads, self.answer)

    @property
    def columns(self) -> tuple[str, ...]:
        """(C,) the names of the columns that are read, in the order of a row."""
        return tuple(column.name for column in self.features.columns)

    @functools.cached_property
    def state_type(self) -> np.dtype[Any]:
        """Of where a series stands between two of its rows, by the names of its parts."""
        stack, P, D = self.config.stack, self.config.segment, self.features.size
        remembered = len(self.features.stream().state)
        parts: list[Any] = [
            ("features", np.float64, (remembered,)),  # what turning rows into features remembers
            ("hidden", np.float32, (stack.num_layers, stack.hidden_size)),  # of segments, after the last whole one
        ]
        if P:
            parts += [
                ("total", np.float32, (stack.hidden_size,)),  # of the top layer's states after all whole segments
                ("segments", np.int64),  # that they are
                ("rows", np.float32, (P, 2 * D)),  # of the segment that is not whole, with their changes
                ("filled", np.int64),  # that they are
                ("last", np.float32, (D,)),  # the last row
            ]
        return np.dtype(parts)

    def initial_state(self) -> NDArray[Any]:
        """The state before a series, (1,) of ``state_type``."""
        return self.stream().state

    def stream(self, n: int = 1) -> "SeriesStream":
        """n series that are read row by row, from their beginning."""
        return SeriesStream(self, n)

    def step(
        self, row: Sequence[float], state: NDArray[Any] | None = None, time: float | None = None
    ) -> tuple[Floats, NDArray[Any]]:
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
        stream = self.stream()
        if state is not None:
            stream.state = state
        return stream.step(row, time), stream.state

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


class SeriesStream(Stateful):
    """n series, row by row: the answers have the bits of those to the whole of each.

    One thread at a time may use it.
    """

    def __init__(self, model: SeriesRuntime, n: int) -> None:
        check_count(n)
        super().__init__(lambda: model.digest)
        self.model, self.n = model, n
        self._network, self._memory = model._network, model._network.memory(n)
        self._in_segments, self._fades = bool(model.config.segment), model.config.decay
        self._features = [model.features.stream() for _ in range(n)]
        self._state = np.zeros((model.config.stack.num_layers, n, model.config.stack.hidden_size), np.float32)
        self._x = np.empty((n, model.features.size), np.float32)
        self._out = np.empty((n, model.config.outputs), np.float32)
        self._places, self._row = [*self._x], self._out[0]
        self._segment = np.zeros(n, model.state_type)  # all parts but those above

    def step(self, rows: Any, times: Any = None, out: Floats | None = None) -> Floats:
        """Reads a row of each series.

        Args:
            rows: (n, C) by ``model.columns``, NaN where missing; of one series also (C,).
            times: (n,) of the rows, or one where ``rows`` is one, where rows had times in training.
            out: (n, outputs), or (outputs,) where ``rows`` is one: takes the answers; None for an array of the stream's
                own, which its next step overwrites.

        Returns:
            what is answered, in ``out``: see ``SeriesRuntime.answers``.

        Raises:
            ValueError: a shape cannot work, or times are missing.
        """
        one = self.n == 1 and not hasattr(rows[0], "__len__")
        x = self._x
        if one:
            x = self._places[0]
            self._features[0].step(rows, times, x)
        else:
            self._expect_rows(rows, times)
            for k, features in enumerate(self._features):
                features.step(rows[k], None if times is None else times[k], self._places[k])
        answers, row = (self._out, self._row) if out is None else (out, out)
        if self._in_segments:
            answers[...] = self._of_segments()
            return row if one else answers
        if self._fades:
            self._fade(self._state, self._x)
        return self._network.step(x, self._state, answers, self._memory, row)  # type: ignore[no-any-return]

    def _expect_rows(self, rows: Any, times: Any) -> None:
        C = len(self.model.columns)
        if len(rows) != self.n or any(len(row) != C for row in rows):
            raise ValueError(f"rows: expected (n={self.n}, C={C}) of {', '.join(self.model.columns)}")
        if times is not None and np.shape(times) != (self.n,):
            raise ValueError(f"times: expected (n={self.n},), got {np.shape(times)}")
        if times is None and self.model.features.step is not None:
            raise ValueError("times: expected those of the rows, since steps had times in training, got None")

    def _fade(self, state: Floats, x: Floats) -> None:
        for k, gap in enumerate(x[:, self.model.config.features - 1].tolist()):
            state[:, k] *= self.model._decays(gap)

    def _of_segments(self) -> Floats:
        """(n, outputs) of series whose last segments are whole as far as they go."""
        of = self._segment
        for k, x in enumerate(self._x):
            filled = int(of["filled"][k])
            of["rows"][k, filled] = with_change(x, of["last"][k] if of["segments"][k] + filled else x)
            of["rows"][k, filled + 1 :] = np.concatenate([x, np.zeros_like(x)])
            of["last"][k] = x
        of["filled"] += 1
        x, after = np.ascontiguousarray(of["rows"]).reshape(self.n, -1), self._state.copy()
        if self._fades:
            self._fade(after, x)
        top = self._network.step(x, after, np.empty(after.shape[1:], np.float32), self._memory, None)
        total, segments = of["total"] + top, of["segments"] + 1
        outputs = [self.model._pooled(top[k : k + 1], total[k : k + 1], int(segments[k])) for k in range(self.n)]
        whole = of["filled"] == of["rows"].shape[1]
        self._state[:, whole] = after[:, whole]
        of["total"][whole], of["segments"][whole], of["filled"][whole] = total[whole], segments[whole], 0
        return np.concatenate(outputs)

    @property
    def state(self) -> NDArray[Any]:
        """(n,) of ``SeriesRuntime.state_type``, a copy of where the series stand; set, they go on from there.

        Raises:
            ValueError: it is of another type or shape.
        """
        state: NDArray[Any] = self._segment.copy()
        state["hidden"] = self._state.transpose(1, 0, 2)
        for k, features in enumerate(self._features):
            state["features"][k] = features.state
        return state

    @state.setter
    def state(self, value: NDArray[Any]) -> None:
        expected = self.model.state_type
        if np.shape(value) != (self.n,) or value.dtype != expected:
            raise ValueError(f"state: expected (n={self.n},) of {expected.names}, got {np.shape(value)}")
        self._segment[...] = value
        self._state[...] = value["hidden"].transpose(1, 0, 2)
        for features, one in zip(self._features, value["features"], strict=True):
            features.state = one

    def reset(self, rows: ArrayLike | None = None) -> None:
        """Lets other series begin in these places, by their numbers or by a (n,) bool; None: all.

        Raises:
            ValueError: there are no such places.
        """
        for k in chosen(rows, self.n).tolist():
            self._state[:, k], self._segment[k] = 0, np.zeros((), self._segment.dtype)
            self._features[k] = self.model.features.stream()

    def begin_episode(self, rows: ArrayLike | None = None) -> None:
        """Begins a new episode in these series: the layers' states are cleared; what was seen of each column stays.

        Raises:
            ValueError: there are no such series.
        """
        self._state[:, chosen(rows, self.n)] = 0


def load_series(folder: str | Path) -> SeriesRuntime:
    """The model of series of a folder.

    Raises:
        PenstockError: the folder holds none that is whole.
    """
    files = load_series_model(Path(folder), quantized=True)
    if files.task == TEXT:
        raise PenstockError(f"{folder}: expected a model of series of numbers, got one of texts")
    return SeriesRuntime(files)
