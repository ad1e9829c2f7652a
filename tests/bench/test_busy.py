"""A busy machine: its processes end, whatever happens, and every call is checked and timed."""

import os
import signal
import subprocess
import sys

import pytest

from penstock import native
from penstock.bench import busy
from penstock.bench.busy import LAYER, MODULE, TRAINED, Busy, Case, Conditions, measure, numbers, spinning
from penstock.bench.measure import Duration, Entry
from penstock.bench.shapes import Shape

needs_core = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")


def test_threads_are_tried_in_powers_of_two_and_all() -> None:
    assert [numbers(k) for k in (1, 2, 3, 4, 6, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_the_default_stands_beside_the_best_number_and_torch() -> None:
    entries = {k: Entry(str(k), milliseconds=time) for k, time in ((1, 3.0), (2, 2.0), (4, 8.0))}
    row = Busy(busy.FULL.cases[0], 1, entries, Entry("torch.nn.GRU", milliseconds=16.0))
    assert (row.default, row.best_threads, row.to_best, row.to_torch) == (entries[4], 2, 4, 0.5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_processes_spin_inside_and_are_gone_afterwards(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen
    monkeypatch.setattr(busy.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    with pytest.raises(KeyboardInterrupt), spinning(count):  # noqa: PT012 - what is inside is interrupted
        assert [process.poll() for process in started] == [None] * count
        raise KeyboardInterrupt
    assert [process.returncode for process in started] == [-signal.SIGKILL] * count


def test_a_process_that_cannot_be_started_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def one_only(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        if started:
            raise OSError("no more processes")
        started.append(real(*arguments, **options))  # type: ignore[call-overload]
        return started[0]

    monkeypatch.setattr(busy.subprocess, "Popen", one_only)
    with pytest.raises(OSError, match="no more processes"), spinning(2):
        pass
    assert started[0].returncode == -signal.SIGKILL


def test_processes_end_with_a_bench_that_is_killed() -> None:
    code = "from penstock.bench.busy import spinning\nwith spinning(2):\n    print(flush=True)\n    input()"
    bench = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert bench.stdout is not None
    assert bench.stderr is not None
    bench.stdout.readline()
    os.kill(bench.pid, signal.SIGKILL)
    assert bench.stderr.read() == b""  # the end of what they all write to: nobody is left
    bench.communicate()


@needs_core
def test_every_call_is_right_and_timed_under_every_load() -> None:
    kinds = {LAYER: "inference", MODULE: "inference", TRAINED: "training"}
    cases = tuple(Case(name, kind, Shape(2, 3, 4, 5)) for name, kind in kinds.items())  # type: ignore[arg-type]
    said: list[str] = []
    rows = measure(2, Conditions(cases, (0, 1), Duration(1, 0)), said.append)
    assert [(row.case, row.load) for row in rows] == [(case, load) for case in cases for load in (0, 1)]
    assert len(said) == len(rows)
    for row in rows:
        assert list(row.by_threads) == [1, 2]
        for entry in (*row.by_threads.values(), row.torch):
            assert entry.error is not None
            assert entry.note is None
            assert entry.late_milliseconds >= entry.milliseconds > 0  # type: ignore[operator]
        assert row.to_best is not None
        assert row.to_best >= 1
