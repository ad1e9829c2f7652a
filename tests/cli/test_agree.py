"""``penstock agree`` through its real entry point."""

import csv
import json
from pathlib import Path

import pytest
import torch
from helpers import penstock

from penstock import LanguageModel
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has learned nothing but that after a newline comes an "a"."""
    vocabulary = CharVocabulary("ab \n")
    module = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(3, 4)), vocabulary)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.output.bias[vocabulary.encode("a")] = 2.0
    folder = tmp_path_factory.mktemp("model")
    module.save(folder)
    return folder


def test_it_prints_the_accuracy_and_its_interval(model: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\naab\tabb\nbb\ta\tb\nb\ta\nc\td\n")
    done = penstock("agree", model, "--pairs", tmp_path / "pairs.tsv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "accuracy            60.00%\n"
        "95% interval        23.07% … 88.24% (Wilson)\n"
        "pairs               5\n"
        "wrong               2\n"
        "ties                1, each counted as wrong\n"
        "unknown characters  2, each scored as the vocabulary's unknown character\n"
        "\n"
        "  good     2.43 nats  b\n"
        "  bad      0.43 nats  a\n"
        "\n"
        "  good     2.43 nats  c\n"
        "  bad      2.43 nats  d\n"
    )
    facts = json.loads(penstock("agree", model, "--pairs", tmp_path / "pairs.tsv", "--json").stdout)
    assert facts["accuracy"] == 0.6
    assert facts["low"] == pytest.approx(0.2307, abs=1e-4)
    assert facts["high"] == pytest.approx(0.8824, abs=1e-4)
    assert [(one["good"], one["bad"]) for one in facts["wrong"]] == [("b", "a"), ("c", "d")]
    assert facts["wrong"][0]["good_nats"] - facts["wrong"][0]["bad_nats"] == pytest.approx(2)
    assert (facts["pairs"], facts["right"], facts["ties"], facts["unknown_characters"]) == (5, 3, 1, 2)


def test_a_few_wrong_pairs_are_shown_and_all_are_written(model: Path, tmp_path: Path) -> None:
    wrong = [*(f"{'b' * (k + 1)}\t{'a' * (k + 1)}" for k in range(7)), 'b, "b"\ta, "a"']
    (tmp_path / "pairs.tsv").write_text("\n".join(["a\tb", *wrong]))
    call = ("agree", model, "--pairs", tmp_path / "pairs.tsv")
    done = penstock(*call)
    assert "the 5 most wrong; --out FILE writes them all" in done.stdout
    assert done.stdout.count("  good ") == 5
    for name in ("wrong.csv", "wrong.jsonl"):
        for _ in range(2):  # what it wrote it writes again
            done = penstock(*call, "--out", tmp_path / name)
            assert done.returncode == 0, done.stderr
        assert f"8, all of them in {tmp_path / name}" in done.stdout
    with (tmp_path / "wrong.csv").open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    lines = [json.loads(line) for line in (tmp_path / "wrong.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{name: str(value) for name, value in line.items()} for line in lines]
    assert lines == json.loads(penstock(*call, "--json").stdout)["wrong"]
    more = [line["good_nats"] - line["bad_nats"] for line in lines]
    assert more == sorted(more, reverse=True)
    assert {(line["good"], line["bad"]) for line in lines} == {
        *(tuple(w.split("\t")) for w in wrong),
        ('b, "b"', 'a, "a"'),
    }


def test_what_is_somebody_elses_stays(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("name,age\n")
    done = penstock("agree", model, "--pairs", "-", "--out", tmp_path / "mine.csv", stdin=b"b\ta\n")
    assert done.returncode == 2
    assert "mine.csv: was not written by Penstock, which leaves it alone" in done.stderr
    assert (tmp_path / "mine.csv").read_text() == "name,age\n"


def test_pairs_come_from_standard_input(model: Path) -> None:
    done = penstock("agree", model, "--pairs", "-", "--json", stdin=b"a\tb\n")
    assert json.loads(done.stdout)["pairs"] == 1, done.stderr


@pytest.mark.parametrize(
    ("stdin", "arguments", "message"),
    [
        (b"", ["MODEL"], "--pairs: expected a file with a pair of sentences a line, got none; add --pairs FILE"),
        (b"", ["MODEL", "--pairs", "nowhere.tsv"], "nowhere.tsv: cannot be read: No such file or directory"),
        (b"", ["MODEL", "--pairs", "-"], "/dev/stdin: expected a pair a line"),
        (
            b"b\ta\n",
            ["MODEL", "--pairs", "-", "--out", "wrong.txt"],
            "--out: expected a name that ends with .csv or .jsonl",
        ),
        (
            b"b\ta\n",
            ["MODEL", "--pairs", "-", "--out", "nowhere/wrong.csv"],
            "nowhere/wrong.csv: cannot be written: No such",
        ),
        (b"a b\n", ["MODEL", "--pairs", "-"], "/dev/stdin: line 1: expected good<TAB>bad or prefix<TAB>good<TAB>bad"),
        (b"", ["nowhere", "--pairs", "-"], "nowhere: no model here"),
    ],
)
def test_bad_input_is_one_line_and_status_2(model: Path, stdin: bytes, arguments: list[str], message: str) -> None:
    done = penstock("agree", *(str(model) if a == "MODEL" else a for a in arguments), stdin=stdin)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
