"""Every verb on terminals of 40 and of 80 columns: no line is wider, and no word and no number is broken."""

import os
import re
from pathlib import Path

import forked
import pytest
import torch
from rich.cells import cell_len

from penstock import LanguageModel
from penstock.layout import PIECE
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import CharVocabulary

WIDTHS = (40, 80)
TEXT = "the cat, which already ate the fish, was full. 猫已经吃了鱼。\n" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short name, so that paths are as long as people's."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("w")
    vocabulary = CharVocabulary(TEXT)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(3, 4)), vocabulary).save(folder / "model")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    pair = "the cat, which already ate the fish, {} full. 猫已经吃了鱼，所以它很饱。"
    (folder / "pairs.tsv").write_text(f"{pair.format('was')}\t{pair.format('were')}\n" * 7, encoding="utf-8")
    return folder


def shown(folder: Path, *words: str, width: int) -> list[str]:
    """The lines that a verb prints into a pipe; its files have short names."""
    places = {"MODEL": "model", "TEXT": "text.txt", "PAIRS": "pairs.tsv"}
    command = [places.get(word, word) for word in words]
    environment = os.environ | {"COLUMNS": str(width), "OMP_NUM_THREADS": "1"}
    done = forked.run(command, environment, folder=str(folder), timeout=1500)
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode().splitlines()


CALLS = {
    "agree": "MODEL --pairs PAIRS",
    "eval": "MODEL TEXT",
    "info": "",
    "lab": "limits --quick",
    "look": "MODEL --file TEXT --to 200",
    "prepare": "TEXT --out tokens --force",
}


@pytest.mark.parametrize("verb", CALLS)
def test_lines_end_between_words(verb: str, folder: Path) -> None:
    wide = shown(folder, verb, *CALLS[verb].split(), width=1000)
    for width in WIDTHS:
        lines = shown(folder, verb, *CALLS[verb].split(), width=width)
        assert not [line for line in lines if cell_len(line) > width]
        if verb != "look":  # which draws its maps as wide as there is room
            assert _pieces(lines) == _pieces(wide)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_fits(width: int, folder: Path) -> None:
    lines = shown(folder, "train", "TEXT", "--out", f"run{width}", "--steps", "20", "--size", "tiny", width=width)
    assert not [line for line in lines if cell_len(line) > width]
    said = " ".join(" ".join(lines).split())
    assert len(re.findall(r"held out \d+\.\d{3} nats a token, \d+\.\d{3} bits a character", said)) == 10
    assert re.search("▁▁? *writes “|█▁", said)
    assert len(re.findall("writes “", said)) == 10
    assert re.search(r"bits a character \d\.\d{3} \(xz -9 needs \d\.\d{3} for the same text\)", said)


def _pieces(lines: list[str]) -> list[str]:
    text = re.sub(r"\d+ s$", "", "\n".join(lines), flags=re.MULTILINE)
    return [piece for piece in PIECE.findall(text) if not piece.isspace()]
