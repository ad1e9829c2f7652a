"""``penstock look``."""

import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.look_series import series_traces
from penstock.cli.parameters import Folder
from penstock.errors import PenstockError
from penstock.files import expect_place_for, write
from penstock.layout import columns
from penstock.text import Corpus

if TYPE_CHECKING:
    from penstock.look.trace import Trace

LONGEST = 1 << 22
"""Characters of a file, about, beyond which nothing is looked at."""


def look(
    dir_: Folder,
    /,
    *files: str,
    text: Annotated[tuple[str, ...], Parameter(show_default=False, negative=(), allow_leading_hyphen=True)] = (),
    file: Annotated[tuple[str, ...], Parameter(show_default=False, negative=())] = (),
    series: Annotated[tuple[str, ...], Parameter(show_default=False, negative=())] = (),
    after: Annotated[str | None, Parameter(show_default=False)] = None,
    target: Annotated[str | None, Parameter(show_default=False)] = None,
    from_: Annotated[int, Parameter(name="--from")] = 0,
    to: Annotated[int | None, Parameter(show_default=False)] = None,
    layer: Annotated[int | None, Parameter(show_default=False)] = None,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    live: Annotated[bool, Parameter(negative=())] = False,
    png: Annotated[Path | None, Parameter(show_default=False)] = None,
    save: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> int:
    """See what a model's gates keep and forget, and which moments its state holds: exact, nothing approximated.

    Of a model of series also its input columns, what it answered and when that was decided, or its forecast; and a
    gradient of the answer by the columns, which is called one. Without a text or a file the run's training curve.

    Args:
        dir_: The model, or a trace that --save wrote.
        files: Of a model of series: files of rows, as for predict. Of text the same as --file.
        text: The text to read. A second --text is shown beside the first.
        file: A file of text as for train, in place of --text; its first document.
        series: The id of the series to show; the first one of the files unless you say. A second is shown beside it.
        after: Of forecasts: a date, or a number of rows, up to which the series is read; what comes then is shown
            beside the forecast. Unless you say all is read.
        target: Of forecasts: the column; the first one unless you say.
        from_: Show the tokens, or the steps, from this one on, counted from 0; what stands before is read, not shown.
        to: Show the tokens, or the steps, up to this one.
        layer: Of the terminal and of --png; the last one unless you say. The page shows all.
        out: Write one self-contained page of HTML; open it in a browser.
        live: Put the model into the page, which then computes what it shows: type another text, let the model write,
            hold a gate. Without a text the model writes one to begin with.
        png: Write the maps as a picture, by its name a .png, .svg or .pdf; without a text or a file the training curve.
        save: Write everything as one safetensors file, for Trace.load and for this verb.
    """
    for path in (out, png, save):
        if path is not None and not path.parent.is_dir():
            raise PenstockError(f"{path}: there is no folder {path.parent} to write it to")
        if path is not None:
            expect_place_for(path)
            if dir_.is_file() and path.exists() and path.samefile(dir_):
                raise PenstockError(f"{path}: is the trace that is read; choose another name")
    if save is not None and (len(text) + len(file) > 1 or len(series) > 1):
        raise PenstockError("--save: expected one text or series, got more; save one after the other")
    if png is not None and find_spec("matplotlib") is None:
        raise PenstockError("--png draws with matplotlib, which is not installed: pip install 'penstock[plot]'")
    if live:
        if out is None or png is not None or save is not None or layer is not None or from_ or to is not None:
            raise PenstockError(
                "--live: makes one page of whole texts: expected it with --out, --text and --file alone"
            )
        return _live(dir_, text, (*files, *file), out)
    task = _task(dir_)
    if not (files or text or file) and task is not None and out is None and save is None:
        return _curve(dir_, png)
    more: dict[str, Any] = {}
    if task in (None, "language"):
        if series or after is not None or target is not None:
            raise PenstockError("--series, --after, --target: mean nothing without a model of series; leave them out")
        traces = _traces(dir_, text, (*files, *file), from_, to)
    else:
        if task == "text":
            raise PenstockError(f"{dir_}: is a model of texts for classes, which look does not show yet")
        if text:
            raise PenstockError(f"--text: means nothing to a model of the task {task}; name files of rows")
        traces, more = series_traces(dir_, task, (*files, *file), series, after, target, to)
        traces = [_part(trace, from_, to) for trace in traces]
    layers = len(traces[0].layers)
    if layer is not None and not 0 <= layer < layers:
        raise PenstockError(f"--layer: expected 0 … {layers - 1}, got {layer}")
    shown = layers - 1 if layer is None else layer
    for trace in traces:
        if trace.language is not None and trace.language.unknown:
            count = trace.language.unknown
            what = "1 character is" if count == 1 else f"{count:,} characters are"
            print(f"{what} unknown to the model, which reads its mark for that instead", file=sys.stderr)
    if out is not None:
        from penstock.look.page import Page

        try:
            page = Page(*traces, title=str(dir_), more=more | _drawn_curve(dir_))
        except PenstockError as error:  # too long for units so many
            raise PenstockError(f"{error}, with --from and --to") from None
        page.save(out)
    if png is not None:
        from penstock.look.pictures import save_maps

        save_maps(png, traces, shown)
    if save is not None:
        traces[0].save(save)
    if written := [str(path) for path in (out, png, save) if path is not None]:
        print(f"wrote {', '.join(written)}")
        return 0
    from penstock.look.terminal import show

    for trace in traces:
        show(trace, shown, Console(highlight=False, soft_wrap=True))
    return 0


def _task(source: Path) -> str | None:
    """A model's; None of a trace that was saved."""
    from penstock.model_folder.content import read_config

    return None if source.is_file() else str(read_config(source)["task"])


def _curve(folder: Path, png: Path | None) -> int:
    """The training curve of a run, in the terminal or as a picture."""
    from penstock.look.curve import LOG, curve_figure, curve_lines, read_curve

    curve = read_curve(folder)
    if curve is None:
        raise PenstockError(f"{folder}: no {LOG} to draw the training curve of; name a text or a file to look at")
    if png is None:
        print(*curve_lines(curve, columns()), sep="\n")
    else:
        from penstock.look.pictures import save_figure

        save_figure(png, lambda: curve_figure(curve))
        print(f"wrote {png}")
    return 0


def _drawn_curve(folder: Path) -> dict[str, Any]:
    """The training curve for a page, where there is one."""
    from penstock.look.curve import curve_data, read_curve

    curve = read_curve(folder)
    return {} if curve is None else {"curve": curve_data(curve)}


def _part(trace: "Trace", start: int, stop: int | None) -> "Trace":
    stop = len(trace) if stop is None else min(stop, len(trace))
    _check_part(len(trace), start, stop, "series", "steps")
    return trace.between(start, stop)


def _live(source: Path, texts: Sequence[str], files: Sequence[str], out: Path) -> int:
    from penstock.look.live import live_page
    from penstock.runtime import load_language

    if source.is_file():
        raise PenstockError(f"{source}: --live needs the model itself, got a trace; name the model's folder")
    model = load_language(source)
    read = [*texts, *(_first_document(file, model.vocabulary.kind) for file in files)]
    if len(read) > 2:
        raise PenstockError(f"TEXT: expected at most two texts, by --text or --file, got {len(read)}")
    page = live_page(model, *read, title=str(source))
    write(out, page)
    print(f"wrote {out}: {len(page.encode()) / 1000:,.0f} kB with the model inside, its weights as float16")
    return 0


def _traces(source: Path, texts: Sequence[str], files: Sequence[str], start: int, stop: int | None) -> list["Trace"]:
    """Of each text, or what a trace file holds."""
    from penstock.look.trace import Trace, trace_text
    from penstock.runtime import load_language

    if source.is_file():
        if texts or files:
            raise PenstockError(f"{source}: a trace holds its text, got another; name the model's folder instead")
        trace = Trace.load(source)
        stop = len(trace) if stop is None else min(stop, len(trace))
        _check_part(len(trace), start, stop)
        return [trace.between(start, stop)]

    model = load_language(source)
    read = [*texts, *(_first_document(file, model.vocabulary.kind) for file in files)]
    if not 1 <= len(read) <= 2:
        got = len(read) or "none"
        raise PenstockError(f"TEXT: expected one text, or two to compare, by --text or --file, got {got}")
    traces = []
    for text in read:
        tokens = len(model.vocabulary.encode(text))
        if not tokens:
            raise PenstockError("text: expected at least one character, got none")
        end = tokens if stop is None else min(stop, tokens)
        _check_part(tokens, start, end)
        traces.append(trace_text(model, text, start, end))
    return traces


def _check_part(length: int, start: int, stop: int, of: str = "text", steps: str = "tokens") -> None:
    if not 0 <= start < stop:
        whose = f"{of}'" if of.endswith("s") else f"{of}'s"
        raise PenstockError(
            f"--from, --to: expected a part of the {whose} {length:,} {steps}, got {start:,} … {stop:,}"
        )
    from penstock.look.page import MOST_STEPS

    if stop - start > MOST_STEPS:
        raise PenstockError(
            f"{of}: {stop - start:,} {steps} are more than can be drawn, {MOST_STEPS:,}; "
            "choose a part with --from and --to"
        )


def _first_document(file: str, vocabulary: str) -> str:
    with tempfile.TemporaryDirectory() as spool:
        corpus = Corpus([file], errors="surrogateescape" if vocabulary == "byte" else "strict", spool=Path(spool))
        if corpus.left_out or len(corpus.sources) > 1:
            print(corpus.account(), file=sys.stderr)
        text = ""
        for piece in corpus.pieces():
            if (text and piece.starts_document) or len(text) > LONGEST:
                break
            text += piece.text
        return text
