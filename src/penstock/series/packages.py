"""Packages that only some files need, imported when one is read."""

import importlib
from typing import Any

from penstock.errors import PenstockError

EXTRAS = {"scipy": "matlab", "h5py": "hdf5"}
"""By which extra of Penstock a package comes, where that is not ``series``."""


def package(name: str, wanted_by: str) -> Any:
    """A module of the package; ``wanted_by`` is the file that needs it.

    Raises:
        PenstockError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        root = name.partition(".")[0]
        extra = EXTRAS.get(root, "series")
        raise PenstockError(f"{wanted_by}: needs the package {root}: pip install 'penstock[{extra}]'") from None
