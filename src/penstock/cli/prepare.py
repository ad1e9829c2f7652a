"""``penstock prepare``."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.parameters import Flag, Json
from penstock.errors import PenstockError
from penstock.layout import columns, command, facts, say, wrap
from penstock.tasks.series_settings import SeriesColumns
from penstock.text.prepare import Recipe

DEFAULTS, SERIES = Recipe(), SeriesColumns()
TaskName = Literal["language", "forecast", "sequence", "steps"]


def prepare(
    *files: str,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    task: TaskName | None = None,
    recipe: Annotated[Recipe, Parameter(name="*")] = DEFAULTS,
    series: Annotated[SeriesColumns, Parameter(name="*")] = SERIES,
    workers: Annotated[int | None, Parameter(show_default=False)] = None,
    force: Flag = False,
    dry_run: Flag = False,
    json_: Json = False,
) -> int:
    """Make tokens of a large corpus once, or read large tables of series, to train on again and again.

    A run that was stopped or killed goes on where it was when it is started again.

    Args:
        files: Text (.txt or any other name), .jsonl, .json, .csv, .tsv, .parquet, .arrow, packed or not, folders,
            globs, - for standard input, or addresses such as s3://… and https://…. Of series what train reads.
        out: The folder for the tokens or the series. Required.
        task: What will be learned from it, as for train: of language, tokens are made; of the others, which all learn
            from the same folder, series. Series too where a column is named below; else language.
        recipe: How text becomes tokens.
        series: How series are read.
        workers: Processes; one a processor. What is written is the same however many there are.
        force: Begin anew, and replace what is in --out.
        dry_run: Say what would be read, and what left out and why, and stop.
        json_: Print one JSON object; everything else goes to standard error.
    """
    from penstock.text.corpus import account_of
    from penstock.text.prepare import prepare as run
    from penstock.text.progress import shown
    from penstock.workers import processors

    of_series = series != SERIES if task is None else task != "language"
    if not files:
        what = (
            "series to prepare, got none; name files of rows"
            if of_series
            else ("text to prepare, got none; name files, or - for standard input")
        )
        raise PenstockError(f"FILE: expected {what}")
    _expect_of_one(task, of_series, recipe, series)
    if dry_run:
        lines = (
            _series_account(files, series)
            if of_series
            else wrap(account_of(files, recipe.column, recipe.decoding), columns())
        )
        print(*lines, sep="\n")
        return 0
    if out is None:
        what = "series" if of_series else "tokens"
        raise PenstockError(f"--out: expected the folder for the {what}, got none; add --out DIR")
    if workers is not None and workers < 1:
        raise PenstockError(f"--workers: expected 1 or more, got {workers}")
    if of_series:
        _prepare_series(files, out, task, series, workers or processors(), force, json_)
        return 0
    console = Console(stderr=json_)
    with shown(console) as report:
        tokens, training, vocabulary, *_ = run(
            files,
            out,
            recipe,
            workers=workers or processors(),
            apart=True,
            force=force,
            report=report,
            tell=lambda line: say(console, line),
        )
    figures = {
        "documents": len(tokens.starts),
        "characters": tokens.characters,
        "tokens": len(tokens.ids),
        "held_out_tokens": len(tokens.ids) - training,
        "vocabulary": len(vocabulary),
    }
    if json_:
        print(json.dumps(figures))
        return 0
    said = ((name.replace("_", " "), f"{value:,}") for name, value in figures.items())
    print(
        *facts(said, columns()),
        "",
        "Next:",
        *command(["penstock", "train", str(out), "--out", "DIR"], columns()),
        sep="\n",
    )
    return 0


def _expect_of_one(task: str | None, of_series: bool, recipe: Recipe, series: SeriesColumns) -> None:
    """Raises PenstockError for a setting of text where series are prepared, and the other way about."""
    given, default, what = (recipe, DEFAULTS, "series") if of_series else (series, SERIES, "text")
    for field in dataclasses.fields(default):
        if getattr(given, field.name) != getattr(default, field.name):
            flag = f"--{field.name.replace('_', '-')}"
            hint = "leave it out, or name another --task" if task else "leave it out, or name the --task"
            raise PenstockError(f"{flag}: means nothing to {what}; {hint}")


def _series_account(files: Sequence[str], series: SeriesColumns) -> list[str]:
    """What would be read, in lines."""
    from penstock.series import account, read_series

    return account(read_series(files, series.roles(), series.pattern), columns())


def _prepare_series(
    files: Sequence[str],
    out: Path,
    task: str | None,
    series: SeriesColumns,
    workers: int,
    force: bool,
    json_: bool,
) -> None:
    """Prepares, and says what was read and what can be done with it."""
    from penstock.series import account, description
    from penstock.series.prepare import prepare_series
    from penstock.text.progress import shown

    with shown(Console(stderr=json_)) as report:
        found = prepare_series(files, out, series.roles(), series.pattern, workers=workers, force=force, report=report)
    if json_:
        print(json.dumps({**description(found), "rows": len(found.values)}))
        return
    next_ = ["penstock", "train", str(out), "--task", task or "steps", "--out", "RUN"]
    print(*account(found, columns()), "", "Next:", *command(next_, columns()), sep="\n")
