"""Texts to a token folder: by many processes, the same bytes however many they are, and a killed run goes on.

The corpus is cut into units that depend on it alone. A first pass finds the characters of each unit, or byte pairs are
learned from a sample; a second one writes each unit's shard. What is done is kept in ``unfinished/`` until all is.
"""

import dataclasses
import functools
import glob
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from penstock.errors import PenstockError
from penstock.files import cannot_write, replacing
from penstock.folder import Folder, expect_outside, held
from penstock.text.corpus import Corpus, spool_name
from penstock.text.sealed import read_sealed, write_sealed
from penstock.text.shards import (
    Job,
    Unit,
    find_characters,
    finished,
    found_characters,
    token_type,
    units_of,
    write_shard,
)
from penstock.text.tokens import (
    DOCUMENTS,
    FORMAT,
    INDEX,
    UNFINISHED,
    VERSION,
    Prepared,
    checksum,
    open_tokens,
    read_index,
    shard_path,
)
from penstock.text.vocabulary import (
    BpeVocabulary,
    ByteVocabulary,
    CharVocabulary,
    Vocabulary,
    characters_of,
    load_vocabulary,
)
from penstock.text.workers import each

PLAN, VOCABULARY = "plan.json", "vocabulary.json"
LARGE, HUGE = 2_000_000, 100_000_000
"""Bytes of a text beyond which byte pairs serve it better than characters, and more of them do."""
MANY = 512
"""Characters of a text beyond which each is seen too seldom, and an output for each costs more than all the rest."""
SAMPLE = 1 << 25
"""Characters that byte pairs are learned from, at most, taken from all over the corpus."""

Report = Callable[[str, float], None]
"""Is told what is being done, and how much of it is done, 0 … 1."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How text becomes tokens; the command line has the same names.

    Attributes:
        vocab: What a token is: a byte of UTF-8, a Unicode character, or a byte pair encoding learned from the corpus.
            Characters unless you say; byte pairs for a text of more than 2 MB, or of more than 512 characters.
        vocab_size: Tokens of a bpe vocabulary: 1,024 unless you say, 2,048 for a text of more than 512 characters,
            4,096 for one of more than 100 MB. The other kinds are as large as they must be.
        column: Of tables and lines of JSON, where the text stands.
        errors: What to do with bytes that are no UTF-8: stop and say where, or read U+FFFD in their place.
        holdout: The share of the documents, drawn by their hash, that is not trained on but validates; of few
            documents, the share of the text at its end.
    """

    vocab: Literal["byte", "char", "bpe"] | None = None
    vocab_size: int | None = None
    column: str = "text"
    errors: Literal["strict", "replace"] = "strict"
    holdout: float = 0.01

    def __post_init__(self) -> None:
        for name, low, high in (("holdout", 0, 0.9), ("vocab_size", 1, 2**20)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise PenstockError(f"--{name.replace('_', '-')}: expected {low} to {high}, got {value}")

    @property
    def decoding(self) -> str:
        """What becomes of bytes that are no UTF-8; a vocabulary of bytes keeps them."""
        return "surrogateescape" if self.vocab == "byte" else self.errors


def prepare(
    inputs: Sequence[str],
    out: Path,
    recipe: Recipe,
    *,
    known: Vocabulary | None = None,
    workers: int = 1,
    force: bool = False,
    within: Path | None = None,
    report: Report = lambda *_: None,
    tell: Callable[[str], object] = lambda _: None,
) -> Prepared:
    """Makes a token folder of texts (see ``Corpus``), or goes on where a run that was stopped or killed left it.

    Args:
        inputs: the texts.
        out: the folder.
        recipe: how text becomes tokens.
        known: a vocabulary of the recipe's kind that the tokens are made with; characters that it lacks are added.
        workers: processes.
        force: begin anew, and replace the tokens in ``out``.
        within: the folder of which ``out`` is a part; no input may lie in it.
        report: is told how far the work is.
        tell: is told, before it begins, what is read, and what is left out and why.

    Raises:
        PenstockError: a text or the folder cannot be used, or the folder is that of other texts or another recipe.
    """
    try:
        with held(out, "tokens") as folder:
            folder.expect_only_ours()
            with held(folder.place(UNFINISHED), "unfinished tokens") as begun:
                fresh = not (begun.path / PLAN).exists()
                corpus, plan = _begun(inputs, folder, begun, recipe, force, within or out)
                tell(corpus.account())
                if not (out / INDEX).exists():
                    try:
                        _write_all(corpus, plan, folder, begun, recipe, known, workers, report, tell)
                    except PenstockError:
                        if fresh and not any(path.stat().st_size for path in out.glob("*.tokens")):
                            folder.remove(*(folder.names - {UNFINISHED}))  # there is nothing to go on from
                            begun.remove(*begun.names)
                        raise
            folder.remove(UNFINISHED)
            return open_tokens(out)
    except OSError as error:
        raise cannot_write(out, error) from None


def _begun(
    inputs: Sequence[str], folder: Folder, begun: Folder, recipe: Recipe, force: bool, within: Path
) -> tuple[Corpus, dict[str, Any]]:
    """The corpus, and the plan that the folder was begun with or now is."""
    spools = [spool_name(k) for k in range(len(inputs))]
    try:
        begun.claim(spools)
        corpus = Corpus(inputs, column=recipe.column, errors=recipe.decoding, spool=begun.path)
        expect_outside([Path(source.path) for source in corpus.sources if source.named], within)
        plan = {
            "format": FORMAT,
            "version": VERSION,
            "recipe": dataclasses.asdict(recipe),
            "inputs": [[source.name, source.size, source.stamp] for source in corpus.sources],
            "account": corpus.account(),
        }
        before = None if force else _plan_of(folder.path)
        if before is None:
            # the index first, without which the rest is not taken
            folder.remove(INDEX)
            folder.remove(*(folder.names - {UNFINISHED}))
            begun.remove(*(begun.names - set(spools)))
            write_sealed(begun.place(PLAN), plan)
        else:
            _must_be_the_same(folder.path, plan, before)
    finally:
        if not (begun.path / PLAN).exists():
            begun.remove(*spools)
    return corpus, plan


def _write_all(
    corpus: Corpus,
    plan: dict[str, Any],
    folder: Folder,
    begun: Folder,
    recipe: Recipe,
    known: Vocabulary | None,
    workers: int,
    report: Report,
    tell: Callable[[str], object],
) -> None:
    units = units_of(corpus.sources)
    job = Job(folder.path, recipe.column, recipe.decoding, recipe.holdout)
    numbers = range(len(units))
    of_units = (job.characters_path, job.starts_path, job.digests_path, job.record_path)
    begun.claim([VOCABULARY, *(path(number).name for path in of_units for number in numbers)])
    folder.claim([INDEX, DOCUMENTS, *(shard_path(folder.path, number).name for number in numbers)])
    job = dataclasses.replace(job, vocabulary=_vocabulary(job, recipe, known, units, workers, report))
    done = [finished(job, number) is not None for number in numbers]
    _pass("writing tokens", write_shard, job, units, done, workers, report)
    if line := _finish(job, plan | {"recipe": _settled(recipe, job.vocabulary)}, corpus.name, len(units)):
        tell(line)


def _settled(recipe: Recipe, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """The recipe with what it left open."""
    assert vocabulary is not None
    size = len(vocabulary) if vocabulary.kind == "bpe" else None
    settled = dataclasses.replace(recipe, vocab=recipe.vocab or vocabulary.kind, vocab_size=recipe.vocab_size or size)  # type: ignore[arg-type]
    return dataclasses.asdict(settled)


def _vocabulary(
    job: Job, recipe: Recipe, known: Vocabulary | None, units: Sequence[Unit], workers: int, report: Report
) -> Vocabulary:
    path = job.folder / UNFINISHED / VOCABULARY
    if path.exists():
        content = _read(path)
        return load_vocabulary(content["vocabulary"], content["tokenizer"])
    characters = known.characters if isinstance(known, CharVocabulary) else ""
    kind, large = recipe.vocab, sum(unit.bytes for unit in units) > LARGE
    if kind == "char" or (kind is None and not large):
        done = [found_characters(job, unit.number) is not None for unit in units]
        _pass("finding the characters", find_characters, job, units, done, workers, report)
        characters += "".join(found_characters(job, unit.number) or "" for unit in units)
        kind = kind or ("char" if len(set(characters)) <= MANY else "bpe")
    elif kind is None:
        kind = "bpe"
    if kind == "bpe" and known is None:
        report("learning byte pairs", 0.0)
        learn = functools.partial(_learn_pairs, job, units, recipe.vocab_size or _tokens_for(job, units))
        for _ in each(learn, [path], 1, apart=large and workers > 1):
            pass
    else:
        _keep(CharVocabulary(characters) if kind == "char" else known or ByteVocabulary(), path)
    content = _read(path)
    return load_vocabulary(content["vocabulary"], content["tokenizer"])


def _learn_pairs(job: Job, units: Sequence[Unit], size: int, path: Path) -> None:
    _keep(BpeVocabulary.trained_on(_sample(job, units), size), path)


def _keep(vocabulary: Vocabulary, path: Path) -> None:
    about, tokenizer = vocabulary.saved()
    write_sealed(path, {"vocabulary": about, "tokenizer": tokenizer})


def _tokens_for(job: Job, units: Sequence[Unit]) -> int:
    """How many byte pairs serve a text in minutes of training: more where there is more of it, or of its characters."""
    if sum(unit.bytes for unit in units) > HUGE:
        return 4096
    return 1024 if len(characters_of(_sample(job, units))) <= MANY else 2048


def _sample(job: Job, units: Sequence[Unit]) -> Iterator[str]:
    """The beginning of each unit: all of a small corpus, as much from everywhere in a large one."""
    for unit in units:
        left = SAMPLE // len(units)
        for piece in itertools.chain.from_iterable(map(job.read, unit.parts)):
            yield piece.text[:left]
            left -= len(piece.text)
            if left <= 0:
                break


def _pass(
    what: str,
    function: Callable[[Job, Unit], None],
    job: Job,
    units: Sequence[Unit],
    done: Sequence[bool],
    workers: int,
    report: Report,
) -> None:
    """Has what is not done yet done by the workers."""
    total = sum(unit.bytes for unit in units)
    at = sum(unit.bytes for unit, over in zip(units, done, strict=True) if over)
    report(what, at / total)
    left = [unit for unit, over in zip(units, done, strict=True) if not over]
    for unit in each(functools.partial(function, job), left, workers):
        at += unit.bytes
        report(what, at / total)


def _finish(job: Job, plan: dict[str, Any], name: str, count: int) -> str | None:
    """Joins what is known of the shards, and writes the index, with which the folder is whole.

    Returns:
        What to tell of documents that are there more than once.
    """
    assert job.vocabulary is not None
    shards = [_read(job.record_path(number)) for number in range(count)]
    base = documents = 0
    with replacing(job.folder / DOCUMENTS) as file:
        for side in ("training", "held_out"):
            for number, shard in enumerate(shards):
                starts = np.fromfile(job.starts_path(number), "<i8")
                split = shard["training_documents"]
                mine = starts[:split] if side == "training" else starts[split:]
                file.write((mine + base).astype("<i8").tobytes())
                base += shard[side]
                documents += len(mine)
    if not base:
        raise PenstockError(f"{name}: expected some text, got none")
    drawn = sum(shard["held_out"] for shard in shards)
    training = _split(base, drawn, job.holdout)
    digests = np.concatenate([np.fromfile(job.digests_path(number), "<u8") for number in range(count)])
    copies = len(digests) - len(np.unique(digests))
    about, tokenizer = job.vocabulary.saved()
    content = plan | {
        "vocabulary": about,
        "tokenizer": tokenizer,
        "dtype": token_type(job.vocabulary).str,
        "shards": [{name: shard[name] for name in ("training", "held_out", "crc32")} for shard in shards],
        "documents": documents,
        "copies": copies,
        "documents_crc32": checksum(job.folder / DOCUMENTS),
        "characters": sum(shard["characters"] for shard in shards),
        "training": training,
    }
    write_sealed(job.folder / INDEX, content)
    if not copies:
        return None
    where = (
        "is trained on or held out as the first is" if training == base - drawn else "may be trained on and held out"
    )
    return f"{copies:,} document{'s' * (copies != 1)} more than once in the text; a copy {where}"


def _split(tokens: int, drawn: int, holdout: float) -> int:
    """How many tokens are trained on.

    Of many documents, those not drawn. Of one or of few, what is drawn is far from the share asked for, and then the
    end of the text is held out, be it in the middle of a document.
    """
    if drawn < tokens and holdout / 2 <= drawn / tokens <= 2 * holdout:
        return tokens - drawn
    return round(tokens * (1 - holdout))


def _plan_of(out: Path) -> dict[str, Any] | None:
    """What ``out`` holds, or will, if it is begun."""
    if (out / INDEX).exists():
        return read_index(out)
    path = out / UNFINISHED / PLAN
    return _read(path) if path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_sealed(path)
    except ValueError as error:
        raise PenstockError(f"{path}: not the file that was written: {error}; add --force to begin anew") from None


def changed(inputs: Sequence[str], folder: Path) -> str | None:
    """The name of a file of this machine that is not what it was when the tokens in ``folder`` were made of it, if any.

    What is gone altogether, and what can be read once only, is not asked.
    """
    index = read_index(folder)
    names = [name for name in inputs if "://" not in name and (Path(name).is_file() or Path(name).is_dir())]
    names += [name for name in inputs if "://" not in name and glob.glob(name, recursive=True) and name not in names]
    if not names:
        return None
    try:
        with tempfile.TemporaryDirectory() as spool:
            recipe = Recipe(**index["recipe"])
            sources = Corpus(names, column=recipe.column, errors=recipe.decoding, spool=Path(spool)).sources
    except PenstockError:
        return names[0]
    now = {source.name: [source.size, source.stamp] for source in sources}
    below = [Path(name) for name in names if Path(name).is_dir()]
    before = {
        name: about
        for name, *about in index["inputs"]
        if name in now or any(folder in Path(name).parents for folder in below)
    }
    return next((name for name, about in sorted((now | before).items()) if now.get(name) != before.get(name)), None)


def _must_be_the_same(out: Path, plan: dict[str, Any], before: dict[str, Any]) -> None:
    anew = "add --force to begin anew, or choose another --out"
    for name, value in plan["recipe"].items():
        began = before["recipe"].get(name)
        if began != value and value is not None:
            how = "without it" if began is None else f"with {began}"
            raise PenstockError(f"--{name.replace('_', '-')}: {out} was begun {how}, got {value}; {anew}")
    known = {name: about for name, *about in before["inputs"]}
    for name, *about in plan["inputs"]:
        if known.pop(name, about) != about:
            raise PenstockError(f"{name}: has changed since {out} was begun; {anew}")
    if known or len(plan["inputs"]) != len(before["inputs"]):
        raise PenstockError(f"FILE: {out} was begun with other files; {anew}")
