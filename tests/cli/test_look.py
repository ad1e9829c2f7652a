"""``penstock look`` through its real entry point."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import files_of, penstock

from penstock import LanguageModel, load
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.text import ByteVocabulary, CharVocabulary

TEXT = "the cat, which already ate, was full.\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder, vocabulary = tmp_path_factory.mktemp("model"), CharVocabulary(TEXT)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(6, 9, 2)), vocabulary).save(folder)
    return folder


def test_in_a_terminal(model: Path) -> None:
    done = penstock("look", model, "--text", TEXT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "layers.1, 9 units, 38 tokens" in done.stdout
    assert "the cat, which already ate, was full.↵" in done.stdout
    assert re.search(r"last state written by: ‘.’ at \d+ \(\d+%\)", done.stdout)
    assert "update gate z" in done.stdout
    first = penstock("look", model, "--text", TEXT, "--layer", 0).stdout
    assert "layers.0, 9 units" in first
    pair = penstock("look", model, "--text", "the cat", "--text", "-the c").stdout
    assert pair.count("update gate z") == 2


def test_everything_is_written_and_a_trace_is_read_again(model: Path, tmp_path: Path) -> None:
    page, picture, saved = tmp_path / "page.html", tmp_path / "maps.svg", tmp_path / "t.safetensors"
    done = penstock("look", model, "--text", TEXT, "--out", page, "--png", picture, "--save", saved)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {page}, {picture}, {saved}\n"
    assert page.read_bytes()
    assert picture.read_bytes().startswith(b"<?xml")
    trace, expected = Trace.load(saved), trace_text(load(model), TEXT)
    assert (trace.layers[1].hidden == expected.layers[1].hidden).all()
    again = penstock("look", saved)
    assert again.stdout == penstock("look", model, "--text", TEXT).stdout
    assert "4 tokens" in penstock("look", saved, "--from", 3, "--to", 7).stdout


def test_a_part_of_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(TEXT * 300)
    done = penstock("look", model, "--file", tmp_path / "long.txt")
    assert done.returncode == 2
    expected = "text: 11,400 tokens are more than can be drawn, 8,000; choose a part with --from and --to"
    assert expected in done.stderr
    saved = tmp_path / "t.safetensors"
    done = penstock("look", model, "--file", tmp_path / "long.txt", "--from", 11_000, "--to", 99_999, "--save", saved)
    assert done.returncode == 0, done.stderr
    whole = trace_text(load(model), TEXT * 300)
    assert (Trace.load(saved).layers[1].hidden == whole.layers[1].hidden[11_000:]).all()
    done = penstock("look", model, "--file", "-", stdin=TEXT.encode())
    assert "38 tokens" in done.stdout


def test_documents_bytes_and_the_unknown(model: Path, tmp_path: Path) -> None:
    (tmp_path / "two.jsonl").write_text('{"text": "the cat"}\n{"text": "was full"}\n')
    assert "7 tokens" in penstock("look", model, "--file", tmp_path / "two.jsonl").stdout
    done = penstock("look", model, "--text", "the cät <ö>")
    assert done.returncode == 0
    assert done.stderr == "4 characters are unknown to the model, which reads its mark for that instead\n"
    assert penstock("look", model, "--text", "ä").stderr.startswith("1 character is unknown")
    folder = tmp_path / "bytes"
    torch.manual_seed(0)
    LanguageModel(LanguageConfig(256, StackConfig(4, 5)), ByteVocabulary()).save(folder)
    (tmp_path / "raw.txt").write_bytes(b"caf\xe9 \xff")
    done = penstock("look", folder, "--file", tmp_path / "raw.txt")
    assert done.returncode == 0, done.stderr
    assert "caf‹e9› ‹ff›" in done.stdout


def test_texts_of_a_language_are_read_right(tmp_path: Path) -> None:
    torch.manual_seed(0)
    text = "猫吃了鱼，饱了。"
    vocabulary = CharVocabulary(text)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(4, 5)), vocabulary).save(tmp_path / "m")
    done = penstock("look", tmp_path / "m", "--text", text, "--png", tmp_path / "maps.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert text in penstock("look", tmp_path / "m", "--text", text).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--text", "a"], "nowhere: no model here"),
        (["MODEL"], "no training/log.jsonl to draw the training curve of; name a text or a file to look at"),
        (["MODEL", "--text", "a", "--text", "b", "--text", "c"], "expected one text, or two to compare"),
        (["MODEL", "--text", ""], "text: expected at least one character, got none"),
        (["MODEL", "--file", "nowhere.txt"], "nowhere.txt: no such file or folder"),
        (["MODEL", "--file", "EMPTY"], "text: expected at least one character, got none"),
        (["MODEL", "--text", "the", "--from", "3"], "--from, --to: expected a part of the text's 3 tokens, got 3 … 3"),
        (
            ["MODEL", "--text", "the", "--from", "-1"],
            "--from, --to: expected a part of the text's 3 tokens, got -1 … 3",
        ),
        (["MODEL", "--text", "the", "--to", "0"], "--from, --to: expected a part of the text's 3 tokens, got 0 … 0"),
        (["MODEL", "--text", "the", "--layer", "2"], "--layer: expected 0 … 1, got 2"),
        (["MODEL", "--text", "the", "--png", "OUT/a.bmp"], "expected a name that ends in .png, .svg, .pdf"),
        (["MODEL", "--text", "the", "--out", "nowhere/a.html"], "nowhere/a.html: there is no folder nowhere"),
        (["MODEL", "--text", "a", "--text", "b", "--save", "OUT/t"], "--save: expected one text or series, got more"),
        (["EMPTY"], "not a whole trace"),
        (["MODEL", "--live"], "--live: makes one page of whole texts: expected it with --out, --text and --file alone"),
        (["MODEL", "--live", "--out", "OUT/a.html", "--from", "2"], "--live: makes one page of whole texts"),
        (["MODEL", "--live", "--out", "OUT/a.html", "--text", ""], "text: expected at least one character, got none"),
        (["MODEL", "--live", "--out", "OUT/a.html", *["--text", "a"] * 3], "TEXT: expected at most two texts"),
        (["EMPTY", "--live", "--out", "OUT/a.html"], "--live needs the model itself, got a trace"),
        (["EMPTY", "--text", "a"], "a trace holds its text, got another"),
        (["MODEL/model.safetensors"], "expected a trace, as Trace.save writes, got another safetensors file"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    model: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "out").mkdir()
    names = {"MODEL": str(model), "EMPTY": str(tmp_path / "empty.txt"), "OUT": str(tmp_path / "out")}
    before = files_of(model)
    done = penstock("look", *(re.sub("MODEL|EMPTY|OUT", lambda m: names[m[0]], argument) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert files_of(model) == before
    assert not list((tmp_path / "out").iterdir())


def test_a_live_page_holds_the_model_in_half_a_megabyte(tmp_path: Path) -> None:
    """Of the sizes that 128 units have where nothing else is asked for, with all of ASCII."""
    vocabulary = CharVocabulary(map(chr, range(32, 127)))
    torch.manual_seed(0)
    LanguageModel(LanguageConfig(len(vocabulary), StackConfig(64, 128)), vocabulary).save(tmp_path / "model")
    done = penstock("look", tmp_path / "model", "--live", "--out", tmp_path / "page.html", "--text", TEXT)
    assert (done.returncode, done.stderr) == (0, "")
    size = (tmp_path / "page.html").stat().st_size
    assert size <= 500_000
    assert (
        done.stdout
        == f"wrote {tmp_path / 'page.html'}: {size / 1000:,.0f} kB with the model inside, its weights as float16\n"
    )
    again = penstock("look", tmp_path / "model", "--live", "--out", tmp_path / "page.html")
    assert again.returncode == 0  # its own page is replaced
    (tmp_path / "page.html").write_text("mine")
    assert penstock("look", tmp_path / "model", "--live", "--out", tmp_path / "page.html").returncode == 2
    assert (tmp_path / "page.html").read_text() == "mine"


def test_the_same_text_gives_the_same_files(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        penstock("look", model, "--text", TEXT, "--png", tmp_path / f"{name}.png", "--save", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert np.isfinite(Trace.load(tmp_path / "a").layers[0].hidden).all()
