"""A row of cats with one mouse among them, the textbook's first picture: not all is equally worth remembering."""

from penstock.look.signs import mathematics

HEIGHT = 230
COUNT = 8
MOUSE = 5
"""Which of the row it is, counted from 1."""

CAT = (
    '<path class="tail" d="M22 46C40 50 42 30 33 20"/>'
    '<path class="fur" d="M-18 56C-24 30 -16 8 0 8C16 8 24 30 18 56Z"/>'
    '<path class="fur" d="M-21 -26L-18 -46L-7 -36Q0 -38 7 -36L18 -46L21 -26C24 -6 12 6 0 6C-12 6 -24 -6 -21 -26Z"/>'
    '<path class="line" d="M-8 56V42M8 56V42M-3 -9Q-6 -5 -9 -8M3 -9Q6 -5 9 -8M0 -13V-10"/>'
    '<path class="line" d="M-13 -13L-28 -16M-13 -10L-28 -8M13 -13L28 -16M13 -10L28 -8"/>'
    '<path class="face" d="M-3 -15H3L0 -11Z"/>'
    '<circle class="face" cx="-9" cy="-21" r="2.6"/><circle class="face" cx="9" cy="-21" r="2.6"/>'
)
ONE_MOUSE = (
    '<path class="tail" d="M12 50C34 60 44 44 34 32"/>'
    '<path class="fur" d="M-16 56C-20 36 -12 22 0 22C12 22 20 36 16 56Z"/>'
    '<circle class="fur" cx="-15" cy="-6" r="11"/><circle class="fur" cx="15" cy="-6" r="11"/>'
    '<path class="fur" d="M-16 4C-16 -8 -8 -12 0 -12C8 -12 16 -8 16 4C16 16 6 28 0 30C-6 28 -16 16 -16 4Z"/>'
    '<path class="line" d="M-5 21L-20 17M-5 23L-20 25M5 21L20 17M5 23L20 25M-6 56V48M6 56V48"/>'
    '<circle class="face" cx="0" cy="26" r="3"/>'
    '<circle class="face" cx="-6" cy="8" r="2.4"/><circle class="face" cx="6" cy="8" r="2.4"/>'
)


def row() -> str:
    """The row as SVG, ``penstock.look.circuit.WIDTH`` wide; what is said in it waits for its words."""
    drawn = []
    for k in range(1, COUNT + 1):
        x = 88 * k - 22
        if k == MOUSE:
            drawn.append(f'<circle class="spot" cx="{x}" cy="104" r="45"/>{_said(x, 40, "circuitMouse")}')
        kind, shape = ("mouse", ONE_MOUSE) if k == MOUSE else ("cat", CAT)
        drawn.append(
            f'<g class="{kind}" transform="translate({x} 88) scale(0.86)">{shape}</g>'
            f'<text class="symbol" x="{x}" y="174" font-size="20" text-anchor="middle">{mathematics(f"x_{k}")}</text>'
        )
    return "".join([*drawn, _said(374, 212, "circuitEqually")])


def _said(x: int, y: int, word: str) -> str:
    return f'<text class="name" x="{x}" y="{y}" font-size="17" text-anchor="middle" data-word="{word}"></text>'
