"""A trace in a terminal: the text shaded by how strongly each token was written, and a compact map of the memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from penstock.layout import clipped, flow, say, visible, wrap
from penstock.look.layer import Floats, Layer
from penstock.look.terminal_series import BARS, series_lines
from penstock.look.trace import Trace

SHADES = " ░▒▓█"
BANDS = 8
"""Rows of the map: units in as many equal groups, by half-life."""
TOP, LONGEST = 5, 20
"""Tokens that are named, and columns of one."""


def show(trace: Trace, layer: int, console: Console | None = None) -> None:
    """Prints the shaded text, where its last state was written, what was expected next, and the map of one layer."""
    console = console or Console(highlight=False, soft_wrap=True)
    shown, tokens = trace.layers[layer], trace.words() or tuple("·" * len(trace))
    numeric = trace.numeric
    strength = shown.write_strength.mean(1)
    L, H = shown.hidden.shape
    width = console.width
    what, shaded = ("tokens", "bars and shades") if numeric is None else ("steps", "last line of bars")
    for said in (f"{shown.name}, {H:,} units, {L:,} {what}", f"{shaded}: write strength 1 − z, the units' mean"):
        say(console, said)
    drawn = _lines(tokens, strength, width) if numeric is None else series_lines(numeric, strength, width)
    for line in (*drawn, "", *_summary(trace, shown, tokens, width), ""):
        console.print(line, markup=False)
    for row in _map(shown, width):
        console.print(row, markup=False)


def _lines(tokens: Sequence[str], strength: Floats, width: int) -> Iterator[Text | str]:
    """The text in lines that end between words where they can, each with a line of bars below.

    Relative to the strongest.
    """
    largest = max(float(strength.max(initial=0)), 1e-9)
    seen = [*map(visible, tokens)]
    for part in _parts(tokens, seen, width):
        text, bars = Text(), ""
        for word, share in zip(seen[part], (strength[part] / largest).tolist(), strict=True):
            text.append(word, _shade(share))
            bars += BARS[round(share * (len(BARS) - 1))] * cell_len(word)
        yield from (text, bars)


def _parts(tokens: Sequence[str], seen: Sequence[str], width: int) -> Iterator[slice]:
    """The tokens of each line: to where the text's own line ends, else between the last two words that fit."""
    start = between = taken = 0
    for k, token in enumerate(tokens):
        before = tokens[k - 1] if k > start else ""
        if before[-1:].isspace() or token[:1].isspace() or cell_len(before[-1:]) > 1:
            between = k
        while k > start and taken + cell_len(seen[k]) > width:
            stop = between if between > start else k
            yield slice(start, stop)
            start, taken = stop, sum(map(cell_len, seen[stop:k]))
        taken += cell_len(seen[k])
        if token == "\n":
            yield slice(start, k + 1)
            start, taken = k + 1, 0
    if start < len(tokens):
        yield slice(start, len(tokens))


def _shade(share: float) -> Style:
    """Black on white for 0, on orange for 1: black stays readable on every shade between."""
    green, blue = (round(255 + share * (most - 255)) for most in (150, 20))
    return Style(color="black", bgcolor=f"rgb(255,{green},{blue})")


def _summary(trace: Trace, layer: Layer, tokens: Sequence[str], width: int) -> Iterator[str]:
    last = len(trace) - 1
    weights = layer.attention()[0 if layer.reverse else last]
    order = np.argsort(-weights, kind="stable")[:TOP]
    names = ["what was before", *(_place(trace, tokens, t) for t in range(len(tokens)))]
    places = [f"{names[s]} ({weights[s]:.0%})" for s in order]
    yield from flow(f"{'first' if layer.reverse else 'last'} state written by:", places, width)
    if trace.language is None:
        return
    probabilities = np.exp(trace.log_probabilities()[last])
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    expected = [f"{_quoted(trace.language.vocabulary[v])} ({probabilities[v]:.0%})" for v in best]
    yield from flow("expected next:", expected, width)
    if last:
        surprise = trace.surprise()
        worst = np.argsort(-surprise[1:], kind="stable")[:TOP] + 1
        found = [f"{_quoted(tokens[t])} {trace.start + t} ({surprise[t]:.1f})" for t in worst]
        yield from flow(f"surprise: {np.nanmean(surprise):.2f} bits a token; most at", found, width)


def _place(trace: Trace, tokens: Sequence[str], t: int) -> str:
    if trace.numeric is None:
        return f"{_quoted(tokens[t])} at {trace.start + t}"
    size, rows = trace.numeric.size, len(trace.numeric.values)
    first, last = (trace.numeric.first + row for row in (t * size, min((t + 1) * size, rows) - 1))
    return f"row {first:,}" if size == 1 else f"rows {first:,} to {last:,}"


def _quoted(token: str) -> str:
    return f"‘{clipped(visible(token), LONGEST)}’"


def _map(layer: Layer, width: int) -> Iterator[str]:
    """z by groups of units (rows, the longest half-life first) and steps (columns, as many as fit)."""
    half_life = layer.half_life()
    order = np.argsort(-half_life, kind="stable")
    bands = np.array_split(order, min(BANDS, len(order)))
    labels = [f"{_steps(half_life[band].max())} … {_steps(half_life[band].min())}" for band in bands]
    margin = max(map(len, labels)) + 1
    columns = np.array_split(np.arange(len(layer.update)), min(max(width - margin, 1), len(layer.update)))
    said = f"update gate z: blank writes, {SHADES[-1]} keeps; each row {len(bands[0])} units, by half-life in steps"
    yield from wrap(said, width)
    for label, band in zip(labels, bands, strict=True):
        means = [float(layer.update[column][:, band].mean()) for column in columns]
        yield f"{label:<{margin}}" + "".join(SHADES[min(int(mean * len(SHADES)), len(SHADES) - 1)] for mean in means)


def _steps(half_life: float) -> str:
    return "∞" if math.isinf(half_life) else f"{half_life:.1f}" if half_life < 10 else f"{half_life:.0f}"
