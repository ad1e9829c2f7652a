"""Whole runs: every row in its place, and what cannot be scored said."""

import gzip
import json
import re
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from helpers import files_of
from score.scored import WORDS, read_parquet, save, texts, write_parquet

from penstock import PenstockError, load
from penstock.folder import held
from penstock.model_folder import save_model
from penstock.score import rows
from penstock.score.files import Done, ScoreSettings
from penstock.score.run import Summary, run
from penstock.text import ByteVocabulary
from penstock.text import rows as text_rows

NONE = {"tokens": None, "nats": None, "bits_per_byte": None, "perplexity": None}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "model")


def scored(model: Path, text: str) -> dict[str, Any]:
    score = load(model).score(text)
    return {
        "tokens": score.tokens,
        "nats": score.nats,
        "bits_per_byte": score.bits_per_byte,
        "perplexity": score.perplexity,
    }


def errors(out: Path) -> list[tuple[str, int | None, str]]:
    found = [json.loads(line) for path in sorted((out / "_errors").glob("*")) for line in path.read_text().splitlines()]
    return [(Path(error["file"]).name, error["row"], error["reason"]) for error in found]


def score(tmp_path: Path, name: str, **options: Any) -> Summary:
    settings = ScoreSettings(options.pop("column", "text"), options.pop("embed", False))
    return run(tmp_path / "model", [str(tmp_path / name)], tmp_path / "out", settings, **options)


@pytest.mark.parametrize("size", [(8192, 8 << 20), (70, 8 << 20), (8192, 1000), (1, 1)])
def test_parquet_keeps_its_rows_and_its_other_columns(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(rows, "ROWS", size[0])
    monkeypatch.setattr(rows, "BYTES", size[1])
    monkeypatch.setattr(text_rows, "BYTES", size[1])
    lines = texts(250)
    write_parquet(tmp_path / "a.parquet", id=[*range(250)], text=lines, more=[{"x": [k]} for k in range(250)])
    summary = score(tmp_path, "a.parquet", embed=True)
    columns = read_parquet(tmp_path / "out" / "a.parquet")
    assert list(columns) == ["id", "more", "tokens", "nats", "bits_per_byte", "perplexity", "embedding"]
    assert columns["id"] == [*range(250)]
    assert columns["more"] == [{"x": [k]} for k in range(250)]
    alone = [scored(model, line) for line in lines]
    for name in NONE:
        assert columns[name] == [row[name] for row in alone]
    light = load(model)
    states = [light.state_after(light.vocabulary.encode(line))[-1] for line in lines]
    np.testing.assert_array_equal(np.array(columns["embedding"], np.float32), states)
    assert (summary.files, summary.rows, summary.bad, summary.failed) == (1, 250, 0, 0)
    assert summary.score.tokens == sum(columns["tokens"])
    assert summary.score.nats == pytest.approx(sum(columns["nats"]))
    assert not (tmp_path / "out" / "_errors").exists()


@pytest.mark.parametrize("form", ["string", "large_string", "string_view", "dictionary<values=string, indices=int32>"])
def test_every_kind_of_text_column(model: Path, tmp_path: Path, form: str) -> None:
    kinds = {
        "string": pyarrow.string(),
        "large_string": pyarrow.large_string(),
        "string_view": pyarrow.string_view(),
    }
    column = pyarrow.array(["the cat", None, "", "was full", "the cat"])
    column = column.cast(kinds[form]) if form in kinds else column.dictionary_encode()
    write_parquet(tmp_path / "a.parquet", text=column)
    score(tmp_path, "a.parquet")
    columns = read_parquet(tmp_path / "out" / "a.parquet")
    expected = [scored(model, "the cat"), NONE, NONE, scored(model, "was full"), scored(model, "the cat")]
    assert columns == {name: [row[name] for row in expected] for name in NONE}
    assert errors(tmp_path / "out") == [
        ("a.parquet", 2, "expected text, got null"),
        ("a.parquet", 3, "an empty text"),
    ]


def test_a_text_of_parquet_that_is_no_utf8_is_one_bad_row(model: Path, tmp_path: Path) -> None:
    column = pyarrow.array([b"the cat", b"the \xff cat", b"was full"]).view(pyarrow.string())
    write_parquet(tmp_path / "a.parquet", text=column)
    score(tmp_path, "a.parquet")
    assert errors(tmp_path / "out") == [("a.parquet", 2, "not UTF-8 at byte 4")]
    assert [n is None for n in read_parquet(tmp_path / "out" / "a.parquet")["nats"]] == [False, True, False]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_json_lines_stay_json_lines(model: Path, tmp_path: Path, suffix: str) -> None:
    good = [{"id": 1, "text": "the cat", "x": {"é": [None, 1e300]}}, {"text": "was full"}]
    bad: list[tuple[str, dict[str, Any], str]] = [
        ('{"text": null, "id": 3}', {"id": 3}, "expected text, got null"),
        ('{"text": 5}', {}, "expected text, got int; name another with --column"),
        ('{"text": "t", "id": 5}', {"id": 5}, "a single token: the first one of a text is given, not scored"),
        ('{"text": "\\ud800 cat"}', {}, "expected Unicode, got a lone surrogate, '\\ud800'"),
        ('{"id": 7}', {"id": 7}, "expected a column 'text', got 'id'; name it with --column"),
        ("[1]", {}, "expected a column 'text', got list; name it with --column"),
        ("", {}, "an empty line"),
        ("{", {}, "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ]
    lines = "\n".join([*map(json.dumps, good), *(line for line, *_ in bad)]) + "\n"
    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(lines.encode()) if "gz" in suffix else lines.encode())
    summary = score(tmp_path, f"a{suffix}")
    content = (tmp_path / "out" / f"a{suffix}").read_bytes()
    found = [json.loads(line) for line in (gzip.decompress(content) if "gz" in suffix else content).splitlines()]
    assert found[:2] == [
        {name: value for name, value in row.items() if name != "text"} | scored(model, row["text"]) for row in good
    ]
    assert found[2:] == [rest | NONE for _, rest, _ in bad]
    got = [(row, reason) for _, row, reason in errors(tmp_path / "out")]
    # what Python says of JSON differs from version to version
    assert got[:-1] == [(row, reason) for row, (*_, reason) in enumerate(bad, 3)][:-1]
    assert got[-1][1].startswith("not JSON: ")
    assert (summary.rows, summary.bad) == (10, 8)


def test_a_line_of_text_is_a_row(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"the cat\r\n\nwas \xff\nwas full")
    score(tmp_path, "a.txt", embed=True)
    found = [json.loads(line) for line in (tmp_path / "out" / "a.txt.jsonl").read_text().splitlines()]
    embeddings = [row.pop("embedding") for row in found]
    assert found == [scored(model, "the cat"), NONE, NONE, scored(model, "was full")]
    assert embeddings[1:3] == [None, None]
    light = load(model)
    assert embeddings[0] == light.state_after(light.vocabulary.encode("the cat"))[-1].tolist()
    assert errors(tmp_path / "out") == [("a.txt", 2, "an empty text"), ("a.txt", 3, "not UTF-8 at byte 4")]


def test_a_model_of_bytes_reads_what_is_no_utf8(tmp_path: Path) -> None:
    save(tmp_path / "model", vocabulary=ByteVocabulary())
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    score(tmp_path, "a.txt")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    score(tmp_path, "a.jsonl")
    for name in ("a.txt.jsonl", "a.jsonl"):
        (row,) = map(json.loads, (tmp_path / "out" / name).read_text().splitlines())
        assert row == scored(tmp_path / "model", "caf\udce9")
        assert row["tokens"] == 3


def test_unknown_characters_are_counted(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the XYZ\n")
    assert score(tmp_path, "a.txt").score.unknown == 3


def test_a_model_that_diverged_scores_nothing(tmp_path: Path) -> None:
    save(tmp_path / "model")
    light = load(tmp_path / "model")
    bias = np.full_like(light.weights["output.bias"], -3e38)
    bias[0] = 3e38
    weights = light.weights | {"output.bias": bias}
    with held(tmp_path / "model", "model") as place:
        save_model(place, light.config, light.vocabulary, weights)
    (tmp_path / "a.txt").write_text("the cat\n")
    with pytest.raises(
        PenstockError, match=r"not one row could be scored: .*row 1: the model's score is no finite number"
    ):
        score(tmp_path, "a.txt")


def test_files_that_cannot_be_read_do_not_stop_the_others(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("a", "broken", "torn", "z"):
        write_parquet(data / f"{name}.parquet", text=texts(300), id=[*range(300)])
    whole = (data / "broken.parquet").read_bytes()
    (data / "broken.parquet").write_bytes(whole[:-10])
    torn = bytearray(whole)
    torn[len(whole) // 2 : len(whole) // 2 + 2000] = bytes(2000)  # the footer, and the first rows, are as they were
    (data / "torn.parquet").write_bytes(torn)
    write_parquet(data / "other.parquet", body=texts(3), id=[1, 2, 3])
    write_parquet(data / "numbers.parquet", text=[1, 2, 3])
    write_parquet(data / "again.parquet", text=texts(3), nats=[1, 2, 3])
    (data / "half.jsonl.gz").write_bytes(gzip.compress(b'{"text": "the cat"}\n' * 1000)[:-20])
    (data / "other.jsonl").write_text('{"body": "the cat"}\n')
    (data / "wide.txt").write_bytes("the cat\n".encode("utf-16") + b"\0")
    (data / "empty.jsonl").write_text("")
    told: list[Done] = []
    account: list[str] = []
    summary = score(tmp_path, "data", told=told.append, tell=account.append)
    assert re.fullmatch(r"10 files, [\d,]+ bytes; left out: 1 empty \(.*data/empty\.jsonl\)", account[0])
    assert {path.name for path in (tmp_path / "out").glob("*.*")} == {
        "penstock.json",
        "_score.json",
        "a.parquet",
        "z.parquet",
    }
    assert read_parquet(tmp_path / "out" / "z.parquet") == read_parquet(tmp_path / "out" / "a.parquet")
    reasons = {name: (row, reason) for name, row, reason in errors(tmp_path / "out")}
    assert all(row is None for row, _ in reasons.values())
    assert "not a Parquet file that can be read: " in reasons["broken.parquet"][1]
    assert "not a Parquet file that can be read: " in reasons["torn.parquet"][1]
    assert reasons["other.parquet"][1] == "expected a column 'text', got 'body', 'id'; name it with --column"
    assert reasons["numbers.parquet"][1] == "column 'text': expected text, got int64; name another with --column"
    assert reasons["again.parquet"][1].startswith("has a column 'nats' already; rename it")
    assert reasons["half.jsonl.gz"][1].startswith("not a whole gzip file: ")
    assert reasons["other.jsonl"][1] == "expected a column 'text', got 'body'; name it with --column"
    assert reasons["wide.txt"][1] == "not UTF-16"
    assert (summary.files, summary.failed, summary.rows) == (2, 8, 600)
    assert [Path(done.name).name for done in told if done.failed] == sorted(reasons)

    write_parquet(data / "broken.parquet", text=["the cat"])  # mended: scored now, and its error is gone
    again = score(tmp_path, "data")
    assert (again.files, again.finished_before, again.failed) == (1, 2, 7)
    assert "broken.parquet" not in {name for name, *_ in errors(tmp_path / "out")}


def test_a_finished_file_is_not_scored_again(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_parquet(tmp_path / "data" / f"{name}.parquet", text=texts(50))
    score(tmp_path, "data")
    before = files_of(tmp_path / "out")
    (tmp_path / "out" / "b.parquet").unlink()
    (tmp_path / "out" / ".b.parquet.k1ll_ed0").write_bytes(b"what a killed run left")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("a.*")}
    summary = score(tmp_path, "data")
    assert (summary.files, summary.finished_before) == (1, 1)
    assert files_of(tmp_path / "out") == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    nothing = score(tmp_path, "data")
    assert (nothing.files, nothing.finished_before) == (0, 2)
    assert nothing.as_json()["perplexity"] is None


def test_a_run_stopped_in_the_middle_goes_on(model: Path, tmp_path: Path) -> None:
    for name in "abcd":
        write_parquet(tmp_path / "data" / f"{name}.parquet", text=texts(50, seed=ord(name)))
    whole = run(model, [str(tmp_path / "data")], tmp_path / "whole", ScoreSettings())

    def stop(done: Done) -> None:
        if done.name.endswith("b.parquet"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(tmp_path, "data", told=stop)
    assert sorted(files_of(tmp_path / "out")) == ["_score.json", "a.parquet", "b.parquet"]
    rest = score(tmp_path, "data")
    assert (rest.files, rest.finished_before) == (2, 2)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert whole.files == 4


def test_the_folder_of_other_scores_is_left_alone(model: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", text=texts(5), body=texts(5))
    score(tmp_path, "a.parquet")
    before = files_of(tmp_path / "out")
    with pytest.raises(PenstockError, match=r"holds scores of column 'text', not 'body' and embed False, not True; "):
        score(tmp_path, "a.parquet", column="body", embed=True)
    save(model, seed=1)
    with pytest.raises(PenstockError, match=r"--out: .*out holds scores of another model; choose another folder"):
        score(tmp_path, "a.parquet")
    assert files_of(tmp_path / "out") == before
    (tmp_path / "out" / "_score.json").write_text("{")
    with pytest.raises(PenstockError, match=r"_score.json: cannot be read: "):
        score(tmp_path, "a.parquet")
    (tmp_path / "out" / "_score.json").unlink()
    with pytest.raises(PenstockError, match=r"holds scores without _score.json, which says of what; choose"):
        score(tmp_path, "a.parquet")


def test_a_disk_that_fills_up_keeps_what_is_finished(model: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "a.parquet", text=texts(5))
    write_parquet(tmp_path / "data" / "b.parquet", text=texts(2000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, before[1]))
    try:
        with pytest.raises(PenstockError, match=r"b.parquet: cannot be written: File too large; .* Free some space"):
            score(tmp_path, "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(files_of(tmp_path / "out")) == ["_score.json", "a.parquet"]
    assert score(tmp_path, "data").files == 1


def test_a_folder_that_cannot_be_made(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(WORDS)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(PenstockError, match=r"out: expected a folder or a new name, got a file; "):
        score(tmp_path, "a.txt")
