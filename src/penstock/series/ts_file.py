"""The ``.ts`` files of the UEA and UCR archives: a line a sequence, its channels apart by colons, its label at the end.

Format: https://www.aeon-toolkit.org, "ts file format". Unequal lengths, missing cells and numbers to predict included.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.packed import content
from penstock.series.series_set import Column, Keys, SeriesSet

LABEL = "label"


def read_ts(path: Path) -> SeriesSet:
    """The sequences of a file, and their labels in a column "label", the target.

    Raises:
        PenstockError: a line is not as the file's head says.
    """
    name = str(path)
    try:
        text = content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PenstockError(f"{name}: not UTF-8 at byte {error.start}") from None
    head: dict[str, list[str]] = {}
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        words = line.strip().split()
        if not words or words[0].startswith("#"):
            continue
        if not words[0].startswith("@"):
            raise PenstockError(f"{name}: line {number}: expected @data before the first sequence")
        if words[0].lower() == "@data":
            break
        head[words[0][1:].lower()] = words[1:]
    else:
        raise PenstockError(f"{name}: empty: expected @data and sequences below it")
    if head.get("timestamps", ["false"])[0].lower() == "true":
        raise PenstockError(f"{name}: @timeStamps true: cannot be read; write the values alone, or a table with a time")
    classes = tuple(head["classlabel"][1:]) if _true(head, "classlabel") else None
    labelled = classes is not None or _true(head, "targetlabel")
    sequences, labels = [], []
    width: int | None = None
    for number, line in lines:
        if line.strip() and not line.startswith("#"):
            channels, label = _sequence(line.strip(), labelled, classes, f"{name}: line {number}")
            if channels.shape[1] != (width or channels.shape[1]):
                raise PenstockError(f"{name}: line {number}: expected {width} channels, got {channels.shape[1]}")
            width = channels.shape[1]
            sequences.append(channels)
            labels.append(label)
    if not sequences:
        raise PenstockError(f"{name}: empty: no sequence below @data")
    lengths = np.array([len(sequence) for sequence in sequences])
    values = np.concatenate(sequences)
    columns = [Column("x" if width == 1 else f"x{k}", "seen", None, "a channel") for k in range(width or 0)]
    if labelled:
        values = np.concatenate([values, np.repeat(labels, lengths)[:, None]], axis=1)
        columns.append(Column(LABEL, "target", classes, "the file says so"))
    return SeriesSet(
        ids=tuple(f"{path.name}:{k + 1}" for k in range(len(sequences))),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        values=values.astype(np.float32),
        columns=tuple(columns),
        sources=(name,),
        source_of=np.zeros(len(sequences), np.int64),
        keys=Keys(each="a line a series"),
    )


def _true(head: dict[str, list[str]], key: str) -> bool:
    return head.get(key, ["false"])[0].lower() == "true"


def _sequence(
    line: str, labelled: bool, classes: tuple[str, ...] | None, where: str
) -> tuple[NDArray[np.float64], float]:
    """The channels of a line, (L, C), and its label, or the code of its class. Channels end at the longest's end."""
    parts = line.split(":")
    label = np.nan
    if labelled:
        given = parts.pop().strip()
        if classes is not None and given != "?":
            if given not in classes:
                raise PenstockError(f"{where}: the class {given!r} is none of {', '.join(classes)}")
            label = float(classes.index(given))
        elif given != "?":
            label = next(_numbers(given, where, len(parts)))
    channels = [_channel(part, where, k) for k, part in enumerate(parts)]
    longest = max(map(len, channels), default=0)
    out = np.full((longest, len(channels)), np.nan)
    for k, channel in enumerate(channels):
        out[: len(channel), k] = channel
    there = ~np.isnan(out).all(axis=1)
    return (out[: longest - int(np.argmax(there[::-1]))] if there.any() else out[:1]), label


def _channel(part: str, where: str, channel: int) -> NDArray[np.float64]:
    try:
        fast = np.array(part.split(","), np.float64)
    except ValueError:  # a cell is missing, or is wrong and to be named
        fast = np.array([np.inf])
    return fast if np.isfinite(fast).all() else np.fromiter(_numbers(part, where, channel), np.float64)


def _numbers(part: str, where: str, channel: int) -> Iterator[float]:
    for k, cell in enumerate(part.split(",")):
        text = cell.strip()
        try:
            number = np.nan if text in ("?", "NaN", "") else float(text)
        except ValueError:
            raise PenstockError(f"{where}, channel {channel}, step {k}: expected a number, got {text!r:.40}") from None
        if np.isinf(number):
            raise PenstockError(f"{where}, channel {channel}, step {k}: infinite; write ? if it is missing")
        yield number
