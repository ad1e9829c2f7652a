"""The trained experiments, once and quickly: what they return, and that a seed gives the same figures."""

import re
from importlib import import_module

import pytest
import torch

from penstock.lab import EXPERIMENTS, fresh_starts, run, two_gates
from penstock.lab.claim import Claim, Effort, same, share
from penstock.lab.gates_taken_away import NAMES
from penstock.lab.grammar import WORDS

NAMELESS = (same("GRU"), same("The cat, which already ate …, was full"), *map(same, map(str, range(50))))
"""What is the same in both languages."""
QUICK = Effort(seeds=1, quick=True)


def check(claim: Claim) -> None:
    """What every claim has."""
    assert claim.figures
    for figure in claim.figures.values():
        assert all(value == value for value in figure.values)
    said = [claim.name, claim.says, claim.done, claim.criterion, *claim.figures]
    said += [picture.caption for picture in claim.pictures]
    said += [words for table in claim.tables for words in (table.title, *table.columns, *table.rows)]
    for words in said:
        assert words in NAMELESS or any("\u4e00" <= character <= "\u9fff" for character in words.zh)
        assert not any("\u4e00" <= character <= "\u9fff" for character in words.en)
    assert len({*claim.figures}) == len({words.zh for words in claim.figures})
    for table in claim.tables:
        assert all(len(cells) == len(table.columns) for cells in table.rows.values())
    for picture in claim.pictures:
        assert picture.svg.startswith("<svg")
        assert "#000000" not in picture.svg  # black is the colour of the text around
        text = set(
            re.findall(r"<text\b[^>]*>([^<]*)</text>", re.sub(r"<text[^>]* lang=[^>]*>[^<]*</text>", "", picture.svg))
        )
        assert {one for one in text if re.search("[a-z]{2}", one)} <= {*WORDS}  # each has both languages


@pytest.mark.slow
def test_every_experiment_returns_its_claims() -> None:
    threads = torch.get_num_threads()
    found = {name: run(name, QUICK) for name in EXPERIMENTS}
    assert torch.get_num_threads() == threads
    for claims in found.values():
        for claim in claims:
            check(claim)
    assert [len(claims) for claims in found.values()] == [3, 1, 2, 1, 1, 1, 1, 1, 1]
    (agreement,) = found["agreement"]
    assert agreement.tables[0].rows[NAMES["GRU"]][-1].mean > 0.9  # forty words of clause, on words never seen with one
    (gaps,) = found["time-gaps"]
    errors, bits = ({name.en: row for name, row in table.rows.items()} for table in gaps.tables)
    assert all(error.mean < 0.3 for error in errors["fading state"])  # also over gaps ten times those of training
    assert errors["no word of gaps"][-1].mean > 0.4
    assert all(bit.mean > 0.95 for bit in bits["fading state"])
    (table,) = found["two-gates"][0].tables
    assert [*table.rows] == [*NAMES.values()]
    claims_of_all = [claim for claims in found.values() for claim in claims]
    assert len({claim.key for claim in claims_of_all}) == len(claims_of_all)


@pytest.mark.slow
def test_a_model_is_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run("two-gates", QUICK)
    for name in ("odd_one_out", "long_memory", "fresh_starts", "agreement"):
        monkeypatch.setattr(import_module(f"penstock.lab.{name}"), "fit", None)
    run("two-gates", QUICK)


def test_what_is_trained_is_told_of_as_it_goes_on() -> None:
    fresh_starts.trained.cache_clear()
    told: list[tuple[str, float]] = []
    run("fresh-starts", QUICK, lambda what, share: told.append((what, share)))
    assert [*dict.fromkeys(what for what, _ in told)] == [
        "fresh-starts: GRU, seed 0",
        "fresh-starts: without reset gate, seed 0",
    ]
    first = [share for what, share in told if "GRU" in what]
    assert first == sorted(first)
    assert first[0] == 0
    assert first[-1] == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_figures() -> None:
    first = run("fresh-starts", QUICK)
    fresh_starts.trained.cache_clear()
    assert run("fresh-starts", QUICK) == first
    assert first[0].holds


def test_a_gate_that_nothing_needs_is_said_to_be_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for room, name in (
        (two_gates.odd_one_out, "accuracy_without"),
        (two_gates.long_memory, "accuracy_without"),
        (two_gates.fresh_starts, "explained_without"),
    ):
        monkeypatch.setattr(room, name, lambda gates, effort: share([0.9]))
    monkeypatch.setattr(two_gates.agreement, "by_clause", lambda gates, effort: [share([0.9])])
    (claim,) = two_gates.run(QUICK)
    assert not claim.holds
