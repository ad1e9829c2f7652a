"""A small model, and files that it scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from penstock.folder import held
from penstock.model_folder import LanguageConfig, StackConfig, save_model
from penstock.text import ByteVocabulary, CharVocabulary

WORDS = "the cat, which already ate the food, was full. "


def save(folder: Path, hidden: int = 9, *, vocabulary: Any = None, seed: int = 0) -> Path:
    """A model of characters, unless it is said of what; one that expects nothing in particular."""
    vocabulary = CharVocabulary(WORDS) if vocabulary is None else vocabulary
    assert isinstance(vocabulary, CharVocabulary | ByteVocabulary)
    rng, config = np.random.default_rng(seed), LanguageConfig(len(vocabulary), StackConfig(6, hidden, 2))
    weights: dict[str, Any] = {
        name: (rng.normal(size=shape) * hidden**-0.5).astype(np.float32) for name, shape in config.shapes().items()
    }
    before = {f"layers.{k}.reset_after": np.zeros((), np.float32) for k in (0, 1)}
    with held(folder, "model") as place:
        save_model(place, config, vocabulary, weights | before)
    return folder


def texts(count: int, seed: int = 0) -> list[str]:
    """Of all lengths from two characters to some hundred."""
    sizes = np.random.default_rng(seed).integers(2, 400, count)
    return [(WORDS * 10)[size % 40 : size % 40 + size] for size in sizes.tolist()]


def write_parquet(path: Path, **columns: Any) -> Path:
    """With so many rows in a row group that there are several."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=100)
    return path


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """The columns of a file."""
    columns: dict[str, list[Any]] = pyarrow.parquet.read_table(path).to_pydict()
    return columns
