"""``penstock lab``."""

import json
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstock import files
from penstock.cli.console import Console
from penstock.cli.parameters import Flag, Json
from penstock.errors import PenstockError
from penstock.lab import EXPERIMENTS, run
from penstock.layout import columns, facts, say, table, wrap
from penstock.text.progress import shown

if TYPE_CHECKING:
    from penstock.lab.claim import Claim

PAGE = Path("lab.html")


def lab(
    *name: str,
    quick: Flag = False,
    seeds: Annotated[int | None, Parameter(show_default=False)] = None,
    out: Path = PAGE,
    json_: Json = False,
) -> int:
    """Run the claims of the textbook on small models, trained on the spot, and show each with its figures.

    Args:
        name: Experiments: limits, odd-one-out, long-memory, fresh-starts, agreement, verb-and-subject, two-gates,
            soft-gates, time-gaps. All of them, some minutes, unless you choose. A claim that does not hold is a result
            like any other: the exit status is 0.
        quick: Train less, and with one seed unless you say: seconds, too few for some claims.
        seeds: How many times each is trained, 5 unless you say; a figure is the mean, with the range.
        out: Where to write the report, a page of HTML; beside it NAME-live.html, which trains while you watch.
        json_: Print one JSON object.
    """
    for one in name:
        if one not in EXPERIMENTS:
            raise PenstockError(f"NAME: expected some of {', '.join(EXPERIMENTS)}, got {one}")
    seeds = (1 if quick else 5) if seeds is None else seeds
    if seeds < 1:
        raise PenstockError(f"--seeds: expected 1 or more, got {seeds}")
    for package, extra in (("torch", "train"), ("matplotlib", "plot")):
        if find_spec(package) is None:
            raise PenstockError(f"lab needs {package}, which is not installed: pip install 'penstock[{extra}]'")

    from penstock.lab import report
    from penstock.lab.claim import Effort

    pages = out, report.live_beside(out)
    for page in pages:
        files.expect_place_for(page)  # before minutes of training, not after
    effort = Effort(seeds, quick)
    names = [one for one in EXPERIMENTS if not name or one in name]
    progress = Console(stderr=True, highlight=False)
    found: dict[str, list[Claim]] = {}
    for k, one in enumerate(names, 1):
        began = time.perf_counter()
        with shown(progress) as tell:
            found[one] = run(one, effort, tell)
        say(progress, f"{k} of {len(names)}  {one}  {time.perf_counter() - began:.0f} s")
    claims = [claim for some in found.values() for claim in some]
    for page in pages:
        files.expect_place_for(page)  # minutes have passed
    report.write(out, claims, effort)
    if json_:
        facts = [{"experiment": one, **as_json(claim)} for one, some in found.items() for claim in some]
        print(json.dumps({"quick": quick, "seeds": seeds, "report": str(out), "live": str(pages[1]), "claims": facts}))
        return 0
    show(claims)
    holding = sum(claim.holds for claim in claims)
    print(*wrap(f"{holding} of {len(claims)} claims hold; with pictures: {os.fspath(out)}", columns()), sep="\n")
    if quick and holding < len(claims):
        doubt = "--quick trains too little for some claims: run without it before you believe that one does not hold"
        print(*wrap(doubt, columns()), sep="\n")
    return 0


def show(claims: "list[Claim]") -> None:
    """Prints each claim with its figures and tables."""
    console = Console(highlight=False)
    width = console.width
    for claim in claims:
        verdict, style = ("holds", "green") if claim.holds else ("does not hold", "bold red")
        say(console, claim.name.en, "bold")
        say(console, facts([(name.en, str(figure)) for name, figure in claim.figures.items()], width, "  "))
        say(console, wrap(verdict, width, "  "), style)
        say(console, [*wrap(f"criterion: {claim.criterion.en}", width, "  ", "    "), ""], "dim")
        for own in claim.tables:
            say(console, wrap(own.title.en, width, "  "))
            header = ["", *(column.en for column in own.columns)]
            rows = [[name.en, *map(str, cells)] for name, cells in own.rows.items()]
            say(console, [*(f"  {line}" for line in table(header, rows, width - 2)), ""])


def as_json(claim: "Claim") -> dict[str, Any]:
    """What a program reads of a claim."""
    return {
        "key": claim.key,
        "name": claim.name.en,
        "holds": claim.holds,
        "claim": claim.says._asdict(),
        "done": claim.done._asdict(),
        "criterion": claim.criterion._asdict(),
        "figures": {name.en: list(figure.values) for name, figure in claim.figures.items()},
        "tables": [
            {
                "title": own.title.en,
                "columns": [column.en for column in own.columns],
                "rows": {name.en: [list(cell.values) for cell in cells] for name, cells in own.rows.items()},
            }
            for own in claim.tables
        ],
    }
