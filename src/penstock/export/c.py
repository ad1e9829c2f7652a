"""A model as C99: one header, one source, constant data, and a program that tests them."""

from pathlib import Path

from penstock.errors import PenstockError


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the model of ``folder`` into ``out``.

    Raises:
        PenstockError: C cannot say this model, or ``out`` cannot be written.
    """
    raise PenstockError(f"{folder}: C comes soon, into {out}{' anew' * force}")
