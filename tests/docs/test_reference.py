"""The references say what the program is."""

import importlib.util
from pathlib import Path
from types import ModuleType

from docs.pages import DOCS

import penstock


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_lines_reference_is_that_of_the_program() -> None:
    write_cli = _module(DOCS / "reference" / "write_cli.py")
    assert write_cli.PAGE.read_text(encoding="utf-8") == write_cli.page(), "make reference"


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    for name in penstock.__all__:
        assert f":: penstock.{name}" in page, name
