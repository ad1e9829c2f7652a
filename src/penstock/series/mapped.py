"""Arrays that are memory-mapped files: which are, and how their pages are given back."""

import mmap
from typing import Any

from numpy.typing import NDArray


def let_go(*arrays: NDArray[Any] | None) -> None:
    """Gives back the pages of arrays that are mapped files: memory stays flat, and what is used again comes back."""
    for array in arrays:
        if (base := map_of(array)) is not None:
            base.madvise(mmap.MADV_DONTNEED)


def map_of(array: NDArray[Any] | None) -> mmap.mmap | None:
    """The mapped file that an array is in; None of one in memory."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base
