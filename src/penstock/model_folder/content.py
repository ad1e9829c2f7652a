"""The two files that every model has: read, checked and written."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder
from penstock.model_folder.quantized import check, expect_float, is_quantized
from penstock.model_folder.stack import StackConfig

FORMAT, VERSION = "penstock-model", 2
CONFIG, WEIGHTS = "config.json", "model.safetensors"

Weights = dict[str, NDArray[np.float32]]
Described = TypeVar("Described")


class Config(Protocol):
    """What the sizes of a model say, of whatever kind it is."""

    @property
    def stack(self) -> StackConfig:
        """Its recurrent layers."""

    @property
    def outputs(self) -> int:
        """Numbers that come out at each step."""

    def parameters(self) -> int:
        """Those that every step trains."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight."""


def write_content(
    folder: Folder, task: str, input: dict[str, Any], stack: dict[str, Any], output: dict[str, Any], weights: Weights
) -> None:
    """Writes both files, each whole or not at all; the weights come last.

    Raises:
        PenstockError: the folder cannot be written; what was there before is unchanged.
    """
    about = {"format": FORMAT, "version": VERSION, "task": task, "input": input, "stack": stack, "output": output}
    if is_quantized(weights):
        about |= {"precision": "w8a16"}
    write(folder.place(CONFIG), json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    write(folder.place(WEIGHTS), safetensors.numpy.save(weights, {"format": "np"}))


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        PenstockError: it is no model folder, or of another version.
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
        raise PenstockError(f"{folder / CONFIG}: expected the configuration of a {FORMAT}, got {_kind(content)}")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise PenstockError(
            f"{folder / CONFIG}: expected version {VERSION}, got {content.get('version')!r}; it needs another Penstock"
        )
    for name, kind in (("task", str), ("input", dict), ("stack", dict), ("output", dict)):
        if not isinstance(content.get(name), kind):
            raise PenstockError(f"{folder / CONFIG}: {name}: expected {kind.__name__}, got {content.get(name)!r:.40}")
    return content


def _kind(content: Any) -> str:
    return repr(content.get("format")) if isinstance(content, dict) else "something else"


def digest_of(weights: Weights, *about: Any) -> str:
    """The same where a model is the same."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        found.update(np.ascontiguousarray(weights[name]).data)
    found.update(json.dumps(about, sort_keys=True).encode())
    return found.hexdigest()


def described(kind: type[Described], name: str, saved: Any, **known: Any) -> Described:
    """A dataclass of what config.json has under ``name``, and of what is ``known`` beside it.

    Raises:
        PenstockError: fields are missing, or others are there.
    """
    try:
        return kind(**saved, **known)
    except TypeError:
        names = ", ".join(field.name for field in dataclasses.fields(kind) if field.name not in known)  # type: ignore[arg-type]
        got = ", ".join(saved) if isinstance(saved, dict) else saved
        raise PenstockError(f"{name}: expected {names}, got {got}") from None


def read_weights(path: Path, config: Config, quantized: bool = False) -> Weights:
    """The weights, which must be those that the model's sizes say, and of its form; ``quantized``: or in w8a16.

    Raises:
        PenstockError: the file is not whole, or of another model.
    """
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
    stack = config.stack
    if stack.num_layers > len(weights):  # before a list is made of them all
        raise PenstockError(
            f"{path}: expected {stack.num_layers} layers, as {CONFIG} says, got {len(weights)} weights in all"
        )
    if not quantized:
        expect_float(weights, path.parent)
    if is_quantized(weights):
        check(weights, config, path)
    else:
        _check_float(weights, config, path)
    for k in range(stack.num_layers):
        mark = float(weights[f"layers.{k}.reset_after"])
        if not min(abs(mark), abs(mark - 1)) <= 0.01:  # of averaged weights it is rounded
            raise PenstockError(f"{path}: layers.{k}.reset_after: expected 0 or 1, got {mark:.6g}")
        form = "after" if mark > 0.5 else "before"
        if form != stack.reset:
            raise PenstockError(f'{path}: the weights are of reset="{form}", {CONFIG} says reset="{stack.reset}"')
    return weights


def _check_float(weights: Weights, config: Config, path: Path) -> None:
    got, shapes = {name: value.shape for name, value in weights.items()}, config.shapes()
    if got != shapes:
        name = min(name for name, _ in got.items() ^ shapes.items())
        raise PenstockError(f"{path}: {name}: expected {shapes.get(name, 'nothing')}, got {got.get(name, 'nothing')}")
    for name, value in weights.items():
        if value.dtype != np.float32:
            raise PenstockError(f"{path}: {name}: expected float32, got {value.dtype}")
        if not np.isfinite(value).all():
            wrong = value[~np.isfinite(value)][0]
            raise PenstockError(f"{path}: {name}: expected finite numbers, got {wrong}: its training left them")
