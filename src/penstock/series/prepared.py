"""A folder of series that may be larger than memory: their numbers in memory-mapped files, column after column.

    index.json           what was read, how columns were taken, the sizes of the rest and its checksums
    series.safetensors   what the series are: their ids, where each begins, the columns and their categories
    values               (C, rows) float32, little-endian
    times                (rows,) int64 or float64, where rows have times
    episodes             (rows,) a byte each, where episodes are told

``penstock.series.prepare`` writes the folder. Opened it is a ``SeriesSet`` like any other, whose arrays are mapped.
"""

import mmap
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock import sealed
from penstock.errors import PenstockError
from penstock.sealed import INDEX, PLAN, UNFINISHED, checksum, read_sealed
from penstock.series.mapped import let_go
from penstock.series.saved import read_arrays, series_of
from penstock.series.series_set import SeriesSet

SERIES, VALUES, TIMES, EPISODES = "series.safetensors", "values", "times", "episodes"
FORMAT, VERSION = "penstock-series", 1
ABOUT = "penstock-prepared-series-1"
KINDS = {"recipe": dict, "inputs": list, "rows": int, "columns": int, "stretch": int, "checksums": list}
"""What the index holds beside its format, and what each is."""


def series_folder(inputs: Sequence[str]) -> Path | None:
    """The folder of prepared series that ``inputs`` names, if they are one, finished or not."""
    if len(inputs) != 1:
        return None
    folder = Path(inputs[0])
    for path in (folder / INDEX, folder / UNFINISHED / PLAN):
        try:
            if path.is_file() and read_sealed(path).get("format") == FORMAT:
                return folder
        except (OSError, ValueError):
            continue
    return None


def open_prepared(folder: Path) -> SeriesSet:
    """Maps the series of a folder, once all of it has been read and found to be what was written.

    Raises:
        PenstockError: a file is not there, or not whole.
    """
    index = read_index(folder)
    path = folder / SERIES
    try:
        if checksum(path) != index["series_crc32"]:
            raise _broken(path, "its checksum is that of another content")
        about, arrays = read_arrays(path, ABOUT)
        arrays |= mapped(folder, index)
        for number, crc in enumerate(index["checksums"]):
            if stretch_checksum(arrays, index, number) != crc:
                raise _broken(folder / VALUES, f"the checksum of stretch {number} is that of another content")
        return series_of(about, arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, str(error)) from None


def mapped(folder: Path, index: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The large arrays by their names in a ``SeriesSet``.

    Raises:
        PenstockError: one is not there, or has another size.
    """
    rows, columns = index["rows"], index["columns"]
    found = {"values": _mapped(folder / VALUES, "<f4", (columns, rows)).T}
    if index["times"] is not None:
        found["times"] = _mapped(folder / TIMES, index["times"], (rows,))
    if index["episodes"] is not None:
        found["episodes"] = _mapped(folder / EPISODES, "?", (rows,))
    return found


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        if path.stat().st_size != size:
            raise _broken(path, f"expected {size:,} bytes, got {path.stat().st_size:,}")
        if not size:  # nothing cannot be mapped
            return np.zeros(shape, dtype)
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from None
    return np.frombuffer(content, dtype).reshape(shape)


def stretch_checksum(arrays: dict[str, NDArray[Any]], index: dict[str, Any], number: int) -> int:
    """CRC-32 of a stretch of all rows: of each column, of times and of episodes."""
    rows = slice(number * index["stretch"], (number + 1) * index["stretch"])
    parts = [*arrays["values"].T, *(arrays[name] for name in ("times", "episodes") if name in arrays)]
    crc = 0
    for part in parts:
        crc = zlib.crc32(np.ascontiguousarray(part[rows]).data.cast("B"), crc)
    let_go(*parts)
    return crc


def stretch_of(columns: int, size: int) -> int:
    """Rows of a stretch of so many bytes."""
    return max(1, size // (4 * max(1, columns)))


def read_index(folder: Path) -> dict[str, Any]:
    """The content of index.json.

    Raises:
        PenstockError: it is not there, not whole, or of another version.
    """
    path = folder / INDEX
    content = sealed.read_index(folder, FORMAT, VERSION, KINDS, _broken)
    if content["stretch"] < 1 or len(content["checksums"]) != -(-content["rows"] // content["stretch"]):
        raise _broken(path, f"expected a checksum for each stretch, got {len(content['checksums']):,}")
    return content


def _broken(path: Path, why: str) -> PenstockError:
    return PenstockError(f"{path}: not the file that was written: {why}; prepare the series anew with --force")
