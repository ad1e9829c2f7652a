"""Small models of every kind that C can say, with weights as PyTorch would begin them; without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penstock.folder import held
from penstock.model_folder import LanguageConfig, StackConfig, load_model, save_model
from penstock.model_folder.content import read_config
from penstock.model_folder.quantized import quantized
from penstock.model_folder.series import SeriesAnswer, SeriesConfig, SeriesFiles, load_series_model, save_series_model
from penstock.model_folder.states import StatesConfig, StatesFiles, Way, save_states_model
from penstock.series.features import FeatureColumn, Features
from penstock.series.scaling import Scaling
from penstock.text import CharVocabulary
from penstock.text.vocabulary import Vocabulary

CHARACTERS = "the cat sat on a mat\n猫."


def weights(config: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Uniform within ±1.5 / √H, so that gates are neither at 0 nor at 1."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in config.shapes().items():
        bound = 1.0 if name.startswith("embedding") else 1.5 / config.stack.hidden_size**0.5
        found[name] = np.asarray(random.uniform(-bound, bound, shape), np.float32)
        if name.endswith("reset_after"):
            found[name] = np.array(config.stack.reset == "after", np.float32)
    return found


def language(folder: Path, stack: StackConfig, tied: bool = False, vocabulary: Vocabulary | None = None) -> Path:
    """A language model, of characters unless said."""
    vocabulary = vocabulary or CharVocabulary(CHARACTERS)
    config = LanguageConfig(len(vocabulary), stack, tied)
    with held(folder, "model") as place:
        save_model(place, config, vocabulary, weights(config))
    return folder


def features(*, misses: bool = True, category: bool = True, gap: bool = True) -> Features:
    """Two numbers and a category: 2 + 2 misses + 3 category + gap features."""
    columns = [FeatureColumn("a", None, (), misses, 0.25), FeatureColumn("b", None, (), False, 0.01)]
    if category:
        columns.append(FeatureColumn("kind", ("red", "green", "blue", "*/ \\"), ("red", "blue"), False))
    C = len(columns)
    scaling = Scaling(np.array([20.0, -3.0, 0.0][:C]), np.array([5.5, 0.75, 1.0][:C]), ("mean",) * C)
    return Features(tuple(columns), scaling, 60.0 if gap else None, gap)


def series(
    folder: Path,
    answer: SeriesAnswer,
    read: Features,
    *,
    segment: int = 0,
    decay: bool = False,
    outputs: int = 3,
    hidden: int = 20,
    keys: Mapping[str, Any] | None = None,
    **stack: Any,
) -> Path:
    """A model of rows of numbers; ``keys``: columns of ids and episodes, which there are else none of."""
    about = StackConfig(read.size * (2 * segment or 1), hidden, **stack)
    config = SeriesConfig(outputs, about, segment, decay)
    columns = [
        {"name": one.name, "role": "seen", **({"categories": list(one.categories)} if one.categories else {})}
        for one in read.columns
    ]
    own = {"id": [], "time": "t" if read.step else None, "episode": None, "dated": False}
    reads = {**own, **(keys or {}), "columns": columns, "features": read.to_json()}
    files = SeriesFiles("sequence" if segment else "steps", reads, answer, config, weights(config))
    with held(folder, "model") as place:
        save_series_model(place, files)
    return folder


def texts(folder: Path, **stack: Any) -> Path:
    """A model of texts, for classes."""
    vocabulary = CharVocabulary(CHARACTERS)
    config = SeriesConfig(2, StackConfig(7, 20, **stack), 1, False, len(vocabulary))
    answer = SeriesAnswer("class", ("mood",), ("good", "bad"))
    reads = {"column": "text", "longest": 50}
    with held(folder, "model") as place:
        save_series_model(place, SeriesFiles("text", reads, answer, config, weights(config), vocabulary))
    return folder


def bare(folder: Path, stack: StackConfig, way: Way = "forward") -> Path:
    """A bare GRU, as ``penstock import`` makes it."""
    config = StatesConfig(stack, (way,) * stack.num_layers)
    with held(folder, "model") as place:
        save_states_model(place, StatesFiles(config, weights(config)))
    return folder


def in_8_bits(folder: Path, input_scale: float = 8 / 32767) -> Path:
    """A model in w8a16, beside what it is made of, with -w8a16 at the end of its name."""
    out, task = folder.with_name(f"{folder.name}-w8a16"), read_config(folder)["task"]
    with held(out, "model") as place:
        if task == "language":
            config, vocabulary, own = load_model(folder)
            save_model(place, config, vocabulary, quantized(own, config, None))
        else:
            files = load_series_model(folder)
            scale = None if task == "text" else input_scale
            save_series_model(place, files._replace(weights=quantized(files.weights, files.config, scale)))
    return out


NUMBERS = SeriesAnswer("numbers", ("u", "v", "w"), (), (1.0, -20.0, 1e3), (0.5, 2.0, 10.0), True)
CLASSES = SeriesAnswer("class", ("which",), ("one", "two", "three"))
LABELS = SeriesAnswer("labels", ("p", "q", "r"))


def everything(root: Path) -> dict[str, Path]:
    """Each kind, both forms, several layers, odd sizes."""
    before, after = {"reset": "before"}, {"reset": "after"}
    found = {
        "language": language(root / "language", StackConfig(11, 37, 2, "before")),
        "language-after": language(root / "language-after", StackConfig(5, 16, 1, "after")),
        "language-tied": language(root / "language-tied", StackConfig(33, 33, 3, "after", residual=True), tied=True),
        "rows": series(root / "rows", NUMBERS, features(), num_layers=2, **before),
        "rows-decay": series(root / "rows-decay", LABELS, features(), decay=True, num_layers=3, residual=True, **after),
        "rows-plain": series(root / "rows-plain", CLASSES, features(misses=False, category=False, gap=False), **after),
        "segments": series(root / "segments", CLASSES, features(gap=False), segment=3, num_layers=2, **before),
        "segments-decay": series(root / "segments-decay", NUMBERS, features(), segment=1, decay=True, **after),
        "states": bare(root / "states", StackConfig(9, 50, 2, "after")),
        "texts": texts(root / "texts", num_layers=2, residual=True),
    }
    of_8_bits = "language language-after language-tied rows rows-plain segments texts"
    return found | {f"{name}-w8a16": in_8_bits(found[name]) for name in of_8_bits.split()}
