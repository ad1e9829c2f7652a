"""What every room's tests share."""

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

if path := os.environ.get("PENSTOCK_CORE"):  # one built with sanitizers; see `make sanitize`
    spec = importlib.util.spec_from_file_location("penstock.native._core", path)
    assert spec is not None
    assert spec.loader is not None
    built = sys.modules["penstock.native._core"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    built.borrow_threads = lambda *_: None  # type: ignore[attr-defined]  # ThreadSanitizer cannot see into OpenMP's

import pytest
from helpers import INSTRUCTION_SETS, on_instruction_set
from hypothesis import HealthCheck, settings

# Derandomised: CI fails for a change, not for a draw. The time of an example depends on the machine, so none is set.
settings.register_profile(
    "penstock", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("penstock")


# Started in the background, a shell's commands ignore Ctrl-C, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["before", "after"])
def reset(request: pytest.FixtureRequest) -> str:
    """Both forms."""
    return str(request.param)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Some thousand characters that are easy to learn."""
    path = tmp_path / "corpus.txt"
    path.write_text("the cat sat on the mat. the dog ate the food of the cat!\n" * 120)
    return path


@pytest.fixture(params=INSTRUCTION_SETS or [pytest.param("", marks=pytest.mark.skip(reason="no compiled core"))])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set that this machine can run, one after the other."""
    with on_instruction_set(request.param):
        yield request.param
