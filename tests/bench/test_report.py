"""What is shown and written."""

import dataclasses
import json
from pathlib import Path

import pytest
from bench.machine import MACHINE
from rich.console import Console

from penstock.bench import busy, edge, one_step, report
from penstock.bench.measure import Entry, Row
from penstock.bench.scoring import Scoring
from penstock.bench.shapes import Shape
from penstock.bench.tables import Measurements, notes, tables
from penstock.folder import held

FAST = Entry("Penstock", error=1e-7, milliseconds=2.0, gflops=50.0, share=0.5)
SLOW = Entry("torch.nn.GRU", error=1e-7, milliseconds=5.0, gflops=20.0, share=0.2)
ABSENT = Entry("JAX", note="jax not installed")
WRONG = Entry("OpenVINO", error=0.3, note="refused: its answer is off")
VARIANT = Entry("int8 weights", 1.15, error=8e-3, milliseconds=2.2, gflops=45.0, share=0.4)
ROWS = [
    Row("inference", Shape(1, 2, 3, 4), 0.5, 1.0, FAST, [SLOW, ABSENT, WRONG], [VARIANT]),
    Row("training", Shape(5, 6, 7, 8), None, 1.0, FAST, [SLOW, ABSENT]),
]
STEPS = one_step.Group(
    "penstock.GRU",
    "torch.nn.GRU",
    0.75,
    [
        one_step.Comparison(one_step.LARGEST, 1, FAST, SLOW, 1.0),
        one_step.Comparison(Shape(32, 1, 8, 8), 2, SLOW, FAST, 1.0),
        one_step.Comparison(Shape(1, 1, 8, 8), 2, WRONG, FAST, 1.0),
    ],
)
LOADED = [
    busy.Busy(busy.FULL.cases[0], load, {1: FAST, 2: SLOW}, Entry("torch.nn.GRU", milliseconds=load * 10.0))
    for load in (1, 2)
]
RESULTS = Measurements(MACHINE, ROWS, [Scoring(256, 1000, 400_000, peak=1e6, bulk=875e3)], [STEPS], LOADED)


def test_tables_hold_times_ratios_and_targets() -> None:
    roofline, inference, training, variants = tables(Measurements(MACHINE, ROWS))
    assert ["read bandwidth, L2 (1 MiB)", "100 GB/s", "200 GB/s"] in roofline.rows
    assert inference.rows == [["(1, 2, 3, 4)", "2.00", "5.00", "–", "–", "0.40", "≤ 0.50", "50.0", "50%"]]
    assert training.rows == [["(5, 6, 7, 8)", "2.00", "5.00", "–", "0.40", "–", "50.0", "50%"]]
    (row,) = variants.rows
    assert row == ["(1, 2, 3, 4)", "inference", "int8 weights", "2.20", "1.10", "≤ 1.15", "0.44", "40%", "8e-03"]
    assert all(
        len(row) == len(table.header) for table in (roofline, inference, training, variants) for row in table.rows
    )


def test_bulk_scoring_is_shown_as_a_share_of_the_core_alone() -> None:
    *_, table = tables(RESULTS._replace(steps=[], busy=[]))
    assert table.rows == [["256", "1,000", "400,000", "1,000,000", "875,000", "88%", "≥ 80%"]]
    assert report.as_json({}, RESULTS)["scoring"][0]["share"] == 0.875


def test_one_step_is_shown_cell_by_cell_and_as_geometric_means() -> None:
    _, cells, means = tables(Measurements(MACHINE, steps=[STEPS]))
    assert cells.rows == [
        ["1", "1024", "1", "2000", "5000", "0.40", "≤ 1.00", "50%"],
        ["32", "8", "2", "5000", "2000", "2.50", "≤ 1.00", "20%"],
        ["1", "8", "2", "–", "2000", "–", "≤ 1.00", "–"],
    ]
    assert means.rows == [["penstock.GRU", "1.00", "≤ 0.75", "2.50", "N 32, H 8, 2 threads"]]
    assert notes(Measurements(MACHINE, steps=[STEPS])) == [
        "penstock.GRU, (1, 1, 1024, 1024), 1 thread: 50% of the speed at which this machine reads 24 MiB of weights",
        "OpenVINO: refused: its answer is off",
    ]
    (facts,) = report.as_json({}, RESULTS)["steps"]
    assert facts["mean"] == pytest.approx(1)
    assert [step["ratio"] for step in facts["steps"]] == [0.4, 2.5, None]
    assert facts["steps"][1]["shape"] == {"N": 32, "L": 1, "D": 8, "H": 8}


def test_a_process_is_shown_beside_its_targets() -> None:
    results = Measurements(MACHINE, started=edge.Started(15, 0.3123, 84.4))
    assert tables(results)[1].rows == [
        ["seconds, median of 15", "0.31", "≤ 0.35"],
        ["memory at most, MB", "84.4", "≤ 120"],
    ]
    started = report.as_json({}, results)["started"]
    assert started == {"runs": 15, "seconds": 0.3123, "megabytes": 84.4, "targets": [0.35, 120.0]}
    assert report.as_json({}, RESULTS)["started"] is None


def test_a_busy_machine_is_shown_by_load() -> None:
    _, cases, means = tables(Measurements(MACHINE, busy=LOADED))
    assert cases.rows == [
        ["1,1,512,512", "1", "5.00 / –", "2.00 on 1", "10.0 / –", "2.50", "0.50"],
        ["1,1,512,512", "2", "5.00 / –", "2.00 on 1", "20.0 / –", "2.50", "0.25"],
    ]
    assert means.rows == [
        ["1", "2.50", "≤ 1.3", "0.50", "0.50", "≤ 1.0"],
        ["2", "2.50", "≤ 1.3", "0.25", "0.25", "≤ 1.0"],
    ]
    row = report.as_json({}, RESULTS)["busy"][1]
    assert (row["load"], row["best_threads"], row["to_best"], row["to_torch"]) == (2, 1, 2.5, 0.25)
    assert row["case"] == {
        "name": "native.RecurrentLayer",
        "kind": "inference",
        "shape": {"N": 1, "L": 1, "D": 512, "H": 512},
    }


def test_one_step_and_a_busy_machine_read_well_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    slow = Entry("torch.nn.GRUCell", milliseconds=9999.0, late_milliseconds=9999.0, share=1.0)
    step = one_step.Comparison(Shape(32, 64, 1024, 1024), 128, slow, slow, 1.0)
    group = one_step.Group("penstock.GRUCell × 64, training", "torch.nn.GRUCell", 0.6, [step])
    case = busy.Case("penstock.GRU, training", "training", Shape(32, 128, 128, 128))
    loaded = busy.Busy(case, 4, {1: slow, 128: slow}, slow)
    report.show(Console(width=80), tables(Measurements(MACHINE, steps=[group], busy=[loaded])), [])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("─\n") == 5  # each is a table


@pytest.mark.parametrize("width", [40, 80, 160])
def test_tables_give_way_to_the_width_and_no_number_is_cut(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    found, remarks = tables(RESULTS), notes(RESULTS)
    report.show(Console(width=width), found, remarks)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for table in found:
        for cell in (cell for row in table.rows for cell in row):
            assert {*cell.split()} <= {*words}
    assert " ".join(words).endswith(" ".join(" ".join(remarks).split()))


def test_who_was_not_timed_is_listed_with_the_reason() -> None:
    assert notes(Measurements(MACHINE, ROWS)) == [
        "JAX: jax not installed",
        "OpenVINO: refused: its answer is off, on inference (1, 2, 3, 4)",
    ]


def test_times_that_vary_raise_a_doubt() -> None:
    shaky = [Row("training", Shape(1, 2, 3, 4), 0.5, 1.0, dataclasses.replace(FAST, spread=0.4), [SLOW])]
    assert notes(Measurements(MACHINE, shaky)) == ["1 of 2 times vary by more than 15%: was the machine idle?"]


def test_tables_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(Console(width=160), tables(RESULTS), notes(RESULTS))
    shown = capsys.readouterr().out
    assert "200 GFLOP/s" in shown
    assert "JAX: jax not installed" in shown


def test_results_are_written_as_a_page_a_plot_and_json(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "folder"
    with held(folder, "results") as place:
        report.write(place, report.machine(), RESULTS)
    facts = json.loads((folder / "results.json").read_text())
    assert facts["roofline"]["levels"][0]["bandwidth"] == {"one": 200, "all": 400}
    assert facts["rows"][0]["shape"] == {"N": 1, "L": 2, "D": 3, "H": 4}
    assert facts["rows"][0]["best_peer"] == "torch.nn.GRU"
    assert facts["rows"][0]["to_best_peer"] == 0.4
    assert facts["rows"][0]["variants"][0]["to_plain"] == 1.1
    text = (folder / "results.md").read_text()
    assert report.processor() in text
    assert "| (5, 6, 7, 8) | 2.00 | 5.00 | – | 0.40 | – | 50.0 | 50% |" in text
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")
    svg = (folder / "results.svg").read_bytes()
    assert b"</svg>" in svg
    with held(folder, "results") as place:
        report.write(place, report.machine(), RESULTS)
    assert (folder / "results.svg").read_bytes() == svg
