"""The training curve of a run: the loss of its steps and of what it held out, from ``training/log.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG = Path("training") / "log.jsonl"
MOST = 400
"""Points of the training loss; of more steps each is the mean of several."""

Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """Losses by step, in the task's own unit: (steps,) of training, means of ``each`` steps; (V,) of held-out data."""

    steps: Floats
    losses: Floats
    each: int
    held_out_steps: Floats
    held_out_losses: Floats


def read_curve(folder: Path) -> Curve | None:
    """The curve of a run's folder; None where it has no log, as a model that was moved elsewhere.

    Raises:
        PenstockError: the log is none.
    """
    path = folder / LOG
    if not path.is_file():
        return None
    try:
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
        kinds = {
            kind: {int(one["step"]): float(one["loss"]) for one in entries if one.get("kind") == kind}
            for kind in ("step", "validation")
        }
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise PenstockError(f"{path}: expected the log of a training run: {error}") from None
    (steps, losses), held_out = (_ascending(kinds[kind]) for kind in ("step", "validation"))
    each = max(1, math.ceil(len(steps) / MOST))
    parts = [slice(k, k + each) for k in range(0, len(steps), each)]
    means = [np.array([values[part].mean() for part in parts]) for values in (steps, losses)]
    return Curve(means[0], means[1], each, *held_out) if len(steps) else None


def _ascending(losses: dict[int, float]) -> tuple[Floats, Floats]:
    """By step; one that was taken again after an interruption counts once."""
    steps = sorted(step for step, loss in losses.items() if math.isfinite(loss))
    return np.array(steps, float), np.array([losses[step] for step in steps], float)


def curve_data(curve: Curve) -> dict[str, Any]:
    """For the page."""
    return {
        "steps": _rounded(curve.steps),
        "losses": _rounded(curve.losses),
        "each": curve.each,
        "heldOutSteps": _rounded(curve.held_out_steps),
        "heldOutLosses": _rounded(curve.held_out_losses),
    }


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]


def curve_figure(curve: Curve) -> Figure:
    """As a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    means = f", means of {curve.each:,} steps" if curve.each > 1 else ""
    axis.plot(curve.steps, curve.losses, color="0.6", linewidth=1, label=f"training{means}")
    if len(curve.held_out_steps):
        best = int(curve.held_out_losses.argmin())
        axis.plot(curve.held_out_steps, curve.held_out_losses, "o-", color="#0072b2", markersize=3, label="held out")
        axis.annotate(f"{curve.held_out_losses[best]:.4g}", (curve.held_out_steps[best], curve.held_out_losses[best]))
    axis.set(xlabel="step", ylabel="loss")
    axis.legend()
    return figure


def curve_lines(curve: Curve, width: int) -> Iterator[str]:
    """In a terminal: a line of bars for each, and their numbers."""
    from penstock.look.terminal_series import bars

    for name, losses in (("training", curve.losses), ("held out", curve.held_out_losses)):
        if len(losses):
            drawn = bars(losses, min(width - 10, len(losses)))
            yield f"{name:<10}{drawn}"
            yield f"{'':<10}loss {losses[0]:.4g} … {losses[-1]:.4g}, the least {losses.min():.4g}"
    yield f"{'':<10}{int(curve.steps[-1]):,} steps"
