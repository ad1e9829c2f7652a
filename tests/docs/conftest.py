"""A browser for the pages."""

from collections.abc import Iterator

import pytest
from browser import browser
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started
