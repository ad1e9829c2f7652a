"""Folders that Penstock makes: what is not listed is never touched, and one process writes at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import LIST, held, read


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_is_written_is_listed(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with held(out, "model") as folder:
        assert not (out / LIST).exists()
        write(folder.place("one"), "1")
        (out / "below").mkdir()
        write(folder.place("below/two"), "2")
        with held(folder.place("inner"), "run") as inner:
            write(inner.place("three"), "3")
        folder.expect_only_ours()
        assert folder.listed() == ["below/two", "inner", "one"]
    content = read(out)
    assert content is not None
    assert (content["folder"], content["files"]) == ("model", ["below/two", "inner", "one"])
    with held(out, "model") as folder:
        assert folder.place("one") == out / "one"
        folder.remove("below/two", "inner")
        assert everything(out) == {LIST, "one", "below"}
        folder.move("one", "another")
        assert folder.listed() == ["another"]


def test_what_was_made_and_holds_nothing_is_removed(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b", "model") as folder:
        folder.place("never written")
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), held(tmp_path / "mine", "model"):
        raise KeyboardInterrupt
    assert everything(tmp_path) == {"mine"}


@pytest.mark.parametrize("name", ["note", "inner/note", "below/note"])
def test_what_is_not_listed_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "below").mkdir()
    with held(tmp_path, "model") as folder:
        write(folder.place("below/two"), "2")
        with held(folder.place("inner"), "run") as inner:
            write(inner.place("three"), "3")
        (tmp_path / name).write_text("mine")
        with pytest.raises(PenstockError, match=rf"^{tmp_path / name}: was not written by Penstock"):
            folder.expect_only_ours()
        folder.remove("below/two", "inner")
    assert {path for path in everything(tmp_path) if (tmp_path / path).is_file()} == {name} | (
        {LIST} if name == "inner/note" else set()
    )
    with held(tmp_path / "below", "model") as folder:
        (tmp_path / "below" / "config.json").write_text("another program's")
        with pytest.raises(PenstockError, match=r"config.json: was not written by Penstock"):
            folder.place("config.json")


def test_a_hidden_file_is_no_hindrance_and_stays(tmp_path: Path) -> None:
    with held(tmp_path / "out", "model") as folder:
        with held(folder.place("inner"), "run") as inner:
            write(inner.place("three"), "3")
            (inner.path / ".git").mkdir()
            (inner.path / ".three.abcdefgh").write_text("half of one, of a process that was killed")
        folder.expect_only_ours()
        folder.remove("inner")
    assert everything(tmp_path) == {"out", f"out/{LIST}", "out/inner", "out/inner/.git"}


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("mine")
    with held(tmp_path / "out", "model") as folder:
        folder.place("inner").symlink_to(tmp_path / "elsewhere")
        folder.remove("inner")
    assert everything(tmp_path) == {"elsewhere", "elsewhere/file"}


def test_a_second_writer_is_told_who_is_writing(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from penstock.folder import held\n"
        "with held(pathlib.Path(sys.argv[2]), 'model') as folder:\n"
        "    folder.place('x').write_text('x'); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        who = f"penstock train, process {process.pid} on "
        with pytest.raises(PenstockError, match=rf"^{tmp_path}: {who}.*, is writing it; wait for it, or "):
            held(tmp_path, "model").__enter__()
    finally:
        process.kill()  # the system lets go of what it held
        process.communicate()
    with held(tmp_path, "model") as folder:
        assert folder.listed() == ["x"]


def test_places_that_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "to").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for name, got in (("file", "a file"), ("link", "a link"), ("to", "a link"), ("pipe", "a pipe")):
        with pytest.raises(PenstockError, match=rf"{name}: expected a folder or a new name, got {got}; choose"):
            held(tmp_path / name, "model").__enter__()
    with pytest.raises(PenstockError, match=r"^/: expected a folder of its own, got the root of all files"):
        held(Path("/"), "model").__enter__()
    with pytest.raises(PenstockError, match=r"file/x: cannot be written: Not a directory"):
        held(tmp_path / "file" / "x", "model").__enter__()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"\xff", b'"' * 9, b"[" * 100_000,
        json.dumps({"format": "penstock-folder", "version": True, "folder": "model", "files": []}).encode(),
        *(
            json.dumps({"format": "penstock-folder", "version": 1, "folder": "model", "files": files}).encode()
            for files in ("config.json", [1], ["/etc/passwd"], ["../x"], ["a/../../x"], [""], None)
        ),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_believed_in_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LIST).write_bytes(content)
    with pytest.raises(PenstockError, match=rf"^{tmp_path / LIST}: "):
        held(tmp_path, "model").__enter__()
    assert (tmp_path / LIST).read_bytes() == content


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    with held(tmp_path, "tokens") as folder:
        write(folder.place("x"), "x")
    with pytest.raises(PenstockError, match=r"expected a model folder, got one of tokens; choose another --out"):
        held(tmp_path, "model").__enter__()
