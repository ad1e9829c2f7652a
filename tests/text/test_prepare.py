"""Token folders are the same however they came about: in one go, by many, in units of any size, killed and gone on."""

import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from helpers import damages, files_of
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.text import CharVocabulary, Corpus, Prepared, Recipe, open_tokens, prepare, shards
from penstock.text.shards import is_held_out, units_of
from penstock.text.tokens import documents

LETTERS = st.characters(exclude_categories=["Cs"], include_characters="\n ")


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Every kind of file, each of several units."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    lines = [f"line {k} of the cat, which already ate …\n" * (1 + k % 7) for k in range(200)]
    (folder / "a.txt").write_text("".join(lines[:60]))
    rows = "".join(json.dumps({"text": line}) + "\n" for line in lines[:150])
    (folder / "b.jsonl").write_text(rows)
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(rows[::-1][::-1].replace("cat", "dog").encode()))
    pyarrow.parquet.write_table(pyarrow.table({"text": lines[50:]}), folder / "d.parquet", row_group_size=20)
    return [str(folder)]


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "UNIT", 2000)


def content_of(prepared: Prepared) -> tuple[list[str], list[str]]:
    """The documents to train on, and those held out."""
    tokens, training, vocabulary, *_ = prepared

    def texts(start: int, stop: int) -> list[str]:
        return [vocabulary.utf8(ids).decode() for ids in documents(tokens, start, stop) if len(ids)]

    return texts(0, training), texts(training, len(tokens.ids))


def test_every_document_is_on_one_side(mixed: list[str], tmp_path: Path, small_units: None) -> None:
    corpus: list[str] = []
    for text, starts in Corpus(mixed, spool=tmp_path).pieces():
        corpus += [text] if starts else []
        corpus[-1] += "" if starts else text
    for vocab in ("byte", "char", "bpe", "word"):
        prepared = prepare(mixed, tmp_path / vocab, Recipe(vocab=vocab, vocab_size=300, holdout=0.2))  # type: ignore[arg-type]
        training, held_out = content_of(prepared)
        assert sorted(training + held_out) == sorted(corpus)
        drawn = [text for text in corpus if is_held_out(text, 0.2)]
        assert sorted(held_out) == sorted(drawn)
        assert held_out
        assert not set(training) & set(held_out)  # equal documents are on the same side
        assert prepared.tokens.characters == sum(map(len, corpus))
        assert len(files_of(tmp_path / vocab)) > 10


@pytest.mark.parametrize("vocab", ["byte", "char", "bpe", "word"])
def test_the_same_bytes_however_many_workers(mixed: list[str], tmp_path: Path, small_units: None, vocab: Any) -> None:
    recipe = Recipe(vocab=vocab, vocab_size=300, holdout=0.1)
    for workers in (1, 2, 5):
        prepare(mixed, tmp_path / str(workers), recipe, workers=workers)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2") == files_of(tmp_path / "5")


@settings(max_examples=25)
@given(
    texts=st.lists(st.text(LETTERS, max_size=40), min_size=1, max_size=8).filter(
        lambda texts: any(map(str.strip, texts))
    ),
    unit=st.integers(1, 200),
    vocab=st.sampled_from(["byte", "char"]),
    holdout=st.sampled_from([0.0, 0.3]),
)
def test_the_same_tokens_wherever_units_end(
    tmp_path: Path, texts: list[str], unit: int, vocab: Any, holdout: float
) -> None:
    (tmp_path / "a.txt").write_text("\n".join(texts), newline="")
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    inputs = [str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]
    recipe = Recipe(vocab=vocab, holdout=holdout)
    whole = prepare(inputs, tmp_path / "whole", recipe, force=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "UNIT", unit)
        cut = prepare(inputs, tmp_path / "cut", recipe, force=True)
    np.testing.assert_array_equal(whole.tokens.ids[:], cut.tokens.ids[:])
    np.testing.assert_array_equal(whole.tokens.starts, cut.tokens.starts)
    assert whole[1:4:2] == cut[1:4:2]
    assert whole.tokens.characters == cut.tokens.characters
    assert whole.vocabulary.saved() == cut.vocabulary.saved()


def test_one_document_holds_out_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcdefghij" * 100)
    for share in (0.0, 0.1, 0.9):
        tokens, training, *_ = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(holdout=share), force=True)
        assert (len(tokens.ids), training) == (1000, round(1000 * (1 - share)))


@pytest.mark.parametrize(
    ("text", "kind", "size"),
    [
        ("the cat sat on the mat. " * 40, "char", 12),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 511))) * 3, "char", 512),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 600))) * 3, "bpe", 2048),
        ("the cat sat on the mat. " * 200_000, "bpe", 1024),
    ],
    ids=["little text", "not many characters", "many characters", "much text"],
)
def test_the_vocabulary_that_nobody_chose(tmp_path: Path, text: str, kind: str, size: int) -> None:
    (tmp_path / "a.txt").write_text(text)
    prepared = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe())
    assert prepared.vocabulary.kind == prepared.recipe["vocab"] == kind
    assert len(prepared.vocabulary) <= size
    assert len(prepared.vocabulary) == size or kind == "bpe"
    again = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe())  # left open, it is what it was
    assert again.digest == prepared.digest
    with pytest.raises(PenstockError, match=rf"--vocab: .* was begun with {kind}, got byte"):
        prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(vocab="byte"))


def test_a_known_vocabulary_is_widened(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("xyzé" * 99)
    known = CharVocabulary("abcx")
    prepared = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(vocab="char"), known=known)
    assert isinstance(prepared.vocabulary, CharVocabulary)
    assert prepared.vocabulary.characters[1:] == "abcxyzé"


@pytest.mark.parametrize(("count", "where"), [(400, "is trained on or held out as the first is"), (2, "may be both")])
def test_documents_that_are_there_more_than_once_are_told_of(tmp_path: Path, count: int, where: str) -> None:
    lines = [f"document {k}: " + "the cat, which already ate, was full. " * 3 for k in range(count)]
    rows = [json.dumps({"text": line}) + "\n" for line in [*lines, *lines[:2], lines[0] + "not the same"]]
    (tmp_path / "a.jsonl").write_text("".join(rows))
    told: list[str] = []
    prepare([str(tmp_path / "a.jsonl")], tmp_path / "out", Recipe(holdout=0.1), tell=told.append)
    assert told[1:] == [f"2 documents more than once in it; a copy {where}"]
    assert json.loads((tmp_path / "out" / "index.json").read_text())["account"] == "; ".join(told)


def test_a_vocabulary_of_a_size_is_of_byte_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the cat sat on the mat. " * 40)
    prepared = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(vocab_size=270))
    assert (prepared.vocabulary.kind, prepared.recipe["vocab_size"]) == ("bpe", 270)


def test_the_old_tokens_stay_until_the_new_ones_stand(tmp_path: Path) -> None:
    good, bad, out = tmp_path / "good.txt", tmp_path / "bad.txt", tmp_path / "out"
    good.write_text("the cat sat on the mat. " * 40)
    bad.write_bytes(b"caf\xe9" * 99)
    prepare([str(good)], out, Recipe())
    before = files_of(out)
    with pytest.raises(
        PenstockError, match=r"bad\.txt: not UTF-8 at byte 3; go on with --errors replace, or --vocab byte"
    ):
        prepare([str(bad)], out, Recipe(), force=True)
    assert files_of(out) == before
    interrupted([str(bad)], out, Recipe(vocab="byte"), force=True)
    assert {name: content for name, content in files_of(out).items() if "/" not in name} == before
    assert len(open_tokens(out).vocabulary) == 12
    prepare([str(bad)], out, Recipe(vocab="byte"))
    assert len(open_tokens(out).vocabulary) == 256
    assert not (out / "unfinished").exists()


def test_what_was_left_open_is_what_it_began_with(tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "out"
    text.write_text("the cat sat on the mat. " * 40)
    interrupted([str(text)], out, Recipe(vocab="byte"))
    assert prepare([str(text)], out, Recipe()).vocabulary.kind == "byte"


def test_the_size_of_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "UNIT", 10)
    monkeypatch.setattr(shards, "UNITS", 8)
    for k in range(50):
        (tmp_path / f"{k:02}.txt").write_text("x" * 7)
    (tmp_path / "large.txt").write_text("x" * 1000)
    (tmp_path / "large.jsonl.gz").write_bytes(gzip.compress(bytes(range(256)) * 2))
    units = units_of(Corpus([str(tmp_path)], spool=tmp_path).sources)
    assert len(units) <= 8
    assert [unit.number for unit in units] == list(range(len(units)))
    parts = [part for unit in units for part in unit.parts]
    assert len(parts) == len(set(parts))
    large = [part for part in parts if part.source.name.endswith("large.txt")]
    assert [part.number for part in large] == list(range(large[0].parts))
    assert sum(part.source.name.endswith(".gz") for part in parts) == 1


def start(out: Path, inputs: list[str], unit: int, **options: Any) -> "subprocess.Popen[bytes]":
    code = (
        "import sys; from pathlib import Path\n"
        "from penstock.text import Recipe, prepare, shards\n"
        "if __name__ == '__main__':\n"
        "    shards.UNIT = int(sys.argv[1])\n"
        "    prepare(sys.argv[3:], Path(sys.argv[2]), Recipe(holdout=0.1, vocab='char'), workers=2)\n"
    )
    script = out.parent / "run.py"
    script.write_text(code)
    return subprocess.Popen([sys.executable, str(script), str(unit), str(out), *inputs], **options)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Some megabytes, and what an undisturbed run makes of them."""
    folder = tmp_path_factory.mktemp("large")
    with (folder / "a.txt").open("w") as file:
        for k in range(120_000):
            file.write(f"line {k} of the cat, which already ate\n")
    with (folder / "b.jsonl").open("w") as file:
        for k in range(20_000):
            file.write(json.dumps({"text": f"row {k} of the cats"}) + "\n")
    inputs = [str(folder / "a.txt"), str(folder / "b.jsonl")]
    assert start(folder / "out", inputs, 50_000).wait(600) == 0
    return inputs, folder / "out"


def below(folder: Path, pattern: str) -> int:
    return len([*folder.glob(pattern)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "count"), [("unfinished/plan.json", 1), ("unfinished/*.characters", 9), ("unfinished/*[0-9].json", 30)]
)
def test_a_killed_run_goes_on(large: tuple[list[str], Path], tmp_path: Path, pattern: str, count: int) -> None:
    inputs, expected = large
    out = tmp_path / "out"
    process = start(out, inputs, 50_000)
    while below(out, pattern) < count:
        assert process.poll() is None
        time.sleep(0.002)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # nobody outlives who asked
        time.sleep(0.01)
    assert not (out / "index.json").exists()
    whole = [path for path in out.glob("unfinished/*.tokens") if path.with_suffix(".json").exists()]
    kept = {out / path.name: path.stat().st_mtime_ns for path in whole}
    assert start(out, inputs, 50_000).wait(600) == 0
    assert files_of(out) == files_of(expected)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept  # what was finished was not written again
    assert start(out, inputs, 50_000).wait(600) == 0
    assert files_of(out) == files_of(expected)


def children_of(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@pytest.mark.slow
def test_a_worker_that_is_killed(large: tuple[list[str], Path], tmp_path: Path) -> None:
    inputs, expected = large
    out = tmp_path / "out"
    process = start(out, inputs, 50_000, stderr=subprocess.PIPE)
    while below(out, "unfinished/*[0-9].json") < 9:
        assert process.poll() is None
        time.sleep(0.002)
    for pid in children_of(process.pid):
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            break
    output = process.communicate()[1]
    assert b": a worker process was killed, which happens where memory runs out" in output
    assert start(out, inputs, 50_000).wait(600) == 0
    assert files_of(out) == files_of(expected)


@pytest.mark.slow
def test_a_disk_that_fills_up(large: tuple[list[str], Path], tmp_path: Path) -> None:
    inputs, expected = large

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    out = tmp_path / "out"
    process = start(out, inputs, 50_000, preexec_fn=limited, env=environment, stderr=subprocess.PIPE)
    output = process.communicate()[1].decode()
    assert re.search(r"PenstockError: .*\.tokens: cannot be written: File too large; .* Free some space", output)
    assert not below(out, "**/*.tokens")
    assert not below(out, "**/.*")
    assert start(out, inputs, 50_000).wait(600) == 0
    assert files_of(out) == files_of(expected)


@pytest.mark.slow
def test_damage_while_it_was_stopped_is_made_good(large: tuple[list[str], Path], tmp_path: Path) -> None:
    inputs, expected = large
    out = tmp_path / "out"
    process = start(out, inputs, 50_000)
    while below(out, "unfinished/*[0-9].json") < 12:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    first, second, third, fourth = sorted(out.glob("unfinished/*[0-9].json"))[:4]
    shard = first.with_suffix(".tokens")
    shard.write_bytes(shard.read_bytes()[:-1])
    shard = second.with_suffix(".tokens")
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])
    third.write_bytes(third.read_bytes()[:20])
    fourth.with_suffix(".starts").write_bytes(b"12345678")
    assert start(out, inputs, 50_000).wait(600) == 0
    assert files_of(out) == files_of(expected)


def interrupted(inputs: list[str], out: Path, recipe: Recipe, **options: Any) -> None:
    """A run that stops after its first unit."""

    class Stop(Exception):
        pass

    def report(what: str, share: float) -> None:
        if what == "writing tokens" and share > 0:
            raise Stop

    with pytest.raises(Stop):
        prepare(inputs, out, recipe, report=report, **options)


@pytest.mark.parametrize("finished", [False, True])
def test_what_has_changed_is_noticed(mixed: list[str], tmp_path: Path, small_units: None, finished: bool) -> None:
    out = tmp_path / "out"
    (prepare if finished else interrupted)(mixed, out, Recipe())
    before = files_of(out)
    path = Path(mixed[0]) / "a.txt"
    state = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    again = "add --force to begin anew, or choose another --out"

    def refused(message: str, inputs: list[str], **recipe: Any) -> None:
        with pytest.raises(PenstockError, match=re.escape(message)):
            prepare(inputs, out, Recipe(**recipe))
        assert files_of(out) == before

    how = "with char" if finished else "without it"
    refused(f"--vocab: {out} was begun {how}, got byte; {again}", mixed, vocab="byte")
    refused(f"--holdout: {out} was begun with 0.01, got 0.5; {again}", mixed, holdout=0.5)
    refused(f"FILE: {out} was begun with other files; {again}", [str(path)])
    (tmp_path / "other.txt").write_text("other")
    refused(f"FILE: {out} was begun with other files; {again}", [*mixed, str(tmp_path / "other.txt")])
    path.write_bytes(state[0] + b"more")
    refused(f"{path}: has changed since {out} was begun; {again}", mixed)
    path.write_bytes(state[0])
    os.utime(path, ns=(0, 0))
    refused(f"{path}: has changed since {out} was begun; {again}", mixed)
    os.utime(path, ns=state[1])
    prepare(mixed, out, Recipe())
    expected = files_of(out)
    prepare(mixed, tmp_path / "undisturbed", Recipe())
    assert files_of(tmp_path / "undisturbed") == expected


@pytest.mark.slow
def test_damage_anywhere_while_it_was_stopped(tmp_path: Path) -> None:
    """Is made good, or named."""
    (tmp_path / "a.jsonl").write_text('{"text": "the cat"}\n{"text": "the dog"}\n')
    inputs, begun, out = [str(tmp_path / "a.jsonl")], tmp_path / "begun", tmp_path / "out"
    interrupted(inputs, begun, Recipe())
    prepare(inputs, out, Recipe())
    expected = files_of(out)
    names = [name for name in files_of(begun) if not name.startswith(".")]
    assert len(names) == 7
    for name in names:
        for damaged in damages((begun / name).read_bytes(), 5):
            shutil.rmtree(out)
            shutil.copytree(begun, out)
            (out / name).write_bytes(damaged)
            try:
                prepare(inputs, out, Recipe())
            except PenstockError as error:
                message = str(error)
                assert message.startswith(f"{out / name}: not the file that was written: ")
                prepare(inputs, out, Recipe(), force=True)
            assert files_of(out) == expected


def test_force_begins_anew_once_the_inputs_are_there(mixed: list[str], tmp_path: Path, small_units: None) -> None:
    out = tmp_path / "out"
    prepare(mixed, out, Recipe())
    before = files_of(out)
    with pytest.raises(PenstockError, match=r"nowhere.txt: no such file"):
        prepare(["nowhere.txt"], out, Recipe(), force=True)
    assert files_of(out) == before
    prepare([mixed[0] + "/b.jsonl"], out, Recipe(vocab="byte"), force=True)
    prepare([mixed[0] + "/b.jsonl"], tmp_path / "other", Recipe(vocab="byte"))
    assert files_of(out) == files_of(tmp_path / "other")


def test_a_damaged_begin_is_named(mixed: list[str], tmp_path: Path, small_units: None) -> None:
    out = tmp_path / "out"
    interrupted(mixed, out, Recipe())
    for name in ("vocabulary.json", "plan.json"):
        path = out / "unfinished" / name
        path.write_bytes(path.read_bytes()[:9])
        with pytest.raises(
            PenstockError, match=rf"{name}: not the file that was written: .*; add --force to begin anew"
        ):
            prepare(mixed, out, Recipe())
    prepare(mixed, out, Recipe(), force=True)


def test_a_folder_that_holds_something_else(mixed: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_text("precious")
    for force in (False, True):
        with pytest.raises(PenstockError, match=r"model.safetensors: was not written by Penstock"):
            prepare(mixed, out, Recipe(), force=force)
    assert files_of(out) == {"model.safetensors": b"precious"}


def test_a_folder_that_cannot_be_made_or_written(mixed: list[str], tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"out: cannot be written: Not a directory"):
        prepare(mixed, Path(mixed[0]) / "a.txt" / "out", Recipe())
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(PenstockError, match=r"out: cannot be written: Permission denied; .* Choose another folder"):
        prepare(mixed, tmp_path / "out", Recipe())
    tmp_path.chmod(0o700)


def test_what_never_began_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"nowhere.txt: no such file"):
        prepare(["nowhere.txt"], tmp_path / "out", Recipe())
    assert not (tmp_path / "out").exists()


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    for vocab in ("char", "byte", "bpe", "word"):
        with pytest.raises(PenstockError, match=r"a.txt: expected some text, got none"):
            prepare([str(tmp_path / "a.txt")], tmp_path / vocab, Recipe(vocab=vocab))  # type: ignore[arg-type]


def test_unknown_words_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one cat, one cat; one dog one cow\n" * 2 + "one bird")
    for least, known, unknown in ((2, 5, "1 of 22 words (4.55%)"), (4, 2, "8 of 22 words (36.36%)")):
        said: list[str] = []
        recipe = Recipe(vocab="word", min_frequency=least)
        prepared = prepare([str(tmp_path / "a.txt")], tmp_path / str(least), recipe, tell=said.append)
        words = f"{known} words that come {least} times or more have a token; {unknown} are unknown"
        assert [words in line for line in said] == [False, True]
        assert "".join(sum(content_of(prepared), [])) == (tmp_path / "a.txt").read_text()  # noqa: RUF017
        assert prepared.recipe["min_frequency"] == least
    with pytest.raises(
        PenstockError, match=r"--min-frequency: expected 1 or more, with --vocab word, got --vocab char"
    ):
        Recipe(vocab="char", min_frequency=2)
    with pytest.raises(PenstockError, match=r"--min-frequency: expected 1 or more, with --vocab word, got 0"):
        Recipe(vocab="word", min_frequency=0)
    with pytest.raises(PenstockError, match=r"--vocab-size: expected more than 256 with --vocab word, .* got 256"):
        Recipe(vocab="word", vocab_size=256)


def test_two_at_once(mixed: list[str], tmp_path: Path) -> None:
    def report(*_: Any) -> None:
        with pytest.raises(PenstockError, match=rf"out: penstock, process {os.getpid()} on .* is writing it; wait"):
            prepare(mixed, tmp_path / "out", Recipe())

    prepare(mixed, tmp_path / "out", Recipe(), report=report)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    content = "门控".encode() + b"\xff\xfe\n" + b"x" * 50
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(PenstockError, match=r"a.txt: not UTF-8 at byte 6; go on with --errors replace"):
        prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe())
    tokens, *_ = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(vocab="byte"), force=True)
    assert bytes(tokens.ids[:].tolist()) == content
    prepared = prepare([str(tmp_path / "a.txt")], tmp_path / "out", Recipe(errors="replace"), force=True)
    assert "".join(sum(content_of(prepared), [])) == content.decode("utf-8", "replace")  # noqa: RUF017


def test_a_recipe_that_cannot_be() -> None:
    for settings_, message in (
        ({"holdout": 1.0}, "--holdout: expected 0 to 0.9, got 1.0"),
        ({"holdout": float("nan")}, "--holdout: expected 0 to 0.9, got nan"),
        ({"vocab_size": 0}, "--vocab-size: expected 1 to 1048576, got 0"),
    ):
        with pytest.raises(PenstockError, match=message):
            Recipe(**settings_)  # type: ignore[arg-type]


def test_the_folder_can_be_moved(mixed: list[str], tmp_path: Path) -> None:
    before = prepare(mixed, tmp_path / "out", Recipe())
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert content_of(before) == content_of(open_tokens(tmp_path / "moved"))
