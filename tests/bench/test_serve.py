"""A server under load: every figure is there, and is of what it says."""

from pathlib import Path

import numpy as np
import pytest

from penstock import PenstockError, native
from penstock.bench import serve, serve_load
from penstock.bench.tables import served_table
from penstock.runtime import Model

pytestmark = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")

FEW = serve.Load(8, 20, 0.5)


@pytest.mark.slow
def test_every_figure_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(serve, "_peer", lambda *_: [])  # of packages that tests do not install
    rows = {row.name: row for row in serve.measure(2, FEW, told.append)}
    assert told[0] == "serve: start, one stream"
    for name, row in rows.items():
        assert row.measured > 0 or "later than" in name
    assert rows["8 streams, tokens/s"].target is None
    assert rows["8 streams, of the core's"].beside.startswith("steps alone, ")
    assert rows["20 sensors, rows/s"].measured == pytest.approx(20, rel=0.5)


def test_a_server_that_writes_another_text_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = serve._language(tmp_path)
    monkeypatch.setattr(Model, "generate", lambda *_, **__: iter(["another"]))
    with pytest.raises(PenstockError, match="another text than generate"):
        serve._alone(folder, FEW)


def test_what_came_is_counted_between_two_times() -> None:
    def event(text: str) -> bytes:
        return b'data: {"choices":[{"text":"' + text.encode() + b'","index":0}]}\n\n'

    chunks = [(0.5, event("early")), (1.0, event("ab")), (1.25, event("c\\n") + event("d\\\\e")), (1.75, event("f"))]
    found = serve_load._account([chunks, [(1.5, event("g"))]], 1.0, 2.0, [0.3])
    assert found["tokens_per_second"] == len("ab" + "c\n" + "d\\e" + "f" + "g")
    assert found["events_per_second"] == 5
    assert found["gap_p50"] == np.median([0.25, 0.5])
    assert (found["first"], found["read"]) == (0.3, 2)


def test_a_target_is_reached_or_not() -> None:
    row = serve.ServedRow("a", 1.0, "s", 0.5, True, "")
    assert served_table([row]).rows == [["a", "1.00 s", "≤ 0.50", "–"]]
    assert row.reached is False
    assert row._replace(at_most=False).reached is True
    assert row._replace(target=None).reached is None
