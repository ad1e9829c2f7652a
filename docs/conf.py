"""The documentation's settings, for Sphinx: `make docs` builds docs/_build/html, which needs no network to read."""

import re
import sys
from pathlib import Path
from typing import Any

import penstock

sys.path.insert(0, str(Path(__file__).parent))

project = "Penstock"
author = "The Penstock authors"
copyright = author
version = release = penstock.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathematics"]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
nitpicky = True
# Names of other projects have no pages here; Penstock's own must resolve.
nitpick_ignore_regex = [("py:.*", r"(?!penstock\.).*")]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

html_theme = "furo"
html_title = "Penstock"
html_static_path = ["_static"]
html_css_files = ["penstock.css"]
html_js_files = ["reading.js", "unit.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# Search finds English words and their stems; Chinese it would have to cut into words, with a package of its own.
html_search_language = "en"

# Shapes are what a signature would have to say, and the docstrings say them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_rtype = False


def _equations_as_they_stand(_: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Indented blocks of a docstring are equations, to be shown line by line and not as a quotation."""
    marked: list[str] = []
    for k, line in enumerate(lines):
        before = next((known for known in reversed(marked) if known), "")
        deeper = len(line) - len(line.lstrip()) > len(before) - len(before.lstrip())
        if line and k and not lines[k - 1] and deeper and not re.match(r"\s*(>>>|-|\*)", line):
            marked += ["::", ""]
        marked.append(line)
    lines[:] = marked


def _letters_are_no_lists(_: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """A parameter that is described by a letter, such as D., begins no list whose items are numbered A, B, C, D."""
    lines[:] = [re.sub(r"^(:param \w+:) ([A-Z]\.)$", r"\1 \\\2", line) for line in lines]


def _language_of_the_page(_: Any, name: str, __: str, context: dict[str, Any], ___: Any) -> None:
    """What browsers choose a typeface by, and screen readers a voice."""
    if name.startswith("lesson/zh/"):
        context["language"] = "zh-CN"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _equations_as_they_stand, priority=100)
    app.connect("autodoc-process-docstring", _letters_are_no_lists, priority=900)
    app.connect("html-page-context", _language_of_the_page)
