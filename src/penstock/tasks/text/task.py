"""The task as the trainer asks for it: what ``sequence`` does, where a sequence is a text."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder, expect_outside
from penstock.layout import facts
from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS, StackConfig
from penstock.model_folder.series import TEXT, SeriesConfig, SeriesFiles
from penstock.nn.series_model import SeriesModel
from penstock.runtime.labelled_texts import LabelledTexts, account, read_texts
from penstock.series import Split, all_train, by_id, taken_up
from penstock.series.read import together
from penstock.series.saved import open_series_set, save_series_set
from penstock.tasks.series_task import SERIES, SPLIT, SeriesTask
from penstock.tasks.text.data import LONGEST, TextsData, learned, open_texts, save_texts
from penstock.tasks.text.results import measure
from penstock.tasks.text.settings import TextSettings
from penstock.text.prepare import RARE
from penstock.train.settings import Settings
from penstock.train.task import Begun, Said, Task

TEXTS = "texts.safetensors"
PAIRS = 2048
"""Byte pairs, unless another number is said."""
FEW, DROPOUT = 20_000, 0.5
"""Texts up to which so much is dropped, unless it is said: their words are learned by heart in some passes."""


class TextTask(SeriesTask):
    """One answer for each text."""

    step = "token"
    files: tuple[str, ...] = (CONFIG, TOKENIZER, WEIGHTS)
    own: type[Any] = TextSettings

    def begin(self, said: Said, begun: Folder, out: Path, tell: Callable[[str], None], console: Console) -> Begun:
        """Reads texts, says what was read, and keeps them for the run."""
        own: TextSettings = said.own
        if not said.inputs:
            raise PenstockError("FILE: expected texts to train on, got none; name tables of rows")
        if said.settings.init is not None:
            raise PenstockError("--init: only language models begin from another; leave it out")
        if not own.target:
            raise PenstockError("--target: expected the column of what is asked of a text, got none")
        expect_outside([path for path in map(Path, said.inputs) if path.exists()], out)
        texts, split = _read(said.inputs, own, said.settings)
        for line in account(texts, console.width):
            tell(line)
        kind = own.vocab or "bpe"
        size = own.vocab_size or (PAIRS if kind == "bpe" else 1 << 16)
        vocabulary = learned(texts, split, kind, size, own.min_frequency or RARE)
        longest = said.settings.chunk if said.chose("chunk") else LONGEST
        data = TextsData(texts.texts, texts.series, split, vocabulary, longest, own.column)
        for line in facts(_more(data), console.width):
            tell(line)
        save_series_set(begun.place(SERIES), data.series)
        write(begun.place(SPLIT), json.dumps(split.to_json()) + "\n")
        save_texts(begun.place(TEXTS), data)
        settings = said.settings
        if not said.chose("chunk"):
            settings = dataclasses.replace(settings, chunk=data.reach)
        if settings.dropout is None and len(data.of_part(split.training)) <= FEW:
            settings = dataclasses.replace(settings, dropout=DROPOUT)
        return Begun(settings, dataclasses.replace(own, vocab=kind), data, TEXTS)

    def open(self, place: Path, own: TextSettings) -> TextsData:  # type: ignore[override]
        """What ``begin`` left."""
        series = open_series_set(place.with_name(SERIES))
        try:
            rule = json.loads(place.with_name(SPLIT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PenstockError(f"{place.with_name(SPLIT)}: not the file that was written: {error}") from None
        return open_texts(place, series, taken_up(series, rule))

    def too_few(self, data: Any, settings: Settings, inputs: Any) -> str | None:
        """Why the texts are too few to train on."""
        if not data.training:
            return f"{', '.join(inputs)}: no text is left to train on"
        return None

    def config(self, settings: Settings, own: Any, size: str | None, data: Any, before: Any = None) -> SeriesConfig:
        """The sizes of a model for the texts."""
        preset = self.presets[size or "small"]
        hidden, layers = settings.hidden or preset["hidden"], settings.layers or preset["layers"]
        stack = StackConfig(own.embedding or hidden, hidden, layers, settings.reset, residual=settings.residual)
        return SeriesConfig(data.outputs, stack, segment=1, vocabulary_size=len(data.vocabulary))

    def model(self, config: SeriesConfig, data: Any, before: Any = None) -> SeriesModel:
        """A model, its weights drawn."""
        reads = {"column": data.column, "texts": len(data.texts), "longest": data.longest}
        return SeriesModel(config, SeriesFiles(self.name, reads, data.answer, config, {}, data.vocabulary))

    def about(self, data: Any) -> str:
        """What is read and answered, in a line."""
        answer = data.answer
        what = (
            f"one of {len(answer.classes)} classes"
            if answer.kind == "class"
            else f"{len(answer.targets)} {answer.kind}"
        )
        return f"vocabulary of {len(data.vocabulary):,} ({data.vocabulary.kind}); answers {what}"

    measure = staticmethod(measure)  # type: ignore[assignment]


def _read(inputs: Any, own: TextSettings, settings: Settings) -> tuple[LabelledTexts, Split]:
    """The texts of files, and which of them train and validate."""
    texts = read_texts(inputs, own.column, own.errors, own.target, own.category)
    if not own.validation:
        if not settings.holdout:
            return texts, all_train(texts.series)
        if len(set(texts.texts)) < 2:
            raise PenstockError(f"{texts.series.name}: expected texts to train on and to hold out, got 1")
        return texts, by_id(texts.series, settings.holdout, settings.seed)
    second = read_texts(own.validation, own.column, own.errors, own.target, own.category)
    for one, other in zip(texts.series.columns, second.series.columns, strict=True):
        if one.kind != other.kind:
            raise PenstockError(f"{second.series.name}: column {one.name!r}: expected a {one.kind}, as in training")
    series = together([texts.series, second.series])
    trains = [1] * len(texts.texts) + [0] * len(second.texts)
    rule = {"by": "second file", "file": second.series.name, "rows": trains}
    both = LabelledTexts(texts.texts + second.texts, series, f"{texts.read}; to validate, {second.read}")
    return both, taken_up(series, rule)


def _more(data: TextsData) -> list[tuple[str, str]]:
    """What is to be said once texts are tokens."""
    counts = data.lengths
    rows = [("tokens", f"{int(counts.sum()):,} of {len(data.vocabulary):,} kinds ({data.vocabulary.kind})")]
    if data.cut:
        whose = "text is" if data.cut == 1 else "texts are"
        rows.append(("cut", f"{data.cut:,} {whose} read up to token {data.longest:,}; --chunk reads more"))
    trains, validates = (len(data.of_part(part)) for part in (data.split.training, data.split.validation))
    how = {"id": "by their hashes", "none": "none"}.get(data.split.rule["by"], "by the second file")
    return [*rows, ("split", f"{how}: {trains:,} texts train, {validates:,} validate")]


TASK: Task = TextTask(TEXT, last=True)
