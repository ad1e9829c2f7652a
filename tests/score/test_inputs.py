"""Which files are found, and where their scores go."""

import os
from pathlib import Path

import pytest

from penstock import PenstockError
from penstock.score.inputs import find


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text\n")


def places(inputs: list[str], out: Path) -> dict[str, str]:
    return {job.name: str(job.out.relative_to(out)) for job in find(inputs, out).jobs}


def test_files_folders_and_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made(
        tmp_path,
        "data/b.parquet",
        "data/x/a.jsonl.gz",
        "data/x/n.txt",
        "data/readme.md",
        "data/.a.txt",
        "data/_old/c.txt",
    )
    out = tmp_path / "out"
    below = {"data/b.parquet": "b.parquet", "data/x/a.jsonl.gz": "x/a.jsonl.gz", "data/x/n.txt": "x/n.txt.jsonl"}
    others = {"data/readme.md": "readme.md.jsonl", "data/_old/c.txt": "_old/c.txt.jsonl"}
    assert places(["data"], out) == below | others
    assert places(["data/**/*.parquet", "data/*/[an].*"], out) == below
    assert places(["data/*"], out) == below | others
    assert places(["data/readme.md"], out) == {"data/readme.md": "readme.md.jsonl"}
    assert places(["data/b.parquet", "data/*.parquet"], out) == {"data/b.parquet": "b.parquet"}
    (job,) = find(["data/x/n.txt"], out).jobs
    assert job.source == tmp_path / "data/x/n.txt"
    assert job.errors == out / "_errors/n.txt.jsonl"


def test_scores_of_an_earlier_run_are_no_input(tmp_path: Path) -> None:
    made(tmp_path, "a.txt", "out/a.txt.jsonl")
    assert list(places([str(tmp_path)], tmp_path / "out").values()) == ["a.txt.jsonl"]
    with pytest.raises(PenstockError, match=r"lies in the output folder, .*; choose another"):
        find([str(tmp_path / "out" / "a.txt.jsonl")], tmp_path / "out")


def test_a_folder_that_penstock_made_is_no_input(tmp_path: Path) -> None:
    made(tmp_path, "in/penstock.json", "in/a.txt")
    with pytest.raises(PenstockError, match=r"--in: .*in: expected text, got a folder that Penstock made; name files"):
        find([str(tmp_path / "in")], tmp_path / "out")
    assert places([str(tmp_path / "in" / "a.txt")], tmp_path / "out") == {str(tmp_path / "in/a.txt"): "a.txt.jsonl"}


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PenstockError, match=r"--in: .*pipe: a pipe or a device is not scored as it is; save it as"):
        find([str(tmp_path / "pipe")], tmp_path / "out")


def test_a_folder_of_what_is_not_scored(tmp_path: Path) -> None:
    made(tmp_path, "in/a.arrow")
    with pytest.raises(
        PenstockError, match=r"--in: .*in: nothing in it is scored: 0 files, .*1 an Arrow file is not s"
    ):
        find([str(tmp_path / "in")], tmp_path / "out")


def test_two_files_of_one_place(tmp_path: Path) -> None:
    made(tmp_path, "a/x.txt", "b/x.txt")
    with pytest.raises(PenstockError, match=r"a/x\.txt and .*b/x\.txt would both be written to .*x\.txt\.jsonl"):
        find([str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("*.parquet", "nothing matches it; name files of text, JSON lines"),
        ("nowhere", "no such file or folder; name files of text"),
        (".", "the folder holds no text"),
    ],
)
def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PenstockError, match=rf"--in: .*: {message}"):
        find([name], tmp_path / "out")


def test_a_file_is_finished_until_its_input_changes(tmp_path: Path) -> None:
    made(tmp_path, "a.txt")
    (job,) = find([str(tmp_path / "a.txt")], tmp_path / "out").jobs
    assert not job.finished()
    made(tmp_path, "out/a.txt.jsonl")
    assert job.finished()
    os.utime(job.source, (2e9, 2e9))
    assert not job.finished()


@pytest.mark.parametrize(
    ("name", "what"),
    [("b.arrow", "an Arrow file"), ("b.csv", "a table"), ("b.tsv", "a table"), ("b.json", "an array of JSON")],
)
def test_what_is_not_scored_is_refused_by_name_and_told_of_in_a_folder(tmp_path: Path, name: str, what: str) -> None:
    made(tmp_path, "a.txt", name)
    with pytest.raises(PenstockError, match=rf"--in: .*{name}: {what} is not scored as it is; save it as Parquet or J"):
        find([str(tmp_path / name)], tmp_path / "out")
    found = find([str(tmp_path)], tmp_path / "out")
    assert [job.name for job in found.jobs] == [str(tmp_path / "a.txt")]
    assert "1 file, " in found.account()
    assert f"left out: 1 {'an Arrow' if 'arrow' in name else 'table'}" in found.account()
