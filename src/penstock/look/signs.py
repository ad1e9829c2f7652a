"""What a circuit is drawn with: wires, tips, copies, layers, operators and labels, as SVG."""

from __future__ import annotations

import dataclasses
import re
from html import escape
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Element:
    """Something drawn.

    Args:
        part: whose value it carries, one of the circuit's; "" where it carries none.
        since: the stage at which it appears.
        markup: SVG. An element with ``data-word`` is empty, and filled in the reader's language.
        form: of the reset gate, if it belongs to one alone.
        until: the stage at which it goes: the tip of a wire that then leads on.
    """

    part: str
    since: str
    markup: str
    form: str = ""
    until: str = ""


def mathematics(text: str) -> str:
    """``h_{t−1}`` as tspans: the letter in italics, the index below the line. The rest stays as it is."""
    parts, lowered = [], False
    for plain, letter, index in re.findall(r"([^_]*?)(?:([A-Za-z])_\{?([^\s{}()]+)\}?|$)", escape(text)):
        raised = ' dy="-0.22em"' if lowered else ""
        if plain:
            parts.append(f"<tspan{raised}>{plain}</tspan>")
            raised, lowered = "", False
        if letter:
            parts.append(
                f'<tspan class="letter"{raised}>{letter}</tspan><tspan class="index" dy="0.3em">{index}</tspan>'
            )
            lowered = True
    return "".join(parts)


def wire(part: str, since: str, path: str, form: str = "") -> Element:
    """A wire along a path."""
    return Element(part, since, f'<path class="wire" d="{path}"/>', form)


def arrow(
    part: str, since: str, path: str, x: int, y: int, way: Literal["up", "right"], form: str = "", until: str = ""
) -> tuple[Element, Element]:
    """A wire that goes on to (x, y) and ends there in a tip."""
    last, tip = (f"V{y + 7}", "l-5 9h10z") if way == "up" else (f"H{x - 7}", "l-9 -5v10z")
    drawn = Element(part, since, f'<path class="tip" d="M{x} {y}{tip}"/>', form, until)
    return wire(part, since, path + last, form), drawn


def copy(since: str, x: int, y: int, form: str = "") -> Element:
    """Where a wire leaves another one, which goes on."""
    return Element("", since, f'<circle class="copy" cx="{x}" cy="{y}" r="4"/>', form)


def box(part: str, since: str, x: int, y: int, text: str, kind: str, form: str = "") -> Element:
    """A layer: fully connected with its activation (84 × 56), or linear (48 × 30)."""
    width, height, size = (48, 30, 17) if kind == "linear" else (84, 56, 22)
    at = f'x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}"'
    return Element(
        part,
        since,
        f'<rect class="box {kind}" {at} rx="5"/>'
        f'<text class="inside" x="{x}" y="{y + 6}" font-size="{size}" text-anchor="middle">{mathematics(text)}</text>',
        form,
    )


def operator(part: str, since: str, x: int, y: int, sign: str, form: str = "") -> Element:
    """An elementwise operator, its sign drawn and not written: no typeface needs to have it."""
    inside = {
        "⊙": f'<circle class="sign" cx="{x}" cy="{y}" r="2.5"/>',
        "+": f'<path class="stroke" d="M{x - 7} {y}h14M{x} {y - 7}v14"/>',
        "1−": f'<path class="stroke" d="M{x - 8} {y - 4}l4-3v14M{x + 1} {y}h8"/>',
    }[sign]
    return Element(part, since, f'<circle class="operator" cx="{x}" cy="{y}" r="13"/>{inside}', form)


def letter(part: str, since: str, x: int, y: int, text: str) -> Element:
    """A variable beside its wire."""
    return Element(part, since, f'<text class="symbol" x="{x}" y="{y}" font-size="22">{mathematics(text)}</text>')


def word(part: str, since: str, x: int, y: int, word: str, anchor: str = "start") -> Element:
    """A name in the reader's language."""
    return Element(
        part,
        since,
        f'<text class="name" x="{x}" y="{y}" font-size="16" text-anchor="{anchor}" data-word="{word}"></text>',
    )
