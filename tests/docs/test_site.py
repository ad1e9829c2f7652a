"""The site builds without a warning, needs no network to be read, and can be read and used on a phone and enlarged."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Tab
from docs.pages import DOCS, formulas
from playwright.sync_api import Browser, expect

from penstock import attention, equations

LESSON = sorted(f"lesson/{page.parent.name}/{page.stem}" for page in (DOCS / "lesson").rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    html = tmp_path_factory.mktemp("site") / "html"
    strict = ["-n", "-W", "--keep-going", "-q", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *strict, str(DOCS), str(html)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return html


def opened(chromium: Browser, page: Path, width: int = 1200, scheme: str = "light") -> Tab:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = Tab(context)
    tab.page.goto(page.as_uri())
    tab.page.evaluate("document.fonts.ready")
    return tab


def test_the_site_asks_no_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {"index.html", "cli.html", "python.html", "5-the-cat.html"} <= {page.name for page in pages}
    for page in pages:
        loaded = re.findall(
            r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"',
            page.read_text(encoding="utf-8"),
        )
        assert not [url for urls in loaded for url in urls if "//" in url], page.name


CUT_OFF = """() => [...document.querySelectorAll("article math, article .unit")].filter((part) => {
    const box = part.getBoundingClientRect();
    if (part.closest("table")) return false; // which scrolls in a box of its own
    return box.left < 0 || box.right > innerWidth + 1 || !box.width || !box.height;
}).map((part) => part.getAttribute("alttext") ?? part.className)"""


@pytest.mark.parametrize("width", [375, 320], ids=["phone", "400%"])  # 1280 pixels enlarged four times are 320
@pytest.mark.parametrize("page", LESSON)
def test_nothing_is_cut_off(site: Path, chromium: Browser, page: str, width: int) -> None:
    tab = opened(chromium, site / f"{page}.html", width)
    assert tab.page.evaluate(CUT_OFF) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.complaints == []
    assert all(url.startswith("file:") for url in tab.requests)
    tab.page.context.close()


@pytest.mark.parametrize("page", LESSON)
def test_mathematics_is_set_and_says_itself_as_text(site: Path, chromium: Browser, page: str) -> None:
    tab = opened(chromium, site / f"{page}.html")
    source = (DOCS / page).with_suffix(".md")
    assert tab.page.locator(".formula math").count() == len(formulas(source))
    for text in tab.page.locator("article math").evaluate_all("all => all.map((each) => each.getAttribute('alttext'))"):
        assert text
        assert "\\" not in text
    shown = re.sub(r"`[^`]*`", "", tab.page.locator("article").inner_text())
    assert "$" not in shown
    tab.page.context.close()


def test_a_copied_formula_is_its_text(site: Path, chromium: Browser) -> None:
    tab = opened(chromium, site / "lesson/en/4-hidden-state.html")
    copied = """selector => {
        const range = document.createRange(), data = new DataTransfer();
        range.selectNodeContents(document.querySelector(selector));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data }));
        return data.getData("text/plain");
    }"""
    assert tab.page.evaluate(copied, ".formula math") == "h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ n_t"
    paragraph = tab.page.evaluate(copied, "article p:has(math)")
    assert "What z keeps, 1 − z cannot replace" in paragraph
    assert tab.page.evaluate(copied, "h1") == ""  # no formula: the browser copies as ever
    tab.page.context.close()


@pytest.mark.parametrize("page", LESSON)
def test_accessible(site: Path, chromium: Browser, page: str) -> None:
    """English in the light on a desk, Chinese in the dark on a phone: what else differs is the words."""
    width, scheme = (1200, "light") if "/en/" in page else (375, "dark")
    tab = opened(chromium, site / f"{page}.html", width, scheme)
    for closed in tab.page.locator("details.question").all():
        closed.locator("summary").click()
    found = Axe().run(tab.page, context="article").response["violations"]
    assert [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found] == []
    tab.page.context.close()


def test_the_unit_by_hand_computes_what_the_equations_say(site: Path, chromium: Browser) -> None:
    tab = opened(chromium, site / "lesson/en/4-hidden-state.html")
    rng = np.random.default_rng(0)
    x, z, r = rng.normal(size=8), rng.random(8), rng.random(8)
    w, u, h = 1.5, -0.7, 0.4
    unit = {"x": x.tolist(), "z": z.tolist(), "r": r.tolist(), "w": w, "u": u, "h": h}
    found = tab.page.evaluate("unit => runUnit(unit)", unit)
    state = h
    for t, step in enumerate(found["steps"]):
        candidate = np.tanh(w * x[t] + u * (r[t] * state))
        state = z[t] * state + (1 - z[t]) * candidate
        assert np.allclose([step["n"], step["h"]], [candidate, state], rtol=0, atol=1e-12)
    assert np.allclose(found["shares"], attention(z[:, None])[-1], rtol=0, atol=1e-12)
    assert abs(sum(found["shares"]) - 1) < 1e-12
    assert equations.sigmoid(0.3) == pytest.approx(tab.page.evaluate("sigmoid(0.3)"))
    tab.page.context.close()


def test_a_reader_writes_over_the_cat(site: Path, chromium: Browser) -> None:
    """The first figure of the lesson: the number is kept up to the verb, until the gate writes at the mice."""
    for language in ("en", "zh"):
        tab = opened(chromium, site / f"lesson/{language}/index.html")
        unit = tab.page.locator("div.unit")
        unit.get_by_role("button").nth(1).click()
        expect(unit.get_by_role("button").nth(1)).to_have_attribute("aria-pressed", "true")
        expect(unit.locator(".says")).to_have_text(re.compile(r"was \(9\d%\)"))
        unit.locator("input").nth(6).focus()  # mice
        tab.page.keyboard.press("Home")
        expect(unit.locator(".says")).to_have_text(re.compile(r"were \(9\d%\)"))
        expect(unit.locator(".sums")).to_contain_text("mice")
        expect(unit.get_by_role("button").nth(1)).to_have_attribute("aria-pressed", "false")
        tab.page.context.close()
