"""The unit as a circuit, in one description: what stands in it, and from which of the textbook's pictures on.

The same elements make the plates of the lesson (``penstock.look.plates``) and, here, the circuit in the page
(``inline``), where ``script/circuit.js`` puts the numbers in.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from penstock.look.signs import Element, arrow, box, copy, letter, operator, wire, word

Form = Literal["before", "after"]
STAGES = ("gates", "candidate", "state", "whole")
"""The textbook's pictures of the circuit. Each shows what the one before it shows, and what is new."""
LEFT, WIDTH = -24, 800


class Part(NamedTuple):
    """What carries a value."""

    word: str
    """Its name, a key of ``assets/words.json``."""
    before: str
    """Its equation where the reset gate stands before the matrix, as ``mathematics`` reads it."""
    after: str = ""
    """And where it stands after it, if that is another one."""

    @property
    def equation(self) -> dict[Form, str]:
        """In either form."""
        return {"before": self.before, "after": self.after or self.before}


PARTS = {
    "input": Part("circuitInput", "x_t"),
    "previous": Part("circuitPrevious", "h_{t−1}"),
    "reset": Part("circuitReset", "r_t = σ(W_{ir} x_t + b_{ir} + W_{hr} h_{t−1} + b_{hr})"),
    "update": Part("circuitUpdate", "z_t = σ(W_{iz} x_t + b_{iz} + W_{hz} h_{t−1} + b_{hz})"),
    "shown": Part("circuitShown", "r_t ⊙ h_{t−1}", "r_t ⊙ (W_{hn} h_{t−1} + b_{hn})"),
    "candidate": Part(
        "circuitCandidate",
        "n_t = tanh(W_{in} x_t + b_{in} + W_{hn} (r_t ⊙ h_{t−1}) + b_{hn})",
        "n_t = tanh(W_{in} x_t + b_{in} + r_t ⊙ (W_{hn} h_{t−1} + b_{hn}))",
    ),
    "kept": Part("circuitKept", "z_t ⊙ h_{t−1}"),
    "complement": Part("circuitComplement", "1 − z_t"),
    "written": Part("circuitWritten", "(1 − z_t) ⊙ n_t"),
    "hidden": Part("circuitHidden", "h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ n_t"),
}

ELEMENTS = (
    Element("", "gates", '<rect class="frame" x="94" y="56" width="562" height="384" rx="14"/>'),
    # Input and state, put together, go into both gates.
    wire("previous", "gates", "M-12 104H112q12 0 12 12V333q0 12 12 12H188"),
    wire("input", "gates", "M176 486V357q0 -12 12 -12"),
    *arrow("", "gates", "M188 345H220q12 0 12 -12", 232, 313, "up"),
    *arrow("", "gates", "M220 345H372q12 0 12 -12", 384, 313, "up"),
    copy("gates", 220, 345),
    *arrow("reset", "gates", "M232 257", 232, 225, "up"),
    *arrow("update", "gates", "M384 257", 384, 186, "up", until="state"),
    box("reset", "gates", 232, 285, "σ", "gate"),
    box("update", "gates", 384, 285, "σ", "gate"),
    letter("input", "gates", 190, 476, "x_t"),
    word("input", "gates", 220, 476, "circuitInput"),
    letter("previous", "gates", -10, 92, "h_{t−1}"),
    word("previous", "gates", -10, 66, "circuitHidden"),
    letter("reset", "gates", 242, 247, "r_t"),
    word("reset", "gates", 222, 332, "circuitReset", "end"),
    letter("update", "gates", 394, 247, "z_t"),
    word("update", "gates", 374, 332, "circuitUpdate", "end"),
    # What the reset gate shows of the state, and the input, make the candidate.
    *arrow("previous", "candidate", "M124 200q0 12 12 12", 219, 212, "right", form="before"),
    *arrow("previous", "candidate", "M124 200q0 12 12 12", 151, 212, "right", form="after"),
    *arrow("shown", "candidate", "M199 212", 219, 212, "right", form="after"),
    copy("candidate", 124, 200),
    wire("input", "candidate", "M176 427q0 -12 12 -12H528q12 0 12 -12V333", form="before"),
    *arrow("input", "candidate", "M176 427q0 -12 12 -12H528q12 0 12 -12", 540, 397, "up", form="after"),
    copy("candidate", 176, 427),
    wire(
        "shown", "candidate", "M245 212H376a8 8 0 0 1 16 0H470q12 0 12 12V333q0 12 12 12H528q12 0 12 -12", form="before"
    ),
    *arrow(
        "shown",
        "candidate",
        "M245 212H376a8 8 0 0 1 16 0H470q12 0 12 12V331q0 12 12 12",
        527,
        343,
        "right",
        form="after",
    ),
    *arrow("", "candidate", "M540 333", 540, 313, "up", form="before"),
    *arrow("", "candidate", "M540 367", 540, 356, "up", form="after"),
    *arrow("", "candidate", "M540 330", 540, 313, "up", form="after"),
    *arrow("candidate", "candidate", "M540 257", 540, 171, "up"),
    box("shown", "candidate", 175, 212, "W_{hn}", "linear", "after"),
    box("candidate", "candidate", 540, 382, "W_{in}", "linear", "after"),
    operator("candidate", "candidate", 540, 343, "+", "after"),
    operator("shown", "candidate", 232, 212, "⊙"),
    box("candidate", "candidate", 540, 285, "tanh", "content"),
    letter("candidate", "candidate", 550, 247, "n_t"),
    word("candidate", "candidate", 556, 333, "circuitCandidate"),
    # What is kept and what is written make the new state.
    *arrow("previous", "state", "M112 104", 371, 104, "right"),
    copy("state", 112, 104),
    *arrow("update", "state", "M384 193", 384, 117, "up"),
    copy("state", 384, 170),
    *arrow("update", "state", "M384 170q0 -12 12 -12", 449, 158, "right"),
    *arrow("complement", "state", "M475 158", 527, 158, "right"),
    *arrow("kept", "state", "M397 104", 527, 104, "right"),
    *arrow("written", "state", "M540 145", 540, 117, "up"),
    *arrow("hidden", "state", "M553 104", 756, 104, "right"),
    *arrow("hidden", "state", "M588 104q12 0 12 -12", 600, 16, "up"),
    copy("state", 588, 104),
    operator("kept", "state", 384, 104, "⊙"),
    operator("complement", "state", 462, 158, "1−"),
    operator("written", "state", 540, 158, "⊙"),
    operator("hidden", "state", 540, 104, "+"),
    letter("hidden", "state", 666, 92, "h_t"),
    word("hidden", "state", 666, 66, "circuitHidden"),
    letter("hidden", "state", 612, 34, "h_t"),
)


def elements(stage: str, form: Form = "before") -> list[Element]:
    """What the picture of a stage holds."""
    shown = STAGES[: STAGES.index(stage) + 1]
    return [e for e in ELEMENTS if e.since in shown and e.until not in shown and e.form in ("", form)]


METERS = {
    "previous": (-10, 128, -10, 132),
    "shown": (250, 202, 318, 188),
    "candidate": (578, 247, 556, 206),
    "kept": (402, 94, 466, 80),
    "complement": (480, 180, 480, 184),
    "written": (558, 136, 558, 140),
    "hidden": (666, 128, 666, 132),
}
"""Where in the page the number of a part begins, and the histogram of its values: x, y, x, y."""
SLUICES = {"reset": (232, "circuitShows", "circuitHides"), "update": (384, "circuitKeeps", "circuitWrites")}
"""Where a gate's box has its middle, and the words for the gate at 1 and at 0: how far it stands is drawn there."""


def inline() -> str:
    """The circuit for the page: all stages, both forms, each part a group to be reached, with room for its number."""
    groups = []
    for name, part in PARTS.items():
        own = [e for e in ELEMENTS if e.part == name]
        halo = (_shown(e, re.sub(r'class="[^"]*"', 'class="halo"', shape)) for e in own for shape in _shapes(e))
        equations = "".join(f' data-{form}="{equation}"' for form, equation in part.equation.items())
        groups.append(
            f'<g class="part" data-part="{name}" data-since="{own[0].since}" data-label="{part.word}"{equations} '
            f'role="img" tabindex="0">{"".join(halo)}{"".join(_shown(e, e.markup) for e in own)}{_meter(name)}</g>'
        )
    frame, *joints = (_shown(e, e.markup) for e in ELEMENTS if not e.part)
    return (
        f'<svg class="circuit" viewBox="{LEFT} 0 {WIDTH} 490" role="group" aria-labelledby="circuit-title" '
        f'aria-describedby="circuit-steps"><desc id="circuit-steps"></desc>'
        f'{frame}{"".join(groups)}<g class="joints">{"".join(joints)}</g></svg>'
    )


def _shapes(element: Element) -> list[str]:
    return re.findall(r'<\w+ class="(?:wire|box)[^>]*/>', element.markup)


def _shown(element: Element, markup: str) -> str:
    """In a group that says when it is shown."""
    when = {"since": element.since, "until": element.until, "form": element.form}
    attributes = "".join(f' data-{name}="{value}"' for name, value in when.items() if value)
    return f"<g{attributes}>{markup}</g>"


def _meter(part: str) -> str:
    """What ``script/circuit.js`` fills in."""
    if part == "input":
        return '<text class="token" x="300" y="476" font-size="17"></text>'
    if part in METERS:
        x, y, left, top = METERS[part]
        bars = f'<g transform="translate({left} {top})"><path class="bars"/><path class="axis"/></g>'
        return f'<text class="number" x="{x}" y="{y}" font-size="16"></text>{bars}'
    x, at_1, at_0 = SLUICES[part]
    return (
        f'<text class="number" x="{x + 34}" y="247" font-size="16"></text>'
        f'<g class="sluice" transform="translate({x + 18} 261)"><rect width="18" height="48"/><path class="bars"/>'
        '<path class="level" d="M-4 0h26"/></g>'
        f'<text class="end" x="{x + 47}" y="272" font-size="13" data-word="{at_1}"></text>'
        f'<text class="end" x="{x + 47}" y="309" font-size="13" data-word="{at_0}"></text>'
    )
