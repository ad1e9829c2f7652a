"""``penstock import``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Flag, Json
from penstock.errors import PenstockError
from penstock.exchange.files import read_file
from penstock.exchange.model import to_folder
from penstock.layout import columns, command, wrap


def import_(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    name: Annotated[str | None, Parameter(show_default=False)] = None,
    new_update: Flag = False,
    force: Flag = False,
    json_: Json = False,
) -> int:
    """Take a GRU that another program trained: rows of numbers in, its states out.

    Read are files of PyTorch (.pt, .pth, .ckpt, .safetensors), of Keras (.keras, .weights.h5), of Flax (.msgpack,
    .safetensors, .npz) and of ONNX (.onnx). None of those programs is needed, and nothing in a file is run. What would
    compute something else is refused, and what was rewritten or left out is said.

    Args:
        file: The file.
        out: The folder for the model, which penstock export carries on and penstock.load runs. Required.
        name: Which GRU, where the file holds several: the name of its module, layer or node.
        new_update: The file's update gate takes the new value where it is 1, unlike PyTorch's, which keeps the old
            one. It is converted by negating its weights.
        force: Replace a model that Penstock wrote there before.
        json_: Print what was read as one JSON object.
    """
    if out is None:
        raise PenstockError("--out: expected the folder for the model, got none; add --out DIR")
    kept = to_folder(read_file(file, name=name, new_update=new_update), out, file, force=force)
    if json_:
        sizes = {"inputs": kept.input_size, "outputs": kept.output_size, "layers": len(kept.layers)}
        print(json.dumps({**sizes, "reset": kept.reset, "folds": kept.folds, "notes": kept.notes}))
        return 0
    for line in (f"read {file}: {kept.said()}", *kept.folds, *kept.notes, f"wrote {out}"):
        print(*wrap(line, columns()), sep="\n")
    next_ = ["penstock", "export", str(out), "--to", "FORMAT", "--out", "PLACE"]
    print("", "Next:", *command(next_, columns()), sep="\n")
    return 0
