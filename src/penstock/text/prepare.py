"""Texts to a token folder: by many processes, the same bytes however many they are, and a killed run goes on.

The corpus is cut into units that depend on it alone. A first pass finds the characters of each unit, or byte pairs are
learned from a sample; a second one writes each unit's shard. What is done is kept in ``unfinished/`` until all is.
"""

import dataclasses
import functools
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from penstock.errors import NotText, PenstockError
from penstock.files import cannot_write, replacing
from penstock.folder import Folder, expect_outside, held
from penstock.sealed import ANEW, INDEX, PLAN, UNFINISHED, checksum, expect_same_inputs, read_sealed, write_sealed
from penstock.text import words
from penstock.text.corpus import Corpus, spool_name
from penstock.text.shards import (
    ShardJob,
    Unit,
    find_characters,
    find_words,
    finished,
    found_characters,
    found_words,
    token_type,
    units_of,
    write_shard,
)
from penstock.text.sources import STANDARD_INPUT
from penstock.text.tokens import (
    DOCUMENTS,
    FORMAT,
    VERSION,
    Prepared,
    open_tokens,
    read_index,
    shard_path,
)
from penstock.text.vocabulary import (
    BYTES,
    BpeVocabulary,
    ByteVocabulary,
    CharVocabulary,
    Vocabulary,
    WordVocabulary,
    characters_of,
    load_vocabulary,
)
from penstock.workers import each

VOCABULARY = "vocabulary.json"
LARGE = 2_000_000
"""Characters of a text beyond which byte pairs serve it better."""
HUGE = 100_000_000
"""Bytes of a text beyond which more of them do."""
RARE = 2
"""Times that a word comes at least to have a token."""
MOST_WORDS = 1 << 16
"""Tokens of words at most: each is then two bytes."""
MANY = 512
"""Characters of a text beyond which each is seen too seldom, and an output for each costs more than all the rest."""
DIGESTS = 1 << 28
"""Bytes of documents' digests that are compared at once."""
SAMPLE = 1 << 25
"""Characters that byte pairs are learned from, at most, taken from all over the corpus."""

Report = Callable[[str, float], None]
"""Is told what is being done, and how much of it is done, 0 … 1."""


@dataclasses.dataclass(frozen=True)
class Tokenization:
    """How text becomes tokens; the command line has the same names.

    Attributes:
        vocab: What a token is: a byte of UTF-8, a Unicode character, a byte pair encoding learned from the corpus, or
            a word with the space before it. Characters unless you say; byte pairs for a text of more than 2,000,000, or
            of more than 512 kinds of them.
        vocab_size: Tokens of a bpe vocabulary: 1,024 unless you say, 2,048 for a text of more than 512 characters,
            4,096 for one of more than 100 MB. Of words at most, 65,536 unless you say. The other kinds are as large as
            they must be.
        min_frequency: Words that come fewer times than this are unknown, and spelled in bytes; 2 unless you say.
        column: Of tables and lines of JSON, where the text stands.
        errors: What to do with bytes that are no UTF-8: stop and say where, or read U+FFFD in their place.
    """

    vocab: Literal["byte", "char", "bpe", "word"] | None = None
    vocab_size: int | None = None
    min_frequency: int | None = None
    column: str = "text"
    errors: Literal["strict", "replace"] = "strict"

    def __post_init__(self) -> None:
        if self.vocab_size is not None and not 1 <= self.vocab_size <= 2**20:
            raise PenstockError(f"--vocab-size: expected 1 to {2**20}, got {self.vocab_size}")
        if self.vocab == "word" and self.vocab_size is not None and self.vocab_size <= BYTES:
            raise PenstockError(
                f"--vocab-size: expected more than {BYTES} with --vocab word, of which so many are the bytes, "
                f"got {self.vocab_size}"
            )
        if self.min_frequency is not None and (self.vocab != "word" or self.min_frequency < 1):
            got = self.min_frequency if self.vocab == "word" else f"--vocab {self.vocab or 'left open'}"
            raise PenstockError(f"--min-frequency: expected 1 or more, with --vocab word, got {got}")

    @property
    def decoding(self) -> str:
        """What becomes of bytes that are no UTF-8; a vocabulary of bytes keeps them."""
        return "surrogateescape" if self.vocab == "byte" else self.errors


@dataclasses.dataclass(frozen=True)
class Recipe(Tokenization):
    """How text becomes a token folder; the command line has the same names.

    Attributes:
        holdout: The share of the documents, drawn by their hash, that is not trained on but validates; of few
            documents, the share of the text at its end.
    """

    holdout: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.holdout <= 0.9:
            raise PenstockError(f"--holdout: expected 0 to 0.9, got {self.holdout}")


def prepare(
    inputs: Sequence[str],
    out: Path,
    recipe: Recipe,
    *,
    known: Vocabulary | None = None,
    workers: int = 1,
    apart: bool = False,
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
        apart: learn byte pairs of much text in a process too, so that a signal ends it at once.
        force: begin anew, and replace the tokens in ``out`` once there are others to put there.
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
                try:
                    corpus, plan = _begun(inputs, folder, begun, recipe, force, within or out)
                    tell(corpus.account())
                    if (begun.path / PLAN).exists():
                        made = _write_all(corpus, plan, begun, known, workers, apart, report)
                        if made["account"] != plan["account"]:
                            tell(made["account"].removeprefix(plan["account"]).lstrip("; "))
                        _put_in_place(made, folder, begun)
                except PenstockError:
                    if not _goes_on(begun.path):
                        begun.remove(*begun.names)
                    raise
            folder.remove(UNFINISHED)
            return open_tokens(out)
    except NotText as error:
        raise error.advised(vocab=True) from None
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
            begun.remove(*(begun.names - set(spools)))
            write_sealed(begun.place(PLAN), plan)
        else:
            _must_be_the_same(folder.path, plan, before)
            plan["recipe"] = before["recipe"]  # with what is left open now
    finally:
        if not (begun.path / PLAN).exists():
            begun.remove(*spools)
    return corpus, plan


def _goes_on(begun: Path) -> bool:
    """Whether something was done that another start need not do again."""
    kept = (path for pattern in ("*.characters", "*.words", VOCABULARY, "*.tokens") for path in begun.glob(pattern))
    return any(not path.name.endswith(".tokens") or path.stat().st_size for path in kept)


def _write_all(
    corpus: Corpus,
    plan: dict[str, Any],
    begun: Folder,
    known: Vocabulary | None,
    workers: int,
    apart: bool,
    report: Report,
) -> dict[str, Any]:
    """Writes the shards and the rest beside what the folder holds, and returns the content of the index."""
    recipe, units = Recipe(**plan["recipe"]), units_of(corpus.sources)
    job = ShardJob(begun.path, recipe.column, recipe.decoding, recipe.holdout)
    numbers = range(len(units))
    of_units = (
        job.characters_path,
        job.words_path,
        job.starts_path,
        job.digests_path,
        job.record_path,
        job.tokens_path,
    )
    begun.claim([VOCABULARY, DOCUMENTS, *(path(number).name for path in of_units for number in numbers)])
    if not (begun.path / VOCABULARY).exists():
        _make_vocabulary(job, recipe, known, units, workers, apart, report)
    content = _read(begun.path / VOCABULARY)
    job = dataclasses.replace(job, vocabulary=load_vocabulary(content["vocabulary"], content["tokenizer"]))
    done = [finished(job, number) is not None for number in numbers]
    _pass("writing tokens", write_shard, job, units, done, workers, report)
    return _joined(job, plan, corpus.name, len(units))


def _make_vocabulary(
    job: ShardJob,
    recipe: Recipe,
    known: Vocabulary | None,
    units: Sequence[Unit],
    workers: int,
    apart: bool,
    report: Report,
) -> None:
    path = job.folder / VOCABULARY
    if recipe.vocab == "word":
        done = [found_words(job, unit.number) is not None for unit in units]
        _pass("counting the words", find_words, job, units, done, workers, report)
        _keep(*_chosen_words(job, recipe, known, units), path)
        return
    large = recipe.vocab in (None, "bpe") and _is_large(job, units)
    kind = recipe.vocab or ("bpe" if large or recipe.vocab_size else None)
    if kind in (None, "char"):
        done = [found_characters(job, unit.number) is not None for unit in units]
        _pass("finding the characters", find_characters, job, units, done, workers, report)
        found = itertools.chain.from_iterable(found_characters(job, unit.number) or "" for unit in units)
        vocabulary = CharVocabulary([*found, *(known.characters if isinstance(known, CharVocabulary) else "")])
        if kind or len(vocabulary) <= MANY:
            _keep(vocabulary, "", path)
            return
    if kind == "byte" or known is not None:
        _keep(known or ByteVocabulary(), "", path)
        return
    report("learning byte pairs", 0.0)
    learn = functools.partial(_learn_pairs, job, units, recipe.vocab_size or _tokens_for(job, units))
    for _ in each(learn, [path], 1, apart=apart and large):
        pass


def _is_large(job: ShardJob, units: Sequence[Unit]) -> bool:
    read = 0
    for piece in itertools.chain.from_iterable(job.read(part) for unit in units for part in unit.parts):
        read += len(piece.text)
        if read > LARGE:
            return True
    return False


def _learn_pairs(job: ShardJob, units: Sequence[Unit], size: int, path: Path) -> None:
    _keep(BpeVocabulary.trained_on(_sample(job, units), size), "", path)


def _chosen_words(
    job: ShardJob, recipe: Recipe, known: Vocabulary | None, units: Sequence[Unit]
) -> tuple[Vocabulary, str]:
    """The words that have a token, and what is to be said of the others."""
    counts: Counter[str] = Counter()
    total = 0
    for unit in units:
        of_unit, count = found_words(job, unit.number) or ({}, 0)
        counts.update(of_unit)
        total += count
    size, least = recipe.vocab_size or MOST_WORDS, recipe.min_frequency or RARE
    vocabulary = known or WordVocabulary(words.frequent(counts, least, max(size - BYTES, 0)))
    have = vocabulary.words if isinstance(vocabulary, WordVocabulary) else ()
    unknown = total - sum(counts[word] for word in have) - sum(counts[chr(byte)] for byte in range(128))
    of_whom = f"that come {least} times or more" if known is None else "of the model"
    return vocabulary, (
        f"{len(have):,} words {of_whom} have a token; {unknown:,} of {total:,} words ({unknown / max(total, 1):.2%}) "
        "are unknown, and spelled in bytes"
    )


def _keep(vocabulary: Vocabulary, account: str, path: Path) -> None:
    about, tokenizer = vocabulary.saved()
    write_sealed(path, {"vocabulary": about, "tokenizer": tokenizer, "account": account})


def _tokens_for(job: ShardJob, units: Sequence[Unit]) -> int:
    """How many byte pairs serve a text in minutes of training: more where there is more of it, or of its characters."""
    if sum(unit.bytes for unit in units) > HUGE:
        return 4096
    return 1024 if len(characters_of(_sample(job, units))) <= MANY else 2048


def _sample(job: ShardJob, units: Sequence[Unit]) -> Iterator[str]:
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
    function: Callable[[ShardJob, Unit], None],
    job: ShardJob,
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


def _joined(job: ShardJob, plan: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    """Joins what is known of the shards; returns the content of the index, with which the folder is whole."""
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
        for path in (job.folder / VOCABULARY, *job.folder.glob("*.characters"), *job.folder.glob("*.words")):
            path.unlink()
        raise PenstockError(f"{name}: expected some text, got none")
    drawn = sum(shard["held_out"] for shard in shards)
    training = _split(base, drawn, job.holdout)
    about, tokenizer = job.vocabulary.saved()
    recipe = plan["recipe"] | {"vocab": job.vocabulary.kind}
    if job.vocabulary.kind == "bpe":
        recipe["vocab_size"] = recipe["vocab_size"] or len(job.vocabulary)
    if job.vocabulary.kind == "word":
        recipe["min_frequency"] = recipe["min_frequency"] or RARE
    account = plan["account"]
    if of_words := _read(job.folder / VOCABULARY).get("account"):
        account += f"; {of_words}"
    if copies := _copies(job, count):
        where = "is trained on or held out as the first is" if training == base - drawn else "may be both"
        account += f"; {copies:,} document{'s' * (copies != 1)} more than once in it; a copy {where}"
    return plan | {
        "recipe": recipe,
        "account": account,
        "vocabulary": about,
        "tokenizer": tokenizer,
        "dtype": token_type(job.vocabulary).str,
        "shards": [{name: shard[name] for name in ("training", "held_out", "crc32")} for shard in shards],
        "documents": documents,
        "documents_crc32": checksum(job.folder / DOCUMENTS),
        "characters": sum(shard["characters"] for shard in shards),
        "training": training,
    }


def _copies(job: ShardJob, count: int) -> int:
    """How many documents are there before, by their digests; of many, a part of the digests at a time."""
    paths = [job.digests_path(number) for number in range(count)]
    parts = 1 + sum(path.stat().st_size for path in paths) // DIGESTS
    found = 0
    for part in range(parts):
        digests = np.concatenate([d[d % parts == part] for d in (np.fromfile(path, "<u8") for path in paths)])
        found += len(digests) - len(np.unique(digests))
    return found


def _put_in_place(content: dict[str, Any], folder: Folder, begun: Folder) -> None:
    """Puts finished tokens in place of what the folder held, which until now was whole; the index comes last."""
    folder.remove(INDEX)
    folder.remove(*(folder.names - {UNFINISHED}))
    names = [DOCUMENTS, *(shard_path(folder.path, number).name for number in range(len(content["shards"])))]
    folder.claim([INDEX, *names])
    for name in names:
        os.replace(begun.path / name, folder.path / name)
    write_sealed(folder.path / INDEX, content)


def _split(tokens: int, drawn: int, holdout: float) -> int:
    """How many tokens are trained on.

    Of many documents, those not drawn. Of one or of few, what is drawn is far from the share asked for, and then the
    end of the text is held out, be it in the middle of a document.
    """
    if drawn < tokens and holdout / 2 <= drawn / tokens <= 2 * holdout:
        return tokens - drawn
    return round(tokens * (1 - holdout))


def _plan_of(out: Path) -> dict[str, Any] | None:
    """What ``out`` will hold, if it is begun, or holds."""
    path = out / UNFINISHED / PLAN
    if path.exists():
        return _read(path)
    return read_index(out) if (out / INDEX).exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_sealed(path)
    except ValueError as error:
        raise PenstockError(f"{path}: not the file that was written: {error}; add --force to begin anew") from None


def changed(inputs: Sequence[str], folder: Path) -> str | None:
    """The name of a file that has another size or date than when the tokens in ``folder`` were made of it, or is new or
    gone in a folder that was read; None where there is none. What is far away, or can be read once, is not asked.
    """
    index = read_index(folder)
    before: dict[str, Any] = {name: about for name, *about in index["inputs"]}
    places = [Path(name) for name in inputs if "://" not in name and Path(name) != STANDARD_INPUT]
    below = [place for place in places if place.is_dir()]
    for name, about in before.items():
        path = Path(name)
        if path.is_file() and [path.stat().st_size, str(path.stat().st_mtime_ns)] != about:
            return name
        if not path.exists() and any(place in path.parents for place in below):
            return name
    recipe = Recipe(**index["recipe"])
    try:
        with tempfile.TemporaryDirectory() as spool:
            now = Corpus([str(place) for place in below], errors=recipe.decoding, spool=Path(spool)).sources
    except (PenstockError, OSError):
        return None
    return next((source.name for source in now if source.named and source.name not in before), None)


def _must_be_the_same(out: Path, plan: dict[str, Any], before: dict[str, Any]) -> None:
    for name, value in plan["recipe"].items():
        began = before["recipe"].get(name)
        if began != value and value is not None:
            how = "without it" if began is None else f"with {began}"
            raise PenstockError(f"--{name.replace('_', '-')}: {out} was begun {how}, got {value}; {ANEW}")
    expect_same_inputs(out, plan["inputs"], before["inputs"])
