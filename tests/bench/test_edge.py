"""One step where models are shipped to: who is here is right and timed, who is not says so."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.machine import MACHINE

from penstock import PenstockError, native
from penstock.bench import edge
from penstock.bench.measure import Duration

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")
BRIEF = Duration(1, 0)


@needs_core
def test_who_is_here_is_right_and_timed_and_who_is_not_says_so() -> None:
    groups = edge.measure(MACHINE, BRIEF, lambda _: None, [16])
    assert [(group.name, group.other) for group in groups] == [
        (f"{contest.ours}, one step", contest.other) for contest in edge.CONTESTS
    ]
    here = {contender.name: contender.needs for contender in edge.CONTENDERS} | {edge.WEB: "node"}
    for group, contest in zip(groups, edge.CONTESTS, strict=True):
        (step,) = group.steps
        for entry, name in ((step.ours, contest.ours), (step.other, contest.other)):
            needs = here.get(name)
            if name == edge.ONNX_WEB or (needs and not (find_spec(needs) or shutil.which(needs))):
                assert entry.note is None or entry.note.startswith("not here: ")
            else:
                assert entry.note is None, entry.note
                assert entry.milliseconds is not None
                assert entry.share is not None


@needs_core
def test_a_wrong_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(problem: Any) -> edge.StepTaker:
        return edge.StepTaker(lambda count: None, lambda: np.zeros(problem.shape.H))

    contender = edge.Contender("wrong", wrong, edge.ROUNDED)
    monkeypatch.setattr(edge, "CONTENDERS", (contender,))
    entry = edge._timed(edge.draw(edge.Shape(1, 1, 16, 16), 1), BRIEF)["wrong"]
    assert entry.milliseconds is None
    assert (entry.note or "").startswith("refused: its state is off by ")


@needs_core
def test_a_process_writes_what_its_model_writes_without_torch() -> None:
    started = edge.start(2)
    assert started.runs == 2
    assert started.seconds > 0
    assert 20 < started.megabytes < 1000  # of a Python with NumPy, and not of this process with torch


@needs_core
@pytest.mark.parametrize(
    ("begins", "message"),
    [
        ("import torch", "imports torch"),
        ("print('y')", r"writes another text than its model: 'y\\nx"),
        ("import os, sys; print('why', file=sys.stderr, flush=True); os._exit(3)", "than its model: '' .'why'."),
    ],
)
def test_a_process_that_is_wrong_is_not_timed(
    begins: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").touch()
    (tmp_path / "sitecustomize.py").write_text(begins)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PenstockError, match=message):
        edge.start(1)
