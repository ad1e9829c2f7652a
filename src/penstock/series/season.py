"""The season of series: after how many steps they repeat, found from the series themselves, or that they do not."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.series.series_set import SeriesSet
from penstock.series.spacing import spacing

LEAST = 0.1
"""Of the variance about the moving average that the season must explain in a part that it was not learned on, when
cycles are many; of few, by which chance explains more, two over their number are added, of the calendar's own one."""
NEARLY = 0.6
"""Of the best share: the shortest season that explains so much is taken, since its multiples repeat too."""
CYCLES = 4
"""That a season must fit into a series."""
OF_PART, MOST_PARTS = 8, 8
"""Cycles of a short part at least, and parts at most. Two halves miss the day of a series whose days look otherwise in
winter than in summer, short parts a season that is weak beside its noise."""
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


def find_season(series: SeriesSet, column: str | None = None, part: NDArray[np.int64] | None = None) -> Season | None:
    """The season of a column, by default of the first target, or else of the first number; None if there is none.

    Candidates are the highest peaks of the mean autocorrelation and, of dated series, the calendar's day, week and
    year. Each is judged by decomposition: a moving average over one season is taken away (Hyndman and
    Athanasopoulos, "Forecasting: principles and practice", 3.4), and the means of the phases in one part of the series
    must explain the next.

    Args:
        series: all of them.
        column: its name.
        part: (S, 2) the rows of each series that are looked at; None for all.
    """
    numbers = [k for k, one in enumerate(series.columns) if one.categories is None]
    targets = [k for k in series.of_role("target") if k in numbers]
    if column is None and not numbers:
        return None
    k = series.index(column) if column is not None else (targets or numbers)[0]
    every = max(1, len(series) // MOST_SERIES)
    bounds = part if part is not None else np.stack([np.zeros_like(series.lengths), series.lengths], 1)
    some = [
        _filled(series.one(one).values[bounds[one, 0] : bounds[one, 1], k][-MOST_ROWS:])
        for one in range(0, len(series), every)
    ]
    some = [one for one in some if len(one) >= 2 * CYCLES and one.std() > 1e-6 * max(1e-30, np.abs(one).max())]
    if not some:
        return None
    calendar = _calendar(series)
    candidates = {**dict.fromkeys(_candidates(some), "autocorrelation"), **calendar}
    shares = {}
    for steps in candidates:
        long = [one for one in some if len(one) >= CYCLES * steps]
        if len(long) >= 0.5 * len(some):
            share = float(np.median([_explained(one, steps) for one in long]))
            chance = steps / float(np.median([len(one) for one in long]))
            if share >= LEAST + (1 if steps in calendar else 2) * chance:
                shares[steps] = share
    if not shares:
        return None
    shortest = min(steps for steps, share in shares.items() if share >= NEARLY * max(shares.values()))
    steps = max((one for one in shares if abs(one - shortest) <= 2), key=lambda one: shares[one])
    how = f"{candidates[steps]}: {steps:,} steps explain {100 * shares[steps]:.0f}% of what a moving average leaves"
    return Season(steps, shares[steps], how)


def _filled(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Without gaps at the ends, and straight lines over those within."""
    there = np.flatnonzero(~np.isnan(values))
    if not len(there):
        return np.zeros(0)
    inside = np.arange(there[0], there[-1] + 1)
    return np.interp(inside, there, values[there].astype(np.float64))


def _candidates(some: list[NDArray[np.float64]]) -> list[int]:
    """Peaks of the mean autocorrelation, of differences and of what a straight line leaves, their neighbours, which
    noise may hide, and their halves and thirds, of which they may be multiples."""
    longest = max(map(len, some)) // CYCLES
    found: list[int] = []
    for change in (np.diff, _without_line):
        mean = _autocorrelation([change(one) for one in some], longest + 2)
        lags = np.arange(2, longest + 1)
        tops = lags[(mean[lags] > mean[lags - 1]) & (mean[lags] >= mean[lags + 1]) & (mean[lags] > 0)]
        best = tops[np.argsort(-mean[tops], kind="stable")[:MOST_PEAKS]]
        found += [int(lag) for lag in (*best, *tops[:2])]
    around = [lag + by for lag in found for by in (0, -1, 1, -2, 2)] + [round(lag / n) for lag in found for n in (2, 3)]
    return [lag for lag in dict.fromkeys(around) if 2 <= lag <= longest]


def _without_line(one: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.arange(len(one)) - (len(one) - 1) / 2
    left: NDArray[np.float64] = one - one.mean() - t * ((t @ one) / (t @ t))
    return left


def _autocorrelation(some: list[NDArray[np.float64]], lags: int) -> NDArray[np.float64]:
    """(lags,) the mean over series."""
    total, weight = np.zeros(lags), np.zeros(lags)
    for one in some:
        size = 1 << (2 * len(one) - 1).bit_length()
        own = np.fft.irfft(np.abs(np.fft.rfft(one - one.mean(), size)) ** 2, size)[: min(len(one) // CYCLES + 2, lags)]
        if own[0] > 0:
            total[: len(own)] += own / own[0]
            weight[: len(own)] += 1
    mean: NDArray[np.float64] = total / np.maximum(weight, 1)
    return mean


def _calendar(series: SeriesSet) -> dict[int, str]:
    found = spacing(series)
    if found is None or not series.dated:
        return {}
    counts = {name: seconds * 1e6 / found.step for name, seconds in SECONDS.items()}
    return {round(count): f"the calendar's {name}" for name, count in counts.items() if count >= 2 and _whole(count)}


def _whole(count: float) -> bool:
    return abs(count - round(count)) < 0.02 * count


def _explained(one: NDArray[np.float64], steps: int) -> float:
    """How well the phases' means of one part of the cycles tell the next: of halves, or of short parts if better."""
    sums = np.concatenate([[0.0], np.cumsum(one - one.mean())])
    trend = (sums[steps:] - sums[:-steps]) / steps + one.mean()
    if steps % 2 == 0:  # centred, by the mean of two
        trend = (trend[1:] + trend[:-1]) / 2
    left = (len(one) - len(trend)) // 2
    rest = one[left : left + len(trend)] - trend
    cycles = len(rest) // steps
    if cycles < 2:
        return 0.0
    table = rest[: cycles * steps].reshape(cycles, steps)
    return max(_of_next(table, parts) for parts in (2, min(max(cycles // OF_PART, 2), MOST_PARTS)))


def _of_next(table: NDArray[np.float64], count: int) -> float:
    """R² of the phases' means of one of so many parts of cycles (cycles, steps) in the next, both ways."""
    parts = np.array_split(table, count)
    pairs = [pair for one, other in itertools.pairwise(parts) for pair in ((one, other), (other, one))]
    wrong = sum(((part - by.mean(axis=0)) ** 2).sum() for part, by in pairs)
    total = sum((part**2).sum() for part, _ in pairs)
    return 1 - float(wrong / total) if total > 0 else 0.0
