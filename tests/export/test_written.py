"""The folder of an export, and the verb."""

import os
from pathlib import Path

import forked
import pytest
from export import made
from helpers import ENVIRONMENT, files_of

from penstock.model_folder import StackConfig


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return made.language(tmp_path / "model", StackConfig(3, 4))


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = forked.run(["export", *map(str, arguments)], os.environ | ENVIRONMENT, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(*arguments: str | Path) -> str:
    """The one line of an error."""
    status, _, error = run(*arguments)
    assert status == 2
    assert error.startswith("penstock: error: ")
    assert error.count("\n") == 1
    return error


def test_it_says_what_it_takes_and_what_to_do(model: Path, tmp_path: Path) -> None:
    status, said, error = run(model, "--to", "c", "--out", tmp_path / "firmware")
    assert (status, error) == (0, "")
    assert 'GRU in float32: 1 layer of 4 units, reset="before"' in said
    assert "RAM: 64 bytes a state" in said
    names = {"gru.c", "gru.h", "gru_data.h", "gru_test.c", "penstock.json"}
    assert {path.name for path in (tmp_path / "firmware").iterdir()} == names


def test_what_stands_there_is_replaced_by_force_alone(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "firmware"
    run(model, "--to", "c", "--out", out)
    before = files_of(out)
    assert "already holds gru.c; add --force to replace it" in refused(model, "--to", "c", "--out", out)
    (out / "gru.c").write_text("changed")
    assert run(model, "--to", "c", "--out", out, "--force")[0] == 0
    assert files_of(out).keys() == before.keys()
    assert (out / "gru.c").read_text() != "changed"


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_folder_of_other_things_is_left_alone(model: Path, tmp_path: Path, force: tuple[str, ...]) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "gru.c").write_text("mine")
    (out / "board.c").write_text("mine too")
    assert "was not written by Penstock, which leaves it alone" in refused(model, "--to", "c", "--out", out, *force)
    assert {path.name: path.read_text() for path in out.iterdir()} == {"gru.c": "mine", "board.c": "mine too"}


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_the_model_itself_is_no_place(model: Path, force: tuple[str, ...]) -> None:
    before = files_of(model)
    assert "is an input and lies in the output folder" in refused(model, "--to", "c", "--out", model, *force)
    assert files_of(model) == before


def test_another_model_is_no_place(model: Path, tmp_path: Path) -> None:
    other = made.language(tmp_path / "other", StackConfig(3, 4))
    before = files_of(other)
    assert "expected a C export folder, got one of model" in refused(model, "--to", "c", "--out", other, "--force")
    assert files_of(other) == before


def test_what_cannot_be_is_one_line(model: Path, tmp_path: Path) -> None:
    assert "--to: expected one of c, " in refused(model, "--to", "fortran", "--out", tmp_path / "out")
    assert "--to: expected a format, got none" in refused(model, "--out", tmp_path / "out")
    assert "--out: expected the place" in refused(model, "--to", "c")
    assert "no model here" in refused(tmp_path, "--to", "c", "--out", tmp_path / "out")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(model, "--to", "c", "--out", tmp_path / "file" / "out")
    assert "got a file" in refused(model, "--to", "c", "--out", tmp_path / "file")
    assert not (tmp_path / "out").exists()
