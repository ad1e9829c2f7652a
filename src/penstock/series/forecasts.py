"""Forecasts that need no network, and how good forecasts are.

Letters: M windows, K steps ahead, Q quantiles. Metrics as in the M4 competition (Makridakis et al. 2020, "The M4
Competition", section 2.3), where it has them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.series.lookback import Numbers
from penstock.series.series_set import SeriesSet

LAST, SEASON, DRIFT, MEAN = "the last value", "one season ago", "the drift", "the mean"


def naive_forecasts(
    values: Numbers, first: NDArray[np.int64], at: NDArray[np.int64], K: int, season: int | None
) -> dict[str, Numbers]:
    """(M, K) of each, by name, from all that is known of a series before a window's answers begin.

    Args:
        values: (rows,) of all series, as ``penstock.series.lookback.carried`` gives them.
        first: (M,) the row where the window's series begins.
        at: (M,) the row where its answers begin.
        K: steps.
        season: in steps; None where there is none.
    """
    ahead = np.arange(K)
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    counts = np.concatenate([[0], np.cumsum(~np.isnan(values))])
    known = counts[at] - counts[first]
    begins = np.minimum(np.searchsorted(counts, counts[first], "right") - 1, at - 1)  # a series' first known row
    last, before = values[at - 1], values[begins]
    slope = (last - before) / np.maximum(at - 1 - begins, 1)
    found = {LAST: np.repeat(last[:, None], K, axis=1)}
    if season is not None:
        rows = at[:, None] - season + ahead % season
        found[SEASON] = np.where(rows >= first[:, None], values[np.maximum(rows, 0)], last[:, None])
        found[SEASON] = np.where(np.isnan(found[SEASON]), last[:, None], found[SEASON])
    found[DRIFT] = last[:, None] + slope[:, None] * (ahead + 1)
    mean = np.where(known > 0, (sums[at] - sums[first]) / np.maximum(known, 1), np.nan)
    found[MEAN] = np.repeat(mean[:, None], K, axis=1)
    return found


def next_times(last: float | int, K: int, step: float, unit: str, dated: bool) -> NDArray[Any]:
    """(K,) the times that follow one at the usual distance; calendar months, quarters and years keep their day, or
    their end.

    Args:
        last: the time, as ``SeriesSet.times`` has it.
        K: how many.
        step: as ``spacing`` has it.
        unit: likewise.
        dated: whether times are dates.
    """
    ahead = np.arange(1, K + 1)
    months = {"1 month": 1, "3 months": 3, "1 year": 12}.get(unit) if dated else None
    if months is None:
        after: NDArray[Any] = last + ahead * step
        return np.rint(after).astype(np.int64) if dated else after
    day = np.timedelta64(1, "D")
    moment = np.int64(last).astype("datetime64[us]")
    month = moment.astype("datetime64[M]")
    begins = (month + ahead * months).astype("datetime64[us]")
    ends = (month + ahead * months + 1).astype("datetime64[us]") - day
    at_end = moment >= (month + 1).astype("datetime64[us]") - day
    days = ends if at_end else np.minimum(begins + (moment - month.astype("datetime64[us]")), ends)
    found: NDArray[np.int64] = days.astype(np.int64)
    return found


def naive_error(
    series: SeriesSet, values: NDArray[np.floating[Any]], part: NDArray[np.int64], season: int | None
) -> Numbers:
    """(S,) the mean absolute difference over one season, or one step, within a part's rows of a column, (rows,): what
    MASE divides by.

    NaN where a series has no such pair of rows.
    """
    lag, found = season or 1, np.full(len(series), np.nan)
    for k, (first, last) in enumerate(part.tolist()):
        one = values[series.starts[k] + first : series.starts[k] + last].astype(np.float64)
        apart = np.abs(one[lag:] - one[:-lag])
        if not np.isnan(apart).all():
            found[k] = np.nanmean(apart)
    return found


def measured_forecasts(
    quantiles: Numbers,
    levels: tuple[float, ...],
    truths: Numbers,
    which: NDArray[np.int64],
    errors: Numbers,
    spread: float,
) -> dict[str, float]:
    """The metrics; a missing truth is not scored.

    The median is what absolute errors are taken of, the mean of the quantiles what squared ones are.

    Args:
        quantiles: (M, K, Q), or (M, K, 1) of a forecast without intervals, which stands for all of them.
        levels: (Q,) of the quantiles of a model.
        truths: (M, K).
        which: (M,) each window's series.
        errors: (S,) of each series, as ``naive_error`` gives them; one that is none or 0 is not in MASE.
        spread: of the training rows, by which ``mse_scaled`` is scaled.

    Returns:
        mase: the mean over series of their mean absolute error by ``errors``, if any has one; smape in percent; mae;
        rmse; mse_scaled; pinball: the mean over steps and levels; coverage: the share of truths between the outermost
        quantiles.
    """
    there = ~np.isnan(truths) & ~np.isnan(quantiles).any(-1)
    middle, mean = quantiles[..., quantiles.shape[-1] // 2], quantiles.mean(-1)
    wrong = np.abs(truths - middle)
    size = np.abs(truths) + np.abs(middle)
    squared = float(((truths - mean)[there] ** 2).mean())
    over = truths[..., None] - quantiles
    pinball = np.mean([np.maximum(q * one, (q - 1) * one) for q, one in _pairs(levels, over)], axis=0)
    mase = _mase(wrong, there, which, errors)
    found = {} if np.isnan(mase) else {"mase": mase}
    found |= {
        "smape": 200 * float((wrong / np.where(size > 0, size, 1.0))[there].mean()),
        "mae": float(wrong[there].mean()),
        "rmse": float(np.sqrt(squared)),
        "mse_scaled": squared / spread**2,
        "pinball": float(pinball[there].mean()),
    }
    if quantiles.shape[-1] > 1:
        inside = (quantiles[..., 0] <= truths) & (truths <= quantiles[..., -1])
        found["coverage"] = float(inside[there].mean())
    return {name: float(f"{value:.10g}") for name, value in found.items()}  # so that what is equal but for rounding is


def _pairs(levels: tuple[float, ...], over: Numbers) -> list[tuple[float, Numbers]]:
    """Each level, and how far (M, K) truths lie above its quantile."""
    return [(level, over[..., min(k, over.shape[-1] - 1)]) for k, level in enumerate(levels)]


def _mase(wrong: Numbers, there: NDArray[np.bool_], which: NDArray[np.int64], errors: Numbers) -> float:
    """Over series, of what each of them is wrong by."""
    total, count = np.zeros(len(errors)), np.zeros(len(errors))
    np.add.at(total, which, np.where(there, wrong, 0).sum(1))
    np.add.at(count, which, there.sum(1))
    counts = (count > 0) & (errors > 0)
    return float((total[counts] / count[counts] / errors[counts]).mean()) if counts.any() else float("nan")
