"""The claims that need no training hold exactly."""

import pytest

from penstock.lab import limits
from penstock.native import core


@pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")
def test_the_limits_are_exact() -> None:
    hiding, rnn, keeping = (
        limits.hiding(range(5)),
        limits.plain_rnn(range(5)),
        limits.keeping(range(2)),
    )
    assert [figure.values for figure in hiding.figures.values()] == [(0.0,), (0.0,)]
    assert [figure.values for figure in keeping.figures.values()] == [(0.0,), (0.0,)]
    assert all(figure.mean < 1e-14 for figure in rnn.figures.values())
    assert hiding.holds
    assert rnn.holds
    assert keeping.holds


def test_a_claim_that_is_false_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "force", lambda gru, **_: gru)
    assert [claim.holds for claim in (limits.hiding([0]), limits.plain_rnn([0]), limits.keeping([0]))] == [
        False,
        False,
        False,
    ]
