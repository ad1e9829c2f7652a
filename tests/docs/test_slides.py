"""The slides: made from the lesson, one file a language; they fit, turn, print, and ask for nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Tab, keys
from docs.pages import DOCS
from playwright.sync_api import Browser, expect


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("slides")
    subprocess.run([sys.executable, DOCS / "slides" / "make.py", place], check=True, stdout=subprocess.DEVNULL)
    return place


def opened(chromium: Browser, path: Path) -> Tab:
    tab = Tab(chromium.new_context(viewport={"width": 1000, "height": 700}))
    tab.page.goto(path.as_uri())
    expect(tab.page.locator("#place")).not_to_be_empty()
    return tab


def test_same_slides_in_both_languages(made: Path) -> None:
    def outline(language: str) -> list[tuple[int, ...]]:
        sections = (made / f"slides.{language}.html").read_text(encoding="utf-8").split("<section>")[1:]
        parts = ("<h1", "<h2", "<math", "<img", 'class="unit"', "<details", "<table", "<li>")
        displayed = [re.sub(r"<(p|li|td|summary|blockquote)>.*?</\1>", "", each, flags=re.DOTALL) for each in sections]
        return [tuple(each.count(part) for part in parts) for each in displayed]

    assert outline("en") == outline("zh")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_slide_fits_and_prints_on_a_page(made: Path, chromium: Browser, language: str) -> None:
    path = made / f"slides.{language}.html"
    tab = opened(chromium, path)
    count = tab.page.locator("section").count()
    assert count > 40
    for at in range(1, count + 1):
        slide = tab.page.locator("section:visible")
        expect(tab.page.locator("#place")).to_have_text(f"{at} / {count}")
        assert slide.count() == 1
        assert slide.evaluate("slide => Math.max(slide.scrollHeight - 720, slide.scrollWidth - 1280)") <= 0, at
        tab.page.keyboard.press("PageDown")
    printed = tab.page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == count
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [path.as_uri()]
    tab.page.context.close()


def test_it_turns_by_keys_and_its_place_stands_in_the_address(made: Path, chromium: Browser) -> None:
    tab = opened(chromium, made / "slides.en.html")
    place = tab.page.locator("#place")
    keys(tab.page, "ArrowRight", "ArrowRight", "ArrowLeft", " ")
    expect(place).to_have_text(re.compile("^3 /"))
    assert tab.page.url.endswith("#3")
    keys(tab.page, "End")
    expect(place).to_have_text(re.compile(r"^(\d+) / \1$"))
    tab.page.goto(tab.page.url.replace(re.findall("#.*", tab.page.url)[0], "#5"))
    expect(place).to_have_text(re.compile("^5 /"))
    slider = tab.page.locator("section:visible input").first
    slider.focus()
    keys(tab.page, "ArrowUp")  # moves the slider, not the slides
    expect(place).to_have_text(re.compile("^5 /"))
    tab.page.context.close()


def test_the_answer_waits_and_all_is_accessible(made: Path, chromium: Browser) -> None:
    tab = opened(chromium, made / "slides.zh.html")
    for at, slide in enumerate(tab.page.locator("section").all(), 1):
        if not slide.locator("details, .unit, table").count():
            continue
        tab.page.evaluate("at => { location.hash = at; }", at)
        expect(slide).to_be_visible()
        if slide.locator("details").count():
            expect(slide.locator("details p")).to_be_hidden()
            slide.locator("summary").click()
            expect(slide.locator("details p").first).to_be_visible()
        found = Axe().run(tab.page).response["violations"]
        assert [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found] == []
    tab.page.context.close()
