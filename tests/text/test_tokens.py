"""The token folder holds the corpus, document by document, and says when it is not what was written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import damages, files_of
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.sealed import write_sealed
from penstock.text import Prepared, Recipe, Tokens, open_tokens, prepare, token_folder, tokens
from penstock.text.tokens import INDEX, Ids, documents


def prepared(folder: Path, texts: list[str], **recipe: Any) -> Prepared:
    """A token folder of these documents; nothing is held out unless the recipe says so."""
    source = folder / "corpus.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return prepare([str(source)], folder / "tokens", Recipe(**{"holdout": 0.0, **recipe}), force=True)


@settings(max_examples=40)
@given(texts=st.lists(st.text("abc", max_size=5), min_size=1, max_size=6).filter(any), data=st.data())
def test_documents_come_back(tmp_path: Path, texts: list[str], data: st.DataObject) -> None:
    found, _, vocabulary, *_ = prepared(tmp_path, texts)
    whole = "".join(texts)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    pieces = ["".join(vocabulary.pieces(ids.tolist())) for ids in documents(found, start, stop)]
    assert "".join(pieces) == whole[start:stop]
    assert found.characters == len(whole)
    if (start, stop) == (0, len(whole)):
        assert pieces == [text for text in texts if text]


@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    start=st.one_of(st.none(), st.integers(-3, 35)),
    stop=st.one_of(st.none(), st.integers(-3, 35)),
)
def test_ids_are_sliced_as_one_array(lengths: list[int], start: int | None, stop: int | None) -> None:
    whole = np.arange(sum(lengths), dtype=np.uint16)
    ids = Ids(np.split(whole, np.cumsum(lengths)[:-1]))
    assert len(ids) == len(whole)
    found = ids[start:stop]
    assert found.dtype == ids.dtype == np.uint16
    assert found.tolist() == whole[start:stop].tolist()


def test_ids_that_were_given_back_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "RESIDENT", 9)
    text = "the cat sat on the mat. " * 2000
    found, *_ = prepared(tmp_path, [text], vocab="byte")
    kept = found.ids[:5]
    for at in range(0, len(text), 500):
        assert bytes(found.ids[at : at + 500]) == text[at : at + 500].encode()
    assert bytes(kept) == b"the c"


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_ids_take_the_bytes_they_need(tmp_path: Path, size: int, dtype: type) -> None:
    characters = [chr(c) for c in range(32, 99_999) if not 0xD800 <= c < 0xE000 and c != 0xFFFD][: size - 1]
    found, _, vocabulary, *_ = prepared(tmp_path, ["".join(characters)], vocab="char")
    assert len(vocabulary) == size
    assert found.ids.dtype == dtype
    assert found.ids[len(characters) - 1 :].tolist() == [size - 1]


@pytest.mark.parametrize("name", ["00000.tokens", "documents", "index.json"])
def test_a_file_that_is_not_what_was_written_is_named(tmp_path: Path, name: str) -> None:
    prepared(tmp_path, ["one two", "three"], holdout=0.5)
    path = tmp_path / "tokens" / name
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        with pytest.raises(PenstockError) as caught:
            open_tokens(tmp_path / "tokens")
        assert str(caught.value).startswith(f"{path}: not the file that was written: ")
        assert str(caught.value).endswith("; make the tokens anew with --force")
    path.unlink()
    with pytest.raises(PenstockError, match=r"No such file or directory"):
        open_tokens(tmp_path / "tokens")


def test_an_index_of_another_version(tmp_path: Path) -> None:
    prepared(tmp_path, ["text"])
    path = tmp_path / "tokens" / INDEX
    content = json.loads(path.read_text())
    del content["digest"]
    for change, message in (
        ({"version": 9}, "expected penstock-tokens of version 2"),
        (
            {"vocabulary": {"kind": "words"}},
            "vocabulary: expected byte, char with its characters, word with its words, or bpe",
        ),
    ):
        write_sealed(path, content | change)
        with pytest.raises(PenstockError, match=rf"index.json: not the file that was written: {message}"):
            open_tokens(tmp_path / "tokens")


@pytest.mark.parametrize("name", ["recipe", "inputs", "vocabulary", "dtype", "shards", "documents", "training"])
@pytest.mark.parametrize("value", [None, "nothing", -1, 10**18, [{}]])
def test_an_index_that_lacks_something_or_has_something_else(tmp_path: Path, name: str, value: Any) -> None:
    prepared(tmp_path, ["the cat"])
    path = tmp_path / "tokens" / INDEX
    content = json.loads(path.read_text())
    del content["digest"]
    if isinstance(value, type(content[name])) and name in ("inputs",):
        return  # what an index may hold
    if value is None:
        del content[name]
    else:
        content[name] = value
    write_sealed(path, content)
    with pytest.raises(PenstockError, match=r"not the file that was written: "):
        open_tokens(tmp_path / "tokens")


def test_reading_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    prepared(tmp_path, ["text"])
    before = files_of(tmp_path)
    open_tokens(tmp_path / "tokens")
    assert files_of(tmp_path) == before
    assert sorted(p.name for p in (tmp_path / "tokens").iterdir()) == [
        "00000.tokens", "documents", "index.json", "penstock.json"
    ]  # fmt: skip


def test_what_is_a_token_folder(tmp_path: Path) -> None:
    prepared(tmp_path, ["text"])
    folder = str(tmp_path / "tokens")
    assert token_folder([folder]) == tmp_path / "tokens"
    assert token_folder([folder, folder]) is token_folder([]) is token_folder([str(tmp_path)]) is None


def test_documents_of_arrays() -> None:
    found = Tokens(np.arange(9), np.array([0, 3, 7]), 9)
    assert [d.tolist() for d in documents(found, 1, 8)] == [[1, 2], [3, 4, 5, 6], [7]]
    assert [len(d) for d in documents(found, 4, 4)] == [0]
