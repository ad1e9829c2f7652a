"""Links and anchors lead somewhere. Nothing asks the network: of other sites' addresses the form is checked."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs.pages import PAGES, ROOT, anchors, links, name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        url = urlsplit(link)
        if url.scheme or url.netloc:
            assert url.scheme == "https", link
            assert "." in url.netloc, link
            assert link.isascii(), link
            continue
        target = (page.parent / unquote(url.path)).resolve() if url.path else page
        assert target.exists(), f"{link}: no such file"
        assert target.is_relative_to(ROOT), f"{link}: outside of the project"
        if url.fragment:
            assert unquote(url.fragment) in anchors(target), f"{link}: no such heading"


def test_every_figure_is_shown() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if "//" not in link}
    figures = {path for path in (ROOT / "docs" / "figures").iterdir() if path.suffix in (".png", ".svg")}
    assert figures <= shown
