"""The Pythons of this machine."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST_STABLE = (3, 12)
"""From here on one wheel serves them all, by the stable ABI."""


def parsed(version: str) -> tuple[int, int]:
    """``"3.12"`` as numbers."""
    major, minor = version.split(".")
    return int(major), int(minor)


def found(version: str) -> Path | None:
    """An interpreter of this version that starts: on PATH, or of pyenv or uv."""
    for candidate in _candidates(version):
        said = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
        try:
            done = subprocess.run([candidate, "-c", said], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.stdout.split() == [*version.split("."), "0"]:
            return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    yield from (Path(folder) / name for folder in os.environ["PATH"].split(os.pathsep))
    home = Path.home()
    yield from (Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions").glob(f"{version}.*/bin/{name}")
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local/share"))
    yield from (data / "uv/python").glob(f"cpython-{version}.*/bin/{name}")
