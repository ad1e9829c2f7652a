"""Work spread over processes: in any order, to the end or not at all, and nobody outlives the one who asked."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import TypeVar

from penstock.errors import PenstockError

T = TypeVar("T")


class WorkerKilled(PenstockError):
    """A worker was killed; what was done is done."""


def each(function: Callable[[T], object], items: Sequence[T], workers: int, apart: bool = False) -> Iterator[T]:
    """Calls ``function`` on every item in at most ``workers`` processes, and yields each item once it is done.

    With one worker or one item, in this process; not so where it is to be ``apart``, as a library that does not come
    back for a long time keeps signals from this one.

    Raises:
        WorkerKilled: one was.
    """
    workers = min(workers, len(items))
    if workers <= 1 and not apart:
        for item in items:
            function(item)
            yield item
        return
    others = multiprocessing.active_children()
    # spawned: a fork of a process with threads, such as torch's or fsspec's, may hang
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _end_with_parent)
    try:
        with _deaf_to_interrupts():
            waiting = {executor.submit(function, item): item for item in items}
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]
        executor.shutdown()
    except BrokenProcessPool:
        raise WorkerKilled(
            "a worker process was killed, which happens where memory runs out; start again with fewer --workers, "
            "and it goes on with what is done"
        ) from None
    finally:
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        executor.shutdown(cancel_futures=True)


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started in the block leave Ctrl-C to this one, from their first instruction on."""
    resource_tracker.ensure_running()  # unblocks it, when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Ends a worker when the process that started it ends, be it by SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
