"""How good answers are. Of a metric that scikit-learn has, it is scikit-learn's.

Letters: M answers, K classes, T targets.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.packages import package

Floats = NDArray[np.floating[Any]]

MAIN = {"class": "accuracy", "labels": "nats", "numbers": "rmse"}
"""The metric that a model is told by, of each kind of answer."""
HIGHER = {"accuracy", "macro_f1", "auroc", "auprc"}
"""Metrics of which more is better."""
LEAST = 1e-7
"""Of a probability in nats."""


def measured(kind: str, answers: Floats, truths: Floats, name: str) -> dict[str, float]:
    """The metrics of a kind of answer.

    Args:
        kind: "class", "labels" or "numbers".
        answers: (M, K) probabilities of classes, (M, T) of labels, or (M, T) numbers.
        truths: (M, 1) codes of classes, (M, T) labels 0 and 1, or (M, T) numbers; NaN counts for nothing.
        name: of what is scored, for errors.

    Returns:
        class: nats (an answer's), accuracy, macro F1; of two classes also the areas under the curves of the receiver
        and of precision and recall. labels: nats (of a row's labels together) and the same of all labels pooled.
        numbers: root of the mean squared error, mean absolute error.
    """
    sklearn = package("sklearn.metrics", name)
    if kind == "class":
        there = ~np.isnan(truths[:, 0])
        codes, odds = truths[there, 0].astype(int), answers[there]
        found = {
            "accuracy": sklearn.accuracy_score(codes, odds.argmax(1)),
            "macro_f1": sklearn.f1_score(codes, odds.argmax(1), average="macro", zero_division=0),
            "nats": float(-np.log(np.maximum(odds[np.arange(len(codes)), codes], LEAST)).mean()),
        }
        return found | (_curves(sklearn, codes, odds[:, 1]) if odds.shape[1] == 2 else {})
    there = ~np.isnan(truths)
    if kind == "labels":
        if not np.isin(truths[there], (0, 1)).all():
            raise PenstockError(f"{name}: expected labels of 0 and 1, as in training, got other numbers")
        odds = np.clip(answers, LEAST, 1 - LEAST)
        nats = -(np.where(there, truths, 0) * np.log(odds) + np.where(there, 1 - truths, 0) * np.log(1 - odds))
        found = {"nats": float(nats.sum(1)[there.any(1)].mean())}
        labels, flat = truths[there].astype(int), answers[there]
        found["micro_f1"] = sklearn.f1_score(labels, flat > 0.5, zero_division=0)
        return found | _curves(sklearn, labels, flat)
    wrong = (answers - truths)[there]
    return {"rmse": float(np.sqrt((wrong**2).mean())), "mae": float(np.abs(wrong).mean())}


def _curves(sklearn: Any, truths: NDArray[Any], odds: Floats) -> dict[str, float]:
    if len(np.unique(truths)) < 2:
        return {}
    return {
        "auroc": sklearn.roc_auc_score(truths, odds),
        "auprc": sklearn.average_precision_score(truths, odds),
    }
