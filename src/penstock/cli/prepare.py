"""``penstock prepare``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.parameters import Flag, Json
from penstock.errors import PenstockError
from penstock.layout import columns, command, facts, say, wrap
from penstock.text.prepare import Recipe

DEFAULTS = Recipe()


def prepare(
    *files: str,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    recipe: Annotated[Recipe, Parameter(name="*")] = DEFAULTS,
    workers: Annotated[int | None, Parameter(show_default=False)] = None,
    force: Flag = False,
    dry_run: Flag = False,
    json_: Json = False,
) -> int:
    """Make tokens of a large corpus once, to train on again and again.

    A run that was stopped or killed goes on where it was when it is started again.

    Args:
        files: Text (.txt or any other name), .jsonl, .json, .csv, .tsv, .parquet, .arrow, packed or not, folders,
            globs, - for standard input, or addresses such as s3://… and https://….
        out: The folder for the tokens. Required.
        recipe: How text becomes tokens.
        workers: Processes; one a processor. The tokens are the same however many there are.
        force: Begin anew, and replace the tokens in --out.
        dry_run: Say what would be read, and what left out and why, and stop.
        json_: Print one JSON object; everything else goes to standard error.
    """
    from penstock.text.corpus import account_of
    from penstock.text.prepare import prepare as run
    from penstock.text.progress import shown
    from penstock.workers import processors

    if not files:
        raise PenstockError("FILE: expected text to prepare, got none; name files, or - for standard input")
    if dry_run:
        print(*wrap(account_of(files, recipe.column, recipe.decoding), columns()), sep="\n")
        return 0
    if out is None:
        raise PenstockError("--out: expected the folder for the tokens, got none; add --out DIR")
    if workers is not None and workers < 1:
        raise PenstockError(f"--workers: expected 1 or more, got {workers}")
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
