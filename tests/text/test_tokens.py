"""The token file holds the corpus, document by document."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.text import ByteVocabulary, CharVocabulary, Piece, write_tokens
from penstock.text.tokens import documents, open_tokens


@given(texts=st.lists(st.text("abc", max_size=5), max_size=6), data=st.data())
def test_documents_come_back(tmp_path: Path, texts: list[str], data: st.DataObject) -> None:
    vocabulary = CharVocabulary("abc")
    tokens = write_tokens([Piece(text, True) for text in texts], vocabulary, tmp_path)
    whole = "".join(texts)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    found = ["".join(vocabulary.pieces(ids.tolist())) for ids in documents(tokens, start, stop)]
    assert "".join(found) == whole[start:stop]
    assert tokens.characters == len(whole)
    if (start, stop) == (0, len(whole)) and whole:
        assert found == [text for text in texts if text]


def test_pieces_of_a_document_are_joined(tmp_path: Path) -> None:
    tokens = write_tokens([Piece("ab", True), Piece("cd", False), Piece("e", True)], ByteVocabulary(), tmp_path)
    assert tokens.starts.tolist() == [0, 4]
    assert bytes(tokens.ids.tolist()) == b"abcde"


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_ids_take_the_bytes_they_need(tmp_path: Path, size: int, dtype: type) -> None:
    characters = [chr(c) for c in range(32, 99_999) if not 0xD800 <= c < 0xE000 and c != 0xFFFD][: size - 1]
    vocabulary = CharVocabulary(characters)
    assert len(vocabulary) == size
    tokens = write_tokens([Piece(characters[-1], True)], vocabulary, tmp_path)
    assert tokens.ids.dtype == dtype
    assert isinstance(tokens.ids, np.memmap)
    assert tokens.ids.tolist() == [size - 1]


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_tokens([Piece("abcdef", True)], ByteVocabulary(), tmp_path)
    (tmp_path / "tokens.bin").write_bytes(b"abc")
    with pytest.raises(PenstockError, match=r"no usable token file: tokens.bin is not whole; train anew with --force"):
        open_tokens(tmp_path)
    for name, content in (("tokens.json", b"[1]"), ("tokens.json", b"{}"), ("documents.npy", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PenstockError, match=r"no usable token file"):
            open_tokens(tmp_path)
