"""The task as the trainer asks for it."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from penstock.errors import PenstockError
from penstock.folder import Folder, expect_outside
from penstock.layout import clipped, visible, wrap
from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS, LanguageConfig, StackConfig
from penstock.nn.language_model import LanguageModel
from penstock.tasks.language.data import TextData
from penstock.tasks.language.results import Results, measure, print_results, written
from penstock.tasks.language.settings import LanguageSettings
from penstock.tasks.language.streams import nats
from penstock.text import reference
from penstock.text.prepare import Recipe, changed, prepare
from penstock.text.progress import shown
from penstock.text.tokens import Prepared, open_tokens, token_folder
from penstock.text.vocabulary import CharVocabulary, Vocabulary
from penstock.train.settings import Settings, flag
from penstock.train.task import Begun, Said, Task
from penstock.workers import processors

TOKENS = "tokens"
"""The token folder in the run's own, where the run made it."""


class LanguageTask:
    """What token comes next in a text."""

    name, step, loss_unit, default = "language", "token", "nats", reference.NAME
    files: tuple[str, ...] = (CONFIG, TOKENIZER, WEIGHTS)
    own: type[Any] = LanguageSettings
    parameters_per_step, rate = math.inf, 1.0
    most_dropout, average = 0.4, False
    presets: dict[str, dict[str, int]] = {  # noqa: RUF012 - which nobody changes
        "tiny": {"hidden": 128, "embedding": 64, "layers": 1},
        "small": {"hidden": 256, "embedding": 128, "layers": 1},
        "medium": {"hidden": 384, "embedding": 128, "layers": 1},
        "large": {"hidden": 512, "embedding": 256, "layers": 1},
        "huge": {"hidden": 1024, "embedding": 512, "layers": 2},
    }

    def prepared(self, inputs: Sequence[str]) -> Path | None:
        """The token folder that the inputs name, if they do."""
        return token_folder(inputs)

    def begin(self, said: Said, begun: Folder, out: Path, tell: Callable[[str], None], console: Console) -> Begun:
        """Reads a text, or opens a token folder."""
        init = said.settings.init
        before = None if init is None else LanguageModel.load(init)
        if before is not None:
            expect_outside([Path(init or "")], out)
            said = said._replace(own=_of_model(said, before))
        tell(f"reading {', '.join(said.inputs) or self.default}")
        if folder := token_folder(said.inputs):
            expect_outside([folder], out)
            prepared = open_tokens(folder)
            _expect_agreed(said, prepared, folder)
            _tell_of_lost(before, prepared, folder, tell)
        else:
            known = None if before is None else before.vocabulary
            prepared = _tokens_of(said, begun.place(TOKENS), out, known, tell, console)
        recipe = prepared.recipe
        settings = dataclasses.replace(said.settings, holdout=recipe["holdout"])
        own = dataclasses.replace(said.own, **{name: recipe[name] for name in recipe if name != "holdout"})
        return Begun(settings, own, TextData(prepared), str(folder.resolve()) if folder else TOKENS, before)

    def open(self, place: Path, own: LanguageSettings) -> TextData:
        """What ``begin`` left."""
        return TextData(open_tokens(place))

    def changed(self, inputs: Sequence[str], place: Path) -> str | None:
        """Which text is not what it was when the tokens in ``place`` were made of it."""
        return changed(inputs, place)

    def too_few(self, data: TextData, settings: Settings, inputs: Sequence[str]) -> str | None:
        """Why the text is too short to train on."""
        if data.training >= 2 and not (settings.holdout and data.held_out < 2):
            return None
        if data.end >= 100:
            return f"--holdout: {settings.holdout} of {data.end} tokens is too few to score; hold out more, or 0"
        return (
            f"{', '.join(inputs)}: {data.end} tokens are too few to train on and hold out; "
            "expected some hundreds at least"
        )

    def config(
        self,
        settings: Settings,
        own: LanguageSettings,
        size: str | None,
        data: TextData,
        before: LanguageModel | None = None,
    ) -> LanguageConfig:
        """The sizes of a model for the text: of a preset where nothing else is said, or of the model before."""
        V = len(data.vocabulary)
        if before is not None:
            return dataclasses.replace(before.config, vocabulary_size=V)
        preset = self.presets[size or "small"]
        hidden = settings.hidden or preset["hidden"]
        embedding = own.embedding or (hidden if own.tied else hidden // 2 if settings.hidden else preset["embedding"])
        layers = settings.layers or preset["layers"]
        stack = StackConfig(max(1, embedding), hidden, layers, settings.reset, residual=settings.residual)
        return LanguageConfig(V, stack, tied=own.tied)

    def config_of(self, saved: dict[str, Any]) -> LanguageConfig:
        """What ``dataclasses.asdict`` made of the sizes."""
        return LanguageConfig(**{**saved, "stack": StackConfig(**saved["stack"])})

    def model(self, config: LanguageConfig, data: TextData, before: LanguageModel | None = None) -> LanguageModel:
        """A model, its weights drawn or those of the one before."""
        model = LanguageModel(config, data.vocabulary)
        if before is not None:
            model.load_state_dict(before.widened(data.vocabulary).state_dict())
        return model

    def loss(self, data: TextData) -> Callable[[Tensor, Tensor], Tensor]:
        """Nats."""
        return nats

    def held_out_loss(self, loss: float, data: TextData) -> str:
        """A loss as a person reads it."""
        tokens, unit = data.per_unit()
        return f"{loss:.3f} nats a token, {loss * tokens / math.log(2):.3f} bits a {unit}"

    def sample(self, model: LanguageModel, data: TextData, seed: int, room: int) -> str:
        """What a model in training writes by now, in so many columns; torch's random numbers stay as they are."""
        return f"writes “{clipped(visible(written(model, data.prompt, seed).strip()), room - len('writes “”'))}”"

    def about(self, data: TextData) -> str:
        """What tokens there are."""
        return f"vocabulary of {len(data.vocabulary):,} ({data.vocabulary.kind})"

    measure = staticmethod(measure)

    def print_results(self, results: Results, data: TextData, out: Path, console: Console) -> None:
        """The figures as a person reads them, a sample, and what to try next."""
        print_results(results, out, data.per_unit()[1], console)


TASK: Task = LanguageTask()


def _tokens_of(
    said: Said, folder: Path, out: Path, known: Vocabulary | None, tell: Callable[[str], None], console: Console
) -> Prepared:
    recipe = Recipe(**{field.name: said.value(field.name) for field in dataclasses.fields(Recipe)})

    def tell_indented(line: str) -> None:
        for part in wrap(line, console.width, " " * 8):
            tell(part)

    with shown(console) as report:
        options: Any = {"workers": processors(), "apart": True, "report": report, "tell": tell_indented}
        return prepare(said.inputs, folder, recipe, known=known, force=True, within=out, **options)


def _tell_of_lost(model: LanguageModel | None, prepared: Prepared, folder: Path, tell: Callable[[str], None]) -> None:
    """Says what a model knows and the tokens that it goes on with do not."""
    old, new = model and model.vocabulary, prepared.vocabulary
    if not (isinstance(old, CharVocabulary) and isinstance(new, CharVocabulary)):
        return
    if lost := set(old.characters) - set(new.characters):
        tell(f"{len(lost):,} of the model's characters are not among the tokens of {folder}, and are forgotten")


def _of_model(said: Said, model: LanguageModel) -> LanguageSettings:
    """The settings with the vocabulary's kind of the model that the run begins from; what was said must be its own."""
    vocabulary, stack = model.vocabulary, model.config.stack
    kind: dict[str, Any] = {"vocab": vocabulary.kind}
    if vocabulary.kind == "bpe":
        kind["vocab_size"] = len(vocabulary)
    sizes = {"hidden": stack.hidden_size, "embedding": stack.input_size, "layers": stack.num_layers}
    form = {"reset": stack.reset, "tied": model.config.tied, "residual": stack.residual}
    for name, value in {**kind, **sizes, **form, "size": None}.items():
        if said.differs(name, value):
            has = "sizes of its own" if value is None else value
            raise PenstockError(
                f"{flag(name)}: the model in {said.settings.init} has {has}, got {said.value(name)}; "
                "leave it out with --init"
            )
    own: LanguageSettings = dataclasses.replace(said.own, **kind)
    return own


def _expect_agreed(said: Said, prepared: Prepared, folder: Path) -> None:
    """What was said must be what the tokens were prepared with."""
    for name, value in prepared.recipe.items():
        if said.differs(name, value):
            raise PenstockError(
                f"{flag(name)}: {folder} was prepared with {value}, got {said.value(name)}; "
                "leave it out, or prepare the text anew"
            )
