"""The maps of a trace as a picture for a paper: PNG, SVG or PDF, by matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import PenstockError
from penstock.files import MADE, write
from penstock.layout import visible
from penstock.look.trace import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
LABELLED = 80
"""Tokens that are written below the maps; of longer texts the positions are."""
CHINESE = ("Noto Sans CJK SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "SimHei")
MAPS = (
    ("update", "update gate $z$\n(1 keeps)", "cividis", 0, 1),
    ("reset", "reset gate $r$\n(1 shows the past)", "cividis", 0, 1),
    ("candidate", "candidate $n$", "PuOr", -1, 1),
    ("hidden", "state $h$", "PuOr", -1, 1),
)
"""Field, name, colours (even to the eye, and safe for the colour-blind) and their range."""


def save_maps(path: Path, traces: Sequence[Trace], layer: int) -> None:
    """Writes the maps of one layer, traces side by side.

    Raises:
        PenstockError: the name is of no picture, or the file cannot be written.
    """
    save_figure(path, lambda: maps(traces, layer))


def save_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Writes a figure; errors as ``save_maps``."""
    if path.suffix.lower() not in FORMATS:
        raise PenstockError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    import matplotlib
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    content = io.BytesIO()
    settings: Any = {
        "font.family": ["DejaVu Sans", *(name for name in CHINESE if name in installed)],
        "svg.hashsalt": "penstock",
    }
    undated: Any = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})
    metadata = undated | {"Software" if path.suffix.lower() == ".png" else "Creator": MADE}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        draw().savefig(content, format=path.suffix.lower()[1:], dpi=150, metadata=metadata)
    write(path, content.getvalue())


def maps(traces: Sequence[Trace], layer: int) -> Figure:
    """Of one layer of each trace (a column): what came in, attention, z, r, candidate and state, units by half-life."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 6.5 * len(traces), 11), layout="constrained")
    heights = [0.6, 2.2, *[1] * len(MAPS)]
    panels = figure.subplots(len(heights), len(traces), squeeze=False, sharex="col", height_ratios=heights)
    for column, (trace, axes) in enumerate(zip(traces, panels.T, strict=True)):
        shown, steps = trace.layers[layer], np.arange(len(trace))
        if trace.language is None:
            axes[0].plot(steps, trace.layers[0].x, linewidth=0.8)
            axes[0].set_ylabel("channels")
        else:
            axes[0].bar(steps, np.nan_to_num(trace.surprise()), width=0.8, color="0.4")
            axes[0].set_ylabel("surprise\n(bits)")
        weights = shown.attention()[:, 1:]
        drawn = [axes[1].imshow(np.sqrt(weights), aspect="auto", cmap="cividis", interpolation="nearest", vmin=0)]
        axes[1].set_ylabel("state of step\n(attention, $\\sqrt{a}$)")
        order = np.argsort(-shown.half_life(), kind="stable")
        for below, (name, label, colours, low, high) in zip(axes[2:], MAPS, strict=True):
            values = getattr(shown, name)[:, order].T
            image = below.imshow(values, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            below.set_ylabel(label)
            drawn.append(image)
        if column == len(traces) - 1:
            for below, image in zip(axes[1:], drawn, strict=True):
                figure.colorbar(image, ax=below, fraction=0.05, pad=0.01)
        axes[0].set_title(shown.name if len(traces) == 1 else f"{shown.name}, text {column + 1}", fontsize=10)
        _label_steps(axes[-1], trace)
    figure.supylabel("units: the longest half-life on top", fontsize=9, color="0.4")
    return figure


def _label_steps(axes: Any, trace: Trace) -> None:
    words = trace.words()
    if words is not None and len(trace) <= LABELLED:
        tokens = [visible(token).replace("$", r"\$") for token in words]
        turned = any(len(token) > 1 for token in tokens)
        axes.set_xticks(np.arange(len(tokens)), tokens, fontsize=7, rotation=90 if turned else 0)
        axes.tick_params(axis="x", length=0)
    else:
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter(lambda at, _: f"{trace.start + at:g}")
