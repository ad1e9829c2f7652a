"""Rows of tables with their texts, of every kind of file alike."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock import PenstockError
from penstock.text.records import records
from penstock.text.sources import local

ROWS: list[dict[str, Any]] = [
    {"text": 'good, "very" good\nnaïve 门', "label": "up", "n": 1},
    {"text": "", "label": "down", "n": 2},
    {"text": "bad", "label": "", "n": 3},
]


def write(path: Path) -> None:
    ending = path.suffix
    if ending in (".csv", ".tsv"):
        import csv

        with path.open("w", newline="", encoding="utf-8-sig" if ending == ".tsv" else "utf-8") as file:
            writer = csv.DictWriter(file, ROWS[0], dialect="excel-tab" if ending == ".tsv" else "excel")
            writer.writeheader()
            writer.writerows(ROWS)
    elif ending == ".jsonl":
        path.write_text("\n\n".join(map(json.dumps, ROWS)))
    elif ending == ".json":
        path.write_text(json.dumps(ROWS))
    else:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet

        table = pa.Table.from_pylist(ROWS)
        if ending == ".parquet":
            pyarrow.parquet.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as file:
                file.write_table(table)


def read(path: Path, column: str, *others: str, errors: str = "strict") -> list[tuple[str, tuple[Any, ...]]]:
    return [(one.text, one.others) for one in records(local(str(path), path), column, others, errors)]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "arrow"])
def test_every_kind_of_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    write(path)
    found = read(path, "text", "n", "label")
    assert [(text, (str(n), label)) for text, (n, label) in found] == [
        (row["text"], (str(row["n"]), row["label"])) for row in ROWS
    ]
    assert [text for text, others in read(path, "text") if others == ()] == [row["text"] for row in ROWS]
    with pytest.raises(
        PenstockError, match=rf"rows.{ending}: .*expected a column 'body', got .*; name it with --column"
    ):
        read(path, "body", "label")
    with pytest.raises(
        PenstockError, match=rf"rows.{ending}: expected a column 'class', got .*; name it with --target"
    ):
        read(path, "text", "class")


def test_a_key_that_some_rows_lack_is_missing_in_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"text": "b"}\n{"text": null, "label": 2}\n')
    assert read(path, "text", "label") == [("a", (1,)), ("b", (None,)), ("", (2,))]


def test_lines_of_what_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("one\n\ntwo")
    assert read(path, "text") == [("one", ()), ("", ()), ("two", ())]
    with pytest.raises(PenstockError, match=r"rows.txt: expected a table with the columns 'text' and 'label', by its"):
        read(path, "text", "label")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\nx,y\nx\n", "a.csv: row 2: expected 2 columns, got 1"),
        ("a.csv", b'text,label\n"x,y\n', "a.csv: line 2: not a table: unexpected end of data"),
        ("a.jsonl", b'{"text": 3}\n', "a.jsonl: line 1: column 'text': expected text, got int; name another"),
        ("a.jsonl", b'{"text": "x"}\n[1]\n', "a.jsonl: line 2: expected a column 'text', got list"),
        ("a.jsonl", b'{"text": "x"\n', "a.jsonl: line 1: not JSON"),
        ("a.json", b'{"text": "x"}', "a.json: expected an array of rows, got dict; make it .jsonl"),
        ("a.json", b"[", "a.json: not JSON: "),
        ("a.csv", b"text,label\n\xff\xe9\xe8,y\n", "a.csv: not UTF-8"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: not a Parquet file that can be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PenstockError) as caught:
        read(tmp_path / name, "text")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
