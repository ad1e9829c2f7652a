"""A trained model of texts without torch: a class, labels or numbers for each text."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder.content import digest_of
from penstock.model_folder.series import TEXT, SeriesFiles, load_series_model
from penstock.model_folder.stack import check_positive
from penstock.runtime.answer_model import AnswerRuntime, Floats
from penstock.runtime.quantized import embedding_rows

BATCH = 64
"""Texts that are read side by side."""


class TextRuntime(AnswerRuntime):
    """A model of texts to run. What it makes of one does not depend on the others by a bit; everything is float32.

    It never changes and may be used from many threads at once.
    """

    def __init__(self, files: SeriesFiles) -> None:
        super().__init__(files)
        if files.vocabulary is None:
            raise PenstockError(f"vocabulary: expected that of a model of texts, got none, of the task {files.task}")
        self.vocabulary = files.vocabulary
        self.longest = int(files.reads["longest"])
        """Tokens of a text that are read; those after them are not."""
        self._embedding = embedding_rows(files.weights) if self.quantized else files.weights["embedding.weight"]

    @functools.cached_property
    def digest(self) -> str:
        """The same where the model is the same."""
        return digest_of(self._files.weights, self.reads, self.answer, self.vocabulary.saved())

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The answers to texts.

        Args:
            texts: (N,), each on its own.

        Returns:
            (N, outputs) probabilities of ``answer.classes`` or of labels, or numbers of the columns' own size; NaN for
            a text of no characters.
        """
        return self.answers(self.read(texts))

    def read(self, texts: Sequence[str]) -> Floats:
        """(N, outputs) before they are ``answers``; NaN for a text of no characters."""
        out = np.full((len(texts), self.config.outputs), np.nan, np.float32)
        ids = [self.vocabulary.encode(text)[: self.longest] for text in texts]
        order = sorted((n for n in range(len(ids)) if len(ids[n])), key=lambda n: -len(ids[n]))
        for start in range(0, len(order), BATCH):  # those of about one length together
            batch = order[start : start + BATCH]
            out[batch] = np.concatenate(self._read([self._embedding[ids[n]] for n in batch]))
        return out


def load_text(folder: str | Path) -> TextRuntime:
    """The model of texts of a folder.

    Raises:
        PenstockError: the folder holds none that is whole.
    """
    files = load_series_model(Path(folder), quantized=True)
    if files.task != TEXT:
        raise PenstockError(f"{folder}: expected a model of texts, got one of the task {files.task}")
    check_positive(f"{folder}: input: longest", files.reads.get("longest"))
    return TextRuntime(files)
