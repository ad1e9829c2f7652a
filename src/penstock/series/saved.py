"""A set of series in one file, so that a run goes on with what it began with: arrays of NumPy, no pickle."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.files import replacing
from penstock.series.series_set import Column, Keys, SeriesSet, Unused

ARRAYS = ("starts", "values", "times", "episodes", "source_of")
FORMAT = "penstock-series-1"


def save_series_set(path: Path, series: SeriesSet) -> None:
    """Writes the file, whole or not at all.

    Raises:
        PenstockError: it cannot be written; what was there before is unchanged.
    """
    arrays = {name: getattr(series, name) for name in ARRAYS if getattr(series, name) is not None}
    about = {f.name: getattr(series, f.name) for f in dataclasses.fields(series) if f.name not in ARRAYS}
    about["columns"] = [dataclasses.asdict(column) for column in series.columns]
    text = json.dumps({"format": FORMAT, **about}).encode()
    with replacing(path) as file:
        np.savez(file, about=np.frombuffer(text, np.uint8), **arrays)


def open_series_set(path: Path) -> SeriesSet:
    """What ``save_series_set`` wrote.

    Raises:
        PenstockError: the file is not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        if about.pop("format") != FORMAT:
            raise ValueError("of another version")
        about["columns"] = tuple(
            Column(**{**column, "categories": _tuple(column["categories"])}) for column in about["columns"]
        )
        about["keys"] = Keys(tuple(about["keys"][0]), *about["keys"][1:])
        about["unused"] = tuple(Unused(*one) for one in about["unused"])
        about |= {name: tuple(about[name]) for name in ("ids", "sources")}
        return SeriesSet(**about, **arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
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
