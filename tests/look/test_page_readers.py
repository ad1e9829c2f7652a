"""The page by keyboard and finger, in both languages and themes, on a phone, on paper, through a screen reader."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import ARTEFACTS, Show, keep, keys, tab_to, violations
from page_reader import pixels, settled
from playwright.sync_api import expect
from traces import CATS, of_numbers, of_text

from penstock.look.page import Page


def test_language_and_theme_by_keyboard(show: Show) -> None:
    page = show(Page(of_text(CATS[0])))
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "en")
    tab_to(page, "#language")
    keys(page, "Enter")
    expect(root).to_have_attribute("lang", "zh-Hans")
    for word in ("更新门", "重置门", "候选隐状态", "隐状态", "半衰期"):
        expect(page.get_by_text(word).filter(visible=True).first).to_be_visible()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    tab_to(page, "#theme")
    keys(page, "Enter")
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) != light
    keys(page, "Enter")
    assert page.evaluate(ground) == light


def test_the_browser_says_which_language_and_theme_come_first(show: Show) -> None:
    page = show(Page(of_text("hi")), locale="zh-CN", theme="dark")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_words_are_the_same_in_both_languages() -> None:
    words = json.loads((Path(__file__).parents[2] / "src/penstock/look/assets/words.json").read_text("utf-8"))
    assert list(words["en"]) == list(words["zh"])
    for name in words["en"]:
        assert sorted(re.findall(r"{\w+}", words["en"][name])) == sorted(re.findall(r"{\w+}", words["zh"][name]))
        assert words["en"][name] != words["zh"][name] or name in ("contribution",)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("kind", ["text", "pair", "numbers"])
def test_accessible(show: Show, theme: str, locale: str, kind: str) -> None:
    traces = {"text": [of_text(CATS[0] + "\n\tand")], "pair": map(of_text, CATS), "numbers": [of_numbers()]}
    page = show(Page(*traces[kind]), theme=theme, locale=locale)
    page.locator("#text-0").focus()
    keys(page, "Shift+ArrowLeft")
    settled(page)
    assert violations(page) == []
    keep(page, f"{kind}-{theme}-{locale[:2]}")


def test_text_can_be_read_on_any_shade(show: Show) -> None:
    def luminance(colour: str) -> float:
        channels = np.array(re.findall(r"\d+", colour)[:3], float) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for theme in ("light", "dark"):
        page = show(Page(of_text(CATS[0])), theme=theme)
        ink = luminance(page.locator("#t0-0").evaluate("element => getComputedStyle(element).color"))
        scale = page.locator("#legend-write .scale").evaluate("element => getComputedStyle(element).backgroundImage")
        shades = re.findall(r"rgb\([^)]*\)", scale)
        assert len(shades) > 10
        for ground in map(luminance, shades):
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5


@pytest.mark.parametrize("kind", ["text", "pair", "numbers"])
def test_fits_a_phone(show: Show, kind: str) -> None:
    traces = {"text": [of_text(" ".join(CATS))], "pair": map(of_text, CATS), "numbers": [of_numbers()]}
    page = show(Page(*traces[kind]), width=360)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    keep(page, f"{kind}-phone")
    if kind != "numbers":
        page.locator("#t0-3").tap()
        assert page.locator("#text-0 .chosen").get_attribute("id") == "t0-3"


def test_prints_light_and_whole(show: Show) -> None:
    page = show(Page(of_text("so it goes " * 100)), theme="dark")
    corner = pixels(page, ".triangle canvas")[-1, 20]
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("#theme")).to_be_hidden()
    assert pixels(page, ".triangle canvas")[-1, 20].sum() > corner.sum() + 300  # at once
    text = page.locator(".text")
    assert text.evaluate("element => element.scrollHeight <= element.clientHeight + 20")
    (ARTEFACTS / "look").mkdir(parents=True, exist_ok=True)
    page.pdf(path=ARTEFACTS / "look" / "printed.pdf", format="A4")
    page.emulate_media(media="screen")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
