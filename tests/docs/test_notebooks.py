"""The solved exercises: each notebook runs from top to bottom, checks its answer, and is the same in both languages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.pages import DOCS

EN, ZH = DOCS / "notebooks" / "en", DOCS / "notebooks" / "zh"
NAMES = sorted(path.stem for path in EN.iterdir())


def cells(path: Path, kind: str) -> list[str]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_each_page_of_the_lesson_has_one_in_both_languages() -> None:
    pages = sorted(path.stem for path in (DOCS / "lesson" / "en").iterdir() if path.stem[0].isdigit())
    assert sorted(path.stem for path in ZH.iterdir()) == NAMES == pages


@pytest.mark.parametrize("name", NAMES)
def test_same_code_and_no_outputs(name: str) -> None:
    en, zh = EN / f"{name}.ipynb", ZH / f"{name}.ipynb"
    assert cells(en, "code") == cells(zh, "code")
    assert len(cells(en, "markdown")) == len(cells(zh, "markdown"))
    for path in (en, zh):
        stored = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in stored)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_its_answer_holds(name: str, tmp_path: Path) -> None:
    code = cells(EN / f"{name}.ipynb", "code")
    assert "assert" in code[-1]
    done = subprocess.run(
        [sys.executable, "-c", "\n\n".join(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
