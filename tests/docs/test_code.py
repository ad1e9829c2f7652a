"""The Python that the pages show runs, page by page from top to bottom, and prints what stands below it.

The lesson's in English: ``test_lesson.py`` holds that the Chinese pages have the same code and print the same.
"""

import contextlib
import io
import os
from pathlib import Path

import pytest
import torch
from docs.pages import DOCS, PAGES, blocks, name
from helpers import penstock

TO_RUN = [page for page in PAGES if "zh" not in page.parts and any(block.kind == "python" for block in blocks(page))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take to be there: models under the names that they use, hardly trained."""
    place = tmp_path_factory.mktemp("reader")
    (place / "corpus").mkdir()
    (place / "corpus" / "a.txt").write_text("The cat, which already ate, was full.\n" * 50)
    (place / "held-out.txt").write_text("The cat, which already ate, was full.\n" * 200)
    first = next(block for block in blocks(DOCS / "lesson" / "en" / "5-the-cat.md") if block.kind == "python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        exec(first.content, {})
        trained = penstock("train", "held-out.txt", "--out", "runs/first", "--hidden", "32", "--steps", "2")
        assert trained.returncode == 0, trained.stderr
        lines = Path("cats.txt").read_text().splitlines()
        Path("few-cats.txt").write_text("\n".join(lines[:2000]))
        options = ["--vocab", "bpe", "--vocab-size", "400", "--hidden", "16", "--steps", "2"]
        trained = penstock("train", "few-cats.txt", "--out", "runs/cats", *options)
        assert trained.returncode == 0, trained.stderr
        for other in ("DIR", "runs/mine"):
            os.symlink(place / "runs" / "first", other)
    return place


@pytest.mark.parametrize("page", TO_RUN, ids=name)
def test_blocks_run_and_print_what_stands_below(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    found, lines = blocks(page), page.read_text(encoding="utf-8").splitlines()
    monkeypatch.chdir(folder)
    with torch.random.fork_rng(devices=[]):
        for k, block in enumerate(found):
            if block.kind != "python":
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(block.content, f"{name(page)}:{block.line + 1}", "exec"), namespace)
            below = found[k + 1] if k + 1 < len(found) else None
            if below is not None and below.kind == "text" and not "".join(lines[block.end : below.line]).strip():
                assert printed.getvalue() == below.content, f"{name(page)}:{below.line + 1}"
