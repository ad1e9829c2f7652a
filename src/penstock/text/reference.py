"""Real text that is on every machine with Python: the language reference, else the standard library's docstrings."""

import ast
import importlib
import sysconfig
from pathlib import Path

NAME = "the Python language reference"


def text() -> str:
    """About 300,000 characters of English about Python.

    The reference inside ``pydoc_data.topics`` repeats some sections under several topics; a paragraph is kept once, so
    that held-out text was not trained on. Tables, grammar and code are left out.
    """
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError:
        texts = _docstrings()
    else:
        texts = list(topics.values())
    paragraphs = dict.fromkeys(paragraph.strip("\n") for text in texts for paragraph in text.split("\n\n"))
    return "\n\n".join(filter(_is_prose, paragraphs))


def _is_prose(paragraph: str) -> bool:
    """Whether four fifths of what is not white space are letters."""
    visible = "".join(paragraph.split())
    return sum(character.isalpha() for character in visible) > 0.8 * len(visible)


def _docstrings() -> list[str]:
    """Of the standard library's modules and what they define, read without importing anything."""
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (doc := ast.get_docstring(node)):
                found.append(doc)
    return found
