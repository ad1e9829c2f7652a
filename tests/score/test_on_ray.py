"""The same scorer on a real Ray cluster of two workers, which die in the middle of their work."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import files_of
from score.scored import save, texts, write_parquet

from penstock import PenstockError
from penstock.score.files import Done, ScoreSettings
from penstock.score.inputs import find
from penstock.score.on_ray import FileScorer
from penstock.score.run import Summary, run

on_a_cluster = pytest.mark.slow
# Ray Data reads settings of its own that it has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.use_.* is deprecated:DeprecationWarning:ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    temporary = tempfile.mkdtemp(prefix="ray")  # short: the paths of its sockets may have some hundred characters
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else it leaves a token in the home folder
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=temporary)
        yield
        ray.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


def score(tmp_path: Path, out: str, **options: object) -> Summary:
    return run(tmp_path / "model", [str(tmp_path / "data")], tmp_path / out, ScoreSettings(embed=True), **options)  # type: ignore[arg-type]


@on_a_cluster
def test_the_same_files_to_the_last_bit(cluster: None, tmp_path: Path) -> None:
    save(tmp_path / "model", 33)
    for k in range(4):
        lines = [*texts(300, seed=k), None, "", "t"]
        write_parquet(tmp_path / "data" / f"{k}.parquet", text=lines, id=[*range(303)])
    (tmp_path / "data" / "lines.jsonl").write_text('{"text": "the cat", "id": 1}\n{}\n')
    (tmp_path / "data" / "broken.parquet").write_bytes(b"PAR1")
    told: list[Done] = []
    there, here = score(tmp_path, "there", engine="ray", told=told.append), score(tmp_path, "here")
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert len(files_of(tmp_path / "there")) == 1 + 5 + 6
    assert there.score == here.score
    assert (there.files, there.failed, there.rows, there.bad) == (here.files, here.failed, here.rows, here.bad)
    assert {Path(done.name).name for done in told} == {path.name for path in (tmp_path / "data").iterdir()}
    again = score(tmp_path, "there", engine="ray", workers=1)
    assert (again.files, again.finished_before, again.failed) == (0, 5, 1)


@on_a_cluster
def test_workers_that_are_killed_lose_no_row_and_write_none_twice(cluster: None, tmp_path: Path) -> None:
    save(tmp_path / "model", 256)
    for k in range(5):
        write_parquet(tmp_path / "data" / f"{k}.parquet", text=texts(1200, seed=k), id=[*range(1200)])
    killed: list[int] = []

    def kill() -> None:
        for pause in (0.2, 1.0):  # the one in its first file, the other in a later one
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if busy := [pid for pid in workers_at_work() if pid not in killed]:
                    time.sleep(pause)
                    os.kill(busy[0], signal.SIGKILL)
                    killed.append(busy[0])
                    break
                time.sleep(0.02)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    summary = score(tmp_path, "there", engine="ray", workers=2)
    killer.join()
    assert len(killed) == 2
    assert (summary.files, summary.rows, summary.bad) == (5, 6000, 0)
    whole = score(tmp_path, "here")
    assert summary.score == whole.score
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")  # and nothing beside


def workers_at_work() -> list[int]:
    """The scorers of this process's own cluster that have a file in hand; Ray writes that into their titles."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            if b"FileScorer" in title and b".submit" in title and parent(parent(int(folder.name))) == os.getpid():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@on_a_cluster
def test_a_worker_that_cannot_write_says_so(cluster: None, tmp_path: Path) -> None:
    save(tmp_path / "model")
    write_parquet(tmp_path / "data" / "a.parquet", text=texts(3))
    score(tmp_path, "out", engine="ray")
    write_parquet(tmp_path / "data" / "b" / "b.parquet", text=texts(3))
    (tmp_path / "out" / "b").write_text("in the way")
    with pytest.raises(PenstockError, match=r"out/b: was not written by Penstock, which leaves it alone; "):
        score(tmp_path, "out", engine="ray")


def test_what_a_worker_runs(tmp_path: Path) -> None:
    model = save(tmp_path / "model")
    (tmp_path / "a.txt").write_text("the cat\n")
    (job,) = find([str(tmp_path / "a.txt")], tmp_path / "out").jobs
    worker = FileScorer(str(model), {"column": "text", "embed": False})
    batch = {name: np.array([str(value)]) for name, value in job._asdict().items()}
    assert worker(batch)["error"] == [""]
    run(model, [str(tmp_path / "a.txt")], tmp_path / "here", ScoreSettings())
    assert job.out.read_bytes() == (tmp_path / "here" / job.out.name).read_bytes()
    job.out.unlink()
    job.out.parent.rmdir()
    job.out.parent.write_text("in the way")
    assert "out: cannot be written: File exists" in worker(batch)["error"][0]


def test_without_ray_it_says_what_to_install(tmp_path: Path) -> None:
    save(tmp_path / "model")
    (tmp_path / "a.txt").write_text("the cat\n")
    arguments = ["score", str(tmp_path / "model"), "--in", str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")]
    code = (
        f"import sys; sys.modules['ray'] = None; sys.argv = ['penstock', *{arguments!r}, '--engine', 'ray']\n"
        "from penstock.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    message = "--engine ray needs Ray, which is not installed: pip install 'penstock[scale]'"
    assert done.stderr == f"penstock: error: {message}\n"
    assert not (tmp_path / "out").exists()
