"""The lesson says the same in both languages: pages, headings, figures, code, commands and where links lead."""

import ast
import re
from pathlib import Path

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


def _code(source: str) -> str:
    """Without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
