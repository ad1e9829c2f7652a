"""``penstock train``."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from penstock.cli.console import Console
from penstock.cli.parameters import SAID, Flag, Json
from penstock.errors import PenstockError
from penstock.layout import columns
from penstock.tasks.forecast.settings import ForecastSettings
from penstock.tasks.language.settings import LanguageSettings
from penstock.tasks.series_settings import SeriesSettings
from penstock.tasks.text.settings import TextSettings
from penstock.train.settings import Settings, flag

DEFAULTS, LANGUAGE, SERIES = Settings(), LanguageSettings(), ForecastSettings()
TaskName = Literal["language", "forecast", "sequence", "steps"]


def train(
    *files: str,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    task: TaskName | None = None,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    language: Annotated[LanguageSettings, Parameter(name="*")] = LANGUAGE,
    series: Annotated[ForecastSettings, Parameter(name="*")] = SERIES,
    resume: Flag = False,
    force: Flag = False,
    tensorboard: Flag = False,
    dry_run: Flag = False,
    json_: Json = False,
) -> int:
    """Train a model on text, or with --task on series of numbers.

    Args:
        files: Text (.txt or any other name), .jsonl, .json, .csv, .tsv, .parquet, .arrow, packed or not, folders,
            globs, - for standard input, addresses such as s3://… and https://…, or a folder that penstock prepare
            made. Without any: the Python language reference that comes with Python. With --task: tables (a row a step,
            or a row a series), .npy, .npz, .ts, .wav or .flac; with --column too, tables with a text in each row.
        out: The folder for the model and for what --resume needs. Required.
        task: What is learned: what comes next in a text (language, unless you say), the next --horizon values of each
            series, with intervals (forecast), one answer for each series (sequence), or an answer at every step
            (steps): a class, labels or numbers. Steps without a target: the numbers of the next step. With --column a
            sequence is the text that stands there, in each row of tables.
        settings: How to train.
        language: How text is read.
        series: How series are read.
        resume: Go on with the run in --out from its last checkpoint.
        force: Replace the model in --out.
        tensorboard: Also write a TensorBoard log, into OUT/training/tensorboard.
        dry_run: Say what would be read, and what left out and why, and stop.
        json_: Print the results as one JSON object; everything else goes to standard error.
    """
    of_text = task == "sequence" and "column" in SAID
    if dry_run:
        if of_text:
            print(*_texts_account(files, _own_settings("text", language, series)), sep="\n")
        elif task in (None, "language"):
            print(_account(files, settings.init, language))
        else:
            print(*_series_account(files, series), sep="\n")
        return 0
    if out is None:
        raise PenstockError("--out: expected the folder for the model, got none; add --out DIR")
    if resume and force:
        raise PenstockError("expected one of --resume and --force, got both")
    try:
        from penstock import tasks
        from penstock.train import run
        from penstock.train.checkpoint import task_of
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise PenstockError("train needs PyTorch, which is not installed: pip install 'penstock[train]'") from None
    begun = task_of(out / "training") if resume else None
    name = "text" if of_text or (begun == "text" and task == "sequence") else task or begun or "language"
    own = _own_settings(name, language, series)
    console = Console(stderr=json_)
    try:
        outcome = run.train(
            tasks.task(name),
            settings,
            own,
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


def _own_settings(name: str, language: LanguageSettings, series: ForecastSettings) -> Any:
    """Those of a task; other tasks' settings must not have been said."""
    if name == "language":
        own: Any = language
    elif name == "forecast":
        own = series
    elif name == "text":
        of = {field.name: language for field in dataclasses.fields(language)}
        own = TextSettings(
            **{
                field.name: getattr(of.get(field.name, series), field.name)
                for field in dataclasses.fields(TextSettings)
            }
        )
    else:
        own = SeriesSettings(
            **{field.name: getattr(series, field.name) for field in dataclasses.fields(SeriesSettings)}
        )
    for other in (language, series):
        _expect_of_task(name, own, other)
    return own


def _expect_of_task(name: str, own: Any, other: Any) -> None:
    """Raises PenstockError for a setting of another task."""
    shared = {field.name for field in dataclasses.fields(own)}
    for field in dataclasses.fields(other):
        if field.name not in shared and getattr(other, field.name) != field.default:
            raise PenstockError(
                f"{flag(field.name)}: means nothing to the task {'sequence of text' if name == 'text' else name}; "
                "leave it out, or name another --task"
            )


def _texts_account(files: Sequence[str], own: TextSettings) -> list[str]:
    """What a run would read, in lines."""
    from penstock.runtime.labelled_texts import account, read_texts

    if not own.target:
        raise PenstockError("--target: expected the column of what is asked of a text, got none")
    return account(read_texts(files, own.column, own.errors, own.target, own.category), columns())


def _series_account(files: Sequence[str], series: SeriesSettings) -> list[str]:
    """What a run would read, in lines."""
    from penstock.series import account, read_series

    return account(read_series(files, series.roles(), series.pattern), columns())


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
