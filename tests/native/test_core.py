"""The compiled core's table, and what is said where there is no core."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import PenstockError, native
from penstock.native import core

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


def forget() -> None:
    """What was read from the environment."""
    for cached in (core.chosen, core.available_threads, core.thread_limit):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def choose_anew() -> Iterator[None]:
    forget()
    yield
    forget()


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


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(core.THREADS_VARIABLE, "3")
    assert core.available_threads() == core.thread_limit() == 3
    forget()
    monkeypatch.setenv(core.THREADS_VARIABLE, "many")
    for asked in (core.available_threads, core.thread_limit):
        with pytest.raises(PenstockError, match="PENSTOCK_THREADS: expected a positive number, got 'many'"):
            asked()


def test_threads_follow_the_affinity_and_the_containers_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(core.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(core.os, "process_cpu_count", lambda: 6, raising=False)
    for quota, expected, limit in ((None, 6, None), (4, 4, 4), (64, 6, 64)):
        forget()
        monkeypatch.setattr(core, "quota", lambda quota=quota: quota)
        assert core.available_threads() == expected
        assert limit is None or core.thread_limit() == limit


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cgroup.procs": "1"}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "250000 100000"}, 2),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "half 100000"}, None),
        (
            {
                "proc/self/cgroup": "0::/pod/one",
                "sys/fs/cgroup/pod/cpu.max": "300000 100000",
                "sys/fs/cgroup/pod/one/cpu.max": "max 100000",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "1:name=systemd:/\n4:cpu,cpuacct:/docker/ab\n0::/docker/ab",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_the_quota_is_read_from_the_control_groups(tmp_path: Path, files: dict[str, str], cores: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert core.quota(tmp_path) == cores


def test_without_the_core_the_reason_is_said() -> None:
    code = (
        "import sys; sys.modules['penstock.native._core'] = None\n"
        "from penstock import native\n"
        "assert native.instruction_sets() == [] and native.compiler() is None\n"
        "print(native.unavailable)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no working C++20 compiler was found" in done.stdout
