"""The folder that an export is: written whole, over nothing that is somebody else's."""

from collections.abc import Mapping
from pathlib import Path

from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import expect_outside, held


def write_export(kind: str, model: Path, out: Path, files: Mapping[str, str | bytes], *, force: bool) -> None:
    """Writes an export's files, all made before the first is written; of an older export those that are no more go.

    Args:
        kind: what the folder is, as ``penstock.folder.held`` asks for it: "C export".
        model: the folder that was exported.
        out: the folder to write.
        files: the content of each by its name, with ``/`` between folders.
        force: replace an older export.

    Raises:
        PenstockError: the folder holds what Penstock did not write, or an export without ``force``, or it cannot be
            written; nothing was changed then.
    """
    expect_outside([model], out)
    with held(out, kind) as folder:
        folder.expect_only_ours()
        there = folder.listed()
        if there and not force:
            raise PenstockError(f"{out}: already holds {there[0]}; add --force to replace it, or choose another --out")
        folder.claim(files)
        try:
            for name, content in files.items():
                place = folder.place(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                write(place, content)
        except PenstockError:  # the disk is full
            folder.remove(*set(files) - set(there))
            raise
        folder.remove(*set(there) - set(files))
