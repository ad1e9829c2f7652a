"""Arrays, and what they are, in one file of safetensors: a set of series, so that a run goes on with what it began."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.files import write
from penstock.series.mapped import let_go
from penstock.series.series_set import Column, Keys, SeriesSet, Unused

ARRAYS = ("starts", "values", "times", "episodes", "source_of")
FORMAT = "penstock-series-1"
BLOCK = 1 << 20


def write_arrays(path: Path, format: str, about: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Writes the file, whole or not at all.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    whole = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    write(path, safetensors.numpy.save(whole, {"about": json.dumps({"format": format, **about})}))


def read_arrays(path: Path, format: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``write_arrays`` wrote.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is not whole, or of another format.
    """
    path.open("rb").close()  # the library says of every file that it cannot read that it is not there
    try:
        with safetensors.safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(str(error)) from None
    if about.pop("format", None) != format:
        raise ValueError(f"expected a {format}")
    return about, arrays


def save_series_set(path: Path, series: SeriesSet) -> None:
    """Writes the file, whole or not at all.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    arrays = {name: getattr(series, name) for name in ARRAYS if getattr(series, name) is not None}
    write_arrays(path, FORMAT, about_of(series), {**arrays, "ids": as_bytes(series.ids)})


def as_bytes(names: Sequence[str]) -> NDArray[np.uint8]:
    """Names as an array, since what stands beside arrays must be small."""
    return np.frombuffer(json.dumps(names).encode(), np.uint8)


def about_of(series: SeriesSet) -> dict[str, Any]:
    """All but the arrays and the ids, for JSON."""
    about = {f.name: getattr(series, f.name) for f in dataclasses.fields(series) if f.name not in (*ARRAYS, "ids")}
    return {**about, "columns": [dataclasses.asdict(one) for one in series.columns]}


def series_of(about: dict[str, Any], arrays: Mapping[str, Any]) -> SeriesSet:
    """The set of ``about_of`` as it comes out of JSON, and its arrays; errors as of wrong keys, types and values."""
    columns = (Column(**{**column, "categories": _tuple(column["categories"])}) for column in about["columns"])
    return SeriesSet(
        **about
        | {"columns": tuple(columns), "keys": Keys(tuple(about["keys"][0]), *about["keys"][1:])}
        | {"unused": tuple(Unused(*one) for one in about["unused"])}
        | {"sources": tuple(about["sources"]), "ids": tuple(json.loads(arrays["ids"].tobytes()))},
        **{name: array for name, array in arrays.items() if name != "ids"},
    )


def open_series_set(path: Path) -> SeriesSet:
    """What ``save_series_set`` wrote.

    Raises:
        PenstockError: the file is not whole.
    """
    try:
        about, arrays = read_arrays(path, FORMAT)
        return series_of(about, arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PenstockError(f"{path}: not the file that was written: {error}") from None


def _tuple(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def digest(series: SeriesSet) -> str:
    """The same where values, columns and series are the same."""
    found = hashlib.blake2b(digest_size=16)
    about = [list(series.ids), [dataclasses.asdict(column) for column in series.columns]]
    found.update(json.dumps(about).encode())
    for name in ARRAYS:
        value = getattr(series, name)
        found.update(name.encode() if value is None else f"{name}{value.dtype}{value.shape}".encode())
        for column in () if value is None else value.T if value.ndim == 2 else (value,):
            for row in range(0, len(column), BLOCK):
                found.update(np.ascontiguousarray(column[row : row + BLOCK]).data)
                let_go(value)
    return found.hexdigest()
