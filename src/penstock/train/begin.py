"""How a run begins: its text is read and its folder made, or it is taken up where a checkpoint stands."""

import contextlib
import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.errors import PenstockError
from penstock.files import cannot_write
from penstock.folder import Folder, expect_outside, held
from penstock.layout import say, wrap
from penstock.nn.language_model import LanguageModel
from penstock.text import reference
from penstock.text.prepare import Recipe, changed, prepare
from penstock.text.progress import shown
from penstock.text.tokens import Prepared, open_tokens, token_folder
from penstock.text.vocabulary import CharVocabulary, Vocabulary
from penstock.text.workers import processors
from penstock.train.checkpoint import ANEW, Checkpoints, found, newest, nothing_to_resume, put_away
from penstock.train.fit import MODEL, RECORD, TRAINING, Run
from penstock.train.plan import make_plan, usable_device
from penstock.train.ranks import Ranks, launch, restarts
from penstock.train.settings import Settings

TOKENS = "tokens"
BEGUN = f".{TRAINING}"
"""The run's own folder while the corpus is read."""
RUN = "run"

OF_A_SITTING = ("keep", "checkpoint_every", "device")
"""Settings that may change when a run is resumed: what it computes is the same."""

LENGTHS = ("minutes", "steps", "epochs")
"""Settings that may change too: the run is then as long as the new one says, all sittings together."""


@dataclasses.dataclass(frozen=True)
class Said:
    """What a person said of a run."""

    settings: Settings
    inputs: Sequence[str]
    names: Collection[str]

    def differs(self, name: str, began: Any) -> bool:
        """Whether a setting was chosen, and is not what something began with."""
        value = getattr(self.settings, name)
        return value != began and (name in self.names or value != getattr(Settings, name))


def begin(
    said: Said,
    out: Path,
    resume: bool,
    force: bool,
    console: Console,
    ranks: Ranks,
    stack: contextlib.ExitStack,
) -> Run:
    """The run, new or taken up. The first rank sees to it alone; the others then take up what it left.

    The first rank keeps other writers out of ``out`` until ``stack`` ends.

    Raises:
        PenstockError: it cannot be; where the first rank knows why, the others end in silence with its exit status.
    """
    failed: PenstockError | None = None
    folders: list[Folder] = []
    run: Run | None = None
    if ranks.first:
        try:
            anew = not (resume or _was_begun_by_this_launch(out))
            if not anew and not found(out / TRAINING):
                raise nothing_to_resume(out / TRAINING)
            folder = stack.enter_context(held(out, "model"))
            run = _prepared(said, folder, force, console, ranks.size) if anew else None
            training = stack.enter_context(held(folder.place(TRAINING), RUN))
            run = run or _resumed(said, out, console, Ranks(), training)
            folders = [folder, training]
            run.own(*folders)
            if not run.replaces and (anew or run.lengthened):
                run.record(None)
        except PenstockError as error:
            failed = error
    status = ranks.told(None if failed is None else failed.status)
    if failed is not None:
        raise failed
    if status is not None:
        raise SystemExit(status)
    if run is None or ranks.size > 1:
        run = _resumed(said, out, console, ranks)
        if folders:
            run.own(*folders)
    return run


def _was_begun_by_this_launch(out: Path) -> bool:
    """Whether torchrun started us again after a process died, and the run had begun by then."""
    if not restarts() or not found(out / TRAINING):
        return False
    plan, _, _ = newest(out / TRAINING)
    return plan.launch == launch()


def _prepared(said: Said, folder: Folder, force: bool, console: Console, ranks: int) -> Run:
    """Reads the corpus beside what the folder holds, and takes the place of its run only once all was fine."""
    inputs, out = said.inputs, folder.path
    folder.expect_only_ours()
    there = [name for name in (*reversed(MODEL), RECORD, TRAINING) if name in folder.listed()]
    if there and not force:
        raise PenstockError(
            f"{out}: already holds {there[0]}; add --resume to go on with it, --force to replace it, "
            "or choose another --out"
        )
    folder.remove(BEGUN)  # of a run that was killed as it began
    try:
        with held(folder.place(BEGUN), RUN) as begun:
            before = None if said.settings.init is None else LanguageModel.load(said.settings.init)
            if before is not None:
                expect_outside([Path(said.settings.init or "")], out)
                said = dataclasses.replace(said, settings=_of_model(said, before))
            settings = said.settings
            say(console, f"reading {', '.join(inputs) or reference.NAME}")
            if tokens := token_folder(inputs):
                expect_outside([tokens], out)
                prepared = open_tokens(tokens)
                settings = _agreed(said, prepared, tokens)
                _tell_of_lost(before, prepared, tokens, console)
            else:
                known = None if before is None else before.vocabulary
                prepared = _tokens_of(inputs, begun.place(TOKENS), out, settings, known, console)
                settings = dataclasses.replace(settings, **prepared.recipe)
            place = str(tokens.resolve()) if tokens else TOKENS
            plan = make_plan(
                settings, prepared, inputs, place, ranks, launch(), None if before is None else before.config
            )
            run = Run(plan, prepared, out, Ranks(), before=before)
            with Checkpoints(begun, settings.keep) as checkpoints:
                checkpoints.save(plan, run.progress, run.stepper, run.state)
        folder.move(BEGUN, TRAINING)
    except OSError as error:
        raise cannot_write(out, error) from None
    finally:
        folder.remove(BEGUN)
    return run


def _resumed(said: Said, out: Path, console: Console, ranks: Ranks, folder: Folder | None = None) -> Run:
    """Takes up the checkpoint of ``out``; what was said beside ``--resume`` must be what the run began with.

    A checkpoint that is not whole is put out of the way by whom ``folder``, the run's own, is given to.
    """
    away = [put_away(folder, lambda line: say(console, line))] if folder else []
    plan, progress, tensors = newest(out / TRAINING, *away)
    settings, inputs = said.settings, said.inputs
    differing = [f.name for f in dataclasses.fields(Settings) if said.differs(f.name, getattr(plan.settings, f.name))]
    length = [name for name in differing if name in LENGTHS]
    for name in differing:
        if name not in (*OF_A_SITTING, *LENGTHS):
            raise PenstockError(
                f"--{name.replace('_', '-')}: the run in {out} began with {getattr(plan.settings, name)}, got "
                f"{getattr(settings, name)}; leave it out to resume, or start anew with --force"
            )
    told: dict[str, Any] = dict.fromkeys(LENGTHS) if length else {}
    told |= {name: getattr(settings, name) for name in differing}
    new = dataclasses.replace(plan.settings, **told)
    device = str(usable_device(new.device)) if "device" in differing else plan.device
    plan = dataclasses.replace(plan, settings=new, device=device)
    moved = token_folder(inputs)
    if inputs and not moved and list(inputs) != plan.inputs:
        reads = ", ".join(plan.inputs) or reference.NAME
        raise PenstockError(f"FILE: the run in {out} reads {reads}, got {', '.join(inputs)}; leave it out to resume")
    place = moved or out / TRAINING / plan.tokens
    prepared = open_tokens(place)
    if prepared.digest != plan.digest:
        raise PenstockError(f"{place}: expected the tokens that the run in {out} began with, got others; {ANEW}")
    if folder is not None and not moved and (text := changed(inputs or plan.inputs, place)) is not None:
        line = f"{text} is not as it was when the run began, which goes on with the text of then; --force begins anew"
        say(console, line)
    run = Run(plan, prepared, out, ranks, (progress, tensors))
    if length:
        run.set_length(length[0])
    return run


def _tokens_of(
    inputs: Sequence[str], folder: Path, out: Path, settings: Settings, known: Vocabulary | None, console: Console
) -> Prepared:
    recipe = Recipe(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Recipe)})

    def tell(line: str) -> None:
        say(console, wrap(line, console.width, " " * 8))

    with shown(console) as report:
        options: Any = {"workers": processors(), "apart": True, "report": report, "tell": tell}
        return prepare(inputs, folder, recipe, known=known, force=True, within=out, **options)


def _tell_of_lost(model: LanguageModel | None, prepared: Prepared, folder: Path, console: Console) -> None:
    """Says what a model knows and the tokens that it goes on with do not."""
    old, new = model and model.vocabulary, prepared.vocabulary
    if not (isinstance(old, CharVocabulary) and isinstance(new, CharVocabulary)):
        return
    if lost := set(old.characters) - set(new.characters):
        line = f"{len(lost):,} of the model's characters are not among the tokens of {folder}, and are forgotten"
        say(console, line)


def _of_model(said: Said, model: LanguageModel) -> Settings:
    """The settings with the vocabulary's kind of the model that the run begins from; what was said must be its own."""
    settings, vocabulary = said.settings, model.vocabulary
    kind: dict[str, Any] = {"vocab": vocabulary.kind}
    if vocabulary.kind == "bpe":
        kind["vocab_size"] = len(vocabulary)
    stack = model.config.stack
    sizes = {"hidden": stack.hidden_size, "embedding": stack.input_size, "layers": stack.num_layers}
    form = {"reset": stack.reset, "tied": model.config.tied, "residual": stack.residual}
    for name, value in {**kind, **sizes, **form, "size": None}.items():
        if said.differs(name, value):
            has = "sizes of its own" if value is None else value
            raise PenstockError(
                f"--{name.replace('_', '-')}: the model in {settings.init} has {has}, got {getattr(settings, name)}; "
                "leave it out with --init"
            )
    return dataclasses.replace(settings, **kind)


def _agreed(said: Said, prepared: Prepared, folder: Path) -> Settings:
    """The settings with those that the tokens were prepared with; what was said must be the same."""
    for name, value in prepared.recipe.items():
        if said.differs(name, value):
            raise PenstockError(
                f"--{name.replace('_', '-')}: {folder} was prepared with {value}, got {getattr(said.settings, name)}; "
                "leave it out, or prepare the text anew"
            )
    return dataclasses.replace(said.settings, **prepared.recipe)
