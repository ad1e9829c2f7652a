"""``penstock agree`` through its real entry point."""

import json
from pathlib import Path

import pytest
import torch
from helpers import penstock

from penstock import LanguageModel
from penstock.model_folder import ModelConfig
from penstock.text import CharVocabulary


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has learned nothing but that after a newline comes an "a"."""
    vocabulary = CharVocabulary("ab \n")
    module = LanguageModel(ModelConfig(len(vocabulary), 3, 4), vocabulary)
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
        "ties                1, each counted as wrong\n"
        "unknown characters  2, each scored as the vocabulary's unknown character\n"
    )
    facts = json.loads(penstock("agree", model, "--pairs", tmp_path / "pairs.tsv", "--json").stdout)
    assert facts["accuracy"] == 0.6
    assert facts["low"] == pytest.approx(0.2307, abs=1e-4)
    assert facts["high"] == pytest.approx(0.8824, abs=1e-4)
    assert (facts["pairs"], facts["right"], facts["ties"], facts["unknown_characters"]) == (5, 3, 1, 2)


def test_pairs_come_from_standard_input(model: Path) -> None:
    done = penstock("agree", model, "--pairs", "-", "--json", stdin=b"a\tb\n")
    assert json.loads(done.stdout)["pairs"] == 1, done.stderr


@pytest.mark.parametrize(
    ("stdin", "arguments", "message"),
    [
        (b"", ["MODEL"], "--pairs: expected a file with a pair of sentences a line, got none; add --pairs FILE"),
        (b"", ["MODEL", "--pairs", "nowhere.tsv"], "nowhere.tsv: cannot be read: No such file or directory"),
        (b"", ["MODEL", "--pairs", "-"], "/dev/stdin: expected a pair a line"),
        (b"a b\n", ["MODEL", "--pairs", "-"], "/dev/stdin: line 1: expected good<TAB>bad or prefix<TAB>good<TAB>bad"),
        (b"", ["nowhere", "--pairs", "-"], "nowhere: no model here"),
    ],
)
def test_bad_input_is_one_line_and_status_2(model: Path, stdin: bytes, arguments: list[str], message: str) -> None:
    done = penstock("agree", *(str(model) if a == "MODEL" else a for a in arguments), stdin=stdin)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
