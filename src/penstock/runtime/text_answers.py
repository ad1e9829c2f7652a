"""A model's answers to texts as rows, and how good they are."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.runtime.answers import answered
from penstock.runtime.labelled_texts import LabelledTexts, found_in
from penstock.runtime.series_score import baselines
from penstock.runtime.text_model import TextRuntime
from penstock.series.metrics import measured
from penstock.text.records import Record
from penstock.text.rows import Bad, text_of

WINDOW = 4096
"""Texts that are answered together."""


def rows_in(inputs: Sequence[str], column: str) -> tuple[list[Record], str]:
    """The texts of tables, or the lines of other files, and what was read, in one line.

    Raises:
        PenstockError: see ``penstock.text.records``.
    """
    with tempfile.TemporaryDirectory() as spool:
        found, corpus = found_in(inputs, column, "strict", (), Path(spool))
        return found, corpus.account()


def answers_to_texts(model: TextRuntime, texts: Sequence[str], first: int = 1) -> Iterator[dict[str, Any]]:
    """A row for each text, with its number; of a text of no characters the answers are None."""
    for start in range(0, len(texts), WINDOW):
        for n, outputs in enumerate(model.read(texts[start : start + WINDOW]), first + start):
            found = answered(model, np.nan_to_num(outputs))
            yield {"row": n, **(dict.fromkeys(found) if np.isnan(outputs).any() else found)}


def text_of_line(line: str, column: str, where: str) -> str:
    """The text that a line of a stream is: of a JSON object what stands in the column, else all of it.

    Raises:
        PenstockError: a JSON object has no text there.
    """
    line = line.rstrip("\r\n")
    try:
        row = json.loads(line) if line.startswith("{") else None
    except ValueError:
        row = None
    if not isinstance(row, dict):
        return line
    if column not in row:
        raise PenstockError(f"{where}: expected a text under {column!r}, got {', '.join(map(repr, row)) or 'none'}")
    if row[column] in (None, ""):
        return ""
    text = text_of(row[column], "replace")
    if isinstance(text, Bad):
        raise PenstockError(f"{where}: {column!r}: {text.reason}")
    return text


def score_texts(model: TextRuntime, texts: LabelledTexts) -> dict[str, Any]:
    """The metrics of the model, and of naive answers that were learned from these very texts, which flatters them.

    Raises:
        PenstockError: a class that training never saw.
    """
    answer, name = model.answer, texts.series.name
    y = texts.series.values.astype(np.float64)
    if answer.kind == "class" and (y[:, 0] >= len(answer.classes)).any():
        raise PenstockError(
            f"{name}: column {answer.targets[0]!r}: a class that training never saw; "
            f"it knows {', '.join(answer.classes[:8])}"
        )
    found: dict[str, Any] = {"answers": len(y), "model": measured(answer.kind, model.predict(texts.texts), y, name)}
    for who, answers in baselines(answer, y, y, y, len(y)).items():
        found[who] = measured(answer.kind, answers, y, name)
    return found
