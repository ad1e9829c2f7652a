"""Series from end to end: trained, resumed, scored beside naive answers, and answered from files and from a stream."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import penstock

pytest.importorskip("polars")

QUICK = ("--steps", 150, "--hidden", 12, "--device", "cpu")


def write_rows(path: Path, count: int, seed: int, label: bool = True) -> None:
    """Series of 4 to 9 rows; the label is whether the first number of a series was positive."""
    random = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "t", "a", "b", *["label"] * label])
        for k in range(count):
            numbers = random.standard_normal((random.integers(4, 10), 2))
            for t, (a, b) in enumerate(numbers):
                cell = "" if random.random() < 0.1 and t else f"{a:.4f}"
                writer.writerow([f"s{seed}-{k}", t, cell, f"{b:.4f}", *["up" if numbers[0, 0] > 0 else "down"] * label])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_rows(folder / "train.csv", 300, 1)
    write_rows(folder / "test.csv", 100, 2)
    done = penstock("train", folder / "train.csv", "--task", "sequence", "--out", folder / "model", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    assert "target       label (2 categories)" in done.stderr
    assert "missing      a 1" in done.stderr
    results = json.loads(done.stdout)
    assert results["measure"] == "accuracy"
    assert results["beats_naive"] == all(
        results["model"]["accuracy"] > m["accuracy"] for m in results["naive"].values()
    )
    return folder


def test_it_learns_and_is_scored_beside_the_naive_answer(trained: Path) -> None:
    done = penstock("eval", trained / "model", trained / "test.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["answers"] == 100
    assert figures["model"]["accuracy"] > 0.9 > figures["the commonest class"]["accuracy"]
    assert {"macro_f1", "nats", "auroc", "auprc"} <= figures["model"].keys()


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_answers_are_drawn(trained: Path, tmp_path: Path, ending: str) -> None:
    for _ in range(2):  # what it drew it draws again
        done = penstock("eval", trained / "model", trained / "test.csv", "--png", tmp_path / f"confusion{ending}")
        assert done.returncode == 0, done.stderr
    content = (tmp_path / f"confusion{ending}").read_bytes()
    assert content.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")


def test_answers_to_a_file_and_to_a_stream_are_the_same(trained: Path, tmp_path: Path) -> None:
    done = penstock("predict", trained / "model", trained / "test.csv")
    assert done.returncode == 0, done.stderr
    of_file = {row["id"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert len(of_file) == 100
    assert all(float(row["p(up)"]) + float(row["p(down)"]) == pytest.approx(1) for row in of_file.values())
    lines = (trained / "test.csv").read_text().splitlines()
    random = np.random.default_rng(0)
    shuffled = sorted(lines[1:], key=lambda line: (int(line.split(",")[1]), random.random()))  # all series interleaved
    states = tmp_path / "states"
    answers = []
    for part in (shuffled[:200], shuffled[200:]):
        rows = "\n".join([lines[0], *part]).encode() + b"\n"
        done = penstock("predict", trained / "model", "-", "--state", states, stdin=rows)
        assert done.returncode == 0, done.stderr
        answers += [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines) - 1
    last = {answer["id"]: answer for answer in answers}
    assert {id: str(answer["p(up)"]) for id, answer in last.items()} == {id: of_file[id]["p(up)"] for id in of_file}


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_answers_in_a_file(trained: Path, tmp_path: Path, ending: str) -> None:
    import polars

    out = tmp_path / f"answers{ending}"
    done = penstock("predict", trained / "model", trained / "test.csv", "--out", out)
    assert done.returncode == 0, done.stderr
    read = {".csv": polars.read_csv, ".jsonl": polars.read_ndjson, ".parquet": polars.read_parquet}[ending]
    table = read(out)
    assert table.columns == ["id", "penstock_label", "p(down)", "p(up)"]
    assert table.height == 100
    again = penstock("predict", trained / "model", trained / "test.csv", "--out", out)
    assert again.returncode == 0, again.stderr  # what it wrote it writes again


def test_a_resumed_run_is_the_run_in_one_piece(trained: Path, tmp_path: Path) -> None:
    common = ("--task", "steps", "--features", "a", "b", "--hidden", 8, "--device", "cpu", "--patience", 99)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = penstock("train", trained / "train.csv", "--out", whole, *common, "--steps", 24)
    assert done.returncode == 0, done.stderr
    for steps in (12, 24):
        more = () if steps == 12 else ("--resume",)
        first = (trained / "train.csv", *common) if steps == 12 else ()
        done = penstock("train", *first, "--out", parts, "--steps", steps, *more)
        assert done.returncode == 0, done.stderr
    # another length is another schedule of the learning rate: what stays is that both end as models of the same kind
    assert json.loads((parts / "config.json").read_text()) == json.loads((whole / "config.json").read_text())
    assert json.loads((parts / "train.json").read_text())["results"]["steps"] == 24


def test_a_state_that_fades_over_irregular_times(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    times = np.cumsum(random.integers(1, 9, (20, 12)), axis=1)
    rows = [f"s{k},{times[k, t]},{random.random():.3f}" for k in range(20) for t in range(12)]
    (tmp_path / "rows.csv").write_text("id,t,a\n" + "\n".join(rows) + "\n")
    done = penstock("train", tmp_path / "rows.csv", "--task", "steps", "--decay", "--steps", 3, "--out", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "m" / "config.json").read_text())["output"]["decay"] is True
    done = penstock("eval", tmp_path / "m", tmp_path / "rows.csv", "--json")
    assert json.loads(done.stdout)["answers"] == 20 * 11


def test_what_would_be_read(trained: Path) -> None:
    done = penstock("train", trained / "train.csv", "--task", "sequence", "--dry-run")
    assert done.returncode == 0
    assert "id           id (by its name)" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "TRAIN", "--task", "sequence", "--out", "OUT", "--vocab", "char"],
            "--vocab: means nothing to the task",
        ),
        (["train", "TRAIN", "--out", "OUT", "--target", "label"], "--target: means nothing to the task language"),
        (["train", "TRAIN", "--task", "steps", "--out", "OUT", "--target", "lable"], "did you mean 'label'?"),
        (["train", "ONE", "--task", "sequence", "--out", "OUT"], "two classes or more to tell apart, got only up"),
        (["train", "--task", "steps", "--out", "OUT"], "FILE: expected series to train on, got none"),
        (["train", "WITHOUT", "--task", "sequence", "--out", "OUT"], "no target: name its column with --target"),
        (["train", "TRAIN", "--task", "steps", "--out", "OUT", "--target", "label", "--decay"], "--decay: the rows of"),
        (["train", "TRAIN", "--task", "sequence", "--out", "OUT", "--init", "MODEL"], "--init: only language models"),
        (["eval", "MODEL", "WITHOUT"], "no row has a target to score"),
        (["eval", "MODEL"], "FILE: expected series to score, got none"),
        (["predict", "MODEL"], "FILE: expected rows to answer, got none"),
        (["predict", "MODEL", "TRAIN", "--state", "OUT"], "--state: expected with a stream"),
        (
            ["predict", "MODEL", "TRAIN", "--out", "OUT.txt"],
            "--out: expected a name that ends in .csv, .jsonl, .parquet",
        ),
        (["predict", "MODEL", "-"], "line 2, column 'b': expected a number, got 'x'"),
        (["generate", "MODEL"], "expected a language model, got one of the task 'sequence'"),
        (["look", "MODEL", "--text", "a"], "--text: means nothing to a model of the task sequence"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_left(
    trained: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    write_rows(tmp_path / "without.csv", 3, 4, label=False)
    (tmp_path / "one.csv").write_text(
        "id,t,a,label\n" + "".join(f"s{k},{t},{k},up\n" for k in range(9) for t in range(3))
    )
    places = {"ONE": tmp_path / "one.csv"}
    places |= {"TRAIN": trained / "train.csv", "MODEL": trained / "model", "WITHOUT": tmp_path / "without.csv"}
    places |= {"OUT": tmp_path / "out", "OUT.txt": tmp_path / "out.txt"}
    stdin = b"id,t,a,b\ns,0,1,x\n" if "-" in arguments else b""
    done = penstock(*(places.get(word, word) for word in arguments), stdin=stdin)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("penstock: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out").exists() or not (tmp_path / "out" / "config.json").exists()
