"""The site builds without a warning, and needs no network to be read."""

import re
import subprocess
import sys
from pathlib import Path

from docs.pages import DOCS


def test_the_site_builds_and_asks_no_network(tmp_path: Path) -> None:
    strict = ["-n", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    pages = list((tmp_path / "html").rglob("*.html"))
    assert {"index.html", "cli.html", "python.html", "5-the-cat.html"} <= {page.name for page in pages}
    for page in pages:
        loaded = re.findall(
            r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"',
            page.read_text(encoding="utf-8"),
        )
        assert not [url for urls in loaded for url in urls if "//" in url], page.name
