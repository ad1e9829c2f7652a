"""A file is the old one or the new one, never half of one."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import PenstockError
from penstock.files import expect_place_for, replacing, write


def test_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    write(path, b"new \xff")
    assert path.read_bytes() == b"new \xff"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o044


def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")

    def half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path) -> None:
    """The limit on a file's size fails the write in the middle, as a full disk does."""
    path = tmp_path / "file"
    write(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(PenstockError, match=r"file: cannot be written: File too large; .* Free some space"):
            write(path, bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot be written: No such file or directory; .* Choose another folder"):
        write(tmp_path / "no" / "file", "text")


@pytest.mark.parametrize("moment", range(5))
def test_a_process_killed_while_writing_leaves_one_of_the_two(tmp_path: Path, moment: int) -> None:
    path = tmp_path / "file"
    write(path, "old" * 100_000)
    code = (
        "import sys; from pathlib import Path; from penstock.files import write\n"
        "print('ready', flush=True)\n"
        "while True: write(Path(sys.argv[1]), 'new' * 100_000)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.02 * moment)
    process.kill()
    process.wait()
    process.stdout.close()
    assert path.read_text() in ("old" * 100_000, "new" * 100_000)


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (b"", True),
        (b'<meta name="generator" content="Made by Penstock">', True),
        (b'{"penstock-trace":1}', True),
        (b"Made by Penstock, I think", False),
    ],
)
def test_only_what_penstock_made_is_replaced(tmp_path: Path, content: bytes, ours: bool) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(content)
    if ours:
        expect_place_for(path)
        return
    with pytest.raises(
        PenstockError, match=r"page\.html: was not written by Penstock, which leaves it alone; choose an"
    ):
        expect_place_for(path)


def test_a_place_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(
            PenstockError, match="expected a file or a new name, got a link or a device; choose another"
        ):
            expect_place_for(tmp_path / name)
    with pytest.raises(PenstockError, match="expected a file to write, got a folder"):
        expect_place_for(tmp_path)
    (tmp_path / "file").write_text("")
    for name, why in (("file/below", "Not a directory"), ("no/page.html", "No such file or directory")):
        with pytest.raises(PenstockError, match=f"{name}: cannot be written: {why}"):
            expect_place_for(tmp_path / name)
    expect_place_for(tmp_path / "new")
    assert not (tmp_path / "new").exists()
