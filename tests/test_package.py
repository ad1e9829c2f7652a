"""Importing Penstock is light, and what need not import torch does not."""

import subprocess
import sys

import pytest

import penstock

LIGHT = [
    "penstock",
    "penstock.equations",
    "penstock.native",
    "penstock.text",
    "penstock.series",
    "penstock.runtime",
    "penstock.look.models",
    "penstock.look.pairs",
    "penstock.look.pictures",
    "penstock.look.terminal",
    "penstock.look.trace_file",
    "penstock.score.run",
    "penstock.cli",
    "penstock.bench.measure",
    "penstock.lab",
]
VERBS = [
    f"penstock.cli.{verb}"
    for verb in ("agree", "bench", "eval", "generate", "lab", "look", "prepare", "score", "train")
]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_no_torch() -> None:
    """With what others import, too; ``test_rooms.py`` reads our own imports."""
    done = run(
        "import importlib, sys\n"
        f"for room in {[*LIGHT, *VERBS]}:\n"
        "    importlib.import_module(room)\n"
        "    assert 'torch' not in sys.modules, room"
    )
    assert done.returncode == 0, done.stderr


def test_importing_penstock_imports_nothing_heavy() -> None:
    done = run(
        "import sys; before = set(sys.modules); import penstock;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"penstock"}


def test_every_public_name_is_there() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name).__name__.rpartition(".")[2] == name
        assert name in dir(penstock)
    with pytest.raises(AttributeError, match=r"module 'penstock' has no attribute 'LSTM'"):
        _ = penstock.LSTM


def test_without_torch_the_runtime_works_and_the_module_says_what_to_install() -> None:
    hide = "import sys; sys.modules['torch'] = None; import penstock; "
    assert run(hide + "penstock.load").returncode == 0
    done = run(hide + "penstock.GRU")
    assert "penstock.GRU needs PyTorch, which is not installed: pip install 'penstock[train]'" in done.stderr
