"""The references say what the program is."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from docs.pages import DOCS

import penstock


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["write_cli", "write_exchange", "write_kinds"])
def test_a_reference_that_the_program_writes_is_what_it_does(name: str) -> None:
    writer = _module(DOCS / "reference" / f"{name}.py")
    assert writer.PAGE.read_text(encoding="utf-8") == writer.page(), "make reference"


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    for name in penstock.__all__:
        assert f":: penstock.{name}" in page, name
