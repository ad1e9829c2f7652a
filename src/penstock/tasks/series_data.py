"""Series as training reads them: features and targets of every row, and which rows train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder.series import SeriesAnswer
from penstock.series import Features, SeriesSet, Split, description, learn_features
from penstock.series.blocks import PartRows, among, cells
from penstock.series.row_features import RowFeatures, RowTargets
from penstock.series.saved import digest
from penstock.series.scaling import learn_part_scaling
from penstock.series.segments import in_segments, segment_size
from penstock.tasks.sequence.streams import SequenceStreams, chunk_of
from penstock.train.task import Chunk

REACH = 64, 256
"""Rows that gradients reach back at least and at most."""
HELD = 1 << 27
"""Bytes of features that are held in memory."""
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
        held: bytes of features that are held in memory at most; more are computed as they are read.
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
        held: int = HELD,
    ) -> None:
        self.series, self.split, self.digest, self.last = series, split, digest(series), last
        self._pattern, self.decay = pattern, decay
        self.features = learn_features(series, split.training, reads)
        if decay and not self.features.gap:
            raise PenstockError(f"--decay: the rows of {series.name} come at regular times, or have none; leave it out")
        small = len(series.values) * self.features.size * 4 <= held
        self.x = features_of(series, self.features) if small else RowFeatures(series, self.features)  # (rows, D)
        trains = split.training[:, 1] - split.training[:, 0]
        self.segment = (1 if decay else segment_size(trains[trains > 0])) if last else 0
        """Rows that are read at once; 0 where each has its answer."""
        columns = [series.index(name) for name in targets]
        self.answer = answer_of(series, split, columns, next)
        scale = (self.answer.center, self.answer.spread) if self.answer.kind == "numbers" else ()
        self.y = RowTargets(series, columns, next, last, *scale)  # (rows, T)
        self.reach = int(np.clip(np.median(trains[trains > 0]), *REACH)) if (trains > 0).any() else REACH[0]
        """Rows that gradients reach back, unless another number is said: a series of middle length."""
        training, held_out = (PartRows(series, part) for part in (split.training, split.validation))
        self.tells = self.y.answered(held_out, TELLING) >= TELLING
        self.training, self.held_out = len(training), len(held_out)

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

    def answers(self) -> bool:
        """Whether any row has a target."""
        everything = np.stack([np.zeros_like(self.series.lengths), self.series.lengths], axis=1)
        return self.y.answered(PartRows(self.series, everything), 1) > 0

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
        classes = series.columns[columns[0]].categories or ()
        if len(classes) < 2:
            raise PenstockError(
                f"{series.name}: column {names[0]!r}: expected two classes or more to tell apart, got only "
                f"{classes[0] if classes else 'empty cells'}"
            )
        return SeriesAnswer("class", names, classes, next=next)
    if len(kinds) > 1:
        raise PenstockError(f"{series.name}: targets {', '.join(names)}: expected all numbers or one of classes")
    if _are_labels(series, split, columns):
        return SeriesAnswer("labels", names, next=next)
    scaling = learn_part_scaling(series, split.training, columns)
    return SeriesAnswer("numbers", names, (), tuple(scaling.center.tolist()), tuple(scaling.spread.tolist()), next)


def _are_labels(series: SeriesSet, split: Split, columns: Sequence[int]) -> bool:
    """Whether all training values that are there are 0 or 1, and some are."""
    some = False
    for k in columns:
        for block in cells(series, k, split.training):
            there = block[~np.isnan(block)]
            if not np.isin(there, (0, 1)).all():
                return False
            some = some or bool(len(there))
    return some


class RowStreams:
    """All rows of a part, series after series, as N contiguous streams; the state is carried from chunk to chunk."""

    def __init__(self, data: SeriesData, part: NDArray[np.int64], N: int, L: int) -> None:
        self._data, self._part = data, PartRows(data.series, part)
        self.N = max(1, min(N, len(self._part)))
        self.length = -(-len(self._part) // self.N)
        self._L = max(1, min(L, self.length))

    def __len__(self) -> int:
        """Chunks in one pass; the last may be shorter."""
        return -(-self.length // self._L)

    def _places(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(L, N) of the k-th chunk of a pass, which rows, and whether they are there."""
        steps = np.arange((k % len(self)) * self._L, min((k % len(self) + 1) * self._L, self.length))
        places = steps[:, None] + np.arange(self.N) * self.length
        there = places < len(self._part)
        return self._part.at(np.where(there, places, 0)), there

    def _starts(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows begin anew: a series, an episode, or where the part leaves rows out before."""
        series = self._data.series
        found = among(rows, series.starts) | self._part.begin(rows)
        return found if series.episodes is None else found | series.episodes[rows]

    def chunk(self, k: int, part: slice = slice(None)) -> Chunk:
        """The k-th chunk: features (L, N, D) and targets (L, N, T), NaN where nothing is answered."""
        rows, there = self._places(k)
        y = np.where(there[..., None], self._data.y[rows], np.float32(np.nan))
        x = self._data.x[rows[:, part]]
        resets = self._starts(rows[:, part]) & there[:, part]
        return chunk_of(x, y, resets, part)

    def read(self, passes: int, chunks: int) -> int:
        """How many rows so many passes, and so many chunks of another, read."""
        return self.N * (passes * self.length + min(chunks * self._L, self.length))
