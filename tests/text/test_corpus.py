"""Corpora on good and on hostile input."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock import PenstockError
from penstock.text import Corpus, readers, recognise, rows
from penstock.text.sources import FilePart

if sys.version_info >= (3, 14):
    from compression.zstd import compress as zstd_compress
else:
    from backports.zstd import compress as zstd_compress


def read(*inputs: str | Path, tmp: Path | None = None, **options: Any) -> list[str]:
    """The documents, whole."""
    documents: list[str] = []
    for text, starts in Corpus([str(name) for name in inputs], spool=tmp or Path(), **options).pieces():
        if starts:
            documents.append("")
        documents[-1] += text
    return documents


def test_a_row_of_any_length_is_read_and_one_beyond_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 200_000  # longer than the csv module takes unless told
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": long}) + "\n")
    (tmp_path / "a.csv").write_text(f"text\n{long}\n")
    (tmp_path / "a.json").write_text(json.dumps([long]))
    names = [tmp_path / name for name in ("a.jsonl", "a.csv", "a.json")]
    monkeypatch.setattr(readers, "LONGEST_PIECE", 1 << 16)
    for name in names:
        pieces = list(Corpus([str(name)], spool=tmp_path).pieces())
        assert [piece.starts_document for piece in pieces] == [True, False, False, False]
        assert "".join(piece.text for piece in pieces) == long
    monkeypatch.setattr(rows, "LONGEST_LINE", 1 << 16)
    for name in names[:2]:
        with pytest.raises(
            PenstockError, match=rf"{name.name}: line \d: expected at most 65,536 bytes; break the text"
        ):
            read(name)


def test_an_array_of_json_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LARGEST_JSON", 1 << 16)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(["x" * (1 << 17)]).encode()))
    with pytest.raises(PenstockError, match=r"a\.json\.gz: too large for one array of JSON; make it JSON lines"):
        read(tmp_path / "a.json.gz")


def test_a_name_that_says_packed_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(b"not gzip")
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"\x89PNG\0" * 99))
    (tmp_path / "c.csv.xz").write_bytes(lzma.compress(b"text\nx\n"))
    assert read(tmp_path / "a.txt.gz") == ["not gzip"]
    corpus = Corpus([str(tmp_path)], spool=tmp_path)
    assert [Path(source.name).name for source in corpus.sources] == ["a.txt.gz"]
    assert [why for _, why in corpus.left_out] == ["not text", "table to be named with its column"]
    assert read(tmp_path / "c.csv.xz") == ["x"]


def test_what_a_glob_matches_is_read_as_if_it_were_named(tmp_path: Path) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "1.txt").write_text("one")
    (tmp_path / "in" / "below" / "2.txt").write_text("two")
    assert read(f"{tmp_path}/in/*") == ["one", "two"]
    assert read(f"{tmp_path}/in/**/*") == ["one", "two"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_lines_of_json_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    lines = "".join(json.dumps({"text": f"line {k} 猫"}, ensure_ascii=False) + "\n" for k in range(9))
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    assert read(tmp_path / "a.jsonl") == [f"line {k} 猫" for k in range(9)]
    (tmp_path / "a.jsonl").write_bytes(lines.encode("utf-16") + b"\0")
    with pytest.raises(PenstockError, match=r"a.jsonl: not UTF-16$"):
        read(tmp_path / "a.jsonl")


def test_a_folder_that_penstock_made_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "penstock.json").write_text("{}")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(PenstockError, match="expected text, got a folder that Penstock made; name files in it"):
        read(tmp_path)


def test_a_folder_of_bytes_is_read_for_all_of_them(tmp_path: Path) -> None:
    contents = {"a.mid": b"MThd\0\0\0\x06\xff", "b.txt": b"text", "c.png": b"\x89PNG\0"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = read(tmp_path, errors="surrogateescape")
    assert [text.encode("utf-8", "surrogateescape") for text in found] == [*contents.values()]
    assert read(tmp_path) == ["text"]


def test_every_kind_of_file(tmp_path: Path) -> None:
    rows = [{"text": "one 一"}, {"text": ""}, {"text": "two"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows) + "\n"
    (tmp_path / "a.txt").write_text("plain\ntext")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("zipped 文".encode()))
    (tmp_path / "c.jsonl").write_text(lines)
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    table = pyarrow.table({"text": ["row one", None, "row two"], "n": [1, 2, 3]})
    pyarrow.parquet.write_table(table, tmp_path / "e.parquet")
    (tmp_path / "f.csv").write_text("n,text\n1,not read from a folder\n")
    expected = ["plain\ntext", "zipped 文", "one 一", "two", "one 一", "two", "row one", "row two"]
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(lines.encode() + b"\n"))
    assert read(tmp_path) == expected
    assert read(*sorted(p for p in tmp_path.iterdir() if p.suffix != ".csv")) == expected
    assert read(tmp_path / "*.jsonl*") == expected[2:6]
    assert read(tmp_path / "f.csv") == ["not read from a folder"]


def test_standard_input_can_be_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("from a pipe 管".encode())))
    found = Corpus(["-"], spool=tmp_path)
    assert [*found.texts()] == [*found.texts()] == ["from a pipe 管"]


def test_pipes_can_be_read_twice(tmp_path: Path) -> None:
    """As of ``penstock train <(zcat …) <(zcat …)``."""
    pipes = []
    for content in (b"one", b"two"):
        end, begin = os.pipe()
        os.write(begin, content)
        os.close(begin)
        pipes.append(end)
    found = Corpus([f"/dev/fd/{end}" for end in pipes], spool=tmp_path)
    assert [*found.texts()] == [*found.texts()] == ["one", "two"]
    for end in pipes:
        os.close(end)


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(PenstockError, match=r"standard input is closed; name files"):
        read("-")


def test_the_log_of_a_training_run_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "model" / "training").mkdir(parents=True)
    for name in ("checkpoint-000000001.safetensors", "log.jsonl"):
        (tmp_path / "model" / "training" / name).write_text('{"kind": "step"}\n')
    (tmp_path / "model" / "penstock.json").write_text("{}")
    with pytest.raises(PenstockError, match=r"the folder holds no text: 0 files, .*1 made by Penstock"):
        read(tmp_path)
    (tmp_path / "training.txt").write_text("text")
    assert read(tmp_path) == ["text"]


def test_a_lone_surrogate_is_no_character(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "\\ud83d\\ude00"}\n{"text": "a\\ud800b\xff"}\n')
    with pytest.raises(PenstockError, match=r"not UTF-8 at byte 43"):
        read(tmp_path / "a.jsonl")
    assert read(tmp_path / "a.jsonl", errors="replace") == ["😀", "a\ufffdb\ufffd"]
    assert read(tmp_path / "a.jsonl", errors="surrogateescape") == ["😀", "a\ufffdb\udcff"]
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n{"text": "\\udc80"}\n')
    message = r"a.jsonl: line 2: expected Unicode, got a lone surrogate, '\\udc80'$"
    with pytest.raises(PenstockError, match=message):
        read(tmp_path / "a.jsonl")


def test_another_field(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x", "n": 1}\n')
    assert read(tmp_path / "a.jsonl", column="body") == ["x"]
    with pytest.raises(
        PenstockError, match=r"a.jsonl: line 1: expected a column 'text', got 'body', 'n'; name it with"
    ):
        read(tmp_path / "a.jsonl")
    with pytest.raises(PenstockError, match=r"line 1: expected text, got int"):
        read(tmp_path / "a.jsonl", column="n")
    pyarrow.parquet.write_table(pyarrow.table({"body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(PenstockError, match=r"a.parquet: expected a column 'text', got 'body'"):
        read(tmp_path / "a.parquet")


@given(st.binary(max_size=40), st.integers(1, 9))
def test_invalid_utf8_names_file_and_offset(tmp_path: Path, content: bytes, block: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assume(recognise.encoding(content) in ("utf-8", None) and recognise.packing(content) is None)
    assume(recognise.other(content) is None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK", block)  # so that characters are cut at the edge of a block
        try:
            expected = content.decode()
        except UnicodeDecodeError as error:
            with pytest.raises(PenstockError, match=rf"a.txt: not UTF-8 at byte {error.start}\b"):
                read(path)
            assert "".join(read(path, errors="replace")) == content.decode("utf-8", "replace").removeprefix("\ufeff")
        else:
            assert "".join(read(path)) == expected.removeprefix("\ufeff")
        kept = "".join(read(path, errors="surrogateescape")).encode("utf-8", "surrogateescape")
        assert kept == content.removeprefix(b"\xef\xbb\xbf")


def test_invalid_utf8_in_a_json_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "ok"}\n{"text": "\xff"}\n')
    with pytest.raises(PenstockError, match=r"not UTF-8 at byte 25"):
        read(tmp_path / "a.jsonl")
    assert read(tmp_path / "a.jsonl", errors="replace") == ["ok", "\ufffd"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": ', "a.jsonl: line 2: not JSON"),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl: line 1: expected a column 'text', got list"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "a.jsonl: line 1: not JSON"),
        ("a.txt.gz", gzip.compress(b"text" * 999, mtime=0)[:-9], "a.txt.gz: not a whole gzip file"),
        ("a.parquet", b"PAR1 and then nothing", "a.parquet: not a Parquet file that can be read"),
        ("a.parquet", b"", "a.parquet: not a Parquet file that can be read"),
    ],
)
def test_hostile_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PenstockError, match=re.escape(message)) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)[:200]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"nowhere.txt: no such file or folder; name text files"):
        read(tmp_path / "nowhere.txt")
    with pytest.raises(PenstockError, match=r"nothing matches it"):
        read(tmp_path / "*.txt")
    with pytest.raises(PenstockError, match=r"the folder holds no text"):
        read(tmp_path)


def test_a_line_longer_than_a_block_is_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BLOCK", 10)
    (tmp_path / "a.txt").write_text("é" * 1000 + "\nend")
    pieces = [*Corpus([str(tmp_path / "a.txt")], spool=tmp_path).pieces()]
    assert "".join(p.text for p in pieces) == "é" * 1000 + "\nend"
    assert [p.starts_document for p in pieces] == [True] + [False] * (len(pieces) - 1)
    assert max(len(p.text) for p in pieces) < 50


def test_no_input_is_the_language_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (text,) = read(tmp=tmp_path)
    assert len(text) > 200_000
    assert "loop" in text
    paragraphs = text.split("\n\n")
    assert len(paragraphs) == len(set(paragraphs))
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    (docstrings,) = read(tmp=tmp_path)
    assert len(docstrings) > 200_000
    assert docstrings != text


@given(lines=st.lists(st.text("aé\n门", max_size=6), max_size=12), count=st.integers(1, 9), block=st.integers(1, 9))
def test_the_parts_of_a_file_are_the_file(tmp_path: Path, lines: list[str], count: int, block: int) -> None:
    content = "\n".join(lines)
    (tmp_path / "a.txt").write_text(content)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    corpus = Corpus([str(tmp_path / "a.txt"), str(tmp_path / "a.jsonl")], spool=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK", block)
        text, rows = ([[*corpus.read(FilePart(s, k, count))] for k in range(count)] for s in corpus.sources)
    assert "".join(piece.text for part in text for piece in part) == content
    assert [piece.starts_document for part in text for piece in part][:1] == ([True] if content else [])
    assert sum(piece.starts_document for part in text for piece in part) == bool(content)
    cuts = [part[-1].text for part in text if part][:-1]
    assert all(cut.endswith("\n") for cut in cuts)  # whatever the size of a block
    assert [piece.text for part in rows for piece in part] == [line for line in lines if line]


def test_the_parts_of_a_table_are_its_row_groups(tmp_path: Path) -> None:
    rows = [f"row {k}" for k in range(70)]
    pyarrow.parquet.write_table(pyarrow.table({"text": rows}), tmp_path / "a.parquet", row_group_size=10)
    corpus = Corpus([str(tmp_path / "a.parquet")], spool=tmp_path)
    for count in (1, 3, 7, 9):
        parts = [[p.text for p in corpus.read(FilePart(corpus.sources[0], k, count))] for k in range(count)]
        assert sum(parts, []) == rows  # noqa: RUF017
        assert all(len(part) % 10 == 0 for part in parts)
    texts = pyarrow.array([b"the \xff cat" if k == 61 else b"row" for k in range(70)]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "a.parquet", row_group_size=10)
    with pytest.raises(PenstockError, match=r"a.parquet: row 62: not UTF-8 at byte 4$"):
        [*corpus.read(FilePart(corpus.sources[0], 6, 7))]


def test_what_a_table_has_in_the_place_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {
        "text": pyarrow.array([b"the cat", b"the \xff cat"]).view(pyarrow.string()),
        "n": [1, 2],
        "none": pyarrow.nulls(2),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    assert read(path, errors="replace") == ["the cat", "the \ufffd cat"]
    assert read(path, errors="surrogateescape") == ["the cat", "the \udcff cat"]
    assert read(path, column="none") == []
    with pytest.raises(PenstockError, match=r"column 'n': expected text, got int64; name another with --column"):
        read(path, column="n")


def test_what_is_wrong_in_a_later_part(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "ok"}\n' * 9 + b'{"text": "\xff"}\n{"text": 3}\n')
    for errors, message in (("strict", "not UTF-8 at byte 145"), ("replace", "the line at byte 149: expected text")):
        corpus = Corpus([str(tmp_path / "a.jsonl")], spool=tmp_path, errors=errors)
        with pytest.raises(PenstockError, match=message):
            [*corpus.read(FilePart(corpus.sources[0], 1, 2))]


def test_a_file_of_one_line_is_not_read_again_for_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BLOCK", 10)
    (tmp_path / "a.txt").write_text("x" * 1000)
    corpus = Corpus([str(tmp_path / "a.txt")], spool=tmp_path)
    (source,) = corpus.sources
    with source.opened() as file:
        reading = readers.OpenPart(FilePart(source, 1, 10), file, "text", "strict")
        assert [*readers._blocks(reading)] == [(209, b"")]
        assert file.tell() == 209


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_arrow_as_datasets_saves_it(tmp_path: Path, kind: str) -> None:
    """``save_to_disk`` of Hugging Face datasets writes streams of record batches, beside JSON about them."""
    table = pyarrow.table({"n": [1, 2, 3, 4], "text": ["one", None, "two", "三"]})
    new = pyarrow.ipc.new_stream if kind == "stream" else pyarrow.ipc.new_file
    path = tmp_path / "data-00000-of-00001.arrow"
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    (tmp_path / "dataset_info.json").write_text("{}")
    assert read(tmp_path) == ["one", "two", "三"]
    with pytest.raises(PenstockError, match=r"arrow: expected a column 'body', got 'n', 'text'; name it with --column"):
        read(tmp_path, column="body")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PenstockError, match=r"arrow: not a Arrow file that can be read"):
        read(tmp_path)


def test_a_folder_is_accounted_for(tmp_path: Path) -> None:
    for name in ("in/.git", "in/code", "far"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in" / "1.txt").write_text("one")
    (tmp_path / "in" / "code" / "2.py").write_text("print('二')")
    (tmp_path / "in" / ".git" / "x.txt").write_text("hidden")
    (tmp_path / "in" / "copy.txt").write_text("one")
    (tmp_path / "in" / "empty.txt").write_text("")
    (tmp_path / "in" / "picture.bin").write_bytes(b"\x89PNG\0")
    (tmp_path / "in" / "latin.log").write_bytes(b"caf\xe9")
    (tmp_path / "in" / "table.csv").write_text("text\nx\n")
    (tmp_path / "far" / "3.txt").write_text("three")
    (tmp_path / "in" / "more").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "nowhere.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "in" / "three.txt").symlink_to(tmp_path / "far" / "3.txt")
    corpus = Corpus([str(tmp_path / "in"), str(tmp_path / "in" / "1.txt")], spool=tmp_path)
    assert [*corpus.texts()] == ["one", "print('二')", "three"]
    left_out = {name.removeprefix(f"{tmp_path}/in/"): why for name, why in corpus.left_out}
    assert left_out == {
        ".git": "hidden",
        f"copy.txt of {tmp_path}/in/1.txt": "copy",
        "empty.txt": "empty",
        "picture.bin": "not text",
        "latin.log": "not UTF-8",
        "table.csv": "table to be named with its column",
        "more": "link to a folder",
        "loop": "link to a folder",
        "nowhere.txt": "no file",
        "1.txt": "named twice",
    }
    assert corpus.account().startswith("3 files, 20 bytes; left out: ")
    assert f"1 not UTF-8 ({tmp_path}/in/latin.log), " in corpus.account()
    assert Corpus([str(tmp_path / "far")], spool=tmp_path).account() == "1 file, 5 bytes; nothing left out"


def test_a_pattern_that_a_loop_of_links_matches_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("one")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert read(f"{tmp_path}/**/*.txt") == ["one"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", 'n,text\r\n1,"one, ""two""\nlines"\r\n\r\n2,三\r\n', ['one, "two"\nlines', "三"]),
        ("a.tsv", "text\tn\none\t1\n", ["one"]),
        ("a.json", '[{"text": "one"}, "two", {"text": null}]', ["one", "two"]),
        ("a.ndjson", '{"text": "one"}\n', ["one"]),
    ],
)
def test_tables_are_read_as_what_they_are(tmp_path: Path, name: str, content: str, expected: list[str]) -> None:
    (tmp_path / name).write_text("\ufeff" + content, newline="")
    assert read(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"n,body\n1,x\n", r"expected a column 'text', got 'n', 'body'; name it with --column"),
        ("a.csv", b"", r"expected a column 'text', got none; name it with --column"),
        ("a.csv", b"n,text\n1\n", r"row 1: expected 2 columns, got 1"),
        ("a.csv", b'text\n"never ends', r"line 2: not a table: unexpected end of data"),
        ("a.csv", b"text\n\xff\n", r"not UTF-8$"),
        ("a.json", b'{"text": "x"}', r"expected an array of rows, got dict; make it .jsonl"),
        ("a.json", b"[1]", r"row 1: expected a column 'text', got int; name it with --column"),
        ("a.json", b"[" * 100_000, r"not JSON: .*; if it is plain text, name it .txt"),
        ("a.json", b"{", r"not JSON: .*; if it is plain text, name it .txt"),
        ("a.json", b'["\xff"]', r"not UTF-8 at byte 2"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PenstockError, match=rf"{name}: {message}"):
        read(tmp_path / name)


TEXT = "Das Tor hält das Wasser zurück, 门控循环单元, a little or a lot.\n" * 9


@pytest.mark.parametrize("name", ["a.txt", "a.log", "folder"])
@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8-sig"]
)
def test_other_encodings_of_unicode_are_read(tmp_path: Path, encoding: str, name: str) -> None:
    text = TEXT if encoding in ("utf-16", "utf-32", "utf-8-sig") else TEXT.replace("门控循环单元", "")
    path = tmp_path / ("a.md" if name == "folder" else name)
    path.write_bytes(text.encode(encoding))
    assert read(tmp_path if name == "folder" else path) == [text]
    kept = "".join(read(path, errors="surrogateescape")).encode("utf-8", "surrogateescape")
    assert kept == path.read_bytes().removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("name", ["a.txt", "a", "folder"])
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, zstd_compress])
def test_what_is_packed_is_unpacked_whatever_it_is_called(tmp_path: Path, pack: Any, name: str) -> None:
    path = tmp_path / ("a.dat" if name == "folder" else name)
    path.write_bytes(pack(TEXT.encode()))
    assert read(tmp_path if name == "folder" else path) == [TEXT]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PenstockError, match=r"not a whole (gzip|xz|bzip2|zstd) file: "):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "Wasserstände über NN\n".encode("cp1252"),
            r"not UTF-8 at byte 8; if it is Windows-1252 or",
        ),
        (b"PK\x03\x04\xff\xff", r"expected text, got zip$"),
        (b"%PDF-1.7\n all of it in ASCII", r"expected text, got PDF$"),
        (b"abc\0\xff\xfe\xfd", r"not UTF-8 at byte 4: it is binary$"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(PenstockError, match=rf"a.txt: {message}"):
        read(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_text("text")
    assert read(tmp_path) == ["text"]
