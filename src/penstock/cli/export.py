"""``penstock export``."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Flag, Folder
from penstock.errors import PenstockError
from penstock.layout import columns, wrap

FORMATS = {
    "c": "penstock.export.c",
    "flax": "penstock.exchange.flax",
    "keras": "penstock.exchange.keras_model",
    "nnx": "penstock.exchange.nnx",
    "onnx": "penstock.exchange.onnx",
    "pytorch": "penstock.exchange.torch_state",
    "web": "penstock.export.web",
}
"""The module of each format. It has ``export(folder, out, *, force)``, which writes ``out``, be it a folder or a file,
and returns what is to be said of it, in lines; it raises PenstockError for a model that the format cannot say."""


def export(
    dir_: Folder,
    /,
    *,
    to: Annotated[str | None, Parameter(show_default=False)] = None,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    force: Flag = False,
) -> int:
    """Carry a model elsewhere, with what proves that it computes the same there.

    What a format cannot say is refused, never approximated.

    Args:
        dir_: The model.
        to: The format: c, flax, keras, nnx, onnx, pytorch or web. Required.
        out: The folder to write, or of a format of one file that file. Required.
        force: Replace what Penstock wrote there before.
    """
    offered = ", ".join(FORMATS)
    if to is None:
        raise PenstockError(f"--to: expected a format, got none; there are {offered}")
    if to not in FORMATS:
        raise PenstockError(f"--to: expected one of {offered}, got {to!r}")
    if out is None:
        raise PenstockError("--out: expected the place to write to, got none; add --out DIR")
    for line in import_module(FORMATS[to]).export(dir_, out, force=force):
        print(*wrap(line, columns()), sep="\n")
    return 0
