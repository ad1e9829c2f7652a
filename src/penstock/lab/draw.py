"""Pictures for the report, by matplotlib: SVG that is readable on light and dark, in both languages."""

import io
import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from penstock.lab.claim import Measured, Picture, Words

COLORS = ("#d9822b", "#3b8bd0", "#2ca089", "#b05fc0")
"""Of middling lightness, and told apart by colour-blind readers together with the markers."""
MARKERS = ("o", "s", "^", "D")
TEXT = re.compile(r"(<text\b[^>]*)>([^<]*)</text>")


class Drawing:
    """A figure with one pair of axes, ``axes``; what the axes say in two languages is given as ``Words``."""

    def __init__(self, width: float = 6.4, height: float = 2.8, **settings: Any) -> None:
        self._figure = Figure(figsize=(width, height), layout="constrained")
        self._words: dict[str, str] = {}
        self.axes = self._figure.subplots()
        self.axes.set(**{name: self.say(v) if isinstance(v, Words) else v for name, v in settings.items()})
        self.axes.spines[["top", "right"]].set_visible(False)

    def say(self, words: Words) -> str:
        """What to give to matplotlib, of which the picture then has both languages."""
        self._words[words.en] = words.zh
        return words.en

    def picture(self, caption: Words, **legend: Any) -> Picture:
        """The figure as an SVG element, the same text for the same figure; with a legend where lines have labels."""
        if self.axes.get_legend_handles_labels()[1]:
            self.axes.legend(frameon=False, fontsize="small", **legend)
        settings = {"svg.fonttype": "none", "svg.hashsalt": caption.en}
        with matplotlib.rc_context(settings):
            buffer = io.StringIO()
            self._figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        svg = buffer.getvalue()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # names that nothing asks for, the same in every picture
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        # black takes the colour of the text around it, and so does text, which names no colour where it is black
        svg = svg.replace("#000000", "currentColor").replace("<svg", '<svg fill="currentColor"', 1)
        return Picture(caption, TEXT.sub(self._in_both, svg))

    def _in_both(self, found: re.Match[str]) -> str:
        begun, en = found[1], unescape(found[2])
        zh = self._words.get(en, en)
        if en == zh:
            return found[0]
        both = (("en", en), ("zh-Hans", zh))
        return "".join(f'{begun} lang="{language}">{escape(text)}</text>' for language, text in both)


def curves(caption: Words, x: Sequence[float], found: dict[Words, list[Measured]], **settings: Any) -> Picture:
    """A line for each name, through the means at ``x``; the range over the seeds is shaded."""
    drawing = Drawing(**settings)
    for (name, points), color, marker in zip(found.items(), COLORS, MARKERS, strict=False):
        drawing.axes.plot(x, [point.mean for point in points], color=color, marker=marker, label=drawing.say(name))
        least, most = ([end(point.values) for point in points] for end in (min, max))
        drawing.axes.fill_between(x, least, most, color=color, alpha=0.2, lw=0)
    return drawing.picture(caption)
