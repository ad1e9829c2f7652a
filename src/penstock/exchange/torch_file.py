"""What ``torch.save`` wrote, read without torch and without running anything that stands in it.

The file is a zip of one pickle and of a file a storage. The pickle is read as data: of the functions that it names none
is called, tensors alone become something, and what is anything else is passed over.
"""

import functools
import math
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.archive import Archive, is_zip
from penstock.exchange.named import DEEPEST, LONGEST, Held, widened

KINDS = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
}
"""The storages that are read, by their names in torch; what holds whole numbers is passed over."""

LARGEST = 1 << 26
"""Bytes of a pickle: those of checkpoints have some hundred kilobytes."""


class Tensor(NamedTuple):
    """A tensor that the pickle speaks of."""

    storage: str
    """The name of the file that holds its numbers."""
    kind: str
    numbers: int
    """Of the storage."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In numbers, as the offset."""


class Made(NamedTuple):
    """What a function would have made that is not called."""

    by: str


class Function(NamedTuple):
    """A function or class, by its name alone."""

    name: str


def read_torch_file(path: Path) -> dict[str, Held]:
    """The tensors of floating-point numbers in a file of ``torch.save``, by their names with dots between.

    Raises:
        PenstockError: it is none, or holds a module instead of its weights.
    """
    if not is_zip(path):
        raise PenstockError(f"{path}: expected a file of torch.save since PyTorch 1.6, which is a zip: save it anew")
    archive = Archive(path)
    pickle = next((name for name in archive.sizes if name.rpartition("/")[2] == "data.pkl"), None)
    if pickle is None:
        raise PenstockError(f"{path}: expected a file of torch.save, got a zip without data.pkl")
    root = pickle.removesuffix("data.pkl")
    content = _content(archive.read(pickle, LARGEST), path)
    if isinstance(content, Made):
        raise PenstockError(
            f"{path}: holds a pickled {content.by}, which is code: save its weights, torch.save(it.state_dict(), …)"
        )
    if f"{root}byteorder" in archive.sizes and archive.read(f"{root}byteorder", 16) != b"little":
        raise PenstockError(f"{path}: was written on a big-endian machine; save it as safetensors there")
    return {
        name: Held(tensor.shape, functools.partial(_numbers, tensor, name, root, archive))
        for name, tensor in _tensors(content)
    }


def _numbers(tensor: Tensor, name: str, root: str, archive: Archive) -> NDArray[Any]:
    size = 2 if tensor.kind == "bfloat16" else np.dtype(tensor.kind).itemsize
    file = f"{root}data/{tensor.storage}"
    if archive.sizes.get(file) != tensor.numbers * size:
        got = archive.sizes.get(file, "none")
        raise PenstockError(f"{archive.path}: {name}: expected {tensor.numbers * size} bytes of numbers, got {got}")
    if min(tensor.shape, default=1) == 0:
        return np.zeros(tensor.shape, np.float32)
    last = tensor.offset + sum((n - 1) * by for n, by in zip(tensor.shape, tensor.strides, strict=True))
    if last >= tensor.numbers or math.prod(tensor.shape) > tensor.numbers:
        raise PenstockError(f"{archive.path}: {name}: its numbers do not lie in its storage")
    stored = archive.read(file, tensor.numbers * size)
    flat = widened(stored) if tensor.kind == "bfloat16" else np.frombuffer(stored, tensor.kind)
    strides = [by * flat.itemsize for by in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)


def _tensors(content: Any) -> Iterator[tuple[str, Tensor]]:
    """Those in dictionaries in dictionaries, by their names; each dictionary once, and none that is nested deeply."""
    waiting: list[tuple[tuple[str, ...], Any]] = [(("",), content)]
    seen: set[int] = set()
    while waiting:
        names, value = waiting.pop()
        if isinstance(value, Tensor):
            yield ".".join(names[1:]), value
        elif isinstance(value, dict) and id(value) not in seen and len(names) <= DEEPEST:
            seen.add(id(value))
            waiting += [((*names, key), one) for key, one in reversed(value.items()) if len(key) <= LONGEST]


class _Mark:
    """Where a tuple or the items of a dictionary begin."""


def _content(pickle: bytes, path: Path) -> Any:
    try:
        return _Reader(pickle).read()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        what = error if isinstance(error, ValueError) else "it is not whole"
        raise PenstockError(f"{path}: data.pkl cannot be read: {what}") from None


class _Reader:
    """A machine for the words of pickle that state dicts are written in."""

    def __init__(self, pickle: bytes) -> None:
        self.pickle, self.stack, self.memo = pickle, [], {}  # type: ignore[var-annotated]

    def read(self) -> Any:
        for word, argument, _ in pickletools.genops(self.pickle):
            if word.name == "STOP":
                return self.stack.pop()
            act = getattr(self, f"_{word.name.lower()}", None)
            if act is not None:
                act(argument)
            elif word.name in CONSTANTS:
                self.stack.append(CONSTANTS[word.name])
            elif word.name in LITERALS:
                self.stack.append(argument)
            elif word.name not in PASSED:
                raise ValueError(f"{word.name} is no word of torch.save's")
        raise ValueError("it has no end")

    def _items(self) -> list[Any]:
        """What stands above the last mark."""
        k = len(self.stack) - 1
        while not isinstance(self.stack[k], _Mark):
            k -= 1
            if k < 0:
                raise ValueError("a mark is missing")
        items, self.stack[k:] = self.stack[k + 1 :], []
        return items

    def _mark(self, _: Any) -> None:
        self.stack.append(_Mark())

    def _empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _empty_set(self, _: Any) -> None:
        self.stack.append([])

    def _tuple(self, _: Any) -> None:
        items = self._items()
        self.stack.append(tuple(items))

    def _tuple1(self, _: Any) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def _tuple2(self, _: Any) -> None:
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def _tuple3(self, _: Any) -> None:
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        if isinstance(self.stack[-1], list):
            self.stack[-1].append(value)

    def _appends(self, _: Any) -> None:
        items = self._items()
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _additems(self, _: Any) -> None:
        self._items()

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], key, value)

    def _setitems(self, _: Any) -> None:
        items = self._items()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._set(self.stack[-1], key, value)

    @staticmethod
    def _set(target: Any, key: Any, value: Any) -> None:
        if isinstance(target, dict) and isinstance(key, str):
            target[key] = value

    def _global(self, argument: str) -> None:
        self.stack.append(Function(argument.replace(" ", ".")))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Function(f"{module:.99}.{name:.99}"))

    def _binpersid(self, _: Any) -> None:
        told = self.stack.pop()
        self.stack.append(told if isinstance(told, tuple) and told[:1] == ("storage",) else Made("storage"))

    def _reduce(self, _: Any) -> None:
        given, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_made(function.name if isinstance(function, Function) else "", given))

    def _newobj(self, _: Any) -> None:
        _, of = self.stack.pop(), self.stack.pop()
        self.stack.append(Made(of.name if isinstance(of, Function) else "object"))

    def _build(self, _: Any) -> None:
        self.stack.pop()  # metadata of an OrderedDict, or an object that is not made

    def _put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    _binget = _long_binget = _get

    def _pop(self, _: Any) -> None:
        self.stack.pop()


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = (
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BINSTRING", "SHORT_BINSTRING"),
)
PASSED = ("PROTO", "FRAME")


def _made(function: str, given: Any) -> Any:
    """What a function makes of its arguments, for the few that state dicts need."""
    if function == "collections.OrderedDict" and given in ((), ([],)):
        return {}
    if function in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
        return given[0]
    if function != "torch._utils._rebuild_tensor_v2":
        return Made(function)
    storage, offset, shape, strides = given[:4]
    if not (isinstance(storage, tuple) and len(storage) == 5):
        return Made(function)
    _, of, key, _, numbers = storage
    kind = KINDS.get(of.name.rpartition(".")[2]) if isinstance(of, Function) else None
    whole = [offset, numbers, *shape, *strides]
    if not isinstance(key, str) or len(shape) != len(strides) or len(shape) > 64:
        raise ValueError("a tensor is none")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in whole):
        raise ValueError("a tensor's sizes are none")
    return Made(function) if kind is None else Tensor(key, kind, numbers, offset, tuple(shape), tuple(strides))
