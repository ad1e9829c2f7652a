"""Small tables that tests of series make."""

from pathlib import Path
from typing import Any

import pytest

from penstock import PenstockError
from penstock.series import Roles, SeriesSet, read_series

DATA = Path(__file__).parents[2] / "shared" / "data"


def made(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(path: Path, text: str, **roles: Any) -> SeriesSet:
    return read_series([str(made(path, text))], Roles(**roles))


def refused(path: Path, text: str, **roles: Any) -> str:
    """The one line of a table that cannot be read, without the folder."""
    with pytest.raises(PenstockError) as error:
        read(path, text, **roles)
    said = str(error.value)
    assert "\n" not in said
    assert str(path) in said
    return said.replace(f"{path.parent}/", "")


def shared(name: str) -> str:
    """A file of data that tests use where it is there."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return str(path)
