"""Bulk scoring beside the engine's own peak: files in, files out, and the core alone on full batches."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from penstock import native
from penstock.bench.measure import Duration, interleave
from penstock.errors import PenstockError
from penstock.folder import held
from penstock.model_folder import LanguageConfig, StackConfig, save_model
from penstock.runtime import Model, bulk, load_language, model
from penstock.score.files import ScoreSettings
from penstock.score.run import run
from penstock.text import CharVocabulary, reference

TARGET = 0.8
"""The share of the peak that bulk scoring must reach."""

HIDDEN = (128, 256, 512)
"""Of the models, one layer each."""

FULL, QUICK = Duration(5, 0.0), Duration(3, 0.0)
SECONDS = 3
"""About what a run over the files takes."""


class Scoring(NamedTuple):
    """One model's rates, in tokens a second; the medians."""

    hidden: int
    rows: int
    tokens: int
    peak: float
    """The layers and the output layer on full batches, as many at once as there are threads, and nothing else."""
    bulk: float
    """``penstock score`` from Parquet to Parquet."""

    @property
    def share(self) -> float:
        """Of the peak."""
        return self.bulk / self.peak


def measure(hidden: int, threads: int, duration: Duration = FULL, rows: int | None = None) -> Scoring:
    """Checks a sample of the scores against ``Model.score``, to the last bit, and then times.

    Raises:
        PenstockError: a score is another than that of its text alone.
    """
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    text = reference.text()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _save(folder / "model", hidden, CharVocabulary(text), rng)
        scorer = load_language(folder / "model")
        at_peak, tokens_at_once = _peak(scorer, threads, rng)
        (times,) = interleave([at_peak], Duration(1, 0.2))
        # texts of a few hundred characters, a few of some thousand
        sizes = (
            rng.lognormal(5.5, 1, rows or 100 + int(SECONDS * tokens_at_once / np.median(times) / 400)).astype(int) + 2
        )
        starts = rng.integers(0, len(text) - sizes)
        texts = [text[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        pyarrow.parquet.write_table(pyarrow.table({"text": texts}), folder / "texts.parquet")
        runs = iter(range(1_000_000))

        def in_bulk() -> list[Any]:
            out = folder / f"scores-{next(runs)}"
            run(folder / "model", [str(folder / "texts.parquet")], out, ScoreSettings(), workers=threads)
            return [out / "texts.parquet"]

        nats = pyarrow.parquet.read_table(in_bulk()[0])["nats"].to_pylist()
        for row in range(0, len(texts), 1 + len(texts) // 50):
            if nats[row] != scorer.score(texts[row]).nats:
                raise PenstockError(f"bulk scoring of row {row} differs from that of its text alone: not timed")
        of_peak, of_bulk = (float(np.median(times)) for times in interleave([at_peak, in_bulk], duration))
        tokens = int(sizes.sum()) - len(sizes)
        return Scoring(hidden, len(texts), tokens, tokens_at_once / of_peak, tokens / of_bulk)


def _save(folder: Path, hidden: int, vocabulary: CharVocabulary, rng: np.random.Generator) -> None:
    config = LanguageConfig(len(vocabulary), StackConfig(128, hidden))
    weights: dict[str, Any] = {
        name: (rng.uniform(-1, 1, shape) * hidden**-0.5).astype(np.float32) for name, shape in config.shapes().items()
    }
    with held(folder, "model") as place:
        save_model(place, config, vocabulary, weights | {"layers.0.reset_after": np.zeros((), np.float32)})


def _peak(of: Model, threads: int, rng: np.random.Generator) -> tuple[Callable[[], list[Any]], int]:
    """A call of the core alone, and how many tokens it reads."""
    config, weights = of.config, of.weights
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layer = native.RecurrentLayer(*(weights[f"layers.0.{name}_l0"] for name in names), reset=config.stack.reset)
    output = native.OutputLayer(weights["output.weight"], weights["output.bias"])
    steps, calls = model.BLOCK // (bulk.BATCH * config.stack.hidden_size), 4
    x = rng.standard_normal((steps, bulk.BATCH, config.stack.input_size), np.float32)
    tokens = rng.integers(0, config.vocabulary_size, steps * bulk.BATCH)
    pool = ThreadPoolExecutor(threads)

    def one(_: int) -> None:
        hidden = layer(x, threads=1)[0]
        output.nats(hidden.reshape(len(tokens), -1), tokens, threads=1)

    return lambda: list(pool.map(one, range(calls * threads))), calls * threads * len(tokens)
