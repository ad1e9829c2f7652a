"""Arrays as series: .npy, .npz, HDF5 and MATLAB files, whose arrays are (L, C), (N, L, C) or N arrays (L, C)."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.long_table import expect_finite
from penstock.series.packages import package
from penstock.series.packed import content
from penstock.series.series_set import Column, Keys, SeriesSet, Unused

ENDINGS = (".npy", ".npz", ".h5", ".hdf5", ".mat")


def read_arrays(path: Path, ending: str) -> SeriesSet:
    """The arrays of a file, each a source of its own: an array (L, C) or (L,) is a series, one (N, L, C) is N.

    Raises:
        PenstockError: it cannot be read, or its arrays do not go together.
    """
    readers = {".npy": _npy, ".npz": _npz, ".mat": _mat}
    ids: list[str] = []
    series: list[NDArray[Any]] = []
    sources: list[str] = []
    source_of: list[int] = []
    unused: list[Unused] = []
    for name, array in readers.get(ending, _hdf5)(path):
        where = f"{path}:{name}" if name else str(path)
        found = _series(array, where)
        if isinstance(found, str):
            unused.append(Unused(where, found))
            continue
        width = found[0].shape[1] if found else 0
        if series and width != series[0].shape[1]:
            raise PenstockError(f"{where}: expected {series[0].shape[1]} columns as in {sources[0]}, got {width}")
        prefix = name or path.stem
        for k, one in enumerate(found):
            expect_finite(one, [f"c{c}" for c in range(width)], where if len(found) == 1 else f"{where}[{k}]")
            ids.append(prefix if len(found) == 1 else f"{prefix}/{k}")
            series.append(one)
            source_of.append(len(sources))
        sources.append(where)
    if not any(map(len, series)):
        why = f": {unused[0].name} {unused[0].why}" if unused else ""
        raise PenstockError(f"{path}: empty: expected arrays of numbers{why}")
    lengths = np.array([len(one) for one in series])
    return SeriesSet(
        ids=tuple(ids),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        values=np.concatenate(series).astype(np.float32, copy=False),
        columns=tuple(Column(f"c{k}", "seen", None, "by default") for k in range(series[0].shape[1])),
        sources=tuple(sources),
        source_of=np.array(source_of, np.int64),
        keys=Keys(each="an array a series"),
        unused=tuple(unused),
    )


def _series(array: Any, where: str) -> list[NDArray[Any]] | str:
    """The series of an array, each (L, C) float32; or why it holds none."""
    array = np.asarray(array)
    if array.dtype == object:
        found: list[NDArray[Any]] = []
        for k, one in enumerate(array.ravel()):
            inner = _series(one, f"{where}[{k}]")
            if isinstance(inner, str) or len(inner) != 1:
                return "holds other things than arrays (L, C)"
            found += inner
        if len({one.shape[1] for one in found}) > 1:
            raise PenstockError(f"{where}: expected arrays of as many columns, got {_widths(found)}")
        return found
    if array.dtype.kind not in "fiub":
        return "holds no numbers"
    if array.ndim not in (1, 2, 3):
        return f"has {array.ndim} axes, not (L, C) or (N, L, C)"
    large = np.asarray(array, np.float32) if array.dtype.kind != "f" or array.dtype.itemsize < 4 else array
    with np.errstate(over="ignore"):
        large = large.astype(np.float32, copy=False)
    return list(large) if array.ndim == 3 else [large if large.ndim == 2 else large[:, None]]


def _widths(found: list[NDArray[Any]]) -> str:
    return " and ".join(map(str, sorted({one.shape[1] for one in found})[:3]))


def _npy(path: Path) -> Iterator[tuple[str, Any]]:
    yield "", _loaded(content(path), str(path))


def _npz(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content(path))) as archive:
            for name in archive.namelist():
                yield name.removesuffix(".npy"), _loaded(archive.read(name), f"{path}:{name.removesuffix('.npy')}")
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise PenstockError(f"{path}: not an .npz file that can be read: {error}") from None


def _loaded(raw: bytes, where: str) -> Any:
    if not raw.startswith(np.lib.format.MAGIC_PREFIX):
        raise PenstockError(f"{where}: not an array that can be read: it does not begin as .npy files do")
    try:
        return np.load(io.BytesIO(raw), allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error) or "Object" in str(error):
            raise PenstockError(
                f"{where}: an array of Python objects, which only pickle reads and Penstock does not; save an array a "
                "series with numpy.savez"
            ) from None
        raise PenstockError(f"{where}: not an array that can be read: {error}") from None
    except (EOFError, OSError) as error:
        raise PenstockError(f"{where}: not an array that can be read: {error}") from None


def _hdf5(path: Path) -> Iterator[tuple[str, Any]]:
    h5py = package("h5py", str(path))
    found: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item[()]))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except OSError as error:
        raise PenstockError(f"{path}: not an HDF5 file that can be read: {error}") from None
    yield from found


def _mat(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as file:
            if b"MATLAB 7.3" in file.read(128):
                yield from _hdf5(path)
                return
        loaded = package("scipy.io", str(path)).loadmat(path)
    except PenstockError:
        raise
    except Exception as error:  # scipy raises of many kinds, as the file's bytes lead it
        raise PenstockError(f"{path}: not a MATLAB file that can be read: {error}") from None
    yield from ((name, array) for name, array in loaded.items() if not name.startswith("__"))
