"""The engine in C99: a GRU's arithmetic for firmware, for WebAssembly and for the core, as the texts of its files."""

from pathlib import Path


def text(name: str) -> str:
    """A file of the engine, with the engine's files that it includes in their places.

    Args:
        name: relative to the engine's folder.
    """
    lines = (Path(__file__).parent / name).read_text("utf-8").split("\n")
    return "\n".join(text(line.split('"')[1]) if line.startswith('#include "') else line for line in lines)
