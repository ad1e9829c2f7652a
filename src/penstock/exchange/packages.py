"""Packages that only some formats need, imported when one is read or written."""

import importlib
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError


def package(name: str, wanted_by: Path | str) -> Any:
    """A module of the package; ``wanted_by`` is the file that needs it.

    Raises:
        PenstockError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise PenstockError(f"{wanted_by}: needs the package {name}: pip install 'penstock[exchange]'") from None
