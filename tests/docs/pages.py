"""The project's Markdown, as its tests read it."""

import functools
import re
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *DOCS.rglob("*.md")])
PAGES = [page for page in PAGES if "_build" not in page.parts]


class Block(NamedTuple):
    """A block of code."""

    kind: str  # of a fence; "indented" of an indented block
    content: str
    line: int
    end: int


@functools.cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    return [
        Block(token.info or ("indented" if token.type == "code_block" else ""), token.content, *(token.map or (0, 0)))
        for token in tokens(page)
        if token.type in ("fence", "code_block")
    ]


def inline(page: Path) -> list[Token]:
    """Text, code, links and images inside paragraphs, headings and tables."""
    return [child for token in tokens(page) for child in token.children or ()]


def links(page: Path) -> list[str]:
    return [
        str(token.attrGet("href") or token.attrGet("src"))
        for token in inline(page)
        if token.type in ("link_open", "image")
    ]


def formulas(page: Path) -> list[str]:
    """The TeX of the mathematics that stands apart from the text."""
    return [token.content for token in tokens(page) if token.type == "math_block"]


def headings(page: Path) -> list[tuple[str, str]]:
    """(h1 … h6, text), in order."""
    found = tokens(page)
    return [
        (token.tag, "".join(part.content for part in found[k + 1].children or ()))
        for k, token in enumerate(found)
        if token.type == "heading_open"
    ]


def anchors(page: Path) -> set[str]:
    """What a link to a heading is called, as GitHub and MyST call it."""
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(page)}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))
