"""The training curve of a run, out of its log."""

import json
from pathlib import Path

import numpy as np
import pytest

from penstock import PenstockError
from penstock.look.curve import LOG, curve_data, curve_figure, curve_lines, read_curve


def logged(folder: Path, lines: list[object]) -> Path:
    (folder / "training").mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / LOG).write_text(text + '{"kind": "step", "st')  # cut short where the run was
    return folder


def test_a_step_that_was_taken_again_counts_once(tmp_path: Path) -> None:
    steps = [{"kind": "step", "step": k, "loss": 10 - k} for k in (1, 2, 3, 2, 3)]
    steps[-1] = {"kind": "step", "step": 3, "loss": 5.5}
    held_out = [{"kind": "validation", "step": 3, "loss": 6.0, "best": True}, {"kind": "other"}]
    curve = read_curve(logged(tmp_path, [*steps, *held_out]))
    assert curve is not None
    assert (curve.steps.tolist(), curve.losses.tolist(), curve.each) == ([1, 2, 3], [9, 8, 5.5], 1)
    assert curve_data(curve)["heldOutLosses"] == [6.0]
    assert [*curve_lines(curve, 40)][-1].strip() == "3 steps"
    assert len(curve_figure(curve).axes[0].lines) == 2


def test_many_steps_are_drawn_as_means(tmp_path: Path) -> None:
    curve = read_curve(logged(tmp_path, [{"kind": "step", "step": k + 1, "loss": float(k)} for k in range(1001)]))
    assert curve is not None
    assert (curve.each, len(curve.losses)) == (3, 334)
    assert curve.losses[:2].tolist() == [1, 4]
    assert np.isfinite(curve.losses).all()


def test_a_folder_without_a_log_has_no_curve(tmp_path: Path) -> None:
    assert read_curve(tmp_path) is None
    (logged(tmp_path, []) / LOG).write_text('["no log"]}\n')
    with pytest.raises(PenstockError, match="expected the log of a training run"):
        read_curve(tmp_path)
