"""Texts as training reads them: tokens, what is answered for each, and which of them train."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.runtime.labelled_texts import LabelledTexts
from penstock.series import SeriesSet, Split
from penstock.series.saved import digest, read_arrays, write_arrays
from penstock.tasks.sequence.streams import SequenceStreams
from penstock.tasks.series_data import REACH, TELLING, answer_of
from penstock.text.vocabulary import Vocabulary, build_vocabulary, load_vocabulary

FORMAT = "penstock-texts-1"
LONGEST = 512
"""Tokens of a text that are read, unless another number is said."""


class TextsData:
    """Letters: S texts, T targets.

    Args:
        texts: (S,) all of them.
        series: what is asked of each, a row each.
        split: which texts train, and which validate.
        vocabulary: how they become tokens.
        longest: how many of one are read.
        column: where texts stand in a row.
    """

    last = True

    def __init__(
        self,
        texts: Sequence[str],
        series: SeriesSet,
        split: Split,
        vocabulary: Vocabulary,
        longest: int,
        column: str,
    ) -> None:
        self.texts, self.series, self.split = texts, series, split
        self.vocabulary, self.longest, self.column = vocabulary, longest, column
        self.answer = answer_of(series, split, range(len(series.columns)), next=False)
        self.y = series.values
        if self.answer.kind == "numbers":
            self.y = ((self.y - np.array(self.answer.center)) / np.array(self.answer.spread)).astype(np.float32)
        whole = [vocabulary.encode(text) for text in texts]
        self.cut = sum(len(ids) > longest for ids in whole)
        """Texts that are longer than what is read of them."""
        self._ids = [ids[:longest] for ids in whole]
        self.lengths = np.array([len(ids) for ids in self._ids], np.int64)
        trains, validates = (self.of_part(part) for part in (split.training, split.validation))
        self.reach = int(np.clip(np.median(self.lengths[trains]) if len(trains) else 0, *REACH))
        """Tokens of a text of middle length, by which a run is planned."""
        self.training, self.held_out = (int(self.lengths[which].sum()) for which in (trains, validates))
        self.tells = len(validates) >= TELLING
        about = json.dumps([digest(series), vocabulary.saved(), longest, split.to_json()]).encode()
        self.digest = hashlib.blake2b(about, digest_size=16).hexdigest()

    def of_part(self, part: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the texts of a part of the split."""
        return np.flatnonzero(part[:, 1] > part[:, 0])

    def streams(self, N: int, L: int) -> SequenceStreams:
        """To train on: at most N side by side."""
        return self._sequences(self.split.training, N, shuffled=True)

    def held_out_streams(self, N: int) -> SequenceStreams | None:
        """To validate on; None where nothing was held out."""
        return self._sequences(self.split.validation, N, shuffled=False) if self.held_out else None

    def _sequences(self, part: NDArray[np.int64], N: int, shuffled: bool) -> SequenceStreams:
        lengths = self.lengths * (part[:, 1] > part[:, 0])
        return SequenceStreams(self._ids.__getitem__, lengths, self.y, N, shuffled)

    @property
    def outputs(self) -> int:
        """Numbers that come out of a text."""
        return len(self.answer.classes) if self.answer.kind == "class" else len(self.answer.targets)


def learned(
    texts: LabelledTexts, split: Split, kind: Literal["byte", "char", "bpe", "word"], size: int, least: int
) -> Vocabulary:
    """The vocabulary of the texts that train."""
    trains = np.flatnonzero(split.training[:, 1] > split.training[:, 0])
    return build_vocabulary(kind, [texts.texts[k] for k in trains], size, least)


def save_texts(path: Path, data: TextsData) -> None:
    """Writes what is no set of series: texts and how they become tokens.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    parts = [text.encode("utf-8", "surrogatepass") for text in data.texts]
    about, tokenizer = data.vocabulary.saved()
    arrays = {"utf8": np.frombuffer(b"".join(parts), np.uint8), "ends": np.cumsum([0, *map(len, parts)])}
    of_text = {"longest": data.longest, "column": data.column}
    write_arrays(path, FORMAT, {"vocabulary": about, "tokenizer": tokenizer, **of_text}, arrays)


def open_texts(path: Path, series: SeriesSet, split: Split) -> TextsData:
    """What ``save_texts`` wrote, with what was kept beside it.

    Raises:
        PenstockError: the file is not whole.
    """
    try:
        about, arrays = read_arrays(path, FORMAT)
        utf8, ends = arrays["utf8"].tobytes(), arrays["ends"].tolist()
        texts = [utf8[a:b].decode("utf-8", "surrogatepass") for a, b in itertools.pairwise(ends)]
        vocabulary = load_vocabulary(about["vocabulary"], about["tokenizer"])
        return TextsData(texts, series, split, vocabulary, int(about["longest"]), str(about["column"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PenstockError(f"{path}: not the file that was written: {error}") from None
