"""A file of another program, by what its name ends in."""

from pathlib import Path

from penstock.errors import PenstockError
from penstock.exchange import flax, torch_state
from penstock.exchange.keras import from_keras
from penstock.exchange.layers import Layers
from penstock.exchange.named import Held, with_new_update
from penstock.exchange.npz_file import read_npz_file
from penstock.exchange.torch_file import read_torch_file
from penstock.exchange.torch_state import read_safetensors

ARRAYS = {
    ".bin": read_torch_file,
    ".ckpt": read_torch_file,
    ".npz": read_npz_file,
    ".pt": read_torch_file,
    ".pth": read_torch_file,
    ".safetensors": read_safetensors,
}
"""Files of arrays by their names, which are PyTorch's or Flax's."""
OTHERS = (".h5", ".keras", ".msgpack", ".onnx")


def read_file(path: Path, *, name: str | None = None, new_update: bool = False) -> Layers:
    """The layers of the GRU in a file.

    Args:
        path: of PyTorch (``.pt``, ``.pth``, ``.ckpt``, ``.bin``, ``.safetensors``), Keras (``.keras``,
            ``.weights.h5``), Flax (``.msgpack``, ``.safetensors``, ``.npz``) or ONNX (``.onnx``).
        name: which of several; ``from_torch`` and the others say what it is called.
        new_update: its z takes the new value; it is converted by negation.

    Raises:
        PenstockError: it is none of these, it is not whole, it holds no GRU or several, or one that is something else.
    """
    if path.is_dir():
        raise PenstockError(f"{path}: expected a file, got a folder; name the file in it")
    if not path.is_file():
        raise PenstockError(f"{path}: {'expected a file' if path.exists() else 'no such file'}")
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return _of_arrays(ARRAYS[suffix](path), path, name, new_update)
    if suffix in (".keras", ".h5"):
        return from_keras(path, name=name, new_update=new_update)
    if suffix == ".msgpack":
        return flax.from_flax(path, name=name, new_update=new_update)
    if suffix == ".onnx":
        from penstock.exchange.onnx import from_onnx

        layers = from_onnx(path, name=name)
        return with_new_update(layers) if new_update else layers
    known = ", ".join(sorted([*ARRAYS, *OTHERS]))
    raise PenstockError(f"{path}: expected a name that ends in one of {known}")


def _of_arrays(held: dict[str, Held], path: Path, name: str | None, new_update: bool) -> Layers:
    """By PyTorch's names, or else by Flax's."""
    if not torch_state.in_state(held, str(path)) and flax.in_tree(held, str(path)):
        return flax.of_named(held, str(path), name, new_update)
    return torch_state.of_named(held, str(path), name, new_update)
