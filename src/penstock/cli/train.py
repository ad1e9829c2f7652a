"""``penstock train``."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.parameters import SAID, Flag, Json
from penstock.errors import PenstockError
from penstock.tasks.language.settings import LanguageSettings
from penstock.train.settings import Settings

DEFAULTS, LANGUAGE = Settings(), LanguageSettings()


def train(
    *files: str,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    language: Annotated[LanguageSettings, Parameter(name="*")] = LANGUAGE,
    resume: Flag = False,
    force: Flag = False,
    tensorboard: Flag = False,
    dry_run: Flag = False,
    json_: Json = False,
) -> int:
    """Train a language model on text.

    Args:
        files: Text (.txt or any other name), .jsonl, .json, .csv, .tsv, .parquet, .arrow, packed or not, folders,
            globs, - for standard input, addresses such as s3://… and https://…, or a folder that penstock prepare
            made. Without any: the Python language reference that comes with Python.
        out: The folder for the model and for what --resume needs. Required.
        settings: How to train.
        language: How text is read.
        resume: Go on with the run in --out from its last checkpoint.
        force: Replace the model in --out.
        tensorboard: Also write a TensorBoard log, into OUT/training/tensorboard.
        dry_run: Say what would be read, and what left out and why, and stop.
        json_: Print the results as one JSON object; everything else goes to standard error.
    """
    if dry_run:
        print(_account(files, settings.init, language))
        return 0
    if out is None:
        raise PenstockError("--out: expected the folder for the model, got none; add --out DIR")
    if resume and force:
        raise PenstockError("expected one of --resume and --force, got both")
    try:
        from penstock.tasks import task
        from penstock.train import run
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise PenstockError("train needs PyTorch, which is not installed: pip install 'penstock[train]'") from None
    console = Console(stderr=json_)
    try:
        outcome = run.train(
            task("language"),
            settings,
            language,
            files,
            out,
            resume=resume,
            force=force,
            tensorboard=tensorboard,
            said=SAID,
            console=console,
        )
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError, and says why in words alone
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in ("memory", "overflow")):
            raise
        raise PenstockError("out of memory: choose a smaller --size, fewer --streams or a shorter --chunk") from None
    if outcome.interrupted is not None:
        return 128 + outcome.interrupted
    if json_ and outcome.results is not None:
        print(json.dumps(dataclasses.asdict(outcome.results)))
    return 0


def _account(files: Sequence[str], init: str | None, settings: LanguageSettings) -> str:
    """What a run would read, in one line."""
    from penstock.model_folder import load_model
    from penstock.text.corpus import account_of
    from penstock.text.tokens import read_index, token_folder

    if folder := token_folder(files):
        index = read_index(folder)
        tokens = sum(shard["training"] + shard["held_out"] for shard in index["shards"])
        return f"{folder}: {tokens:,} tokens, made of {index['account']}"
    decoding = settings.decoding
    if init is not None and load_model(Path(init))[1].kind == "byte":
        decoding = "surrogateescape"
    return account_of(files, settings.column, decoding)
