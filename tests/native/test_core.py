"""The compiled core's table, and what is said where there is no core."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from penstock import PenstockError, native
from penstock.native import core

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


@pytest.fixture(autouse=True)
def choose_anew() -> Iterator[None]:
    core.chosen.cache_clear()
    core.available_threads.cache_clear()
    yield
    core.chosen.cache_clear()
    core.available_threads.cache_clear()


@needs_core
def test_the_best_supported_set_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(core.FORCE_VARIABLE, raising=False)
    sets = native.instruction_sets()
    assert [s.name for s in sets] == ["avx512", "avx2", "neon", "portable"]
    usable = [s for s in sets if "lacks" not in s.reason and "does not know" not in s.reason]
    assert [s.name for s in sets if s.chosen] == [usable[0].name]
    assert all(s.float_lanes >= 1 for s in usable)
    assert usable[-1].name == "portable"


@needs_core
def test_every_usable_set_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = [s.name for s in native.instruction_sets() if s.chosen or "faster" in s.reason]
    for name in usable:
        core.chosen.cache_clear()
        monkeypatch.setenv(core.FORCE_VARIABLE, name)
        (chosen,) = (s for s in native.instruction_sets() if s.chosen)
        assert chosen.name == name
        assert chosen.reason == f"forced by {core.FORCE_VARIABLE}"


@needs_core
def test_a_set_that_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(core.FORCE_VARIABLE, "sse")
    with pytest.raises(PenstockError, match=r"expected one of .*portable, got sse"):
        native.instruction_sets()


def test_threads_follow_the_work_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(core.THREADS_VARIABLE, "3")
    assert core.threads_for(1) == 1
    assert core.threads_for(10 * core.WORTH_A_THREAD) == 3
    assert core.threads_for(10 * core.WORTH_A_THREAD, limit=2) == 2
    core.available_threads.cache_clear()
    monkeypatch.setenv(core.THREADS_VARIABLE, "many")
    with pytest.raises(PenstockError, match="PENSTOCK_THREADS: expected a positive number, got 'many'"):
        core.threads_for(1)


def test_without_the_core_the_reason_is_said() -> None:
    code = (
        "import sys; sys.modules['penstock.native._core'] = None\n"
        "from penstock import native\n"
        "assert native.instruction_sets() == [] and native.compiler() is None\n"
        "print(native.unavailable)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no working C++20 compiler was found" in done.stdout
