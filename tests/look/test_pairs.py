"""Minimal pairs: files as they come, scores as they are documented."""

from pathlib import Path

import pytest
import torch

from penstock import LanguageModel, PenstockError, load
from penstock.look.pairs import Agreement, Pair, agree, joined, read_pairs
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime import Model
from penstock.text import build_vocabulary

TEXT = "the cat is full\nthe cats are full\n"


@pytest.fixture(params=["byte", "char", "bpe"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    torch.manual_seed(0)
    vocabulary = build_vocabulary(request.param, [TEXT], 260)
    module = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9)), vocabulary)
    with torch.no_grad():
        module.output.weight *= 20
    module.save(tmp_path / "model")
    return load(tmp_path / "model")


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_both_formats_windows_and_a_mark_at_the_start(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffthe cat is\tthe cat are\r\n\r\nthe cat\tis full\tare full\n")
    assert read_pairs(path) == [Pair("the cat is", "the cat are"), Pair("the cat is full", "the cat are full")]


@pytest.mark.parametrize(
    ("prefix", "continuation", "text"),
    [
        ("the cat", "is", "the cat is"),
        ("the cat ", "is", "the cat is"),
        ("the cat", " is", "the cat is"),
        ("the cat, which sleeps,", "is", "the cat, which sleeps, is"),
        ("the cat", ".", "the cat."),
        ("那只猫", "是", "那只猫是"),
        ("кошка", "сыта", "кошка сыта"),
        ("", "is", "is"),
    ],
)
def test_a_space_is_put_where_words_are_written_with_spaces(prefix: str, continuation: str, text: str) -> None:
    assert joined(prefix, continuation) == text


def test_the_score_is_that_of_the_whole_sentence_after_a_newline(model: Model) -> None:
    pairs = [Pair("the cat is", "the cat are"), Pair("cats are", "a cat"), Pair("full", "the cats")]
    found = agree(model, pairs)
    expected = [model.score("\n" + good).nats < model.score("\n" + bad).nats for good, bad in pairs]
    assert found == Agreement(3, sum(expected), 0, found.unknown, found.wrong)
    scored = [(*pair, *(model.score("\n" + text).nats for text in pair)) for pair in pairs]
    assert [*found.wrong] == sorted((s for s in scored if s[2] >= s[3]), key=lambda s: s[3] - s[2])
    flipped = agree(model, [Pair(bad, good) for good, bad in pairs])
    assert found.right + flipped.right == 3


def test_what_differs_in_characters_that_the_model_lacks_is_a_tie_and_wrong(tmp_path: Path) -> None:
    vocabulary = build_vocabulary("char", [TEXT], 0)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9)), vocabulary).save(tmp_path / "model")
    found = agree(load(tmp_path / "model"), [Pair("the cät", "the cöt")])
    (wrong,) = found.wrong
    assert found == Agreement(pairs=1, right=0, ties=1, unknown=2, wrong=(wrong,))
    assert (wrong.good, wrong.bad, wrong.bad_nats) == ("the cät", "the cöt", wrong.good_nats)
    assert found.accuracy == 0


def test_wilsons_interval() -> None:
    low, high = Agreement(10, 8, 0, 0).interval()  # Wilson 1927; these digits as in Newcombe 1998's method 3
    assert low == pytest.approx(0.4902, abs=1e-4)
    assert high == pytest.approx(0.9433, abs=1e-4)
    assert Agreement(10, 10, 0, 0).interval()[1] == pytest.approx(1)
    assert Agreement(10, 0, 0, 0).interval()[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a pair a line, good and bad apart by a tab, got no line with text"),
        ("\n\r\n", "got no line with text"),
        ("a\tb\na b\n", "line 2: expected good<TAB>bad or prefix<TAB>good<TAB>bad, got no tab"),
        ("a\tb\n\na\tb\tc\td\n", "line 3: expected good<TAB>bad or prefix<TAB>good<TAB>bad, got 4 columns"),
        ("a\t\n", "line 1: expected a good and a bad text, got an empty one"),
        ("a\tb\n \tb\n", "line 2: expected a good and a bad text, got an empty one"),
        ("a\tb\tb\n", "line 1: expected two different texts, got the same twice"),
        (b"a\tb\na\tb\xff\n", "line 2: expected UTF-8, got byte 0xff"),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(PenstockError) as raised:
        read_pairs(written(tmp_path, content))
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "pairs.tsv"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"nowhere: cannot be read: No such file or directory"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(PenstockError, match=r"cannot be read: Is a directory"):
        read_pairs(tmp_path)
