"""Texts for classes from end to end: trained, resumed, scored beside naive answers, and answered."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import penstock

import penstock as package
from penstock.cli.row_files import write_rows

pytest.importorskip("sklearn")

GOOD, BAD = ("fine", "good", "lovely", "bright"), ("awful", "bad", "dull", "poor")
THINGS = ("film", "meal", "book", "play", "song", "day")
TEXT = ("--task", "sequence", "--column", "text")
QUICK = ("--steps", 60, "--hidden", 16, "--dropout", 0, "--device", "cpu")


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """A few sentences each; what is said last decides."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        moods = [str(random.choice(["good", "bad"])) for _ in range(random.integers(1, 4))]
        said = [f"The {random.choice(THINGS)} was {random.choice(GOOD if mood == 'good' else BAD)}" for mood in moods]
        found.append({"text": ", but ".join(said) + ".", "mood": moods[-1], "words": len(said) * 4 + len(said) - 1})
    return found


def write(path: Path, found: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0])
        writer.writeheader()
        writer.writerows(found)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    write(folder / "test.csv", rows(60, 2))
    of_training = [*rows(400, 1), {"text": "", "mood": "bad", "words": 0}, {"text": "Nothing", "mood": "", "words": 1}]
    write(folder / "train.csv", of_training)
    done = penstock(
        "train", folder / "train.csv", *TEXT, "--target", "mood", "--out", folder / "model", *QUICK, "--json"
    )
    assert done.returncode == 0, done.stderr
    for line in (
        "target    mood (2 classes: ",
        "left out  1 row without a text; 1 row without a target",
        "by their hashes: ",
        "answers one of 2 classes",
    ):
        assert line in done.stderr, done.stderr
    results = json.loads(done.stdout)
    assert results["measure"] == "accuracy"
    assert results["naive"].keys() == {"the commonest class", "a linear model of its words"}
    best = max(one["accuracy"] for one in results["naive"].values())
    assert results["beats_naive"] == (results["model"]["accuracy"] > best)
    return folder


def test_it_learns_and_is_scored_beside_the_naive_answer(trained: Path) -> None:
    done = penstock("eval", trained / "model", trained / "test.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["answers"] == 60
    assert figures["model"]["accuracy"] > 0.9 > figures["the commonest class"]["accuracy"]
    done = penstock("eval", trained / "model", trained / "test.csv")
    assert "accuracy of the commonest class" in done.stdout


def test_answers_to_files_to_a_stream_and_in_python_are_the_same(trained: Path, tmp_path: Path) -> None:
    done = penstock("predict", trained / "model", trained / "test.csv")
    assert done.returncode == 0, done.stderr
    of_file = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["row"] for row in of_file] == [str(k + 1) for k in range(60)]
    texts = [row["text"] for row in rows(60, 2)]
    lines = [text if k % 2 else json.dumps({"text": text}) for k, text in enumerate(texts)]
    done = penstock("predict", trained / "model", "-", stdin="\n".join([*lines, ""]).encode())
    assert done.returncode == 0, done.stderr
    of_stream = [json.loads(line) for line in done.stdout.splitlines()]
    assert [{name: str(value) for name, value in row.items()} for row in of_stream] == of_file
    odds = package.load(trained / "model").predict(texts)
    assert [[str(value) for value in row] for row in odds.tolist()] == [
        [row["p(bad)"], row["p(good)"]] for row in of_file
    ]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_answers_in_a_file(trained: Path, tmp_path: Path, ending: str) -> None:
    polars = pytest.importorskip("polars")
    (tmp_path / "lines.txt").write_text("The film was fine.\n\nThe day was zzz\0 门")
    out = tmp_path / f"answers{ending}"
    for _ in range(2):  # what it wrote it writes again
        done = penstock("predict", trained / "model", tmp_path / "lines.txt", "--out", out)
        assert done.returncode == 0, done.stderr
    read = {".csv": polars.read_csv, ".jsonl": polars.read_ndjson, ".parquet": polars.read_parquet}[ending]
    table = read(out)
    assert table.columns == ["row", "penstock_mood", "p(bad)", "p(good)"]
    assert table["penstock_mood"].is_null().to_list() == [False, True, False]  # of no characters


def test_without_any_held_out_all_texts_train_and_go_on_to(tmp_path: Path) -> None:
    source, out = write(tmp_path / "train.csv", rows(20, 3)), ("--out", tmp_path / "model", "--json")
    done = penstock("train", source, *TEXT, "--target", "mood", "--holdout", 0, "--steps", 2, "--hidden", 8, *out)
    assert done.returncode == 0, done.stderr
    assert "none: 20 texts train, 0 validate" in done.stderr
    done = penstock("train", "--resume", "--steps", 4, *out)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"] == 0


def test_many_empty_answers_may_come_before_the_first(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    answers = [{"row": 1, "penstock_mood": None}] * 200 + [{"row": 2, "penstock_mood": "good"}]
    write_rows(answers, tmp_path / "a.parquet")
    assert polars.read_parquet(tmp_path / "a.parquet").to_dicts() == answers


def test_a_resumed_run_goes_on_with_its_texts(trained: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "train.jsonl", rows(100, 3))
    words = ("--vocab", "word", "--min-frequency", 3, "--chunk", 12)
    common = ("--hidden", 8, "--device", "cpu", "--out", tmp_path / "model")
    done = penstock("train", source, *TEXT, "--target", "mood", *words, *common, "--steps", 4)
    assert done.returncode == 0, done.stderr
    assert "read up to token 12; --chunk reads more" in done.stderr + done.stdout
    source.unlink()
    for more in ((), TEXT):
        done = penstock("train", "--resume", *more, "--out", tmp_path / "model", "--steps", 8)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "model" / "train.json").read_text())["results"]["steps"] == 8
    about = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (about["task"], about["input"]["longest"], about["input"]["vocabulary"]["kind"]) == ("text", 12, "word")


@pytest.mark.parametrize(
    ("own", "measure", "columns"),
    [
        (("--target", "words", "--validation", "second.jsonl"), "rmse", ["penstock_words"]),
        (("--target", "a", "b"), "nats", ["penstock_a", "penstock_b", "p(a)", "p(b)"]),
        (("--target", "words", "--category", "words"), "accuracy", ["penstock_words", "p(14)", "p(4)", "p(9)"]),
    ],
)
def test_numbers_labels_and_numbers_that_are_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], measure: str, columns: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, seed in (("first", 4), ("second", 5)):
        found = [row | {"a": "fine" in row["text"], "b": "song" in row["text"]} for row in rows(120, seed)]
        found = [row | {"a": int(row["a"]), "b": int(row["b"])} for row in found]
        write(tmp_path / f"{name}.jsonl", found)
    out = tmp_path / "model"
    done = penstock("train", "first.jsonl", *TEXT, *own, "--out", out, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["measure"] == measure
    assert results["answers"] == (120 if "--validation" in own else results["answers"])
    done = penstock("predict", out, "first.jsonl")
    assert next(csv.reader(io.StringIO(done.stdout))) == ["row", *columns]
    assert penstock("eval", out, "second.jsonl").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "train.csv", *TEXT, "--out", "out"), "--target: expected the column of what is asked of a text"),
        (("train", *TEXT, "--target", "mood", "--out", "out"), "FILE: expected texts to train on, got none"),
        (("train", "train.csv", *TEXT, "--target", "tone", "--out", "out"), "train.csv: expected a column 'tone', got"),
        (("train", "train.csv", "--column", "body", *TEXT[:2], "--target", "mood", "--out", "out"), "column 'body'"),
        (("train", "one.csv", *TEXT, "--target", "mood", "--out", "out"), "to train on and to hold out, got 1"),
        (("train", "none.csv", *TEXT, "--target", "mood", "--out", "out"), "expected rows with a text and a target"),
        (("train", "train.csv", *TEXT, "--target", "mood", "words", "--out", "out"), "expected all numbers or one of"),
        (("train", "train.csv", *TEXT, "--target", "mood", "--id", "words", "--out", "out"), "--id: means nothing to"),
        (("train", "train.csv", *TEXT, "--target", "mood", "--category", "x", "--out", "out"), "--category: expected"),
        (("train", "train.csv", *TEXT, "--target", "mood", "--init", "model", "--out", "out"), "--init: only language"),
        (("train", "train.csv", *TEXT, "--dry-run"), "--target: expected the column"),
        (("train", "train.csv", *TEXT, "--target", "text", "--out", "out"), "--target: expected another column than"),
        (("eval", "model", "never.csv"), "column 'mood': a class that training never saw; it knows bad, good"),
        (("eval", "model", "train.csv", "--png", "a.png"), "--png: draws answers to series of numbers"),
        (("eval", "model"), "FILE: expected texts to score, got none"),
        (("predict", "model", "-", "--state", "state"), "--state: each text is on its own; leave it out"),
        (("generate", "model"), "expected a language model, got one of the task 'text'"),
    ],
)
def test_bad_input_is_said_in_a_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(trained)
    write(trained / "one.csv", rows(1, 1))
    write(trained / "none.csv", [{"text": "", "mood": "bad"}])
    write(trained / "never.csv", [*rows(3, 1), {"text": "So so", "mood": "middling", "words": 2}])
    done = penstock(*arguments, stdin=b"")
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("penstock: error: ")]
    assert message in line
    assert not (trained / "out").exists()


def test_what_would_be_read(trained: Path) -> None:
    done = penstock("train", trained / "train.csv", *TEXT, "--target", "mood", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "texts     400, of " in done.stdout
