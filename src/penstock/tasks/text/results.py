"""What a finished model of texts is measured by, beside what needs no network."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.runtime.series_score import baselines
from penstock.runtime.text_model import load_text
from penstock.series.metrics import MAIN, measured
from penstock.series.packages import package
from penstock.tasks.series_results import SeriesResults, results_of
from penstock.tasks.text.data import TextsData
from penstock.text.words import split
from penstock.train.checkpoint import Progress
from penstock.train.plan import Plan

FEATURES = 1 << 17
"""Words and pairs of them that are counted at most: the most frequent."""
Floats = NDArray[np.floating]


def measure(plan: Plan, progress: Progress, data: TextsData, out: Path) -> SeriesResults:
    """Scores the best model on the held-out texts."""
    answer, name = data.answer, data.series.name
    y = data.series.values.astype(np.float64)
    training, asked = (data.of_part(part) for part in (data.split.training, data.split.validation))
    found: dict[str, float] = {}
    others: dict[str, dict[str, float]] = {}
    if len(asked):
        found = measured(answer.kind, load_text(out).predict([data.texts[k] for k in asked]), y[asked], name)
        answers = baselines(answer, y[training], y[training], y[asked], len(asked))
        of_words = [[data.texts[k] for k in which] for which in (training, asked)]
        answers["a linear model of its words"] = linear(
            answer.kind, of_words[0], y[training], of_words[1], len(answer.classes), name
        )
        others = {who: measured(answer.kind, values, y[asked], name) for who, values in answers.items()}
    return results_of(plan, progress, data, len(asked), MAIN[answer.kind], found, others)


def linear(
    kind: str, texts: Sequence[str], truths: Floats, asked: Sequence[str], classes: int, name: str
) -> NDArray[np.float64]:
    """Logistic or ridge regression of the words of a text and of pairs of them, weighted by how rare they are (tf-idf).

    Args:
        kind: "class", "labels" or "numbers".
        texts: (S,) those that train.
        truths: (S, T) of them, NaN where missing.
        asked: (M,) those that are answered for.
        classes: K.
        name: of what is read, for errors.

    Returns:
        (M, K) or (M, T).
    """
    of, pipeline = package("sklearn.linear_model", name), package("sklearn.pipeline", name)
    of_text = package("sklearn.feature_extraction.text", name)

    def fitted(model: object, which: NDArray[np.bool_], answers: Floats) -> object:
        counts = of_text.TfidfVectorizer(analyzer=_words_and_pairs, max_features=FEATURES, sublinear_tf=True)
        steps = pipeline.make_pipeline(counts, model)
        return steps.fit([text for text, there in zip(texts, which.tolist(), strict=True) if there], answers)

    columns = []
    for t in range(truths.shape[1]):
        known = ~np.isnan(truths[:, t])
        answers = truths[known, t]
        if kind == "numbers":
            columns.append(np.asarray(fitted(of.Ridge(alpha=1.0), known, answers).predict(asked)))  # type: ignore[attr-defined]
            continue
        codes = answers.astype(int)
        odds = np.zeros((len(asked), classes if kind == "class" else 2))
        if len(np.unique(codes)) < 2:
            odds[:, codes[0]] = 1
        else:
            model = fitted(of.LogisticRegression(max_iter=500, C=10.0), known, codes)
            odds[:, model[-1].classes_] = model.predict_proba(asked)  # type: ignore[index,attr-defined]
        if kind == "class":
            return odds
        columns.append(odds[:, 1])
    return np.stack(columns, axis=1)


def _words_and_pairs(text: str) -> list[str]:
    words = [word.strip().lower() for word in split(text) if not word.isspace()]
    return words + [f"{one} {other}" for one, other in pairwise(words)]
