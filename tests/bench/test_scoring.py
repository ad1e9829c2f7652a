"""Bulk scoring beside the core alone: checked, then timed."""

from typing import Any

import pytest

from penstock import PenstockError, native
from penstock.bench import scoring
from penstock.runtime import Model, Score

pytestmark = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


def test_both_rates_are_there() -> None:
    row = scoring.measure(64, 2, scoring.QUICK, rows=40)
    assert (row.hidden, row.rows) == (64, 40)
    assert row.tokens > 40
    assert row.peak > 0
    assert row.share == row.bulk / row.peak > 0


def test_a_score_that_differs_by_a_bit_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right: Any = Model.score
    monkeypatch.setattr(Model, "score", lambda self, text: right(self, text) + Score(nats=1e-9))
    with pytest.raises(PenstockError, match=r"bulk scoring of row 0 differs from that of its text alone: not timed"):
        scoring.measure(64, 1, scoring.QUICK, rows=5)
