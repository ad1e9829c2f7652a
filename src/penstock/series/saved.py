"""Arrays, and what they are, in one file of safetensors: a set of series, so that a run goes on with what it began."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from penstock.errors import PenstockError
from penstock.files import write
from penstock.series.series_set import Column, Keys, SeriesSet, Unused

ARRAYS = ("starts", "values", "times", "episodes", "source_of")
FORMAT = "penstock-series-1"


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
    about = {f.name: getattr(series, f.name) for f in dataclasses.fields(series) if f.name not in ARRAYS}
    write_arrays(path, FORMAT, {**about, "columns": [dataclasses.asdict(one) for one in series.columns]}, arrays)


def open_series_set(path: Path) -> SeriesSet:
    """What ``save_series_set`` wrote.

    Raises:
        PenstockError: the file is not whole.
    """
    try:
        about, arrays = read_arrays(path, FORMAT)
        about["columns"] = tuple(
            Column(**{**column, "categories": _tuple(column["categories"])}) for column in about["columns"]
        )
        about["keys"] = Keys(tuple(about["keys"][0]), *about["keys"][1:])
        about["unused"] = tuple(Unused(*one) for one in about["unused"])
        about |= {name: tuple(about[name]) for name in ("ids", "sources")}
        return SeriesSet(**about, **arrays)
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
        found.update(b"" if value is None else np.ascontiguousarray(value).data)
    return found.hexdigest()
