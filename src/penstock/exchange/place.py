"""Where an export of one file goes."""

import os
from pathlib import Path

from penstock.errors import PenstockError
from penstock.files import expect_place_for


def expect_file(out: Path, suffix: str, *, force: bool) -> None:
    """Raises PenstockError unless a file that ends in ``suffix`` can be written there; one that Penstock wrote is
    replaced by ``force`` alone."""
    if out.suffix != suffix:
        raise PenstockError(f"--out: expected a name that ends in {suffix}, got {out}")
    if suffix == ".msgpack" and os.path.lexists(out):
        raise PenstockError(f"{out}: is there already, and such a file cannot say who wrote it; choose another --out")
    expect_place_for(out)
    if out.exists() and not force:
        raise PenstockError(f"{out}: is there already; add --force to replace it, or choose another --out")
