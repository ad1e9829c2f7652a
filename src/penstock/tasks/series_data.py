"""Series as training reads them: features and targets of every row, and which rows train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder.series import SeriesAnswer
from penstock.runtime.series_score import answered_at
from penstock.series import Features, SeriesSet, Split, description, learn_features, learn_scaling, rows_of
from penstock.series.saved import digest
from penstock.series.segments import in_segments, segment_size
from penstock.tasks.sequence.streams import SequenceStreams, chunk_of
from penstock.train.task import Chunk

REACH = 64, 256
"""Rows that gradients reach back at least and at most."""
TELLING = 30
"""Held-out answers from which on they tell the better of two models."""


class SeriesData:
    """Letters: rows of all series, D features, T targets.

    Args:
        series: all of them.
        split: which rows train, and which validate.
        reads: the columns that become features.
        targets: the columns that are answered for.
        next: whether a row's targets are those of the row after it.
        last: whether a series has one answer, at its last row.
        decay: whether the state fades over gaps; each row is then read by itself.
        pattern: of sound; see ``penstock.series.sound.read_sound``.
    """

    def __init__(
        self,
        series: SeriesSet,
        split: Split,
        reads: Sequence[str],
        targets: Sequence[str],
        *,
        next: bool,
        last: bool,
        decay: bool = False,
        pattern: str | None = None,
    ) -> None:
        self.series, self.split, self.digest, self.last = series, split, digest(series), last
        self._pattern, self.decay = pattern, decay
        self.features = learn_features(series, split.training, reads)
        if decay and not self.features.gap:
            raise PenstockError(f"--decay: the rows of {series.name} come at regular times, or have none; leave it out")
        self.x = features_of(series, self.features)
        trains = split.training[:, 1] - split.training[:, 0]
        self.segment = (1 if decay else segment_size(trains[trains > 0])) if last else 0
        """Rows that are read at once; 0 where each has its answer."""
        columns = [series.index(name) for name in targets]
        self.answer = answer_of(series, split, columns, next)
        self.y = answered_at(series, np.array(columns), next, last)  # (rows, T) NaN where nothing is answered
        if self.answer.kind == "numbers":
            self.y = ((self.y - np.array(self.answer.center)) / np.array(self.answer.spread)).astype(np.float32)
        self.resets = np.zeros(len(series.values), bool)
        self.resets[series.starts[:-1][series.lengths > 0]] = True
        if series.episodes is not None:
            self.resets |= series.episodes
        self.reach = int(np.clip(np.median(trains[trains > 0]), *REACH)) if (trains > 0).any() else REACH[0]
        """Rows that gradients reach back, unless another number is said: a series of middle length."""
        held_out = rows_of(series, split.validation)
        self.tells = int((~np.isnan(self.y[held_out])).any(1).sum()) >= TELLING
        self.training, self.held_out = (len(rows_of(series, part)) for part in (split.training, split.validation))

    def streams(self, N: int, L: int) -> RowStreams | SequenceStreams:
        """To train on: at most N side by side, in chunks of at most L rows, or of whole series."""
        if not self.last:
            return RowStreams(self, self.split.training, N, L)
        return self._sequences(self.split.training, N, shuffled=True)

    def held_out_streams(self, N: int) -> RowStreams | SequenceStreams | None:
        """To validate on; None where nothing was held out."""
        if not self.held_out:
            return None
        if self.last:
            return self._sequences(self.split.validation, N, shuffled=False)
        return RowStreams(self, self.split.validation, N, 256)

    def _sequences(self, part: NDArray[np.int64], N: int, shuffled: bool) -> SequenceStreams:
        bounds = self.series.starts[:-1, None] + part
        answers = self.y[np.maximum(bounds[:, 1] - 1, 0)]

        def inputs(k: int) -> NDArray[np.float32]:
            return in_segments(self.x[bounds[k, 0] : bounds[k, 1]], self.segment)

        return SequenceStreams(inputs, part[:, 1] - part[:, 0], answers, N, shuffled)

    @property
    def outputs(self) -> int:
        """Numbers that come out at each row."""
        return len(self.answer.classes) if self.answer.kind == "class" else len(self.answer.targets)

    def reads(self) -> dict[str, Any]:
        """For config.json: what the rows are and how they become features."""
        return {**description(self.series), "features": self.features.to_json(), "pattern": self._pattern}


def features_of(series: SeriesSet, features: Features) -> NDArray[np.float32]:
    """(rows, D) of all series."""
    chosen = [series.index(column.name) for column in features.columns]
    parts = [features.whole(one.values[:, chosen], one.times) for one in map(series.one, range(len(series)))]
    return np.concatenate([np.zeros((0, features.size), np.float32), *parts])


def answer_of(series: SeriesSet, split: Split, columns: Sequence[int], next: bool) -> SeriesAnswer:
    """What comes out, learned from the rows that train."""
    names = tuple(series.columns[k].name for k in columns)
    kinds = {series.columns[k].kind for k in columns}
    if kinds == {"category"}:
        if len(columns) > 1:
            raise PenstockError(
                f"{series.name}: columns {names[0]!r} and {names[1]!r}: expected one target of classes; "
                "train a model for each"
            )
        return SeriesAnswer("class", names, series.columns[columns[0]].categories or (), next=next)
    if len(kinds) > 1:
        raise PenstockError(f"{series.name}: targets {', '.join(names)}: expected all numbers or one of classes")
    values = series.values[rows_of(series, split.training)][:, columns]
    there = values[~np.isnan(values)]
    if len(there) and np.isin(there, (0, 1)).all():
        return SeriesAnswer("labels", names, next=next)
    scaling = learn_scaling(values)
    return SeriesAnswer("numbers", names, (), tuple(scaling.center.tolist()), tuple(scaling.spread.tolist()), next)


class RowStreams:
    """All rows of a part, series after series, as N contiguous streams; the state is carried from chunk to chunk."""

    def __init__(self, data: SeriesData, part: NDArray[np.int64], N: int, L: int) -> None:
        self._data, self._rows = data, rows_of(data.series, part)
        self._first = data.resets[self._rows].copy()
        self._first[np.flatnonzero(np.diff(self._rows, prepend=-2) != 1)] = True  # where the part leaves rows out
        self.N = max(1, min(N, len(self._rows)))
        self.length = -(-len(self._rows) // self.N)
        self._L = max(1, min(L, self.length))

    def __len__(self) -> int:
        """Chunks in one pass; the last may be shorter."""
        return -(-self.length // self._L)

    def _places(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(L, N) of the k-th chunk of a pass, which rows of the part, and whether they are there."""
        steps = np.arange((k % len(self)) * self._L, min((k % len(self) + 1) * self._L, self.length))
        places = steps[:, None] + np.arange(self.N) * self.length
        there = places < len(self._rows)
        return np.where(there, places, 0), there

    def chunk(self, k: int, part: slice = slice(None)) -> Chunk:
        """The k-th chunk: features (L, N, D) and targets (L, N, T), NaN where nothing is answered."""
        places, there = self._places(k)
        y = np.where(there[..., None], self._data.y[self._rows[places]], np.float32(np.nan))
        x = self._data.x[self._rows[places[:, part]]]
        resets = self._first[places[:, part]] & there[:, part]
        return chunk_of(x, y, resets, part)

    def read(self, passes: int, chunks: int) -> int:
        """How many rows so many passes, and so many chunks of another, read."""
        return self.N * (passes * self.length + min(chunks * self._L, self.length))
