"""A language model on disk: a folder of config.json, model.safetensors and, for byte-pair encoding, tokenizer.json."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder
from penstock.text.vocabulary import Vocabulary, load_vocabulary

FORMAT, VERSION = "penstock-language-model", 1
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"

Weights = dict[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The sizes of a language model: embedding → GRU layers → output layer."""

    vocabulary_size: int
    embedding_size: int
    hidden_size: int
    num_layers: int = 1
    reset: Literal["before", "after"] = "before"
    dropout: float = 0.0
    """In training, on the input, between layers and on the output."""
    tied: bool = False
    """The output layer's weight is the embedding's; both then have ``hidden_size`` columns."""
    residual: bool = False
    """Each layer but the first adds to what it reads instead of replacing it."""

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "embedding_size", "hidden_size", "num_layers"):
            size = getattr(self, name)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise PenstockError(f"{name}: expected a positive integer, got {size!r}")
        if self.reset not in ("before", "after"):
            raise PenstockError(f'reset: expected "before" or "after", got {self.reset!r}')
        for name in ("tied", "residual"):
            if not isinstance(getattr(self, name), bool):
                raise PenstockError(f"{name}: expected true or false, got {getattr(self, name)!r}")
        if isinstance(self.dropout, bool) or not (isinstance(self.dropout, int | float) and 0 <= self.dropout < 1):
            raise PenstockError(f"dropout: expected 0 or more and less than 1, got {self.dropout!r}")
        if self.tied and self.embedding_size != self.hidden_size:
            raise PenstockError(
                f"embedding_size: tied weights need the hidden size, {self.hidden_size}, got {self.embedding_size}"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight; rows of the gates in the order r, z, n."""
        V, E, H = self.vocabulary_size, self.embedding_size, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (V, E)}
        for k in range(self.num_layers):
            shapes[f"layers.{k}.weight_ih_l0"] = (3 * H, H if k else E)
            shapes[f"layers.{k}.weight_hh_l0"] = (3 * H, H)
            shapes[f"layers.{k}.bias_ih_l0"] = shapes[f"layers.{k}.bias_hh_l0"] = (3 * H,)
            shapes[f"layers.{k}.reset_after"] = ()
        if not self.tied:
            shapes["output.weight"] = (V, H)
        shapes["output.bias"] = (V,)
        return shapes


def save_model(folder: Folder, config: ModelConfig, vocabulary: Vocabulary, weights: dict[str, Any]) -> None:
    """Writes the folder's files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    about, tokenizer = vocabulary.saved()
    content = {
        "format": FORMAT,
        "version": VERSION,
        "model": dataclasses.asdict(config),
        "vocabulary": about,
    }
    if tokenizer is not None:
        write(folder.place(TOKENIZER), tokenizer)
    write(folder.place(CONFIG), json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write(folder.place(WEIGHTS), safetensors.numpy.save(weights, {"format": "np"}))


def load_model(folder: Path) -> tuple[ModelConfig, Vocabulary, Weights]:
    """What ``save_model`` wrote.

    Raises:
        PenstockError: it is no model folder, of another version, or its files do not fit each other.
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise PenstockError(
            f"{folder}: no model here: expected a folder with {CONFIG} and {WEIGHTS}, as penstock train makes"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise PenstockError(f"{folder / CONFIG}: cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PenstockError(f"{folder / CONFIG}: expected the configuration of a {FORMAT}, got something else")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise PenstockError(
            f"{folder / CONFIG}: expected version {VERSION}, got {content.get('version')!r}; it needs another Penstock"
        )
    about, tokenizer = content.get("vocabulary"), None
    if isinstance(about, dict) and about.get("kind") == "bpe":
        tokenizer = _read_tokenizer(folder / TOKENIZER)
    try:
        config = _config(content.get("model"))
        vocabulary = load_vocabulary(about, tokenizer)
    except PenstockError as error:
        of = "" if str(error).startswith(TOKENIZER) else f"{CONFIG}: "
        raise PenstockError(f"{folder}{os.sep}{of}{error}") from None
    if len(vocabulary) != config.vocabulary_size:
        raise PenstockError(
            f"{folder / CONFIG}: vocabulary_size is {config.vocabulary_size}, the vocabulary has {len(vocabulary)}"
        )
    return config, vocabulary, _load_weights(folder / WEIGHTS, config)


def _read_tokenizer(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PenstockError(f"{path}: no such file, though {CONFIG} says that the tokens are byte pairs") from None
    except (OSError, ValueError) as error:
        raise PenstockError(f"{path}: cannot be read: {error}") from None


def _config(saved: Any) -> ModelConfig:
    try:
        return ModelConfig(**saved)
    except TypeError:
        names = ", ".join(field.name for field in dataclasses.fields(ModelConfig))
        got = ", ".join(saved) if isinstance(saved, dict) else saved
        raise PenstockError(f"model: expected {names}, got {got}") from None


def _load_weights(path: Path, config: ModelConfig) -> Weights:
    try:
        path.open("rb").close()  # the library calls a file that it may not read one that is not there
        weights = safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise PenstockError(f"{path}: no such file, though {CONFIG} is there: the model is not whole") from None
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (TypeError, KeyError) as error:  # a type that NumPy lacks
        raise PenstockError(f"{path}: expected float32, got {error}") from None
    except safetensors.SafetensorError as error:
        raise PenstockError(f"{path}: not a whole safetensors file: {error}") from None
    if config.num_layers > len(weights):  # before a list is made of them all
        raise PenstockError(
            f"{path}: expected {config.num_layers} layers, as {CONFIG} says, got {len(weights)} weights in all"
        )
    got = {name: value.shape for name, value in weights.items()}
    if got != config.shapes():
        name = min(name for name, _ in got.items() ^ config.shapes().items())
        raise PenstockError(
            f"{path}: {name}: expected {config.shapes().get(name, 'nothing')}, got {got.get(name, 'nothing')}"
        )
    for name, value in weights.items():
        if value.dtype != np.float32:
            raise PenstockError(f"{path}: {name}: expected float32, got {value.dtype}")
        if not np.isfinite(value).all():
            got = value[~np.isfinite(value)][0]
            raise PenstockError(f"{path}: {name}: expected finite numbers, got {got}: its training left them")
    for k in range(config.num_layers):
        mark = float(weights[f"layers.{k}.reset_after"])
        if not min(abs(mark), abs(mark - 1)) <= 0.01:  # of averaged weights it is rounded
            raise PenstockError(f"{path}: layers.{k}.reset_after: expected 0 or 1, got {mark:.6g}")
        form = "after" if mark > 0.5 else "before"
        if form != config.reset:
            raise PenstockError(f'{path}: the weights are of reset="{form}", {CONFIG} says reset="{config.reset}"')
    return weights
