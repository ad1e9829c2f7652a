"""``penstock info``."""

import importlib.metadata
import importlib.util
import json
import os
import platform
from typing import Any

from penstock import __version__, native
from penstock.cli.parameters import Json
from penstock.layout import columns, facts
from penstock.native import core

PACKAGES = ("numpy", "torch", "tokenizers", "pyarrow", "ray", "tensorboard")


def info(*, json_: Json = False) -> int:
    """Show versions, instruction sets and backends, and why each was or was not chosen.

    Args:
        json_: Print one JSON object.
    """
    sets = native.instruction_sets()
    found: dict[str, Any] = {
        "penstock": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: _version(name) for name in PACKAGES},
        "core": native.unavailable or f"built by {native.compiler()}",
        "threads": core.available_threads(),
        "instruction_sets": [s._asdict() for s in sets],
        "backends": _backends(),
    }
    if json_:
        print(json.dumps(found))
        return 0
    lines = [
        ("penstock", f"{__version__}, Python {found['python']}, {found['machine']}"),
        *((name, version or "not installed") for name, version in found["packages"].items()),
        ("compiled core", found["core"]),
        ("  threads", f"{found['threads']} at most; {core.THREADS_VARIABLE} or torch.set_num_threads changes it"),
        *((f"{'*' if s.chosen else ' '} {s.name}", f"{s.reason}{_width(s)}") for s in sets),
        ("backends", "asked in this order; the last one takes every call"),
        *((f"  {name}", said) for name, said in found["backends"].items()),
    ]
    print(*facts(lines, columns()), sep="\n")
    return 0


def _width(s: native.InstructionSet) -> str:
    return f"; {s.float_lanes} float32 in a vector" if s.chosen else ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _backends() -> dict[str, str]:
    """What each backend of ``ops`` says of this machine; none of them is there without torch."""
    if importlib.util.find_spec("torch") is None:
        return {"composite": "needs PyTorch: pip install 'penstock[train]'"}
    import torch

    device = (
        f"PyTorch sees {torch.cuda.get_device_name()}"
        if torch.cuda.is_available()
        else "declines: PyTorch sees no CUDA device"
    )
    return {
        "cudnn": f'reset="after" on CUDA devices; {device}',
        "fused": native.unavailable or f"the compiled core on {core.chosen().name}, float32 and float64; both forms",
        "composite": "plain torch operations, on every device; both forms",
    }
