"""Models as C: what comes along proves it, and what is said of it is so."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import compiled, made

from penstock import PenstockError
from penstock.export.c import export
from penstock.model_folder import StackConfig
from penstock.runtime import load
from penstock.runtime.sampling import sample


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each model's folder, and beside it its C, in a folder of the same name with -c."""
    folders = made.everything(tmp_path_factory.mktemp("models"))
    for folder in folders.values():
        export(folder, in_c(folder), force=False)
    return folders


def in_c(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-c")


def sources(folder: Path) -> list[Path]:
    return [in_c(folder) / "gru.c", in_c(folder) / "gru_test.c"]


NAMES = [
    *("language", "language-after", "language-tied", "rows", "rows-decay", "rows-plain"),
    *("segments", "segments-decay", "states", "texts"),
    *("language-w8a16", "language-after-w8a16", "language-tied-w8a16"),
    *("rows-w8a16", "rows-plain-w8a16", "segments-w8a16", "texts-w8a16"),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_program_that_comes_along_passes_sanitized(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    assert sorted(models) == sorted(NAMES)
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    done = compiled.run(compiled.build(tmp_path / "test", sources(models[name]), *flags))
    assert done.stdout.startswith("ok: 20 steps"), done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["language", "rows-decay", "segments"])
def test_the_program_fails_where_a_weight_is_another(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    shutil.copytree(in_c(models[name]), tmp_path, dirs_exist_ok=True)
    data = (tmp_path / "gru_data.h").read_text()
    changed, count = re.subn(r"(gru_layer_0\[\d+\] = \{\s*)[-\d.e]+f", r"\g<1>0.75f", data)
    assert count == 1
    (tmp_path / "gru_data.h").write_text(changed)
    done = compiled.run(compiled.build(tmp_path / "test", [tmp_path / "gru.c", tmp_path / "gru_test.c"]))
    assert done.returncode == 1
    assert "expected" in done.stdout


@pytest.mark.parametrize("name", ["language-tied", "rows-decay", "segments", "rows-w8a16", "texts-w8a16"])
def test_it_allocates_nothing_changes_no_global_and_calls_no_library(
    models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    compiled.build(tmp_path / "gru.o", sources(models[name])[:1], "-O1", "-c", "-fno-pic", "-fno-pie")
    table = subprocess.run(["nm", str(tmp_path / "gru.o")], capture_output=True, text=True, check=True).stdout
    symbols = [line.split()[-2:] for line in table.splitlines()]
    assert {symbol for kind, symbol in symbols if kind == "U"} <= {
        "memcpy",
        "memset",
    }  # as compilers call by themselves
    assert not [symbol for kind, symbol in symbols if kind.lower() in "bcds"]


@pytest.mark.parametrize("name", NAMES)
def test_the_memory_that_is_said_is_what_a_state_takes(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    (tmp_path / "size.c").write_text(
        '#include <stdio.h>\n#include "gru.h"\nint main(void) { printf("%d", (int)sizeof(gru_state)); return 0; }\n'
    )
    program = compiled.build(tmp_path / "size", [tmp_path / "size.c"], f"-I{in_c(models[name])}")
    said = re.search(r"RAM: ([\d,]+) bytes a state", (in_c(models[name]) / "gru.h").read_text())
    assert said is not None
    assert int(said[1].replace(",", "")) == int(compiled.run(program).stdout)


@pytest.mark.parametrize("name", ["language", "language-tied"])
def test_tokens_are_drawn_as_the_runtime_draws_them(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    gru = compiled.library(tmp_path / "gru.so", sources(models[name])[:1])
    vocabulary = load(models[name]).vocabulary
    rng = np.random.default_rng(3)
    for temperature in (0.0, 0.3, 1.0, 4.0):
        logits = rng.normal(0, 3, len(vocabulary)).astype(np.float32)
        expected, drawn = logits.copy(), []
        expected[vocabulary.unknown] = -np.inf
        for number in rng.uniform(size=200).tolist():
            found = gru.gru_next_token(floats(logits), ctypes.c_float(temperature), ctypes.c_float(number))
            drawn.append(found == sample(expected, number, temperature=temperature))
        assert np.mean(drawn) >= 0.99  # a number may fall between two tokens, where rounding decides


def test_characters_are_tokens_and_back(models: dict[str, Path], tmp_path: Path) -> None:
    gru = compiled.library(tmp_path / "gru.so", sources(models["language"])[:1])
    vocabulary = load(models["language"]).vocabulary
    for character in [*made.CHARACTERS, "?", "\0", "\U0010ffff", "�"]:
        assert gru.gru_token(ctypes.c_uint32(ord(character))) == vocabulary.encode(character)[0]
    characters = (ctypes.c_uint32 * len(vocabulary)).in_dll(gru, "gru_characters")
    assert "".join(map(chr, characters)) == vocabulary.characters


def test_a_name_that_would_end_a_comment_does_not(models: dict[str, Path]) -> None:
    text = (in_c(models["rows"]) / "gru.h").read_text()
    assert "the number of its category: 0 red, 1 green, 2 blue, 3 * / ?" in text


def test_a_model_that_reads_backwards_is_refused(tmp_path: Path) -> None:
    folder = made.bare(tmp_path / "model", StackConfig(3, 4), "reverse")
    with pytest.raises(PenstockError, match="reads from a sequence's end, which no step can"):
        export(folder, tmp_path / "out", force=False)
    assert not (tmp_path / "out").exists()


def floats(values: np.ndarray) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
