"""Slides of the lesson, made from its pages: one file a language, which presents, prints, and needs nothing else.

A section of a page is a slide, or as many as it has figures: its heading, the first sentence, and what can be shown
(formulas, figures, tables, lists, the question). What has to be read stays on the page.
"""

import base64
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

HERE = Path(__file__).parent
DOCS = HERE.parent
sys.path.insert(0, str(DOCS))
from mathematics import displayed, mathml  # noqa: E402

TITLES = {"en": "The gated recurrent unit", "zh": "门控循环单元"}
TURN = {"en": ("Back", "On"), "zh": ("上一页", "下一页")}
LEFT_OUT = {"Exercises", "练习"}
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
LARGE = {"image", "table", "unit", "fence"}
"""Of these a slide has one; a unit has a slide for itself."""
LINES = 24
"""Longer code stays on the page."""

MARKDOWN = MarkdownIt("commonmark").enable("table")
MARKDOWN.use(dollarmath_plugin, renderer=lambda tex, options: (displayed if options["display_mode"] else mathml)(tex))


def data(path: Path, kind: str) -> str:
    """A file, as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def blocks(page: Path) -> Iterator[tuple[str, list[Token]]]:
    """What stands at a page's outermost level: its kind and its tokens; links are plain text, pictures held inside."""
    tokens: list[Token] = []
    for token in MARKDOWN.parse(page.read_text(encoding="utf-8")):
        token.children = [part for part in token.children or () if not part.type.startswith("link_")]
        for picture in token.children:
            if picture.type == "image":
                path = page.parent / str(picture.attrGet("src"))
                picture.attrSet("src", data(path, KINDS[path.suffix]))
        tokens.append(token)
        answer = tokens[0].content.startswith("<details") and "</details>" not in token.content
        if token.level == 0 and token.nesting <= 0 and not answer:
            yield kind(tokens), tokens
            tokens = []


def kind(tokens: list[Token]) -> str:
    """What a block is to a slide."""
    first = tokens[0]
    if first.type == "html_block":
        return "unit" if 'class="unit"' in first.content else "question" if "<details" in first.content else "comment"
    if first.type == "paragraph_open":
        return "image" if any(part.type == "image" for part in tokens[1].children or ()) else "paragraph"
    return first.tag if first.type == "heading_open" else first.type.removesuffix("_open")


def first_sentence(tokens: list[Token]) -> list[Token]:
    """A paragraph up to its first full stop or colon, if that is outside of all emphasis."""
    kept: list[Token] = []
    for part in tokens[1].children or ():
        end = re.search(r"[.:!?](?=\s|$)|[。：！？]", part.content) if part.type == "text" and not part.level else None
        kept.append(part)
        if end:
            part.content = part.content[: end.end()].rstrip(":：")
            break
    tokens[1].children = kept
    return tokens


def leads(tokens: list[Token]) -> list[Token]:
    """A list whose items begin in bold type, as these beginnings alone."""
    for token in tokens:
        parts = token.children or []
        if token.type == "inline" and parts and "strong_open" in [part.type for part in parts[:2]]:
            end = next(k for k, part in enumerate(parts) if part.type == "strong_close")
            token.children = parts[: end + 1]
    return tokens


def shown(what: str, tokens: list[Token], seen: set[str]) -> list[Token]:
    """Of a block what a slide has of it; of some nothing."""
    if what == "comment":
        return []
    if what == "fence":  # code where there is nothing else to see
        short = tokens[0].info == "python" and tokens[0].content.count("\n") <= LINES
        return tokens if short and not seen & {"math_block", *LARGE} else []
    if what == "paragraph":
        caption = [part.type for part in tokens[1].children or ()][:1] == ["em_open"]
        return [] if caption or what in seen else first_sentence(tokens)
    return leads(tokens) if what.endswith("list") else tokens


def render(tokens: list[Token]) -> str:
    """HTML."""
    return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})


def slides(language: str) -> Iterator[str]:
    """Every slide's content, in the order of the pages."""
    for page in sorted((DOCS / "lesson" / language).glob("[1-9]*.md")):
        heading, parts, seen = "", [""], set[str]()
        for what, tokens in [*blocks(page), ("h2", [])]:
            if what in ("h1", "h2"):
                if heading not in LEFT_OUT:
                    told = (
                        part for part in parts if not re.fullmatch(r"(<p>[^<].*</p>\s*)?", part)
                    )  # by more than a sentence
                    yield from (f"<h2>{heading}</h2>\n{part}" for part in told)
                heading, parts, seen = render(tokens[1:2]), [""], set()
                if what == "h1":
                    yield f"<h1>{heading}</h1>"
            elif kept := shown(what, tokens, seen):
                if "unit" in (what, *seen) or (what in LARGE and seen & LARGE):
                    parts.append("")
                    seen &= {"paragraph"}
                seen.add(what)
                parts[-1] += render(kept)


def make(language: str) -> str:
    """The file."""
    static = DOCS / "_static"
    font = data(static / "STIXTwoMath-subset.woff2", "font/woff2")
    style = (static / "penstock.css").read_text(encoding="utf-8").replace("STIXTwoMath-subset.woff2", font)
    style += (HERE / "slides.css").read_text(encoding="utf-8")
    script = "\n".join(path.read_text(encoding="utf-8") for path in (static / "unit.js", HERE / "slides.js"))
    title = html.escape(TITLES[language])
    contents = [f"<h1>{title}</h1>\n<p>Penstock</p>", *slides(language)]
    sections = "\n".join(f"<section>\n{content}\n</section>" for content in contents)
    back, on = TURN[language]
    return f"""<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>{style}</style>
<body data-theme="light">
<main>
{sections}
</main>
<nav>
<button type="button" id="back" aria-label="{back}">‹</button>
<output id="place"></output>
<button type="button" id="on" aria-label="{on}">›</button>
</nav>
<script>{script}</script>
</body>
</html>
"""


if __name__ == "__main__":
    for language in TITLES:
        place = Path(sys.argv[1]) / f"slides.{language}.html"
        place.write_text(make(language), encoding="utf-8")
        print(place)
