"""``penstock quantize``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Flag, Folder, Json
from penstock.errors import PenstockError
from penstock.layout import columns, wrap

COST = "quantize.json"
"""What 8 bits cost, in the folder of the rounded model."""


def quantize(
    dir_: Folder,
    /,
    *,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    text: Annotated[tuple[str, ...], Parameter(show_default=False, consume_multiple=True, negative=())] = (),
    data: Annotated[tuple[str, ...], Parameter(show_default=False, consume_multiple=True, negative=())] = (),
    limit: Annotated[float | None, Parameter(show_default=False)] = None,
    force: Flag = False,
    json_: Json = False,
) -> int:
    """Round a model's weights to 8 bits, for less memory and faster steps, and say what it costs.

    The model is then computed in whole numbers: weights of 8 bits, states of 16. They are the same on every machine.

    Args:
        dir_: The model.
        out: The folder for the rounded model. Required.
        text: Of a language model: text that it was not trained on, on which the cost is measured.
        data: Of any other model: files as for eval, by which its inputs are scaled and the cost is measured.
        limit: How much worse the model may become: bits per character, by default 0.01; of another metric the share of
            it, by default 0.005. Above it nothing is written.
        force: Replace what Penstock wrote there before.
        json_: Print one JSON object.
    """
    from penstock.files import write
    from penstock.folder import expect_outside, held
    from penstock.model_folder import CONFIG, TOKENIZER, WEIGHTS
    from penstock.model_folder.content import read_config
    from penstock.model_folder.language import TASK
    from penstock.quantize import quantize as run

    if out is None:
        raise PenstockError("--out: expected a folder for the rounded model, got none; add --out DIR")
    if limit is not None and not limit >= 0:
        raise PenstockError(f"--limit: expected 0 or more, got {limit}")
    named, files, other = ("--text", text, data) if read_config(dir_)["task"] == TASK else ("--data", data, text)
    if not files:
        raise PenstockError(f"{named}: expected files to measure the cost on, got none; add {named} FILE")
    if other:
        raise PenstockError(
            f"{'--data' if other is data else '--text'}: means nothing to this model; name {named} FILE"
        )
    expect_outside([dir_], out)
    with held(out, "model") as folder:  # before any work
        folder.expect_only_ours()
        if (there := folder.listed()) and not force:
            raise PenstockError(f"{out}: already holds {there[0]}; add --force to replace it, or choose another --out")
    found = run(dir_, files, limit=limit)
    with held(out, "model") as folder:
        there = folder.listed()
        found.save(folder)
        figures = {**found.cost._asdict(), "worse": found.cost.worse}
        write(folder.place(COST), json.dumps(figures, indent=2) + "\n")
        folder.remove(*set(there) - {CONFIG, WEIGHTS, TOKENIZER, COST})
    before, after = ((one / WEIGHTS).stat().st_size for one in (dir_, out))
    if json_:
        print(json.dumps({**figures, "bytes": after, "bytes_before": before}))
        return 0
    print(*wrap(found.cost.said(), columns()), f"weights: {before:,} bytes before, {after:,} now", sep="\n")
    return 0
