"""The season of series: after how many steps they repeat, found from the series themselves, or that they do not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.series.series_set import SeriesSet
from penstock.series.spacing import spacing

LEAST = 0.15
"""Of the variance about the moving average that the season must explain in the half that it was not learned on."""
NEARLY = 0.6
"""Of the best share: the shortest season that explains so much is taken, since its multiples repeat too."""
CYCLES = 4
"""That a season must fit into a series."""
MOST_SERIES, MOST_ROWS, MOST_PEAKS = 50, 20_000, 5
SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "year": 31_557_600}
"""In the calendar."""


class Season(NamedTuple):
    """A season, and how it was found."""

    steps: int
    share: float
    """Of the variance about the moving average that the mean of each phase explains, out of sample; the median of the
    series."""
    how: str


def find_season(series: SeriesSet, column: str | None = None) -> Season | None:
    """The season of a column, by default of the first target, or else of the first number; None if there is none.

    Candidates are the highest peaks of the mean autocorrelation of differences and, of dated series, the calendar's
    day, week and year. Each is judged by decomposition: a moving average over one season is taken away (Hyndman and
    Athanasopoulos, "Forecasting: principles and practice", 3.4), and the means of the phases in one half of the series
    must explain the other.
    """
    numbers = [k for k, one in enumerate(series.columns) if one.categories is None]
    targets = [k for k in series.of_role("target") if k in numbers]
    if column is None and not numbers:
        return None
    k = series.index(column) if column is not None else (targets or numbers)[0]
    every = max(1, len(series) // MOST_SERIES)
    some = [_filled(series.one(one).values[-MOST_ROWS:, k]) for one in range(0, len(series), every)]
    some = [one for one in some if len(one) >= 2 * CYCLES and one.std() > 1e-6 * max(1e-30, np.abs(one).max())]
    if not some:
        return None
    candidates = {**dict.fromkeys(_peaks(some), "autocorrelation"), **_calendar(series)}
    shares = {}
    for steps in candidates:
        found = [_explained(one, steps) for one in some if len(one) >= CYCLES * steps]
        if len(found) >= 0.5 * len(some):
            shares[steps] = float(np.median(found))
    best = max(shares.values(), default=0.0)
    if best < LEAST:
        return None
    steps = min(steps for steps, share in shares.items() if share >= max(NEARLY * best, LEAST))
    how = f"{candidates[steps]}: {steps:,} steps explain {100 * shares[steps]:.0f}% of what a moving average leaves"
    return Season(steps, shares[steps], how)


def _filled(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Without gaps at the ends, and straight lines over those within."""
    there = np.flatnonzero(~np.isnan(values))
    if not len(there):
        return np.zeros(0)
    inside = np.arange(there[0], there[-1] + 1)
    return np.interp(inside, there, values[there].astype(np.float64))


def _peaks(some: list[NDArray[np.float64]]) -> list[int]:
    longest = max(map(len, some)) // CYCLES
    total, weight = np.zeros(longest + 2), np.zeros(longest + 2)
    for one in some:
        change = np.diff(one)
        change -= change.mean()
        size = 1 << (2 * len(change) - 1).bit_length()
        power = np.abs(np.fft.rfft(change, size)) ** 2
        own = np.fft.irfft(power, size)[: min(len(one) // CYCLES, longest) + 2]
        if own[0] > 0:
            total[: len(own)] += own / own[0]
            weight[: len(own)] += 1
    mean = total / np.maximum(weight, 1)
    lags = np.arange(2, longest + 1)
    tops = lags[(mean[lags] > mean[lags - 1]) & (mean[lags] >= mean[lags + 1]) & (mean[lags] > 0)]
    best = tops[np.argsort(-mean[tops], kind="stable")[:MOST_PEAKS]]
    # of a smooth series a peak may be a multiple of the season
    return [int(lag) for lag in best] + [int(lag) for lag in tops[:2]]


def _calendar(series: SeriesSet) -> dict[int, str]:
    found = spacing(series)
    if found is None or not series.dated:
        return {}
    counts = {name: seconds * 1e6 / found.step for name, seconds in SECONDS.items()}
    return {round(count): f"the calendar's {name}" for name, count in counts.items() if count >= 2 and _whole(count)}


def _whole(count: float) -> bool:
    return abs(count - round(count)) < 0.02 * count


def _explained(one: NDArray[np.float64], steps: int) -> float:
    """R² of the phases' means of one half of the cycles in the other half, both ways."""
    weights = np.ones(steps) if steps % 2 else np.concatenate([[0.5], np.ones(steps - 1), [0.5]])
    trend = np.convolve(one, weights / steps, "valid")
    left = (len(one) - len(trend)) // 2
    rest = one[left : left + len(trend)] - trend
    cycles = len(rest) // steps
    if cycles < 2:
        return 0.0
    table = rest[: cycles * steps].reshape(cycles, steps)
    first, second = table[: cycles // 2], table[cycles // 2 :]
    wrong = ((second - first.mean(axis=0)) ** 2).sum() + ((first - second.mean(axis=0)) ** 2).sum()
    total = (table**2).sum()
    return 1 - float(wrong / total) if total > 0 else 0.0
