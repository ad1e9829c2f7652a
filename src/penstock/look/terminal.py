"""A trace in a terminal: the text shaded by how strongly each token was written, and a compact map of the memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from penstock.look.layer import Floats, Layer
from penstock.look.trace import Trace

BARS = " ▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"
BANDS = 8
"""Rows of the map: units in as many equal groups, by half-life."""
TOP = 5


def show(trace: Trace, layer: int, console: Console | None = None) -> None:
    """Prints the shaded text, where its last state was written, what was expected next, and the map of one layer."""
    console = console or Console(highlight=False, soft_wrap=True)
    shown, tokens = trace.layers[layer], trace.language.tokens if trace.language else tuple("·" * len(trace))
    strength = shown.write_strength.mean(1)
    L, H = shown.hidden.shape
    console.print(f"{shown.name}, {H:,} units, {L:,} tokens. Bars and shades: write strength 1 − z, the units' mean")
    for line in (*_lines(tokens, strength, console.width), "", *_summary(trace, shown, tokens), ""):
        console.print(line, markup=False)
    for row in _map(shown, console.width):
        console.print(row, markup=False)


def _lines(tokens: Sequence[str], strength: Floats, width: int) -> Iterator[Text | str]:
    """The text cut to the width, each line with a line of bars below; relative to the strongest."""
    largest = max(float(strength.max(initial=0)), 1e-9)
    text, bars = Text(), ""
    for token, share in zip(tokens, (strength / largest).tolist(), strict=True):
        seen = visible(token)
        if bars and text.cell_len + cell_len(seen) > width:
            yield from (text, bars)
            text, bars = Text(), ""
        text.append(seen, _shade(share))
        bars += BARS[round(share * (len(BARS) - 1))] * cell_len(seen)
        if token == "\n":
            yield from (text, bars)
            text, bars = Text(), ""
    if bars:
        yield from (text, bars)


def visible(token: str) -> str:
    """A token in one line: white space and control characters as signs."""
    signs = {"\n": "↵", "\t": "⇥", "\r": "␍"}
    return "".join(signs.get(c, c if c.isprintable() else "�") for c in token)


def _shade(share: float) -> Style:
    """Black on white for 0, on orange for 1: black stays readable on every shade between."""
    green, blue = (round(255 + share * (most - 255)) for most in (150, 20))
    return Style(color="black", bgcolor=f"rgb(255,{green},{blue})")


def _summary(trace: Trace, layer: Layer, tokens: Sequence[str]) -> Iterator[str]:
    last = len(trace) - 1
    weights = layer.attention()[0 if layer.reverse else last]
    order = np.argsort(-weights, kind="stable")[:TOP]
    names = ["what was before", *(f"{_quoted(token)} at {t}" for t, token in enumerate(tokens))]
    places = (f"{names[s]} ({weights[s]:.0%})" for s in order)
    yield f"{'first' if layer.reverse else 'last'} state written by: {', '.join(places)}"
    if trace.language is None:
        return
    probabilities = np.exp(trace.log_probabilities()[last])
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    expected = (f"{_quoted(trace.language.vocabulary[v])} ({probabilities[v]:.0%})" for v in best)
    yield f"expected next: {', '.join(expected)}"
    if last:
        surprise = trace.surprise()
        worst = np.argsort(-surprise[1:], kind="stable")[:TOP] + 1
        yield f"surprise: {np.nanmean(surprise):.2f} bits a token; most at " + ", ".join(
            f"{_quoted(tokens[t])} {t} ({surprise[t]:.1f})" for t in worst
        )


def _quoted(token: str) -> str:
    return f"‘{visible(token)}’"


def _map(layer: Layer, width: int) -> Iterator[str]:
    """z by groups of units (rows, the longest half-life first) and steps (columns, as many as fit)."""
    half_life = layer.half_life()
    order = np.argsort(-half_life, kind="stable")
    bands = np.array_split(order, min(BANDS, len(order)))
    labels = [f"{_steps(half_life[band].max())} … {_steps(half_life[band].min())}" for band in bands]
    margin = max(map(len, labels)) + 1
    columns = np.array_split(np.arange(len(layer.update)), min(max(width - margin, 1), len(layer.update)))
    yield f"update gate z: blank forgets, {SHADES[-1]} keeps; each row {len(bands[0])} units, by half-life in steps"
    for label, band in zip(labels, bands, strict=True):
        means = [float(layer.update[column][:, band].mean()) for column in columns]
        yield f"{label:<{margin}}" + "".join(SHADES[min(int(mean * len(SHADES)), len(SHADES) - 1)] for mean in means)


def _steps(half_life: float) -> str:
    return "∞" if math.isinf(half_life) else f"{half_life:.1f}" if half_life < 10 else f"{half_life:.0f}"
