"""The pages' mathematics, TeX with Unicode's letters and signs, as MathML: browsers set it themselves, offline.

The TeX is written so that it reads as text, too: ``h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ n_t``. That text is what a copy
takes along (reading.js) and what a screen reader without MathML says.
"""

import html
import re
import unicodedata
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)

WORDS = {r"\sum": "Σ", r"\prod": "Π", r"\sqrt": "√", r"\max": "max", r"\tanh": "tanh", r"\ln": "ln", r"\log": "log"}
SPLIT = ("=", "+", "→")
"""A line that is too long is broken before these, where they are in no subscript."""


def plain(tex: str) -> str:
    """The TeX as text: no commands, braces only where more than one sign belongs together."""
    tex = re.sub(r"\\d?frac{(.*?)}{(.*?)}", r"\1 / \2", tex)
    tex = re.sub(r"\\(?:operatorname|text|mathrm){(.*?)}", r"\1", tex)
    for command, word in WORDS.items():
        tex = tex.replace(command, word)
    return re.sub(r"{(.)}", r"\1", tex).strip()


def mathml(tex: str, display: bool = False) -> str:
    """The ``<math>`` element of one formula; a displayed one comes in pieces, between which a line may end."""
    root = ElementTree.fromstring(convert(tex, display="block" if display else "inline"))
    for sign in root.iter(f"{{{MATHML}}}mi"):  # the converter takes signs that are written as themselves for letters
        kind = unicodedata.category((sign.text or " ")[0])
        sign.tag = {"Sm": f"{{{MATHML}}}mo", "No": f"{{{MATHML}}}mn"}.get(kind, sign.tag)
    root.set("alttext", plain(tex))
    if display:
        (row,) = root
        root.remove(row)
        piece = ElementTree.SubElement(root, f"{{{MATHML}}}mrow")
        for part in row:
            if part.text in SPLIT and len(piece):
                piece = ElementTree.SubElement(root, f"{{{MATHML}}}mrow")
                part.set("form", "infix")  # at the beginning of its row it would be a sign, without room
            piece.append(part)
    return ElementTree.tostring(root, encoding="unicode")


def displayed(tex: str) -> str:
    r"""A formula in a box of its own, which scrolls if all else fails; ``\tag{…}`` is what stands beside it."""
    found = re.search(r"\\tag{(.*)}\s*$", tex)
    beside = f'<span class="tag">{html.escape(found[1])}</span>' if found else ""
    return f'<div class="formula">{mathml(tex[: found.start()] if found else tex, display=True)}{beside}</div>\n'


def _inline(page: Any, node: nodes.math) -> None:
    page.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(page: Any, node: nodes.math_block) -> None:
    page.body.append(displayed(node.astext()))
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
