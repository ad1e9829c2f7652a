"""The lesson's plates: each of the textbook's pictures as an SVG file of its own, in either language.

Words come from ``assets/words.json``, colours from ``assets/circuit.css``.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from html import escape

from penstock.look import cats
from penstock.look.circuit import LEFT, PARTS, STAGES, WIDTH, Form, elements
from penstock.look.signs import mathematics

HEIGHTS = {"cats": cats.HEIGHT, "gates": 564, "candidate": 564, "state": 564, "whole": 724}
"""The pictures in the textbook's order."""
FIRST_EQUATION, LINE = 604, 34
DARK = """
@media screen and (prefers-color-scheme: dark) {
  svg.circuit { --ground: #15171a; --raised: #1d2024; --ink: #e9e8e4; --muted: #a6abb3; --rule: #363a40;
    --gate: #8db9f2; --gate-soft: #21395a; --bar: #f0a35e; --bar-soft: #523418; }
}
"""
"""The page's dark colours, for a file that stands alone. Paper is light."""


def plate(stage: str, language: str, form: Form = "before") -> str:
    """A picture of the lesson as an SVG file of its own.

    It follows the reader's light or dark, is light on paper, and says in its title and description what it shows.

    Args:
        stage: "cats", or how much of the circuit stands, one of ``penstock.look.circuit.STAGES``.
        language: "en" or "zh".
        form: of the reset gate.
    """
    words: dict[str, str] = json.loads(_asset("words.json"))[language]
    title, says = words["circuitPlate" + stage.capitalize()], " ".join(words[step] for step in steps(stage, form))
    drawing = cats.row() if stage == "cats" else _circuit(stage, form)
    drawing = re.sub(r' data-word="(\w+)">', lambda match: f">{escape(words[match[1]])}", drawing)
    size = f'width="{WIDTH}" height="{HEIGHTS[stage]}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="circuit" lang="{"zh-Hans" if language == "zh" else language}" '
        f'viewBox="{LEFT} 0 {WIDTH} {HEIGHTS[stage]}" {size} role="img" aria-labelledby="{stage}-title {stage}-steps">'
        f'<title id="{stage}-title">{escape(title)}</title><desc id="{stage}-steps">{escape(says)}</desc>'
        f'<style>{_asset("circuit.css")}{DARK}</style><rect class="ground" x="{LEFT}" {size}/>{drawing}</svg>\n'
    )


def steps(stage: str, form: Form = "before") -> list[str]:
    """Keys of the sentences that say what a picture shows."""
    stages = ["cats"] if stage == "cats" else STAGES[: STAGES.index(stage) + 1]
    return ["circuitStep" + s.capitalize() + (form.capitalize() if s == "candidate" else "") for s in stages]


def _circuit(stage: str, form: Form) -> str:
    drawn = "".join(element.markup for element in elements(stage, form)) + _legend(stage)
    return drawn + _equations(form) if stage == "whole" else drawn


def _legend(stage: str) -> str:
    """What the signs mean, as the textbook puts it below its pictures."""
    signs = [
        (0, 516, "circuitLayer", '<rect class="box" x="6" y="502" width="24" height="18" rx="3"/>'),
        (460, 516, "circuitCopy", '<path class="wire" d="M460 516h30m-24 0q12 0 12 -13"/>'),
        (460, 544, "circuitJoin", '<path class="wire" d="M460 544h30m-24 -13q0 13 12 13"/>'),
        (0, 544, "circuitOperator", '<circle class="operator" cx="18" cy="539" r="9"/>'),
    ]
    dots = [(466, 516, 3.5), (18, 539, 2)]
    if stage == "gates":  # no operator stands there yet
        signs.pop()
        dots.pop()
    texts = (
        f'{sign}<text class="legend" x="{x + 40}" y="{y}" font-size="15" data-word="{word}"></text>'
        for x, y, word, sign in signs
    )
    return "".join([*texts, *(f'<circle class="copy" cx="{x}" cy="{y}" r="{r}"/>' for x, y, r in dots)])


def _equations(form: Form) -> str:
    """The four equations, their equals signs below one another, each with its name."""
    lines = []
    for k, part in enumerate(PARTS[name] for name in ("reset", "update", "candidate", "hidden")):
        left, right = part.equation[form].split(" = ")
        y = FIRST_EQUATION + LINE * k
        lines.append(
            f'<text class="equation" x="46" y="{y}" font-size="20" text-anchor="end">{mathematics(left)}</text>'
            f'<text class="equation" x="56" y="{y}" font-size="20">= {mathematics(right)}</text>'
            f'<text class="name" x="740" y="{y}" font-size="16" text-anchor="end" data-word="{part.word}"></text>'
        )
    return "".join(lines)


def _asset(name: str) -> str:
    return (importlib.resources.files("penstock.look") / "assets" / name).read_text("utf-8")
