"""How much a forecast reads, and in what pieces: one set of rules for all series.

- **Lookback**: fourteen seasons, so that of a day's hours or a week's days the longer cycle is seen too, but at most
  ``MOST`` steps of these; two seasons and two horizons at least. No more than ``SHARE`` of what the shorter series have
  to train on beside a horizon, so that they give windows enough.
- **Patches**: a season where it is short enough, or an equal part of it; else a day's worth of 24 or what the horizon
  has.
- **What is repeated** before anything is learned: the last season, if over the training rows that is the better of the
  two naive forecasts; else the last value.
"""

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.model_folder import StackConfig
from penstock.model_folder.forecast import ForecastConfig
from penstock.series import SeriesSet

SEASONS, MOST, SHARE = 14, 400, 0.6
LONGEST, USUAL = 48, 24
"""Steps of a patch: at most, and without a season."""
ASKED = 12
"""Steps of the horizon at which naive forecasts are compared."""


def patch_of(horizon: int, season: int | None, said: int | None = None) -> int:
    """P, steps that the stack reads at once: as ``said``, or by the rule."""
    if said is not None:
        return said
    if season is None or season < 4:
        return max(1, min(USUAL, horizon))
    return -(-season // -(-season // LONGEST))


def lookback_of(
    lengths: NDArray[np.int64], horizon: int, season: int | None, said: int | None, segment: int | None = None
) -> int:
    """W, whole patches.

    Args:
        lengths: rows to train on of each series.
        horizon: K.
        season: in steps, if there is one.
        said: instead of the rule; rounded up to whole patches.
        segment: steps of a patch, if they were said; of these too there are whole ones.
    """
    patch, cycle = patch_of(horizon, season), season or 1
    whole = segment or patch
    if said is not None:
        return -(-said // whole) * whole
    wanted = max(2 * horizon, 2 * cycle, min(SEASONS * cycle, MOST), 4 * patch)
    there = lengths[lengths > horizon]
    room = SHARE * (float(np.quantile(there, 0.25)) - horizon) if len(there) else 0.0
    found = max(1, min(-(-wanted // patch), int(room // patch))) * patch
    return -(-found // whole) * whole


def sizes(
    stack: StackConfig,
    horizon: int,
    lookback: int,
    season: int | None,
    repeats: int,
    segment: int | None = None,
    beside: tuple[int, int, int] = (0, 0, 0),
) -> ForecastConfig:
    """Of a model, from what the rules chose; ``beside`` as ``ForecastConfig`` has it."""
    patch = patch_of(horizon, season, segment)
    if repeats > lookback:
        raise PenstockError(f"--lookback: expected at least a season of {repeats:,} steps, got {lookback:,}")
    read, static, known = beside
    return ForecastConfig(
        lookback, horizon, patch, min(patch, horizon), repeats, stack, read=read, static=static, known=known
    )


def better_repeat(series: SeriesSet, columns: list[int], part: NDArray[np.int64], horizon: int, season: int) -> int:
    """The season if in most series its values come nearer to those of the horizon than the last value does; else 1."""
    steps = np.unique(np.linspace(1, horizon, min(horizon, ASKED)).astype(int)).tolist()
    wins = []
    for k, (first, last) in enumerate(part.tolist()):
        values = series.one(k).values[first:last].astype(np.float64)
        for column in columns:
            of_season, of_last = (
                sum(_apart(values[:, column], -(-ahead // unit) * unit) for ahead in steps) for unit in (season, 1)
            )
            if not np.isnan(of_season + of_last):
                wins.append(of_season < of_last)
    return season if wins and np.mean(wins) >= 0.5 else 1


def _apart(values: NDArray[np.float64], lag: int) -> float:
    """How far values lie from those so many steps before, on average; NaN if none does."""
    apart = np.abs(values[lag:] - values[: max(len(values) - lag, 0)])
    there = apart[~np.isnan(apart)]
    return float(there.mean()) if len(there) else float("nan")
