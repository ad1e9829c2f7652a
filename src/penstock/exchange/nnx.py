"""Flax's newer cells, as a format of its own for ``penstock export``; see ``flax``."""

from pathlib import Path

from penstock.exchange import flax


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """As ``flax.export``, for ``flax.nnx``."""
    return flax.export(folder, out, force=force, nnx=True)
