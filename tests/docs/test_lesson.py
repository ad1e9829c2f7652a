"""The lesson says the same in both languages: pages, headings, figures, code, commands and where links lead."""

import ast
import json
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from docs.pages import DOCS, blocks, headings, links

EN, ZH = DOCS / "lesson" / "en", DOCS / "lesson" / "zh"
BOTH = sorted(path.name for path in EN.iterdir())


def test_same_pages() -> None:
    assert sorted(path.name for path in ZH.iterdir()) == BOTH


@pytest.mark.parametrize("page", BOTH)
def test_same_headings_figures_and_links(page: str) -> None:
    en, zh = EN / page, ZH / page
    assert [tag for tag, _ in headings(en)] == [tag for tag, _ in headings(zh)]

    def targets(path: Path) -> list[str]:
        return sorted(re.sub(r"#.*", "", link) for link in links(path) if "d2l.ai" not in link)

    assert targets(en) == targets(zh)


@pytest.mark.parametrize("page", BOTH)
def test_same_code(page: str) -> None:
    en, zh = blocks(EN / page), blocks(ZH / page)
    assert [block.kind for block in en] == [block.kind for block in zh]
    for ours, theirs in zip(en, zh, strict=True):
        if ours.kind == "python":
            assert _code(ours.content) == _code(theirs.content)
        elif ours.kind == "text" or "penstock" in ours.content:
            assert ours.content == theirs.content


QUOTED = [
    ("1-why-gates.md", "one mouse among many cats", "attention of the final state on it (equal shares: 1%)", ".0%"),
    ("1-why-gates.md", "one mouse among many cats", "accuracy", ".0%"),
    ("2-two-gates.md", "the gates are soft", "reset gate r below 0.1", ".0%"),
    ("2-two-gates.md", "the gates are soft", "reset gate r above 0.9", ".0%"),
    ("2-two-gates.md", "the gates are soft", "update gate z below 0.1", ".0%"),
    ("2-two-gates.md", "the gates are soft", "update gate z above 0.9", ".0%"),
    ("3-candidate.md", "the reset gate forgets", "r where a customer starts", ".3f"),
    ("3-candidate.md", "the reset gate forgets", "r inside", ".2f"),
    ("3-candidate.md", "the reset gate forgets", "error (share of variance), GRU", ".0%"),
    ("3-candidate.md", "the reset gate forgets", "error with r forced to 1 after training", ".0f"),
    ("3-candidate.md", "the reset gate forgets", "error, trained without reset gate", ".0%"),
]
"""Page, claim, figure and how the page writes it: the mean over the seeds."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The lab's claims by name, as `make figures` found them."""
    found = json.loads((DOCS / "figures" / "lab.json").read_text(encoding="utf-8"))
    return {claim["name"]: claim for claim in found["claims"]}


@pytest.mark.parametrize(("page", "claim", "figure", "form"), QUOTED)
def test_numbers_are_those_of_the_lab(page: str, claim: str, figure: str, form: str, measured: dict[str, Any]) -> None:
    number = format(mean(measured[claim]["figures"][figure]), form)
    for language in (EN, ZH):
        assert re.search(rf"(?<![\d.]){re.escape(number)}", (language / page).read_text(encoding="utf-8")), number


def test_the_table_is_that_of_the_lab(measured: dict[str, Any]) -> None:
    (table,) = measured["two gates and not one"]["tables"]
    rows = [[format(mean(cell), ".0%") for cell in cells] for cells in table["rows"].values()]
    for language in (EN, ZH):
        text = (language / "6-why-two.md").read_text(encoding="utf-8")
        shown = [re.findall(r"\d+%", line) for line in text.splitlines() if line.startswith("|")]
        assert [row for row in shown if row] == rows


def _code(source: str) -> str:
    """Without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
