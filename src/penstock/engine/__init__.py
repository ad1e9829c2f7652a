"""The engine in C99: a GRU's arithmetic for firmware, for WebAssembly and for the core, as the texts of its files."""

from pathlib import Path

FIXED = ("gru_fixed_vector.h", "gru_fixed.h")
"""The files of the arithmetic in whole numbers."""


def text(name: str) -> str:
    """A file of the engine, with the engine's files that it includes in their places.

    Args:
        name: relative to the engine's folder.
    """
    lines = (Path(__file__).parent / name).read_text("utf-8").split("\n")
    return "\n".join(text(line.split('"')[1]) if line.startswith('#include "') else line for line in lines)
