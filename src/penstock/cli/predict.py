"""``penstock predict``."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock.cli.parameters import Folder
from penstock.cli.row_files import expect_row_file, write_rows
from penstock.errors import PenstockError
from penstock.layout import columns, wrap

if TYPE_CHECKING:
    from penstock.runtime.forecast_model import ForecastRuntime
    from penstock.runtime.series_model import SeriesRuntime
    from penstock.runtime.text_model import TextRuntime


def predict(
    dir_: Folder,
    /,
    *files: str,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    state: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> int:
    """Answer new series: a class, labels or numbers for each, or at each of their rows, with ids and times.

    Of a model that forecasts: the steps after the last of each series, the median and the quantiles 0.1 and 0.9. Where
    columns are known in advance, the rows after the last with a target say what is known. Of a stream: the steps after
    each row, as lists. Of a model of texts: a class, labels or numbers for each text.

    Args:
        dir_: The model, of series.
        files: As for train; or - for rows on standard input, JSON objects or CSV below a header: a line in, a line out,
            as soon as it is there, the state of every id kept until the input ends. Of texts a line is one, or a JSON
            object with one.
        out: A .csv, .jsonl or .parquet file to write; standard output otherwise, as JSON lines from a stream, else CSV.
        state: Of a stream: a file from which the states of all ids are taken, and into which they are put at the end.
    """
    from penstock.model_folder.content import read_config
    from penstock.runtime.forecast_model import load_forecast
    from penstock.runtime.series_model import load_series
    from penstock.runtime.text_model import load_text

    loaders: dict[str, Any] = {"forecast": load_forecast, "text": load_text}
    model = loaders.get(read_config(dir_)["task"], load_series)(dir_)
    if not files:
        raise PenstockError("FILE: expected rows to answer, got none; name files, or - for standard input")
    if files == ("/dev/stdin",):
        if out is not None:
            raise PenstockError("--out: a stream is answered on standard output; leave it out")
        return _stream(model, state)
    if state is not None:
        raise PenstockError("--state: expected with a stream, on standard input: penstock predict DIR -")
    if out is not None:
        expect_row_file(out, "--out")
    return _files(model, files, out)


def _files(model: "SeriesRuntime | ForecastRuntime | TextRuntime", files: tuple[str, ...], out: Path | None) -> int:
    from penstock.runtime.answers import answers_to
    from penstock.runtime.forecast_model import ForecastRuntime
    from penstock.runtime.forecast_score import forecasts_to
    from penstock.runtime.text_answers import answers_to_texts, rows_in
    from penstock.runtime.text_model import TextRuntime
    from penstock.series import account
    from penstock.series.asked import read_asked

    if isinstance(model, TextRuntime):
        found, read = rows_in(files, str(model.reads["column"]))
        print(*wrap(read, columns()), sep="\n", file=sys.stderr)
        _write(answers_to_texts(model, [one.text for one in found]), out)
        return 0
    series = read_asked(files, model.reads)
    print(*account(series, columns()), sep="\n", file=sys.stderr)
    rows = forecasts_to(model, series) if isinstance(model, ForecastRuntime) else answers_to(model, series)
    _write(rows, out)
    return 0


def _write(rows: Iterable[Mapping[str, Any]], out: Path | None) -> None:
    from penstock.runtime.answers import as_lines

    if out is None:
        sys.stdout.writelines(as_lines(rows, ".csv"))
    else:
        write_rows(rows, out)


def _stream(model: "SeriesRuntime | ForecastRuntime | TextRuntime", state: Path | None) -> int:
    from penstock.runtime.answers import AnswerStreams, as_lines, load_states, rows_of_lines, save_states
    from penstock.runtime.text_answers import answers_to_texts, text_of_line
    from penstock.runtime.text_model import TextRuntime

    if isinstance(model, TextRuntime):
        if state is not None:
            raise PenstockError("--state: each text is on its own; leave it out")
        for number, line in enumerate(sys.stdin, 1):
            text = text_of_line(line, str(model.reads["column"]), f"line {number}")
            sys.stdout.writelines(as_lines(answers_to_texts(model, [text], number), ".jsonl"))
            sys.stdout.flush()
        return 0
    streams = AnswerStreams(model)
    if state is not None:
        load_states(state, streams)
    try:
        rows = (streams.row(row, where) for row, where in rows_of_lines(sys.stdin))
        for line in as_lines(rows, ".jsonl"):
            sys.stdout.write(line)
            sys.stdout.flush()
    finally:
        if state is not None:
            save_states(state, streams)
    return 0
