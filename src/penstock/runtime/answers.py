"""A model's answers as rows: for files as a whole, and for a stream of rows, a line in and a line out."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.runtime.answer_model import AnswerRuntime
from penstock.runtime.forecast_model import OURS, ForecastRuntime, ForecastStream
from penstock.runtime.layer import Floats
from penstock.runtime.series_model import SeriesRuntime, SeriesStream
from penstock.series import RowReader, SeriesSet
from penstock.series.lookback import Numbers
from penstock.series.saved import read_arrays, write_arrays
from penstock.series.times import said

FORMAT = "penstock-stream-1"
ON, OFF = ("1", "1.0", "true"), ("0", "0.0", "false", "")
"""Cells of a column of episodes, as ``penstock.series`` reads them."""


def answered(model: AnswerRuntime, outputs: Floats) -> dict[str, Any]:
    """One answer, (outputs,): ``penstock_`` and the name of what it is for, and how likely each class or label is."""
    answer, values = model.answer, model.answers(outputs).tolist()
    if answer.kind == "class":
        odds = {f"p({name})": value for name, value in zip(answer.classes, values, strict=True)}
        return {f"{OURS}{answer.targets[0]}": answer.classes[int(np.argmax(values))], **odds}
    found = {f"{OURS}{name}": value for name, value in zip(answer.targets, values, strict=True)}
    if answer.kind == "numbers":
        return found
    odds = {f"p({name})": value for name, value in zip(answer.targets, values, strict=True)}
    return {name: int(value > 0.5) for name, value in found.items()} | odds


def answers_to(model: SeriesRuntime, series: SeriesSet) -> Iterator[dict[str, Any]]:
    """A row for each series, or for each of its rows, with its id and time."""
    for k, outputs in enumerate(model.read(series)):
        one = series.one(k)
        if model.config.segment:
            if len(outputs):
                yield {"id": one.id, **answered(model, outputs[0])}
            continue
        for t, output in enumerate(outputs):
            when = {} if one.times is None else {series.keys.time or "time": said(one.times[t], series.dated)}
            yield {"id": one.id, **when, **answered(model, output)}


def forecast_in(model: ForecastRuntime, quantiles: Numbers) -> dict[str, Any]:
    """The next steps of each target, (K, targets, Q), as lists: the median, and the outermost quantiles; None where
    nothing is known."""
    found: dict[str, Any] = {}
    for t, target in enumerate(model.answer.targets):
        for name, values in model.named(target, quantiles[:, t]).items():
            found[name] = [None if np.isnan(value) else value for value in values.tolist()]
    return found


class AnswerStreams:
    """Many streams at once, each with its state: rows in any order of ids, an answer to each.

    Of a series the answers are the same to the last bit as those to the whole of it; a forecast, of the rows so far.

    Raises:
        PenstockError: the model's answers cannot be given row by row.
    """

    def __init__(self, model: SeriesRuntime | ForecastRuntime) -> None:
        self.model = model
        model.stream()
        self.streams: dict[str, SeriesStream | ForecastStream] = {}
        self.episodes: dict[str, str] = {}  # what stood last in the column of episodes
        self._rows = RowReader(model.reads)
        names = [column["name"] for column in model.reads["columns"]]
        self._places = [names.index(name) for name in model.columns]

    def row(self, row: Mapping[str, Any], where: str = "row") -> dict[str, Any]:
        """The answer to a row, with its id and time.

        Raises:
            PenstockError: a column lacks, or is not what it was in training.
        """
        read = self._rows.read(row, where)
        if (stream := self.streams.get(read.id)) is None:
            stream = self.streams[read.id] = self.model.stream()
        values = [read.values[k] for k in self._places]
        ids = {name: row[name] for name in (*self.model.reads["id"], self.model.reads["time"]) if name}
        if isinstance(stream, ForecastStream):
            return {**ids, **forecast_in(stream.model, stream.step(values, read.time))}
        if (name := self.model.reads["episode"]) and self._begins(read.id, row.get(name)):
            stream.begin_episode()
        return {**ids, **answered(stream.model, stream.step(values, read.time))}

    def _begins(self, id: str, cell: Any) -> bool:
        """Whether an episode begins: where its column is 1, or where names of episodes change."""
        text = "" if cell is None else str(cell).lower()
        before, self.episodes[id] = self.episodes.get(id, ""), text
        return text in ON or (text not in OFF and text != before)


def rows_of_lines(lines: Iterable[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line as a row, and what to call it: JSON objects, or CSV below a header; as soon as it is there.

    Raises:
        PenstockError: a line is neither.
    """
    header: list[str] | None = None
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        if not line.strip():
            continue
        if header is None and line.lstrip().startswith("{"):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise PenstockError(f"{where}: not JSON: {error}") from None
            yield row, where
            continue
        cells = next(csv.reader([line]))
        if header is None:
            header = [cell.strip() for cell in cells]
        elif len(cells) != len(header):
            raise PenstockError(f"{where}: expected {len(header)} cells, as the header has, got {len(cells)}")
        else:
            yield dict(zip(header, cells, strict=True)), where


def save_states(path: Path, streams: AnswerStreams) -> None:
    """Writes where each stream stands, to go on from after a restart.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    of = streams.streams
    states = np.concatenate([streams.model.initial_state()[:0], *(stream.state for stream in of.values())])
    about = {"model": streams.model.digest, "ids": list(of), "episodes": streams.episodes}
    write_arrays(path, FORMAT, about, {name: states[name] for name in _fields(streams)})


def load_states(path: Path, streams: AnswerStreams) -> None:
    """Puts what ``save_states`` wrote into streams; nothing where there is no file yet.

    Raises:
        PenstockError: it is not whole, or the states of another model.
    """
    try:
        about, arrays = read_arrays(path, FORMAT)
        if about["model"] != streams.model.digest:
            raise PenstockError(f"--state: {path}: the states of another model; name another file")
        states, found = np.zeros(len(about["ids"]), streams.model.state_type), {}
        for name in _fields(streams):
            if arrays[name].shape != states[name].shape:
                raise ValueError(f"{name}: expected {states[name].shape}, got {arrays[name].shape}")
            states[name] = arrays[name]
        for k, id in enumerate(about["ids"]):
            found[id] = streams.model.stream()
            found[id].state = states[k : k + 1]
        streams.streams |= found
        streams.episodes |= about["episodes"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PenstockError(f"--state: {path}: not the file that was written: {error}") from None


def _fields(streams: AnswerStreams) -> tuple[str, ...]:
    """Of a state."""
    return streams.model.state_type.names or ()


def as_lines(rows: Iterable[Mapping[str, Any]], ending: str) -> Iterator[str]:
    """Rows as lines of JSON (``.jsonl``) or CSV (any other), as soon as each is there."""
    first = True
    for row in rows:
        if ending == ".jsonl":
            yield json.dumps(row, ensure_ascii=False) + "\n"
            continue
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        if first:
            writer.writerow(row)
        writer.writerow(row.values())
        first = False
        yield line.getvalue()
