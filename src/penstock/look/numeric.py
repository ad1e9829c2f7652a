"""What a model of series adds to its layers: the rows that it read, in their own units, and what it answered."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]
Asked = Literal["class", "labels", "numbers", "forecast"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Numeric:
    """One series as a model read it. Letters: R rows, C columns, A classes, labels or numbers that are answered, T
    columns of truths: 1 of a class, else A.

    Of a forecast the R rows are those of its window, and answers and truths those of the K steps that follow.
    """

    asked: Asked
    id: str
    columns: tuple[str, ...]
    values: Wide  # (R, C), in their own units, codes of categories; NaN where missing
    size: int
    """Rows that a step of the stack reads."""
    names: tuple[str, ...]
    """A, of the classes, labels or numbers; of a forecast the one column."""
    answers: Wide  # (R, A) if the series ended there: probabilities, or numbers; (K, 3) quantiles 0.1, 0.5 and 0.9
    truths: Wide  # (R, T) or (K, 1), NaN where unknown; of a class its code
    account: Wide  # (R, C) or with the gap since the row before (R, C + 1): gradient × value, see ``account_of``
    account_of: str
    """The name of the answer that the account is about."""
    whole: bool = False
    """Whether there is one answer to the series, that after its last row."""
    next: bool = False
    """Whether the answer at a row is about the row after it."""
    spread: tuple[float, ...] = ()
    """Of numbers, the standard deviation of each."""
    levels: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    """Of each column of categories the names of its codes."""
    first: int = 0
    """Rows of the whole series that stand before the first one here."""
    when: tuple[str, ...] | None = None
    """The time of each row, and of a forecast's steps after them."""
    clock: str | None = None
    """The name of the times, where they are numbers and no dates."""

    def __repr__(self) -> str:
        return f"<Numeric {self.id!r}: {len(self.values):,} rows of {', '.join(self.columns[:4])}>"

    def told(self) -> str:
        """Of classes, the name of the answer after the last row."""
        return self.names[int(self.answers[-1].argmax())]

    def decided(self) -> int:
        """Of classes, the first row after which the answer never changes again."""
        told = self.answers.argmax(1)
        return int(np.flatnonzero(told != told[-1])[-1]) + 1 if (told != told[-1]).any() else 0

    def surprise(self) -> Wide | None:
        """Where answers are about the next row, how little each row was expected, (R,); NaN for the first.

        Of classes and labels in bits, −log₂ of the probability of what came; of numbers how far they are from what was
        expected, in standard deviations: the root of the mean square over columns.
        """
        if not self.next or self.asked == "forecast":
            return None
        p, came = self.answers[:-1].astype(np.float64), self.truths[:-1].astype(np.float64)
        if self.asked == "class":
            of = np.take_along_axis(p, np.nan_to_num(came).astype(int), 1)
            each = np.where(np.isnan(came), np.nan, -np.log2(np.maximum(of, 1e-300)))
        elif self.asked == "labels":
            of = np.where(came > 0.5, p, 1 - p)
            each = np.where(np.isnan(came), np.nan, -np.log2(np.maximum(of, 1e-300)))
        else:
            each = ((p - came) / np.array(self.spread)) ** 2
        known = ~np.isnan(each)
        total = np.where(known, each, 0).sum(1)
        if self.asked == "numbers":
            total = np.sqrt(total / np.maximum(known.sum(1), 1))
        return np.concatenate([[np.nan], np.where(known.any(1), total, np.nan)])

    def between(self, start: int, stop: int) -> Numeric:
        """The rows of the steps from ``start`` up to ``stop``; a forecast's answers stay as they are."""
        rows = slice(start * self.size, min(stop * self.size, len(self.values)))
        cut: dict[str, Any] = {name: getattr(self, name)[rows] for name in ("values", "account")}
        cut["first"] = self.first + rows.start
        if self.asked != "forecast":
            cut |= {name: getattr(self, name)[rows] for name in ("answers", "truths")}
            cut |= {"when": None if self.when is None else self.when[rows]}
        elif self.when is not None:
            cut["when"] = self.when[rows] + self.when[len(self.values) :]
        return dataclasses.replace(self, **cut)
