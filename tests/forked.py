"""The command line in a process that is forked from one which has imported torch: anew that takes seconds each time."""

import atexit
import functools
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest import mock

import penstock


def _imported() -> list[str]:
    """All that verbs import, once. What each of them may import is the matter of ``test_rooms.py``."""
    root = Path(str(penstock.__file__)).parent
    ours = (path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py")))
    modules = [".".join(path.parts).removesuffix(".__init__") for path in ours if path.name != "__main__"]
    return [
        "torch._dynamo",  # which torch's optimizers import, and which takes as long as torch itself
        *("coverage", "polars", "pyarrow.parquet", "matplotlib.figure"),
        *("sklearn.metrics", "sklearn.linear_model", "sklearn.feature_extraction.text", "sklearn.pipeline"),
        *(name for name in modules if ".peers." not in name),
    ]


MEASURED = {"COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"}
"""Tell a new process that its coverage is wanted. A forked one measures itself, without its imports, which are behind
it; the tests' own process has measured those."""


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    *,
    stdin: str = os.devnull,
    stdout: str | None = "",
    folder: str | None = None,
    largest: int | None = None,
    mask: int | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    """``penstock`` in a forked process. The number of OpenMP's threads is that of the first call.

    Args:
        arguments: of the command line.
        environment: all of it.
        timeout: seconds until it is killed.
        stdin: what it reads.
        stdout: where it writes; None closes it, and "" keeps it for the caller.
        folder: where it runs.
        largest: bytes that a file may have before the system says that it is full.
        mask: the umask.
    """
    with tempfile.TemporaryDirectory() as kept:
        out, err = Path(kept, "stdout"), Path(kept, "stderr")
        out.touch()
        os.mkfifo(err)  # no file, as the system may be told that those are full
        said = os.open(err, os.O_RDONLY | os.O_NONBLOCK)
        streams = (stdin, str(out) if stdout == "" else stdout, str(err))
        process = _server(environment.get("OMP_NUM_THREADS")).Process(
            target=_main, args=(list(arguments), folder or os.getcwd(), dict(environment), streams, largest, mask)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            os.close(said)
            raise subprocess.TimeoutExpired(["penstock", *arguments], timeout)
        with open(said, "rb") as pipe:
            done = subprocess.CompletedProcess(arguments, process.exitcode, out.read_bytes(), pipe.read() or b"")
        process.close()
        return done


@functools.cache
def _server(threads: str | None) -> ForkServerContext:
    """Of the one process that all are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_imported())
    with mock.patch.dict(os.environ, {} if threads is None else {"OMP_NUM_THREADS": threads}):
        for name in MEASURED & os.environ.keys():
            del os.environ[name]
        forkserver.ensure_running()
    return context


def _main(
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    streams: tuple[str | None, ...],
    largest: int | None,
    mask: int | None,
) -> None:
    for number, path in enumerate(streams):
        if path is None:
            os.close(number)
            continue
        file = os.open(path, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
    encoding = environment.get("PYTHONIOENCODING")
    sys.stdin = open(0)  # noqa: SIM115 - these for as long as the process lives
    sys.stdout = None if streams[1] is None else open(1, "w", encoding=encoding)  # type: ignore[assignment]  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # found anew
    if mask is not None:
        os.umask(mask)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    if MEASURED & environment.keys():
        import coverage

        coverage.process_startup()
    sys.argv = ["penstock", *arguments]
    from penstock.cli import main

    try:
        main()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        atexit._run_exitfuncs()  # a process of multiprocessing leaves without them, and so without its coverage
        try:
            sys.stdout.flush()
        except OSError:  # which was said
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
