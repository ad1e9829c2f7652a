"""``penstock agree``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Folder, Json
from penstock.errors import PenstockError


def agree(
    dir_: Folder,
    /,
    *,
    pairs: Annotated[Path | None, Parameter(show_default=False)] = None,
    json_: Json = False,
) -> int:
    """Measure how often a model expects the good one of two sentences more than the bad one.

    A sentence's score is its total log-probability after a newline.

    Args:
        dir_: The model.
        pairs: A file with a pair a line: good and bad sentence apart by a tab, or what both begin with, a good and a
            bad continuation; - for standard input. A tie counts as wrong. Required.
        json_: Print one JSON object.
    """
    from penstock.look.pairs import agree as score
    from penstock.look.pairs import read_pairs
    from penstock.runtime import load

    if pairs is None:
        raise PenstockError("--pairs: expected a file with a pair of sentences a line, got none; add --pairs FILE")
    model = load(dir_)
    found = score(model, read_pairs(pairs))
    low, high = found.interval()
    if json_:
        counts = {"pairs": found.pairs, "right": found.right, "ties": found.ties, "unknown_characters": found.unknown}
        print(json.dumps({"accuracy": found.accuracy, "low": low, "high": high, **counts}))
        return 0
    print(f"{'accuracy':<20}{found.accuracy:.2%}")
    print(f"{'95% interval':<20}{low:.2%} … {high:.2%} (Wilson)")
    print(f"{'pairs':<20}{found.pairs:,}")
    if found.ties:
        print(f"{'ties':<20}{found.ties:,}, each counted as wrong")
    if found.unknown:
        print(f"{'unknown characters':<20}{found.unknown:,}, each scored as the vocabulary's unknown character")
    return 0
