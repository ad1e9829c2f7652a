"""``penstock score``."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Flag, Folder, Json
from penstock.errors import PenstockError
from penstock.layout import columns, facts
from penstock.score.files import Done, ScoreSettings
from penstock.score.run import Engine, run


def score(
    dir_: Folder,
    /,
    *,
    in_: Annotated[
        tuple[str, ...], Parameter(name="--in", consume_multiple=True, show_default=False, negative=())
    ] = (),
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    column: str = "text",
    embed: Flag = False,
    engine: Engine = "local",
    workers: Annotated[int | None, Parameter(show_default=False)] = None,
    json_: Json = False,
) -> int:
    """Score every row of many files: nats, bits a byte and perplexity, and the state as an embedding.

    The scores of a file lie in --out under the file's name, row by row in its order, beside its other columns. Files
    that were finished before are left alone, so that the same command goes on where it was stopped. Rows that cannot be
    scored have empty scores; _errors in --out says why.

    Args:
        dir_: The model.
        in_: Files, folders and globs of Parquet, JSON lines and text, whose every line is a row.
        out: The folder for the scores.
        column: Of tables and lines of JSON, where the text stands.
        embed: Also write the top layer's state after the whole text.
        engine: Threads of this machine, or workers of a Ray cluster: the same numbers to the last bit.
        workers: So many of them; all cores there are unless you say.
        json_: Print the summary as one JSON object.
    """
    if not in_:
        raise PenstockError("--in: expected files to score, got none; add --in FILES")
    if out is None:
        raise PenstockError("--out: expected the folder for the scores, got none; add --out DIR")
    summary = run(
        dir_, in_, out, ScoreSettings(column, embed), engine=engine, workers=workers, told=_tell, tell=_to_stderr
    )
    figures = summary.as_json()
    if json_:
        print(json.dumps(figures))
    else:
        said = {
            name.replace("_", " "): f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
            for name, value in figures.items()
            if value is not None and name != "unknown_characters"
        }
        if summary.score.unknown:
            said["unknown characters"] = f"{summary.score.unknown:,}, each scored as the vocabulary's unknown one"
        print(*facts(said.items(), columns()), sep="\n")
    if summary.reason is not None:
        _to_stderr(f"{out / '_errors'} says what was not scored, and why; first {summary.reason}")
    return 1 if summary.failed else 0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tell(done: Done) -> None:
    """A line a file, as it is done."""
    if done.failed:
        said = f"not scored: {done.reason}"
    else:
        left = f", {done.bad:,} not scored" if done.bad else ""
        figure = f", {done.score.bits_per_byte:.4f} bits per byte" if done.score.tokens else ""
        said = f"{done.rows:,} rows{left}{figure}"
    _to_stderr(f"{done.name}: {said}")
