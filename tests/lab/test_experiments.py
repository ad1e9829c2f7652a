"""The trained experiments, once and quickly: what they return, and that a seed gives the same figures."""

from importlib import import_module

import pytest
import torch

from penstock.lab import EXPERIMENTS, fresh_starts, run, two_gates
from penstock.lab.claim import Claim, Effort, share

QUICK = Effort(seeds=1, quick=True)


def check(claim: Claim) -> None:
    """What every claim has."""
    assert claim.figures
    for figure in claim.figures.values():
        assert all(value == value for value in figure.values)
    for words in (claim.says, claim.done, claim.criterion):
        assert any("\u4e00" <= character <= "\u9fff" for character in words.zh)
        assert not any("\u4e00" <= character <= "\u9fff" for character in words.en)
    for table in claim.tables:
        assert all(len(cells) == len(table.columns) for cells in table.rows.values())
    for picture in claim.pictures:
        assert picture.svg.startswith("<svg")
        assert "#000000" not in picture.svg  # black is the colour of the text around


@pytest.mark.slow
def test_every_experiment_returns_its_claims() -> None:
    threads = torch.get_num_threads()
    found = {name: run(name, QUICK) for name in EXPERIMENTS}
    assert torch.get_num_threads() == threads
    for claims in found.values():
        for claim in claims:
            check(claim)
    assert [len(claims) for claims in found.values()] == [3, 1, 2, 1, 1, 1, 1, 1]
    (agreement,) = found["agreement"]
    assert agreement.tables[0].rows["GRU"][-1].mean > 0.9  # forty words of clause, on words never seen with one
    (table,) = found["two-gates"][0].tables
    assert list(table.rows) == ["GRU", "without update gate", "without reset gate", "plain RNN"]


@pytest.mark.slow
def test_a_model_is_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run("two-gates", QUICK)
    for name in ("odd_one_out", "long_memory", "fresh_starts", "agreement"):
        monkeypatch.setattr(import_module(f"penstock.lab.{name}"), "fit", None)
    run("two-gates", QUICK)


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
