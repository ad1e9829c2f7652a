"""What every room's tests share."""

import importlib.util
import os
import random
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

from penstock.native import core

for name, explores in (("repeats", False), ("explores", True)):
    settings.register_profile(
        name,
        derandomize=not explores,
        database=None,
        print_blob=explores,
        deadline=None,  # an example's time depends on the machine
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """At a desk a test fails for a change, not for a draw; in CI Hypothesis explores, from one seed that is said.

    A seed that is given explores too: it replays what CI found, also where the process ended.
    """
    if os.environ.get("CI") and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = random.SystemRandom().getrandbits(32)
    settings.load_profile("repeats" if config.option.hypothesis_seed is None else "explores")


def pytest_sessionstart(session: pytest.Session) -> None:
    """How to run the same examples again: said at once, and with ``-q`` too, as a test may end the process."""
    seed = session.config.option.hypothesis_seed
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if seed is not None and reporter is not None:
        reporter.write_line(f"hypothesis explores: --hypothesis-seed={seed} runs the same examples again")


def pytest_unconfigure(config: pytest.Config) -> None:
    """One of several processes that test is ended without its exit handlers, and so without its coverage."""
    if hasattr(config, "workerinput"):
        from coverage import Coverage

        if measured := Coverage.current():
            measured.stop()
            measured.save()


# Started in the background or by nohup, commands ignore Ctrl-C or a hang-up, and so would what a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


@pytest.fixture
def fine_grain() -> Iterator[None]:
    """As many threads as a call allows, however small the work: else almost every test of threads runs on one."""
    before = core._core.set_grain(1) if core._core else None
    yield
    if core._core:
        core._core.set_grain(before)
