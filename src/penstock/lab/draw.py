"""Pictures for the report, by matplotlib: SVG that is readable on light and dark."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from penstock.lab.claim import Measured, Picture

COLORS = ("#d9822b", "#3b8bd0", "#2ca089", "#b05fc0")
"""Of middling lightness, and told apart by colour-blind readers together with the markers."""
MARKERS = ("o", "s", "^", "D")


def axes(width: float = 6.4, height: float = 2.8, **settings: Any) -> tuple[Figure, Any]:
    """A figure and its one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    found = figure.subplots()
    found.set(**settings)
    found.spines[["top", "right"]].set_visible(False)
    return figure, found


def curves(caption: str, x: Sequence[float], found: dict[str, list[Measured]], **settings: Any) -> Picture:
    """A line for each name, through the means at ``x``; the range over the seeds is shaded."""
    figure, at = axes(**settings)
    for (name, points), color, marker in zip(found.items(), COLORS, MARKERS, strict=False):
        at.plot(x, [point.mean for point in points], color=color, marker=marker, label=name)
        at.fill_between(x, *([end(p.values) for p in points] for end in (min, max)), color=color, alpha=0.2, lw=0)
    at.legend(frameon=False, fontsize="small")
    return picture(caption, figure)


def picture(caption: str, figure: Figure) -> Picture:
    """The figure as an SVG element, the same text for the same figure."""
    settings = {"svg.fonttype": "none", "svg.hashsalt": caption}
    with matplotlib.rc_context(settings):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # names that nothing asks for, the same in every picture
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("#000000", "currentColor")  # and text, which names no colour where it is black, takes the root's
    return Picture(caption, svg.replace("<svg", '<svg fill="currentColor"', 1))
