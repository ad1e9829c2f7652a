"""Forecasts from the command line: trained, scored on what came after, and written with ids and times."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import penstock

pytest.importorskip("polars")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast")
    random = np.random.default_rng(0)
    whole = [["id", "day", "v"]]
    for k in range(3):
        for t in range(210):
            day = np.datetime64("2024-01-01") + t
            whole.append([f"s{k}", str(day), f"{50 * (k + 1) + 10 * np.sin(t * 2 * np.pi / 7) + random.normal():.3f}"])
    for name, rows in (("whole", whole[1:]), ("past", whole[1:])):
        rows = [row for row in rows if name == "whole" or row[1] < "2024-07-15"]
        (folder / f"{name}.csv").write_text("\n".join(map(",".join, [whole[0], *rows])) + "\n")
    after = [row for row in whole[1:] if row[1] >= "2024-07-15"]
    (folder / "after.csv").write_text("\n".join(map(",".join, [whole[0], *after])) + "\n")
    done = penstock(
        *(
            "train",
            folder / "past.csv",
            "--task",
            "forecast",
            "--horizon",
            7,
            "--target",
            "v",
            "--out",
            folder / "model",
        ),
        *("--steps", 60, "--hidden", 8, "--device", "cpu", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert "a season of 7 steps" in done.stderr
    results = json.loads(done.stdout)
    assert results["measure"] == "mase"
    assert {"the last value", "one season ago", "the drift", "the mean"} == results["naive"].keys()
    return folder


def test_what_came_after_is_scored_from_a_file_or_a_date(trained: Path, tmp_path: Path) -> None:
    apart = penstock("eval", trained / "model", trained / "past.csv", trained / "after.csv", "--json")
    dated = penstock("eval", trained / "model", trained / "whole.csv", "--after", "2024-07-15", "--json")
    assert apart.returncode == dated.returncode == 0, apart.stderr + dated.stderr
    assert json.loads(apart.stdout) == json.loads(dated.stdout)
    figures = json.loads(apart.stdout)
    assert figures["model"].keys() == {"mase", "smape", "mae", "rmse", "mse_scaled", "pinball", "coverage"}
    assert figures["model"]["mase"] < figures["the mean"]["mase"]
    shown = penstock("eval", trained / "model", trained / "whole.csv", "--after", 196)
    assert "mase of one season ago" in shown.stdout
    drawn = penstock("eval", trained / "model", trained / "whole.csv", "--png", tmp_path / "f.png")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_forecasts_are_written_with_ids_and_times(trained: Path, tmp_path: Path) -> None:
    done = penstock("predict", trained / "model", trained / "past.csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["id"] for row in rows] == [f"s{k}" for k in range(3) for _ in range(7)]
    assert [row["day"][:10] for row in rows[:7]] == [f"2024-07-{day}" for day in range(15, 22)]
    assert all(
        float(row["penstock_v q0.1"]) <= float(row["penstock_v"]) <= float(row["penstock_v q0.9"]) for row in rows
    )
    done = penstock("predict", trained / "model", trained / "past.csv", "--out", tmp_path / "f.jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in (tmp_path / "f.jsonl").read_text().splitlines()] == [
        r["id"] for r in rows
    ]


def test_a_stream_is_forecast_line_by_line(trained: Path, tmp_path: Path) -> None:
    lines = (trained / "past.csv").read_text().splitlines()
    rows = [lines[1 + k * 196 + t] for t in range(20) for k in range(3)]  # ids interleaved
    states = tmp_path / "states"
    text = ""
    for part in (rows[:31], rows[31:]):
        stdin = ("\n".join([lines[0], *part]) + "\n").encode()
        done = penstock("predict", trained / "model", "-", "--state", states, stdin=stdin)
        assert done.returncode == 0, done.stderr
        text += done.stdout
    found = [json.loads(line) for line in text.splitlines()]
    assert [(row["id"], row["day"]) for row in found] == [tuple(row.split(",")[:2]) for row in rows]
    head = [line for line in lines if line.split(",")[1] < "2024-01-21"]
    (tmp_path / "head.csv").write_text("\n".join([lines[0], *head]) + "\n")
    done = penstock("predict", trained / "model", tmp_path / "head.csv", "--out", tmp_path / "f.jsonl")
    assert done.returncode == 0, done.stderr
    whole = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    last = {row["id"]: row for row in found}
    for name in ("penstock_v", "penstock_v q0.1", "penstock_v q0.9"):
        assert [last[f"s{k}"][name] for k in range(3)] == [
            [row[name] for row in whole if row["id"] == f"s{k}"] for k in range(3)
        ]


def test_what_means_nothing_is_refused_in_a_line(trained: Path) -> None:
    for arguments, says in [
        (("predict", trained / "model", "-", "--out", trained / "x.csv"), "--out: a stream is answered on standard"),
        (("eval", trained / "model", trained / "whole.csv", "--after", 9999), "no series is longer than the horizon"),
        (
            ("train", trained / "past.csv", "--task", "steps", "--horizon", 7, "--out", trained / "x"),
            "--horizon: means",
        ),
        (("train", trained / "past.csv", "--task", "forecast", "--out", trained / "x"), "--horizon: expected"),
    ]:
        done = penstock(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert says in done.stderr
        assert "Traceback" not in done.stderr
