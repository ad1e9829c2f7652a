"""``penstock eval``."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from penstock.cli.parameters import SAID, Folder, Json
from penstock.cli.row_files import evened, expect_row_file, write_rows
from penstock.errors import NotText, PenstockError
from penstock.files import expect_place_for
from penstock.layout import columns, facts, wrap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from penstock.runtime import Model, Score
    from penstock.runtime.forecast_model import ForecastRuntime
    from penstock.series import SeriesSet


def evaluate(
    dir_: Folder,
    /,
    *files: str,
    column: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    after: str | None = None,
    png: Annotated[Path | None, Parameter(show_default=False)] = None,
    per_series: Annotated[Path | None, Parameter(show_default=False)] = None,
    json_: Json = False,
) -> int:
    """Measure a model: how well it expects text, or how good its answers to series are, beside a naive answer's.

    Args:
        dir_: The model.
        files: As for train; of a folder that penstock prepare made, what it holds out. Each document begins anew, and
            its first token is given, not scored. For a model of series, or of texts for classes: files
            with the target's column. For one that forecasts: series; where the last file goes on with series of those
            before, only its rows are scored.
        column: Of tables and lines of JSON, where the text stands.
        after: Of forecasts: a date, or a number of rows, up to which series are only read; what comes then is scored.
        errors: What to do with bytes that are no UTF-8: stop and say where, or read U+FFFD in their place.
        png: Of series: also draw the answers into a file, by its name a .png, .svg or .pdf: of classes how often each
            was taken for each, of numbers the answers beside the truths, forecasts with their intervals.
        per_series: Of series: also write a .csv, .jsonl or .parquet file with a row for each, its answer beside the
            truth, or its metrics where it has many answers.
        json_: Print one JSON object.
    """
    from penstock.model_folder.content import read_config
    from penstock.runtime import load_language
    from penstock.text import token_folder

    task = read_config(dir_)["task"]
    if after is not None and task != "forecast":
        raise PenstockError(f"--after: means nothing to a model of the task {task}; leave it out")
    if png is not None:
        if task == "language":
            raise PenstockError("--png: means nothing to a language model; penstock look draws its gates")
        if task == "text":
            raise PenstockError("--png: draws answers to series of numbers; means nothing to a model of texts")
        if find_spec("matplotlib") is None:
            raise PenstockError("--png draws with matplotlib, which is not installed: pip install 'penstock[plot]'")
        expect_place_for(png)
    if per_series is not None:
        if task in ("language", "text"):
            raise PenstockError(f"--per-series: means nothing to a model of the task {task}; leave it out")
        expect_row_file(per_series, "--per-series")
    if task == "forecast":
        return _evaluate_forecasts(dir_, files, after, png, per_series, json_)
    if task == "text":
        return _evaluate_texts(dir_, files, column, errors, json_)
    if task != "language":
        return _evaluate_series(dir_, files, png, per_series, json_)
    model = load_language(dir_)
    if not files:
        raise PenstockError("FILE: expected text to score, got none; name files, or - for standard input")
    if folder := token_folder(files):
        score, name = _score_held_out(model, folder), files[0]
    else:
        score, name = _score_text(model, files, column, errors)
    if not score.tokens:
        raise PenstockError(f"{name}: expected at least two tokens to score, got fewer")
    figures = {
        "nats_per_token": score.nats_per_token,
        "bits_per_character": score.bits_per_character,
        "bits_per_byte": score.bits_per_byte,
        "perplexity": score.perplexity,
        "tokens": score.tokens,
        "unknown_characters": score.unknown,
    }
    if json_:
        print(json.dumps(figures))
        return 0
    said = {name.replace("_", " "): f"{value:{',' if name == 'tokens' else '.4f'}}" for name, value in figures.items()}
    del said["unknown characters"]
    if score.unknown:
        said["unknown characters"] = f"{score.unknown:,}, each scored as the vocabulary's unknown character"
    print(*facts(said.items(), columns()), sep="\n")
    return 0


def _evaluate_series(dir_: Path, files: Sequence[str], png: Path | None, per_series: Path | None, json_: bool) -> int:
    from penstock.runtime.series_model import load_series
    from penstock.runtime.series_score import figures_by_series, score_series
    from penstock.series import account
    from penstock.series.asked import read_asked

    model = load_series(dir_)
    if not files:
        raise PenstockError("FILE: expected series to score, got none; name files of rows")
    series = read_asked(files, model.reads)
    print(*account(series, columns()), sep="\n", file=sys.stderr)
    figures = score_series(model, series)
    if png is not None:
        from penstock.look.answers import answers_figure
        from penstock.look.pictures import save_figure

        save_figure(png, lambda: answers_figure(model, series))
    if per_series is not None:
        _write_each(figures_by_series(model, series), len(series), per_series)
    _print_figures(figures, json_)
    return 0


def _evaluate_texts(dir_: Path, files: Sequence[str], column: str, errors: str, json_: bool) -> int:
    from penstock.runtime.labelled_texts import account, read_texts
    from penstock.runtime.text_answers import score_texts
    from penstock.runtime.text_model import load_text

    model = load_text(dir_)
    if not files:
        raise PenstockError("FILE: expected texts to score, got none; name tables of rows")
    stands = column if "column" in SAID else str(model.reads["column"])
    texts = read_texts(files, stands, errors, model.answer.targets, known=model.answer)
    print(*account(texts, columns()), sep="\n", file=sys.stderr)
    _print_figures(score_texts(model, texts), json_)
    return 0


def _print_figures(figures: dict[str, Any], json_: bool) -> None:
    if json_:
        print(json.dumps(figures))
        return
    metrics = {whose: found for whose, found in figures.items() if whose != "answers"}
    said = [("answers", f"{figures['answers']:,}")] if "answers" in figures else []
    print(*facts([*said, *_lines(metrics)], columns()), sep="\n")


def _lines(figures: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, str]]:
    """What each metric is, of the model and then of each naive answer."""
    for whose, metrics in figures.items():
        for name, value in metrics.items():
            yield f"{name.replace('_', ' ')}{'' if whose == 'model' else f' of {whose}'}", f"{value:.4g}"


def _evaluate_forecasts(
    dir_: Path, files: Sequence[str], after: str | None, png: Path | None, per_series: Path | None, json_: bool
) -> int:
    from penstock.runtime.forecast_model import load_forecast
    from penstock.runtime.forecast_score import asked_part, score_forecasts
    from penstock.series import account

    model = load_forecast(dir_)
    if not files:
        raise PenstockError("FILE: expected series to score, got none; name files of rows")
    series, part = asked_part(files, model.reads, after)
    print(*account(series, columns()), sep="\n", file=sys.stderr)
    figures = score_forecasts(model, series, part)
    if png is not None:
        from penstock.look.answers import forecasts_figure
        from penstock.look.pictures import save_figure

        save_figure(png, lambda: forecasts_figure(model, series))
    if per_series is not None:
        _write_each(_by_series(model, series, part), len(series), per_series)
    _print_figures(figures, json_)
    return 0


def _write_each(rows: Iterator[dict[str, Any]], count: int, path: Path) -> None:
    """A row for each series that can be scored; says how many cannot."""
    found = evened(rows)
    write_rows(found, path)
    if len(found) < count:
        said = f"{path}: {len(found):,} of {count:,} series; the others are too short, or have no truth"
        print(*wrap(said, columns()), sep="\n", file=sys.stderr)


def _by_series(
    model: "ForecastRuntime", series: "SeriesSet", part: "NDArray[np.int64] | None"
) -> Iterator[dict[str, Any]]:
    """The model's metrics on each series that is long enough."""
    from penstock.runtime.forecast_score import score_forecasts

    for k, id in enumerate(series.ids):
        try:
            figures = score_forecasts(model, series.only([k]), None if part is None else part[[k]])
        except PenstockError:  # too short, or without a truth
            continue
        yield {"id": id, **{f"penstock_{name}": value for name, value in figures["model"].items()}}


def _score_held_out(model: "Model", folder: Path) -> "Score":
    from penstock.text.tokens import documents, open_tokens

    tokens, training, vocabulary, *_ = open_tokens(folder)
    if vocabulary.saved() != model.vocabulary.saved():
        raise PenstockError(
            f"{folder}: prepared with another vocabulary than the model's: {len(vocabulary):,} tokens "
            f"({vocabulary.kind}), expected {len(model.vocabulary):,} ({model.vocabulary.kind}); score the text itself"
        )
    return model.score_documents(documents(tokens, training, len(tokens.ids)))


def _score_text(model: "Model", files: Sequence[str], column: str, errors: str) -> tuple["Score", str]:
    from penstock.runtime.text_score import score_corpus
    from penstock.text import Corpus

    with tempfile.TemporaryDirectory() as spool:
        kept = "surrogateescape" if model.vocabulary.kind == "byte" else errors
        corpus = Corpus(files, column=column, errors=kept, spool=Path(spool))
        print(*wrap(corpus.account(), columns()), sep="\n", file=sys.stderr)

        try:
            return score_corpus(model, corpus), corpus.name
        except NotText as error:
            raise error.advised(vocab=False) from None
