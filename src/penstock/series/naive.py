"""What a model must beat: answers that need no network, learned from the rows that train.

Letters: rows of all series, T targets, M answers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.series.packages import package

Floats = NDArray[np.floating[Any]]


def always(kind: str, truths: Floats, count: int, classes: int = 0) -> Floats:
    """The same answer everywhere: how often each class or label came, or the mean.

    Args:
        kind: "class", "labels" or "numbers".
        truths: (rows, T) of training, NaN where nothing is answered.
        count: M.
        classes: how many there are.

    Returns:
        (M, classes) or (M, T).
    """
    if kind == "class":
        codes = truths[~np.isnan(truths[:, 0]), 0].astype(int)
        answer = (np.bincount(codes, minlength=classes) + 0.5) / (len(codes) + 0.5 * classes)
    else:
        there = ~np.isnan(truths)
        total, seen = np.where(there, truths, 0).sum(0), there.sum(0)
        answer = (total + 0.5) / (seen + 1) if kind == "labels" else total / np.maximum(seen, 1)
    return np.repeat(answer[None], count, axis=0)


def as_before(kind: str, before: Floats, truths: Floats, now: Floats, classes: int = 0) -> Floats:
    """The same again as in the row before; of classes and labels, as likely as training says that they stay.

    Args:
        kind: "class", "labels" or "numbers".
        before: (rows, T) of training: the row before each of ``truths``.
        truths: (rows, T) of training.
        now: (M, T) the rows before those that are answered for.
        classes: how many there are.

    Returns:
        (M, classes) or (M, T).
    """
    if kind == "numbers":
        found: Floats = np.nan_to_num(now)
        return found
    known = ~np.isnan(before).any(1) & ~np.isnan(truths).any(1)
    before, truths = before[known], truths[known]
    if kind == "class":
        counts = np.full((classes, classes), 0.5)
        np.add.at(counts, (before[:, 0].astype(int), truths[:, 0].astype(int)), 1)
        rates = counts / counts.sum(1, keepdims=True)
        return np.asarray(rates[np.nan_to_num(now[:, 0]).astype(int)])
    stays = [(truths[before == value].sum() + 0.5) / ((before == value).sum() + 1) for value in (0, 1)]
    return np.asarray(np.where(np.nan_to_num(now) == 1, stays[1], stays[0]))


def linear(kind: str, x: list[Floats], truths: Floats, asked: list[Floats], classes: int, name: str) -> Floats:
    """Of a sequence's summary: ridge regression, or logistic regression.

    Args:
        kind: "class" or "numbers".
        x: the features of each series that trains, (L, D).
        truths: (series, T) of them.
        asked: the features of each series that is answered for.
        classes: how many there are.
        name: of what is read, for errors.

    Returns:
        (M, classes) or (M, T).
    """
    of, pipeline = package("sklearn.linear_model", name), package("sklearn.pipeline", name)
    scaler = package("sklearn.preprocessing", name).StandardScaler()
    known = np.asarray(~np.isnan(truths).any(1))
    rows = np.stack([_summary(one) for one, there in zip(x, known.tolist(), strict=True) if there])
    wanted = np.stack([_summary(one) for one in asked])
    if kind == "numbers":
        model = pipeline.make_pipeline(scaler, of.Ridge(alpha=1.0)).fit(rows, truths[known])
        return np.asarray(model.predict(wanted)).reshape(len(wanted), -1)
    codes = truths[known, 0].astype(int)
    out = np.zeros((len(wanted), classes))
    if len(np.unique(codes)) < 2:
        out[:, codes[0]] = 1
        return out
    model = pipeline.make_pipeline(scaler, of.LogisticRegression(max_iter=500)).fit(rows, codes)
    out[:, model[-1].classes_] = model.predict_proba(wanted)
    return out


def _summary(x: Floats) -> Floats:
    """Of a series (L, D): mean, spread, ends and extremes of every feature, and its length."""
    parts = [x.mean(0), x.std(0), x[0], x[-1], x.min(0), x.max(0), [np.log1p(len(x))]]
    return np.concatenate(parts)
