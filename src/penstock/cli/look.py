"""``penstock look``."""

import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.parameters import Folder
from penstock.errors import PenstockError
from penstock.files import expect_place_for, write
from penstock.text import Corpus

if TYPE_CHECKING:
    from penstock.look.trace import Trace

LONGEST = 1 << 22
"""Characters of a file, about, beyond which nothing is looked at."""


def look(
    dir_: Folder,
    /,
    *,
    text: Annotated[tuple[str, ...], Parameter(show_default=False, negative=(), allow_leading_hyphen=True)] = (),
    file: Annotated[tuple[str, ...], Parameter(show_default=False, negative=())] = (),
    from_: Annotated[int, Parameter(name="--from")] = 0,
    to: Annotated[int | None, Parameter(show_default=False)] = None,
    layer: Annotated[int | None, Parameter(show_default=False)] = None,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    live: Annotated[bool, Parameter(negative=())] = False,
    png: Annotated[Path | None, Parameter(show_default=False)] = None,
    save: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> int:
    """See what a model's gates keep and forget, and which moments its state holds: exact, nothing approximated.

    Args:
        dir_: The model, or a trace that --save wrote.
        text: The text to read. A second --text is shown beside the first.
        file: A file of text as for train, in place of --text; its first document.
        from_: Show the tokens from this one on, counted from 0; what stands before is read, not shown.
        to: Show the tokens up to this one.
        layer: Of the terminal and of --png; the last one unless you say. The page shows all.
        out: Write one self-contained page of HTML; open it in a browser.
        live: Put the model into the page, which then computes what it shows: type another text, let the model write,
            hold a gate. Without a text the model writes one to begin with.
        png: Write the maps as a picture, by its name a .png, .svg or .pdf.
        save: Write everything as one safetensors file, for Trace.load and for this verb.
    """
    for path in (out, png, save):
        if path is not None and not path.parent.is_dir():
            raise PenstockError(f"{path}: there is no folder {path.parent} to write it to")
        if path is not None:
            expect_place_for(path)
            if dir_.is_file() and path.exists() and path.samefile(dir_):
                raise PenstockError(f"{path}: is the trace that is read; choose another name")
    if save is not None and len(text) + len(file) > 1:
        raise PenstockError("--save: expected one text, got more; save one after the other")
    if png is not None and find_spec("matplotlib") is None:
        raise PenstockError("--png draws with matplotlib, which is not installed: pip install 'penstock[plot]'")
    if live:
        if out is None or png is not None or save is not None or layer is not None or from_ or to is not None:
            raise PenstockError(
                "--live: makes one page of whole texts: expected it with --out, --text and --file alone"
            )
        return _live(dir_, text, file, out)
    traces = _traces(dir_, text, file, from_, to)
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
            page = Page(*traces, title=str(dir_))
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


def _check_part(tokens: int, start: int, stop: int) -> None:
    if not 0 <= start < stop:
        raise PenstockError(f"--from, --to: expected a part of the text's {tokens:,} tokens, got {start:,} … {stop:,}")
    from penstock.look.page import MOST_STEPS

    if stop - start > MOST_STEPS:
        raise PenstockError(
            f"text: {stop - start:,} tokens are more than can be drawn, {MOST_STEPS:,}; "
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
