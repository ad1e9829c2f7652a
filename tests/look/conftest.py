"""Pages, opened in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Show, Tab, browser
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Shown

from penstock.look.page import Page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens a page from disk. None may complain, or ask for anything but its own file."""
    tabs: dict[str, Tab] = {}

    def open_page(page: Page, *, theme: str = "light", locale: str = "en-US", width: int = 1200) -> Shown:
        path = tmp_path / f"{len(tabs)}.html"
        page.save(path)
        settings: Any = {"color_scheme": theme, "locale": locale, "viewport": {"width": width, "height": 900}}
        context = chromium.new_context(**settings, has_touch=width < 500)
        tab = tabs[path.as_uri()] = Tab(context)
        tab.page.goto(path.as_uri())
        expect(tab.page.locator("html")).to_have_attribute("data-ready", "true")
        return tab.page

    yield open_page
    for url, tab in tabs.items():
        tab.page.context.close()
        assert tab.requests == [url]
        assert tab.complaints == []
