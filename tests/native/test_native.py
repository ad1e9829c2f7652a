"""The compiled core's table, and what is said where there is no core."""

import subprocess
import sys

import pytest

from penstock import PenstockError, native

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


@needs_core
def test_the_best_supported_set_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(native.FORCE_VARIABLE, raising=False)
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
        monkeypatch.setenv(native.FORCE_VARIABLE, name)
        (chosen,) = (s for s in native.instruction_sets() if s.chosen)
        assert chosen.name == name
        assert chosen.reason == f"forced by {native.FORCE_VARIABLE}"


@needs_core
def test_a_set_that_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.FORCE_VARIABLE, "sse")
    with pytest.raises(PenstockError, match=r"expected one of .*portable, got sse"):
        native.instruction_sets()


def test_without_the_core_the_reason_is_said() -> None:
    code = (
        "import sys; sys.modules['penstock.native._core'] = None\n"
        "from penstock import native\n"
        "assert native.instruction_sets() == [] and native.compiler() is None\n"
        "print(native.unavailable)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no working C++20 compiler was found" in done.stdout
