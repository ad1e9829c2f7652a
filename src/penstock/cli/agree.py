"""``penstock agree``."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstock.cli.parameters import Folder, Json
from penstock.errors import PenstockError
from penstock.files import expect_place_for, write
from penstock.layout import columns, facts, visible, wrap

if TYPE_CHECKING:
    from penstock.look.pairs import Wrong

SHOWN = 5
"""Pairs that are shown."""


def agree(
    dir_: Folder,
    /,
    *,
    pairs: Annotated[Path | None, Parameter(show_default=False)] = None,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    json_: Json = False,
) -> int:
    """Measure how often a model expects the good one of two sentences more than the bad one.

    A sentence's score is its total log-probability after a newline.

    Args:
        dir_: The model.
        pairs: A file with a pair a line: good and bad sentence apart by a tab, or what both begin with, a good and a
            bad continuation; - for standard input. A tie counts as wrong. Required.
        out: Write all pairs that it got wrong, the most wrong first, with the nats of both sentences: by the name a
            table (.csv) or lines of JSON (.jsonl).
        json_: Print one JSON object.
    """
    from penstock.look.pairs import agree as score
    from penstock.look.pairs import read_pairs
    from penstock.runtime import load_language

    if pairs is None:
        raise PenstockError("--pairs: expected a file with a pair of sentences a line, got none; add --pairs FILE")
    if out is not None:
        if out.suffix not in FORMATS:
            raise PenstockError(f"--out: expected a name that ends with {' or '.join(FORMATS)}, got {out}")
        expect_place_for(out)  # before the pairs are scored, not after
    model = load_language(dir_)
    found = score(model, read_pairs(pairs))
    if out is not None:
        write(out, FORMATS[out.suffix](found.wrong))
    low, high = found.interval()
    if json_:
        counts = {"pairs": found.pairs, "right": found.right, "ties": found.ties, "unknown_characters": found.unknown}
        wrong = [one._asdict() for one in found.wrong]
        print(json.dumps({"accuracy": found.accuracy, "low": low, "high": high, **counts, "wrong": wrong}))
        return 0
    said = [
        ("accuracy", f"{found.accuracy:.2%}"),
        ("95% interval", f"{low:.2%} … {high:.2%} (Wilson)"),
        ("pairs", f"{found.pairs:,}"),
        ("wrong", f"{len(found.wrong):,}{'' if out is None else f', all of them in {out}'}"),
    ]
    if found.ties:
        said.append(("ties", f"{found.ties:,}, each counted as wrong"))
    if found.unknown:
        said.append(("unknown characters", f"{found.unknown:,}, each scored as the vocabulary's unknown character"))
    print(*facts(said, columns()), *_most_wrong(found.wrong, columns()), sep="\n")
    return 0


def _most_wrong(wrong: Sequence["Wrong"], width: int) -> Iterator[str]:
    """The first of them, both sentences with their nats."""
    if len(wrong) > SHOWN:
        yield from ("", *wrap(f"the {SHOWN} most wrong; --out FILE writes them all", width))
    for one in wrong[:SHOWN]:
        yield ""
        for name, nats, sentence in (("good", one.good_nats, one.good), ("bad", one.bad_nats, one.bad)):
            yield from wrap(visible(sentence), width, f"  {name:<4} {nats:8.2f} nats  ", " " * 8)


def _lines(wrong: Iterable["Wrong"]) -> str:
    return "".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in wrong)


def _table(wrong: Iterable["Wrong"]) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("good", "bad", "good_nats", "bad_nats"))
    rows.writerows(wrong)
    return text.getvalue()


FORMATS = {".csv": _table, ".jsonl": _lines}
"""How --out is written, by the end of its name."""
