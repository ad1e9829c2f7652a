"""Texts with what is asked of each: a class, labels or numbers, in the columns beside them."""

import hashlib
import math
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import NotText, PenstockError
from penstock.layout import facts
from penstock.model_folder.series import SeriesAnswer
from penstock.series import SeriesSet
from penstock.series.series_set import Column, Unused
from penstock.text.corpus import Corpus
from penstock.text.records import Record, records


class LabelledTexts(NamedTuple):
    """S texts, and what is asked of them as a set of series of one row each, its columns the targets."""

    texts: tuple[str, ...]
    series: SeriesSet
    """By ids that are the texts' hashes: equal texts have one id."""
    read: str
    """What was read, in one line."""


def read_texts(
    inputs: Sequence[str],
    column: str,
    errors: str,
    targets: Sequence[str],
    category: Collection[str] = (),
    known: SeriesAnswer | None = None,
) -> LabelledTexts:
    """The texts of files that have something in a target's column; the others are counted among what is left out.

    Args:
        inputs: as for ``penstock.text.Corpus``.
        column: where the text stands.
        errors: what to do with bytes that are no UTF-8.
        targets: the columns of what is asked.
        category: those of them whose numbers are names of classes.
        known: what the model answers, whose classes and kinds these are; another class gets the code after the last.

    Raises:
        PenstockError: one line that names file and row; or no text is left.
    """
    with tempfile.TemporaryDirectory() as spool:
        found, corpus = found_in(inputs, column, errors, targets, Path(spool))
    texts = [one for one in found if one.text]
    kept = [one for one in texts if not all(map(_missing, one.others))]
    unused = [
        Unused(f"{count:,} row{'s' * (count != 1)}", why)
        for count, why in ((len(found) - len(texts), "without a text"), (len(texts) - len(kept), "without a target"))
        if count
    ]
    if not kept:
        why = f": {unused[0].name} {unused[0].why}" if unused else ""
        raise PenstockError(f"{corpus.name}: expected rows with a text and a target, got none{why}")
    columns, values = [], []
    for k, name in enumerate(targets):
        classes = None if known is None else known.classes if known.kind == "class" else ()
        column_of, codes = _target(name, [one.others[k] for one in kept], kept, name in category, classes)
        columns.append(column_of)
        values.append(codes)
    series = SeriesSet(
        ids=tuple(_hash(one.text) for one in kept),
        starts=np.arange(len(kept) + 1, dtype=np.int64),
        values=np.stack(values, axis=1),
        columns=tuple(columns),
        sources=(corpus.name,),
        source_of=np.zeros(len(kept), np.int64),
        unused=tuple(unused),
    )
    return LabelledTexts(tuple(one.text for one in kept), series, corpus.account())


def found_in(
    inputs: Sequence[str], column: str, errors: str, others: Sequence[str], spool: Path
) -> tuple[list[Record], Corpus]:
    """All rows of files, and the files; arguments and errors as for ``read_texts``, ``spool`` as for ``Corpus``."""
    corpus = Corpus(inputs, column=column, errors=errors, spool=spool)
    try:
        return [one for source in corpus.sources for one in records(source, column, others, errors)], corpus
    except NotText as error:
        raise error.advised(vocab=False) from None


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _missing(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _target(
    name: str, cells: Sequence[Any], rows: Sequence[Record], category: bool, classes: Sequence[str] | None
) -> tuple[Column, NDArray[np.float32]]:
    """A column of classes, where ``category`` or a cell that is no number says so, or of numbers; ``classes`` that are
    known, of which there are none where numbers are."""
    numbers = [math.nan if _missing(cell) else _number(cell) for cell in cells]
    if classes is None and (category or None in numbers):
        classes = sorted({_name(cell) for cell in cells if not _missing(cell)})
    if classes:
        place = {one: code for code, one in enumerate(classes)}
        codes = [math.nan if _missing(cell) else place.get(_name(cell), len(classes)) for cell in cells]
        return Column(name, "target", tuple(classes)), np.array(codes, np.float32)
    for one, cell, number in zip(rows, cells, numbers, strict=True):
        if number is None or math.isinf(number):
            raise PenstockError(f"{one.where}: column {name!r}: expected a number, got {cell!r:.40}")
    return Column(name, "target"), np.array(numbers, np.float32)


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _name(cell: Any) -> str:
    """Of a class; 3.0, as tables with missing cells have it, is 3."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def account(texts: LabelledTexts, width: int) -> list[str]:
    """What was read, in lines."""
    series = texts.series
    characters = sorted(map(len, texts.texts))
    sizes = f"{characters[0]:,} to {characters[-1]:,} characters, median {characters[len(characters) // 2]:,}"
    rows = [("read", texts.read), ("texts", f"{len(texts.texts):,}, of {sizes}")]
    if copies := len(texts.texts) - len(set(series.ids)):
        rows.append(("copies", f"{copies:,} texts are there before; each is held out as the first is"))
    for k, column in enumerate(series.columns):
        rows.append(("target", f"{column.name} ({_described(column, series.values[:, k])})"))
    if series.unused:
        rows.append(("left out", "; ".join(f"{one.name} {one.why}" for one in series.unused)))
    return [*facts(rows, width)]


def _described(column: Column, values: NDArray[np.float32]) -> str:
    there = values[~np.isnan(values)]
    if column.categories is None:
        return f"numbers, {there.min():g} to {there.max():g}" if len(there) else "no number"
    counts = np.bincount(there.astype(int), minlength=len(column.categories))[: len(column.categories)]
    most = [f"{column.categories[k]} {counts[k]:,}" for k in np.argsort(-counts, kind="stable")[:6]]
    return f"{len(column.categories):,} classes: {', '.join(most)}{', …' * (len(column.categories) > 6)}"
