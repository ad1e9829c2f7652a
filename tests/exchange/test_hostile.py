"""Files of PyTorch, Keras, Flax and NumPy that mean harm, or are broken: one line, bounded memory and time, and nothing
in them is run, followed or unpacked."""

import functools
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import pytest
import safetensors.numpy
import torch

from penstock.exchange import Direction, Layers
from penstock.exchange.keras_model import keras_file
from penstock.exchange.msgpack_file import pack_tree

HUGE = 1 << 40
BOMB = 1 << 26
D, H = 2, 3
LAYERS = Layers(((Direction(np.ones((9, 2)), np.ones((9, 3)), np.ones(9), np.ones(9)),),), "after")
STATE = {"weight_ih_l0": torch.ones(9, 2), "weight_hh_l0": torch.ones(9, 3)}


class Command:
    """What a pickle would run, if anything ran it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> Any:
        return os.system, (self.text,)


def torch_file(path: Path, change: Callable[[dict[str, bytes]], Mapping[str, bytes]], packed: bool = False) -> None:
    """A file of torch.save whose parts were changed."""
    made = io.BytesIO()
    torch.save(STATE, made)
    with zipfile.ZipFile(made) as old:
        parts = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as new:
        for name, content in change(parts).items():
            new.writestr(f"archive/{name}", content)


def _with(name: str, content: bytes, parts: dict[str, bytes]) -> dict[str, bytes]:
    return parts | {name: content}


def _tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """The pickle of a state whose two weights are a view of 27 numbers."""
    view = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV1\nVcpu\nK\x1btQ"
        + b"".join(_number(value) for value in (offset, shape, strides))
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    names = (b"X\x0c\x00\x00\x00weight_ih_l0", b"X\x0c\x00\x00\x00weight_hh_l0")
    # text words, which torch.save never writes, are replaced by binary ones
    content = b"\x80\x02}(" + names[0] + view + names[1] + view + b"u."
    for word in (b"storage", b"1", b"cpu"):
        content = content.replace(b"V" + word + b"\n", b"X" + len(word).to_bytes(4, "little") + word)
    return content


def _number(value: Any) -> bytes:
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_number, value)) + b"t"
    return b"\x8a\x08" + int(value).to_bytes(8, "little")


def keras_file_with(path: Path, **parts: bytes) -> None:
    """A .keras file some of whose parts are others."""
    with (
        zipfile.ZipFile(io.BytesIO(keras_file(LAYERS))) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, parts.get(name.replace(".", "_"), old.read(name)))


def weights_file(path: Path, change: Callable[[Any, Any], object]) -> None:
    """A .weights.h5 file, changed: the file and the group of the cell's weights."""
    with h5py.File(path, "w") as file:
        cell = file.create_group("layers/gru/cell/vars")
        for name, shape in (("0", (D, 3 * H)), ("1", (H, 3 * H)), ("2", (2, 3 * H))):
            cell[name] = np.ones(shape, np.float32)
        change(file, cell)


def _replaced(cell: Any, **options: Any) -> None:
    del cell["0"]
    cell.create_dataset("0", dtype="f4", **options)


def _virtual(file: Any, cell: Any) -> None:
    layout = h5py.VirtualLayout((D, 3 * H), "f4")
    layout[...] = h5py.VirtualSource("/etc/hostname", "x", (D, 3 * H))
    del cell["0"]
    cell.create_virtual_dataset("0", layout)


def _linked(link: Any) -> Callable[[Any, Any], None]:
    def change(_: Any, cell: Any) -> None:
        del cell["0"]
        cell["0"] = link

    return change


def _circle(file: Any, cell: Any) -> None:
    file["layers/gru/again"] = file["layers"]


def _ext(shape: Any, kind: str, numbers: bytes) -> Any:
    return msgpack.ExtType(1, msgpack.packb((shape, kind, numbers), use_bin_type=True))


def _npz(path: Path, **arrays: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in arrays.items():
            file.writestr(f"{name}.npy", content)


def _npy(shape: Any, dtype: str = "<f4") -> bytes:
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": dtype, "fortran_order": False, "shape": shape})
    return made.getvalue()


def _objects() -> bytes:
    made = io.BytesIO()
    np.save(made, np.array([Command("touch ran")], object), allow_pickle=True)
    return made.getvalue()


NESTED = b"[" * 200_000 + b"]" * 200_000
MAKE: dict[str, tuple[Callable[[Path], object], str]] = {
    "command.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", pickle.dumps(Command("touch ran"), 2))),
        "holds a pickled posix.system, which is code",
    ),
    "command-inside.pt": (
        lambda path: torch.save(STATE | {"config": Command("touch ran")}, path),
        '1 layer, 2 → 3, reset="after", float32',
    ),
    "old.pt": (
        lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
        "which is a zip: save it anew",
    ),
    "bomb.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data/9", bytes(BOMB)), packed=True),
        "that unpack to 67",
    ),
    "wide.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", _tensor((3 * HUGE, HUGE), (0, 0)))),
        "do not lie in its storage",
    ),
    "outside.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", _tensor((9, 3), (3, 1), 1))),
        "do not lie in its storage",
    ),
    "large.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", _tensor((9, 3), (HUGE, HUGE)))),
        "do not lie in its storage",
    ),
    "short.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data/1", b"1234")),
        "expected 108 bytes of numbers, got 4",
    ),
    "nested.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", b"\x80\x02" + b"(" * 999_999 + b".")),
        "holds no weights of a GRU",
    ),
    "deep.pt": (
        lambda path: torch_file(
            path,
            functools.partial(
                _with, "data.pkl", b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 99_999 + b"N" + b"s" * 99_999 + b"."
            ),
        ),
        "holds no weights of a GRU",
    ),
    "words.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", b"\x80\x02(ios\nsystem\n.")),
        "INST is no word of torch.save's",
    ),
    "no-end.pt": (
        lambda path: torch_file(path, functools.partial(_with, "data.pkl", b"\x80\x02}")),
        "data.pkl cannot be read",
    ),
    "empty.pt": (lambda path: path.write_bytes(b""), "which is a zip: save it anew"),
    "cut.pt": (lambda path: (torch.save(STATE, path), os.truncate(path, 900)), "cannot be read as a zip"),
    "cut.safetensors": (
        lambda path: (safetensors.numpy.save_file({"a": np.ones(9)}, path), os.truncate(path, 90)),
        "not a whole safetensors file",
    ),
    "header.safetensors": (lambda path: path.write_bytes(b"\xff" * 7 + b"\0{}"), "not a whole safetensors file"),
    "whole.safetensors": (
        lambda path: safetensors.numpy.save_file(
            {name: np.ones(one.shape, np.int32) for name, one in STATE.items()}, path
        ),
        "holds no weights of a GRU",
    ),
    "nested.keras": (lambda path: keras_file_with(path, config_json=NESTED), "cannot be read as JSON"),
    "bomb.keras": (lambda path: keras_file_with(path, config_json=b" " * (BOMB)), "that unpack to 67"),
    "long.keras": (lambda path: keras_file_with(path, config_json=b" " * (17 << 20)), "not read"),
    "else.keras": (
        lambda path: keras_file_with(path, config_json=b'{"class_name": "Sequential", "config": 3}'),
        "is not what Keras 3",
    ),
    "empty.keras": (
        lambda path: keras_file_with(path, metadata_json=b"[]"),
        "expected a model of Keras 3, got one of None",
    ),
    "units.keras": (
        lambda path: keras_file_with(path, config_json=_config(units=10**30)),
        "expected weights of (D, 0), (H, 0) and its bias",
    ),
    "up.keras": (lambda path: _names(path), "holds no metadata.json"),
    "external.weights.h5": (
        lambda path: weights_file(path, _linked(h5py.ExternalLink("/etc/x.h5", "/"))),
        "a link to elsewhere",
    ),
    "soft.weights.h5": (lambda path: weights_file(path, _linked(h5py.SoftLink("/layers"))), "a link to elsewhere"),
    "circle.weights.h5": (lambda path: weights_file(path, _circle), "more groups than a model has"),
    "other.weights.h5": (
        lambda path: weights_file(
            path, lambda _, cell: _replaced(cell, shape=(D, 9), external=[("/etc/hostname", 0, 72)])
        ),
        "its numbers are in another file",
    ),
    "virtual.weights.h5": (lambda path: weights_file(path, _virtual), "its numbers are in another file"),
    "huge.weights.h5": (
        lambda path: weights_file(path, lambda _, cell: _replaced(cell, shape=(HUGE, 9))),
        "bytes of numbers in a file of",
    ),
    "packed.weights.h5": (
        lambda path: weights_file(
            path, lambda _, cell: _replaced(cell, shape=(1 << 20, 9), chunks=(1 << 16, 9), compression="gzip")
        ),
        "its numbers are packed",
    ),
    "kind.weights.h5": (
        lambda path: weights_file(
            path, lambda _, cell: (cell.pop("1"), cell.create_dataset("1", data=np.ones((3, 9), int)))
        ),
        "holds no weights of a GRU",
    ),
    "cut.weights.h5": (
        lambda path: (weights_file(path, lambda *_: None), os.truncate(path, 700)),
        "cannot be read as HDF5",
    ),
    "nested.msgpack": (lambda path: path.write_bytes(b"\x91" * 500_000 + b"\xc0"), "cannot be read as msgpack"),
    "wide.msgpack": (lambda path: path.write_bytes(b"\xdd\xff\xff\xff\xff" * 900), "cannot be read as msgpack"),
    "huge.msgpack": (
        lambda path: path.write_bytes(msgpack.packb({"w": _ext((HUGE, HUGE), "float32", b"1234")})),
        "expected a shape, a type and as many numbers",
    ),
    "object.msgpack": (
        lambda path: path.write_bytes(msgpack.packb({"w": _ext((1,), "object", b"12345678")})),
        "no weights",
    ),
    "shape.msgpack": (
        lambda path: path.write_bytes(msgpack.packb({"w": _ext("ab", "float32", b"")})),
        "expected a shape, a type and as many numbers",
    ),
    "cell.msgpack": (
        lambda path: path.write_bytes(
            pack_tree({"dense_i": {"kernel": np.ones(7), "bias": np.ones(9)}, "dense_h": {"kernel": np.ones((3, 9))}})
        ),
        "weight_ih: expected (9, D), got (7,)",
    ),
    "objects.npz": (lambda path: _npz(path, weight_hh_l0=_objects()), "cannot be read as an array"),
    "huge.npz": (lambda path: _npz(path, weight_hh_l0=_npy((HUGE, HUGE))), "its sizes and its bytes differ"),
    "minus.npz": (lambda path: _npz(path, weight_hh_l0=_npy((-3, -1)) + b"1" * 12), "cannot be read as an array"),
    "bomb.npz": (lambda path: _npz(path, weight_hh_l0=bytes(BOMB)), "that unpack to 67"),
    "header.npz": (
        lambda path: _npz(path, a=b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535),
        "cannot be read as an array",
    ),
    "a.pickle": (
        lambda path: path.write_bytes(pickle.dumps(Command("touch ran"))),
        "expected a name that ends in one of",
    ),
    "pipe.pt": (os.mkfifo, "expected a file"),
}


def _config(**settings: Any) -> bytes:
    with zipfile.ZipFile(io.BytesIO(keras_file(LAYERS))) as file:
        model = json.loads(file.read("config.json"))
    model["config"]["layers"][1]["config"].update(settings)
    return json.dumps(model).encode()


def _names(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../metadata.json", b"{}")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each file, by its name, in a process of little memory."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (make, _) in MAKE.items():
        make(folder / name)
    before = sorted(folder.iterdir())
    command = [sys.executable, str(Path(__file__).with_name("hostile_files.py")), *MAKE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert sorted(folder.iterdir()) == before, "something was written"
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 0, f"{done.stderr[-2000:]} after {[*found][-1:]}"
    return found


@pytest.mark.parametrize("name", MAKE)
def test_one_line_says_what_is_wrong(name: str, said: dict[str, str]) -> None:
    assert MAKE[name][1] in said[name]
    assert "\n" not in said[name]
    assert len(said[name]) < 300


def test_bytes_that_were_flipped_do_no_harm(tmp_path: Path) -> None:
    made = io.BytesIO()
    torch.save(STATE, made)
    weights_file(tmp_path / "w", lambda *_: None)
    whole = {
        "a.pt": made.getvalue(),
        "a.keras": keras_file(LAYERS),
        "a.weights.h5": (tmp_path / "w").read_bytes(),
        "a.safetensors": safetensors.numpy.save({name: one.numpy() for name, one in STATE.items()}),
    }
    random, names = np.random.default_rng(5), []
    for name, content in whole.items():
        for k in range(60):
            broken = np.frombuffer(content, np.uint8).copy()
            broken[random.integers(0, len(broken), 4)] = random.integers(0, 256, 4)
            names.append(f"{k}-{name}")
            (tmp_path / names[-1]).write_bytes(broken.tobytes())
    command = [sys.executable, str(Path(__file__).with_name("hostile_files.py")), *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(names)
