"""Text from places that fsspec has a name for: an in-memory file system, and real web servers on this machine."""

import functools
import gzip
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pyarrow.parquet
import pytest
from helpers import penstock

from penstock import PenstockError
from penstock.text import Corpus
from penstock.text.sources import FilePart

ROWS = [{"text": "row one"}, {"text": "row 二"}]


def fill(folder: Path) -> None:
    """A folder of every kind of file."""
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("the cat sat\non the mat\n" * 50)
    (folder / "b.txt.gz").write_bytes(gzip.compress("zipped 文".encode()))
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "d.parquet")


def texts(*inputs: str) -> list[str]:
    return [*Corpus(inputs, spool=Path()).texts()]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and parts of its files as most servers do."""

    parts = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(None)

    def _answer(self, content: bytes | None) -> None:
        path = Path(self.translate_path(self.path))
        if "forbidden" in self.path:
            return self.send_error(403)
        if not path.is_file():
            return self.send_error(404)
        whole = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if self.parts else None
        body = whole[int(asked[1]) : int(asked[2]) + 1] if asked else whole
        self.send_response(206 if asked else 200)
        if self.parts:
            self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {asked[1]}-{asked[2]}/{len(whole)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if content is None else content)
        return None


class Whole(Handler):
    """Gives files only as a whole, as the simplest servers do."""

    parts = False


@pytest.fixture(params=[Handler, Whole])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    fill(tmp_path / "served")
    handler = functools.partial(request.param, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    fill(tmp_path / "filled")
    files = fsspec.filesystem("memory")
    files.put(str(tmp_path / "filled"), "/corpus", recursive=True)
    yield "memory://corpus"
    files.rm("/corpus", recursive=True)


def test_memory(memory: str, tmp_path: Path) -> None:
    expected = texts(str(tmp_path / "filled"))
    assert texts(memory) == texts(memory + "/*") == expected
    assert texts(memory + "/b.txt.gz", memory + "/a.txt") == ["zipped 文", expected[0]]
    corpus = Corpus([memory + "/a.txt"], spool=Path())
    parts = [piece.text for k in range(7) for piece in corpus.read(FilePart(corpus.sources[0], k, 7))]
    assert "".join(parts) == expected[0]


def test_a_stamp_that_changes_with_the_content(memory: str) -> None:
    before = Corpus([memory + "/a.txt"], spool=Path()).sources
    assert before == Corpus([memory + "/a.txt"], spool=Path()).sources
    with fsspec.open(memory + "/a.txt", "w") as file:
        file.write("the dog sat\non the mat\n" * 50)
    assert before != Corpus([memory + "/a.txt"], spool=Path()).sources


def test_a_web_server(server: str, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt.gz", "c.jsonl"):
        assert texts(f"{server}/{name}") == texts(str(tmp_path / "served" / name))


def test_a_table_on_a_web_server(server: str, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["server"] is Whole:
        with pytest.raises(PenstockError, match=r"d.parquet: cannot be read: .*seek"):
            texts(f"{server}/d.parquet")
    else:
        assert texts(f"{server}/d.parquet") == ["row one", "row 二"]


def test_the_command_line_prepares_from_a_web_server(server: str, tmp_path: Path) -> None:
    done = penstock("prepare", f"{server}/a.txt", "--out", tmp_path / "tokens", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["characters"] == 23 * 50


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SERVER/nowhere.txt", "nowhere.txt: no such file or folder; name text files"),
        ("SERVER/forbidden.txt", "forbidden.txt: cannot be read: 403"),
        ("http://127.0.0.1:1/a.txt", "http://127.0.0.1:1/a.txt: cannot be read: "),
        ("memory://nowhere", "memory://nowhere: no such file or folder"),
        ("memory://nowhere/*.txt", "memory://nowhere/*.txt: nothing matches it"),
        ("memory://empty", "memory://empty: the folder holds no text"),
        ("toaster://a.txt", "toaster://a.txt: Protocol not known: toaster"),
        ("dropbox://a.txt", "dropbox://a.txt: "),  # names the package that it needs
    ],
)
def test_what_is_not_there(server: str, name: str, message: str) -> None:
    fsspec.filesystem("memory").makedirs("/empty", exist_ok=True)
    with pytest.raises(PenstockError, match=re.escape(message)) as caught:
        texts(name.replace("SERVER", server))
    assert "\n" not in str(caught.value)


def test_without_fsspec() -> None:
    code = (
        "import sys; sys.modules['fsspec'] = sys.modules['fsspec.core'] = None\n"
        "from pathlib import Path; from penstock.text import Corpus\n"
        "Corpus(['s3://bucket/a.txt'], spool=Path())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "s3://bucket/a.txt: needs the package fsspec: pip install 'penstock[remote]'" in done.stderr
