"""The command line in a process that is forked from one which has imported torch: anew that takes seconds each time."""

import atexit
import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest import mock

IMPORTED = ["penstock.cli.lab", "penstock.cli.train", "penstock.train.run", "torch._dynamo"]
"""torch's optimizers import the last one, which takes as long as torch itself."""


def run(
    arguments: Sequence[str], environment: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[bytes]":
    """``penstock`` with nothing on its standard input. The number of OpenMP's threads is that of the first call."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        out.touch()
        err.touch()
        streams = (os.devnull, str(out), str(err))
        process = _server(environment.get("OMP_NUM_THREADS")).Process(
            target=_main, args=(list(arguments), os.getcwd(), dict(environment), streams)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["penstock", *arguments], timeout)
        done = subprocess.CompletedProcess(arguments, process.exitcode, out.read_bytes(), err.read_bytes())
        process.close()
        return done


@functools.cache
def _server(threads: str | None) -> ForkServerContext:
    """Of the one process that all are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with mock.patch.dict(os.environ, {} if threads is None else {"OMP_NUM_THREADS": threads}):
        forkserver.ensure_running()
    return context


def _main(arguments: list[str], folder: str, environment: dict[str, str], streams: tuple[str, str, str]) -> None:
    for number, path in enumerate(streams):
        file = os.open(path, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - for as long as the process lives
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["penstock", *arguments]
    from penstock.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a process of multiprocessing leaves without them, and so without its coverage
        sys.stdout.flush()
