"""A real browser for tests: Debian's Chromium, driven by Playwright."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
"""Where screenshots are kept; not in git."""

ARGUMENTS = [
    "--no-sandbox",  # tests run as root in containers, on pages that they wrote themselves
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]

expect.set_options(timeout=60_000)  # 5 seconds otherwise, which a busy machine needs for a page


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Chromium. Where there is none the test is skipped; in CI it fails."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        reason = "no Chromium on this machine: install it (apt-get install chromium) to run the browser tests"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


Show = Callable[..., Page]
"""What the fixture `show` is: opens a `penstock.look.page.Page` and returns the browser's."""


class Tab:
    """One page in a context of its own, with all that it asked for and complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, url: str) -> None:
        if not url.startswith("blob:"):  # a worker's script, out of the page's own memory
            self.requests.append(url)


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the element has the focus."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
    pytest.fail(f"{selector} cannot be reached by Tab")


def keys(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def point_at(place: Locator, x: float | None = None, y: float = 1) -> None:
    """Moves the pointer to a place, which was scrolled to before: what the page does about having been scrolled, as
    hiding a tip, is done."""
    place.scroll_into_view_if_needed()
    place.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    if x is None:
        place.hover()
    else:
        place.hover(position={"x": x, "y": y})


def keep(page: Page, name: str) -> None:
    """Keeps a picture of the whole page."""
    page.wait_for_timeout(400)  # the attention map is drawn in slices
    (ARTEFACTS / "look").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "look" / f"{name}.png", full_page=True)


def violations(page: Page, within: str | None = None) -> list[str]:
    found = Axe().run(page, within).response["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found]
