"""The plot: the share of the bound that each contestant reaches, shape by shape."""

from __future__ import annotations

import io
from collections.abc import Sequence

from penstock.bench.measure import Row


def pictures(rows: Sequence[Row]) -> dict[str, bytes]:
    """The plot as "png" and "svg"; none where nothing was timed."""
    kinds = [kind for kind in ("inference", "training") if any(row.kind == kind for row in rows)]
    if not any(row.penstock.share for row in rows):
        return {}
    import matplotlib
    from matplotlib.figure import Figure

    of_kind = [[row for row in rows if row.kind == kind] for kind in kinds]
    names = list(dict.fromkeys(e.name for row in rows for e in (row.penstock, *row.peers) if e.share is not None))
    colors = dict(zip(names, ["#d62728", "#1f77b4", "#9467bd", "#2ca02c", "#ff7f0e", "#8c564b"], strict=False))
    figure = Figure(figsize=(9, 1.8 + 0.36 * len(rows)), layout="constrained")
    panels = figure.subplots(len(kinds), 1, squeeze=False, sharex=True, height_ratios=[len(some) for some in of_kind])
    labels = {}
    for axes, kind, some in zip(panels[:, 0], kinds, of_kind, strict=True):
        for y, row in enumerate(some):
            axes.axhline(y, color="0.9", zorder=0)
            for entry in (*row.peers, row.penstock):
                if entry.share is not None:
                    size, marker = (60, "D") if entry is row.penstock else (36, "o")
                    labels[entry.name] = axes.scatter(entry.share, y, s=size, c=colors[entry.name], marker=marker)
        axes.axvline(1, color="black", linewidth=1)
        axes.set(xscale="log", yticks=range(len(some)), yticklabels=[str(row.shape) for row in some])
        axes.set_title(f"{kind}: (N, L, D, H)", loc="left", fontsize="medium")
        axes.set_ylim(len(some) - 0.5, -0.5)
    least = min(entry.share for row in rows for entry in (row.penstock, *row.peers) if entry.share is not None)
    ticks = [0.00001, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
    panels[-1, 0].set(xticks=ticks, xticklabels=[f"{100 * tick:g}%" for tick in ticks], xlim=(0.8 * least, 1.25))
    panels[-1, 0].minorticks_off()
    panels[-1, 0].set_xlabel("share of what the shape could at best reach on this machine; further right is faster")
    figure.legend([labels[n] for n in names], names, loc="outside upper center", ncols=len(names), frameon=False)

    found = {}
    # the same figures draw the same file
    with matplotlib.rc_context({"svg.hashsalt": "penstock"}):
        for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=120, metadata=metadata)
            found[suffix] = buffer.getvalue()
    return found
