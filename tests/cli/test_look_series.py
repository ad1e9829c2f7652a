"""``penstock look`` and ``penstock eval --per-series`` of models of series, through their real entry points."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import penstock
from traces import forecaster, rows_of_series, series_model

from penstock.folder import held
from penstock.look.trace import Trace
from penstock.model_folder.forecast import save_forecast_model
from penstock.model_folder.series import save_series_model


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of three tasks, the first with a log, and the rows that they read."""
    folder = tmp_path_factory.mktemp("runs")
    for name, asked, segment in (("class", "class", 3), ("steps", "labels", 0)):
        with held(folder / name, "model") as place:
            save_series_model(place, series_model(asked, segment)._files)
    with held(folder / "forecast", "model") as place:
        save_forecast_model(place, forecaster()._files)
    (folder / "class" / "training").mkdir()
    lines = [{"kind": "step", "step": k, "loss": 1 / k} for k in range(1, 30)]
    lines.append({"kind": "validation", "step": 29, "loss": 0.25})
    (folder / "class" / "training" / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    series = rows_of_series()
    rows = ["id,t,flow,noise,pump,kind"]
    for k, id in enumerate(series.ids):
        one = series.one(k)
        assert one.times is not None
        for time, (flow, noise, pump, kind) in zip(one.times.tolist(), one.values.tolist(), strict=True):
            seen, moment = "" if noise != noise else f"{noise:.8g}", str(np.datetime64(time, "us"))[:16]
            names = ("on", "off")[int(pump)], ("up", "down")[int(kind)]
            rows.append(",".join([id, moment, f"{flow:.8g}", seen, *names]))
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    counted = [
        rows[0],
        *(",".join([id, str(k), *rest]) for k, (id, _, *rest) in enumerate(r.split(",") for r in rows[1:])),
    ]
    (folder / "counted.csv").write_text("\n".join(counted) + "\n")
    return folder


def test_a_class_in_a_terminal(runs: Path) -> None:
    done = penstock("look", runs / "class", runs / "rows.csv", "--series", "two")
    assert (done.returncode, done.stderr) == (0, "")
    for said_ in (
        "layers.0, 6 units, 11 steps",
        "answer: ",
        "decided at row ",
        "flow ",
        "moved ",
        "not exact",
        "update gate z",
    ):
        assert said_ in done.stdout


def test_everything_is_written(runs: Path, tmp_path: Path) -> None:
    page, picture, saved = tmp_path / "page.html", tmp_path / "maps.png", tmp_path / "t.safetensors"
    done = penstock("look", runs / "class", runs / "rows.csv", "--out", page, "--png", picture, "--save", saved)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"confusion":{"classes":["up","down"]' in page.read_text()
    assert '"curve":{"steps":[1.0' in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    numeric = Trace.load(saved).numeric
    assert numeric is not None
    assert (numeric.id, len(numeric.values)) == ("one", 31)
    assert penstock("look", saved).stdout == penstock("look", runs / "class", runs / "rows.csv").stdout
    part = penstock("look", runs / "steps", runs / "rows.csv", "--from", 10, "--to", 20)
    assert "10 steps" in part.stdout
    assert "answer at row 19 (1970-01-01 19:00)" in part.stdout
    pair = penstock("look", runs / "steps", runs / "rows.csv", "--series", "two", "--series", "one", "--out", page)
    assert pair.returncode == 0


def test_a_forecast_up_to_a_row_and_up_to_a_date(runs: Path) -> None:
    by_row = penstock("look", runs / "forecast", runs / "rows.csv", "--after", 20, "--target", "noise")
    assert (by_row.returncode, by_row.stderr) == (0, "")
    assert "forecast of noise, 7 steps after row 19 (1970-01-01 19:00)" in by_row.stdout
    by_date = penstock("look", runs / "forecast", runs / "rows.csv", "--after", "1970-01-01 20:00", "--target", "noise")
    assert by_date.stdout == by_row.stdout


def test_the_training_curve(runs: Path, tmp_path: Path) -> None:
    done = penstock("look", runs / "class")
    assert "held out" in done.stdout
    assert "29 steps" in done.stdout
    assert penstock("look", runs / "class", "--png", tmp_path / "curve.svg").returncode == 0
    assert (tmp_path / "curve.svg").read_bytes().startswith(b"<?xml")
    none = penstock("look", runs / "forecast")
    assert none.returncode == 2
    assert "training/log.jsonl to draw the training curve of; name a text or a file" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["class", "rows.csv", "--series", "three"], "--series: expected one of one, two, got three"),
        (["class", "rows.csv", "--after", "3"], "--after: means nothing to a model of the task sequence; leave it out"),
        (["class", "--text", "x"], "--text: means nothing to a model of the task sequence; name files of rows"),
        (["class", "--out", "x.html"], "FILE: expected series to read, got none"),
        (["class", "rows.csv", "--from", "9", "--to", "9"], "expected a part of the series' 9 steps, got 9 … 9"),
        (["class", "rows.csv", "--to", "0"], "--from, --to: expected a part of the series' 1 steps, got 0 … 0"),
        (["forecast", "rows.csv", "--after", "soon"], "--after: 'soon' is no time that can be read"),
        (["forecast", "counted.csv", "--after", "soon"], "--after: expected a number, as "),
        (["forecast", "rows.csv", "--target", "kind"], "--target: expected one of flow, noise, got kind"),
        (["forecast", "rows.csv", "--after", "0"], "no value of flow is known to forecast from"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(runs: Path, arguments: list[str], message: str) -> None:
    done = penstock("look", *(runs / word if (runs / word).exists() else word for word in arguments))
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")


def test_each_series_has_a_row_of_figures(runs: Path, tmp_path: Path) -> None:
    done = penstock("eval", runs / "class", runs / "rows.csv", "--per-series", tmp_path / "each.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    each = [json.loads(line) for line in (tmp_path / "each.jsonl").read_text().splitlines()]
    assert [(row["id"], row["kind"]) for row in each] == [("one", "up"), ("two", "down")]
    right = np.mean([row["penstock_kind"] == row["kind"] for row in each])
    assert json.loads(done.stdout)["model"]["accuracy"] == right
    for _ in range(2):  # what it wrote it writes again
        done = penstock("eval", runs / "forecast", runs / "rows.csv", "--per-series", tmp_path / "each.csv")
        assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "each.csv").read_text().splitlines()
    assert header.startswith("id,penstock_")
    assert [row.split(",")[0] for row in rows] == ["one", "two"]
    rows = (runs / "rows.csv").read_text().splitlines()
    (tmp_path / "more.csv").write_text("\n".join([*rows, rows[-1].replace(rows[-1].split(",")[0], "brief", 1)]) + "\n")
    done = penstock("eval", runs / "forecast", tmp_path / "more.csv", "--per-series", tmp_path / "of-more.csv")
    assert len((tmp_path / "of-more.csv").read_text().splitlines()) == 3
    assert "2 of 3 series; the others are too short, or have no truth" in " ".join(done.stderr.split())
    wrong = penstock("eval", runs / "class", runs / "rows.csv", "--per-series", tmp_path / "each.txt")
    assert wrong.returncode == 2
    assert "--per-series: expected a name that ends in .csv, .jsonl, .parquet" in wrong.stderr
