"""An ONNX file that somebody else made: parsed whole or refused, its tensors checked against what is there to be read.

The file's own size bounds what parsing takes; protobuf's parser bounds how deep messages nest. A tensor's claim is
compared with its bytes before an array is made. Data in other files is read from plain files in the model's own folder.
"""

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.exchange.packages import package

MOST = 1 << 31
"""Bytes of a model's file, as protobuf has it, and of all that is read of its weights."""
SPARED = 1 << 24
"""Bytes that may be made of weights beside four times their own."""
OLDEST, NEWEST = 7, 28
"""Versions of ONNX's operators in which GRU is what it is here; before 7 its attributes were others."""
TYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
"""Of a tensor, by ONNX's number; all that weights, and what cuts them, are made of."""
FIELDS = {1: "float_data", 6: "int32_data", 7: "int64_data", 10: "int32_data", 11: "double_data"}
"""Where a type's numbers stand that are not raw bytes; a float16's are its bits."""
DIMENSIONS = 8


class OnnxSource:
    """A model, where it came from, and how much of its weights was read."""

    def __init__(self, source: Any) -> None:
        self.path = Path(source) if isinstance(source, str | os.PathLike) else None
        self.name = str(self.path) if self.path is not None else "model"
        self.onnx = package("onnx", self.name)
        self._read = self._grown = 0
        if self.path is not None:
            content = self._content(self.path)
            self.model = self._parsed(content)
        else:
            self.model = self._parsed(source) if isinstance(source, bytes) else source
        if not isinstance(self.model, self.onnx.ModelProto):
            raise TypeError(f"source: expected a path, bytes or an onnx.ModelProto, got {type(source).__name__}")
        self._check_versions()

    def error(self, what: str) -> PenstockError:
        """What to raise."""
        return PenstockError(f"{self.name}: {what}")

    def _content(self, path: Path) -> bytes:
        try:
            if not path.is_file():
                raise PenstockError(f"{path}: expected an ONNX file, got {'a folder' if path.is_dir() else 'none'}")
            if (size := path.stat().st_size) > MOST:
                raise self.error(f"{size:,} bytes; an ONNX file has {MOST:,} at most")
            return path.read_bytes()
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror}") from None

    def _parsed(self, content: bytes) -> Any:
        broken = package("google.protobuf.message", self.name).DecodeError
        try:
            model = self.onnx.ModelProto.FromString(content)
        except broken:
            raise self.error("not a whole ONNX file") from None
        if not model.HasField("graph"):
            raise self.error("not an ONNX file, or one without a graph")
        return model

    def _check_versions(self) -> None:
        versions = {one.domain or "ai.onnx": one.version for one in self.model.opset_import}
        opset = versions.get("ai.onnx", 1)
        if not OLDEST <= opset <= NEWEST:
            ways = "a newer Penstock reads it" if opset > NEWEST else "onnx.version_converter makes a newer one of it"
            raise self.error(f"expected operators of version {OLDEST} to {NEWEST}, got {opset}; {ways}")

    def grow(self, size: int, where: str) -> None:
        """Counts bytes that are made of weights, of which no more than the weights can account for.

        Raises:
            PenstockError: they are more.
        """
        self._grown += size
        if self._grown > (most := 4 * self._read + SPARED):
            raise self.error(f"{where}: with it, more than {most:,} bytes would be made of the weights in the file")

    def tensor(self, tensor: Any, where: str) -> NDArray[Any]:
        """The array of a TensorProto.

        Raises:
            PenstockError: of another type, of a shape that its bytes are not, or in a file that is not to be read.
        """
        if tensor.data_type not in TYPES:
            known = dict(
                zip(self.onnx.TensorProto.DataType.values(), self.onnx.TensorProto.DataType.keys(), strict=True)
            )
            kind = known.get(tensor.data_type, tensor.data_type)
            raise self.error(f"{where}: expected float, double or float16, got {kind}")
        shape, dtype = tuple(tensor.dims), np.dtype(TYPES[tensor.data_type])
        if len(shape) > DIMENSIONS or any(size < 0 for size in shape) or tensor.HasField("segment"):
            raise self.error(f"{where}: expected a whole tensor of at most {DIMENSIONS} axes, got {_short(shape)}")
        size = math.prod(shape) * dtype.itemsize
        if size > MOST - self._read:
            raise self.error(f"{where}: with its {_short(shape)}, weights are more than {MOST:,} bytes in all")
        found: NDArray[Any]
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            found = np.frombuffer(self._external(tensor, size, where), dtype)
        elif tensor.HasField("raw_data"):
            self._expect(len(tensor.raw_data), size, shape, where, "bytes")
            found = np.frombuffer(tensor.raw_data, dtype)
        else:
            numbers = getattr(tensor, FIELDS[tensor.data_type])
            self._expect(len(numbers), math.prod(shape), shape, where, "numbers")
            if tensor.data_type == 10:
                if any(not 0 <= bits < 1 << 16 for bits in numbers):
                    raise self.error(f"{where}: expected the bits of float16 numbers, got others")
                found = np.array(numbers, np.uint16).view(dtype)
            else:
                found = np.array(numbers, dtype)
        self._read += size
        return found.reshape(shape)

    def _expect(self, got: int, expected: int, shape: tuple[int, ...], where: str, what: str) -> None:
        if got != expected:
            raise self.error(f"{where}: expected {expected:,} {what} for {_short(shape)}, got {got:,}")

    def _external(self, tensor: Any, size: int, where: str) -> bytes:
        """The bytes of a tensor that stand in a file beside the model."""
        told = {entry.key: entry.value for entry in tensor.external_data}
        location = told.get("location", "")
        if self.path is None:
            raise self.error(
                f"{where}: its data stands in {location!r}; give the path of the model, beside which it is"
            )
        try:
            offset, length = (int(told.get(key, default)) for key, default in (("offset", 0), ("length", size)))
        except ValueError:
            raise self.error(f"{where}: external data: expected numbers for offset and length, got others") from None
        if length != size or offset < 0:
            raise self.error(f"{where}: expected {size:,} bytes of external data from 0 or more on, got {length:,}")
        folder = self.path.parent
        place = folder / location
        if not location or Path(location).is_absolute() or ".." in Path(location).parts or "\0" in location:
            raise self.error(f"{where}: external data: expected a file in the model's folder, got {location!r}")
        try:
            inside = place.resolve().is_relative_to(folder.resolve()) and not place.is_symlink()
            if not inside or not stat.S_ISREG(place.lstat().st_mode):
                raise self.error(f"{where}: external data: expected a file in the model's folder, {location!r} is none")
            with place.open("rb") as file:
                if (there := os.fstat(file.fileno()).st_size) < offset + size:
                    raise self.error(f"{where}: {location!r}: expected {offset + size:,} bytes, got {there:,}")
                file.seek(offset)
                content: bytes = file.read(size)
                return content
        except OSError as error:
            raise self.error(f"{where}: {location!r}: cannot be read: {error.strerror}") from None


def _short(shape: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, shape[:DIMENSIONS]))
    return f"({shown}{', …' if len(shape) > DIMENSIONS else ''})"
