"""Commands that the pages show name verbs, flags and make targets that exist, and can be parsed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.pages import PAGES, ROOT, blocks, inline, name

from penstock.cli import app

VERBS = [verb for verb in app if not verb.startswith("-")]
EVERYWHERE = {flag for argument in app.meta.assemble_argument_collection() for flag in argument.names}
EVERYWHERE |= {"--help", "-h"}
PLACEHOLDERS = re.compile(r"[\[\]|…]|\bVERB\b")


def commands(page: Path) -> Iterator[str]:
    """What stands behind ``penstock`` or ``make`` at the start of a line of a block, or as code in the text."""
    for block in blocks(page):
        if block.kind in ("indented", "", "sh", "bash", "console"):
            yield from re.sub(r"\\\n\s*", " ", block.content).splitlines()
    yield from (token.content for token in inline(page) if token.type == "code_inline")


def shell(page: Path, program: str) -> list[str]:
    pattern = re.compile(rf"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?{program} (.*)")
    return [found[1] for line in commands(page) if (found := pattern.fullmatch(line.strip()))]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_verbs_and_flags_exist(page: Path) -> None:
    if page.name == "cli.md":
        return  # written from the program, and tested as such
    for line in shell(page, "penstock"):
        words = shlex.split(line.split("  #")[0].split(" #")[0], comments=True)
        if words[0] in ("VERB", "--help", "--version"):
            continue
        assert words[0] in VERBS, line
        flags = {flag for argument in app[words[0]].assemble_argument_collection() for flag in argument.names}
        for word in words:
            if word.startswith("-") and len(word) > 1:
                assert word.strip("[]").partition("=")[0] in flags | EVERYWHERE, line
        if not PLACEHOLDERS.search(line) and any(word.startswith("-") for word in words) and "--config" not in words:
            app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in shell(page, "make"):
        words = [word for word in shlex.split(line, comments=True) if "=" not in word]
        assert set(words[:1]) <= targets, line
