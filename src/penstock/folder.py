"""Folders that Penstock makes: each says so, lists the files that it wrote, and has one writer at a time.

    penstock.json   what the folder is, the names of what was written into it, and by whom

Only what is listed is ever replaced or removed. A folder inside that is listed has a list of its own.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.errors import PenstockError
from penstock.files import cannot_write, write

LIST = "penstock.json"
ELSE = "choose another --out"
FORMAT, VERSION = "penstock-folder", 1

PASSED_OVER = ("lost+found",)
"""What stands in a folder though nobody put it there, as do names that begin with a dot."""


class Folder:
    """A folder that this process alone writes, for as long as the block of ``held`` lasts.

    Names are of files in it, or of files below it with ``/`` between, or of folders in it that are held themselves.
    """

    def __init__(self, path: Path, kind: str, names: set[str]) -> None:
        self.path, self.kind = path, kind
        self.names = names
        """What Penstock wrote."""
        self._lock = threading.RLock()
        self._said_who = False

    def place(self, name: str) -> Path:
        """Where to write what has this name, which from now on is listed.

        Raises:
            PenstockError: there is one already that Penstock did not write.
        """
        self.claim([name])
        return self.path / name

    def claim(self, names: Iterable[str]) -> None:
        """Lists names that are to be written; errors as ``place``."""
        with self._lock:
            fresh = set(names) - self.names
            for name in sorted(fresh):
                if os.path.lexists(self.path / name):
                    raise PenstockError(
                        f"{self.path / name}: was not written by Penstock, which leaves it alone; {ELSE}"
                    )
            if fresh or not self._said_who:
                self.names |= fresh
                self.save()

    def own(self, names: Iterable[str]) -> None:
        """Lists names that a library chose, after it made their files."""
        with self._lock:
            self.names |= set(names)
            self.save()

    def expect_only_ours(self) -> None:
        """Raises PenstockError if something stands in the folder that Penstock did not write."""
        if (path := _foreign(self.path, self.names)) is not None:
            raise PenstockError(f"{path}: was not written by Penstock, which leaves it alone; {ELSE}")

    def remove(self, *names: str) -> None:
        """Removes what is listed of these; of a folder in this one, what its own list has."""
        with self._lock:
            if not (mine := self.names.intersection(names)):
                return
            for name in mine:
                _remove(self.path / name)
                if not os.path.lexists(self.path / name):
                    self.names.discard(name)
            self.save()

    def listed(self) -> list[str]:
        """The names of what was written and is there."""
        return sorted(name for name in self.names if os.path.lexists(self.path / name))

    def move(self, name: str, to: str) -> None:
        """Gives something listed another name, and puts it in place of what is listed under that."""
        with self._lock:
            self.claim([to])
            if (self.path / to).is_dir():
                _remove(self.path / to)
            os.replace(self.path / name, self.path / to)
            self.names.discard(name)
            self.save()

    def save(self) -> None:
        """Writes the list."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "folder": self.kind,
            "files": sorted(self.names),
            "writer": {"command": _command(), "process": os.getpid(), "machine": platform.node()},
        }
        write(self.path / LIST, json.dumps(content, indent=1) + "\n")
        self._said_who = True


@contextlib.contextmanager
def held(path: Path, kind: str) -> Iterator[Folder]:
    """The folder, made if need be, and kept from other writers until the block ends; the system lets go of it however
    this process ends. What was made and holds nothing when the block ends is removed again.

    Args:
        path: of the folder; its parents are made too.
        kind: what such a folder is, in a word or two: "model", "tokens".

    Raises:
        PenstockError: it is no folder, it is one of another kind, it cannot be written, or another process writes it.
    """
    _expect_place(path)
    made = [p for p in (path, *path.parents) if not p.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        _remove_empty(made)
        raise cannot_write(path, error) from None
    try:
        _lock(handle, path)
        content = read(path)
        if content is not None and content["folder"] != kind:
            raise PenstockError(f"{path}: expected a {kind} folder, got one of {content['folder']}; {ELSE}")
        folder = Folder(path, kind, set() if content is None else set(content["files"]))
        _clear_halves(path, folder.names)
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):  # the folder may be gone or full: what the block raised is to be told
                _clear_halves(path, folder.names)
                if not folder.listed():
                    (path / LIST).unlink(missing_ok=True)
    finally:
        os.close(handle)
        _remove_empty(made)


def read(path: Path) -> dict[str, Any] | None:
    """What the folder's list says; None where there is none.

    Raises:
        PenstockError: it cannot be read, or is another Penstock's.
    """
    place = path / LIST
    try:
        content = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise PenstockError(f"{place}: cannot be read: {error}") from None
    known = isinstance(content, dict) and content.get("format") == FORMAT
    if not known or content.get("version") != VERSION or type(content.get("version")) is not int:
        raise PenstockError(f"{place}: expected {FORMAT} of version {VERSION}, got something else")
    names = content.get("files")
    plain = isinstance(names, list) and all(isinstance(name, str) and _is_below(name) for name in names)
    if not plain or not isinstance(content.get("folder"), str):
        raise PenstockError(f"{place}: expected the names of files, got something else")
    return dict(content)


def expect_outside(inputs: list[Path], out: Path) -> None:
    """Raises PenstockError for an input that lies in the folder to be written."""
    place = out.resolve()
    for path in inputs:
        source = path.resolve()
        if place in (source, *source.parents):
            raise PenstockError(f"{path}: is an input and lies in the output folder, {out}; {ELSE}")


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _remove(path: Path) -> None:
    """Removes a file, or of a folder what its list has, and the folder if nothing is left."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    content = read(path)
    if content is not None:
        _clear_halves(path, content["files"])
        for name in content["files"]:
            _remove(path / name)
            _remove_empty([path / parent for parent in PurePosixPath(name).parents if parent.parts])
        (path / LIST).unlink()
    _remove_empty([path])


def _clear_halves(path: Path, names: Iterable[str]) -> None:
    """Removes what processes that were killed left behind of these files; see ``penstock.files.replacing``."""
    for folder, basenames in _by_folder([*names, LIST]).items():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # listed, and never made
            for entry in list((path / folder).iterdir()):
                of, _, end = entry.name[1:].rpartition(".")
                if entry.name.startswith(".") and of in basenames and len(end) == 8:
                    entry.unlink(missing_ok=True)


def _by_folder(names: Iterable[str]) -> dict[PurePosixPath, set[str]]:
    found: dict[PurePosixPath, set[str]] = {}
    for name in map(PurePosixPath, names):
        found.setdefault(name.parent, set()).add(name.name)
    return found


def _foreign(path: Path, names: set[str]) -> Path | None:
    """Something below ``path`` that is in no list: neither among ``names`` nor in that of a folder in it."""
    for entry in sorted(path.iterdir()):
        if entry.name == LIST or entry.name.startswith(".") or entry.name in PASSED_OVER:
            continue
        below = {name.removeprefix(f"{entry.name}/") for name in names if name.startswith(f"{entry.name}/")}
        if entry.is_symlink() or not entry.is_dir():
            found = None if entry.name in names else entry
        elif entry.name in names:
            content = read(entry)
            found = _foreign(entry, set() if content is None else set(content["files"]))
        else:
            found = _foreign(entry, below) if below else entry
        if found is not None:
            return found
    return None


def _expect_place(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise PenstockError(f"{path}: cannot be written: {getattr(error, 'strerror', error)}") from None
    if path.resolve() == Path(path.resolve().anchor):
        raise PenstockError(f"{path}: expected a folder of its own, got the root of all files; {ELSE}")
    if not stat.S_ISDIR(mode):
        kinds = {stat.S_IFLNK: "a link", stat.S_IFREG: "a file", stat.S_IFIFO: "a pipe"}
        got = kinds.get(stat.S_IFMT(mode), "something else")
        raise PenstockError(f"{path}: expected a folder or a new name, got {got}; {ELSE}")


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return  # a file system without locks
        try:
            writer = (read(path) or {}).get("writer")
        except PenstockError:
            writer = None
        who = "another process"
        if isinstance(writer, dict):
            who = f"{writer.get('command')}, process {writer.get('process')} on {writer.get('machine')},"
        raise PenstockError(f"{path}: {who} is writing it; wait for it, or {ELSE}") from None


def _remove_empty(folders: list[Path]) -> None:
    for path in folders:
        try:
            path.rmdir()
        except OSError:  # it holds something, and so do those around it
            return


def _command() -> str:
    verb = next((word for word in sys.argv[1:] if word.isalpha()), "")
    return f"penstock {verb}".strip()
