"""The page: escaped, self-contained, with what each claim says, and whether it holds."""

import dataclasses
import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, browser, violations
from playwright.sync_api import expect

from penstock import PenstockError
from penstock.lab import draw, report
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, number, same, share

CAPTION, STEPS = Words("a < b", "甲 < 乙"), Words("<steps>", "<步>")
FOUND = {Words("plain RNN", "普通循环神经网络"): [number([1, 2]), number([3])]}
CURVES = draw.curves(CAPTION, [1, 2], FOUND, xlabel=STEPS)


def claim(holds: bool) -> Claim:
    return Claim(
        key="bold" if holds else "fails",
        name=Words("<b>bold</b>", "<b>粗</b>"),
        says=Words("cats & mice", "猫 & 鼠"),
        done=Words("counted <them>", "数了"),
        figures={Words("a <figure>", "一个<数>"): share([0.5, 0.75])},
        criterion=Words("more < less", "多 < 少"),
        holds=holds,
        tables=[Table(Words("<table>", "<表>"), [same("<column>")], {Words("<row>", "<行>"): [number([0.125])]})],
        pictures=[CURVES],
    )


def test_text_is_inert_and_nothing_is_lost() -> None:
    page = report.page([claim(True)], Effort(), "live.html")
    for inert in (
        "&lt;b&gt;bold&lt;/b&gt;",
        "cats &amp; mice",
        "猫 &amp; 鼠",
        "counted &lt;them&gt;",
        "a &lt;figure&gt;",
    ):
        assert inert in page
    assert "<b>" not in page
    assert "62.5% (50.0% … 75.0%)" in page
    assert "&lt;column&gt;" in page
    assert "0.125" in page
    assert "✓ holds" in page
    assert "1 of 1 hold" in page


def test_what_does_not_hold_is_said_in_words() -> None:
    page = report.page([claim(False), claim(True)], Effort(1, quick=True), "live.html")
    assert "✗ does not hold" in page
    assert "1 of 2 hold" in page
    assert "2 条中有 1 条成立" in page
    assert "trains too little" in page


def test_it_asks_no_network_and_has_no_dead_link() -> None:
    page = report.page([claim(True), claim(False)], Effort(), "live.html")
    found = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert {address for address in found if not re.match("#m[0-9a-f]+", address)} == {"#bold", "#fails"}
    assert all(f'<section id="{key}">' in page for key in ("bold", "fails"))
    assert "@import" not in page
    assert "See it live" not in page


def test_a_claim_that_can_be_seen_live_leads_to_it(tmp_path: Path) -> None:
    kept = dataclasses.replace(claim(True), key="fading")
    report.write(tmp_path / "my lab.html", [kept], Effort())
    with browser() as chromium:
        tab = Tab(chromium.new_context(locale="en-US"))
        tab.page.goto((tmp_path / "my lab.html").as_uri())
        tab.page.get_by_text("See it live").click()
        expect(tab.page.locator("html")).to_have_attribute("data-ready", "true")
        assert "my%20lab-live.html" in tab.page.url
        settings = tab.page.locator("#train-settings :is(select, input)").evaluate_all(
            "all => all.map(one => one.value)"
        )
        assert settings == ["bit", "16", "before", "update", "1"]
        expect(tab.page.locator("#train-shares > span")).to_have_count(21)  # of the long bit
        assert tab.page.locator("main > section:visible").count() == 1
        assert tab.complaints == []


def test_every_claim_that_is_said_to_be_live_is_one() -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(report.__file__).parent.glob("*.py"))
    for key in report.TRAINED_LIVE:
        assert f'Claim(\n            "{key}",' in sources


def test_a_picture_says_everything_in_both_languages() -> None:
    for words in (STEPS, *FOUND):
        for language, text in (("en", words.en), ("zh-Hans", words.zh)):
            assert re.search(rf'<text [^>]* lang="{language}">{re.escape(escape(text))}</text>', CURVES.svg)
    kept = [re.sub(rf'<text[^>]* lang="{other}">[^<]*</text>', "", CURVES.svg) for other in ("en", "zh-Hans")]
    assert kept[0].count("<text") == kept[1].count("<text")


def test_it_is_read_in_one_language_at_a_time_and_without_its_script_in_both(tmp_path: Path) -> None:
    report.write(tmp_path / "lab.html", [claim(True), claim(False)], Effort())
    address = (tmp_path / "lab.html").as_uri()
    with browser() as chromium:
        for locale, width, theme in (("en-US", 1200, "light"), ("zh-CN", 375, "dark")):
            order = [("en", "zh-Hans", "✓ holds"), ("zh-Hans", "en", "✓ 成立")]
            settings: Any = {"locale": locale, "color_scheme": theme, "viewport": {"width": width, "height": 800}}
            tab = Tab(chromium.new_context(**settings))
            page = tab.page
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("lang", "en" if locale == "en-US" else "zh-Hans")
            for language, other, said in order if locale.startswith("en") else order[::-1]:
                if page.locator("html").get_attribute("lang") != language:
                    page.locator(f'button[value="{language}"]').click()
                expect(page.locator("html")).to_have_attribute("lang", language)
                assert page.locator(f'[lang="{other}"]:not(button):visible').count() == 0
                assert page.locator(f'svg [lang="{language}"]:visible').count() == 2 * len((STEPS, *FOUND))
                assert page.locator(f'button[value="{language}"]').get_attribute("aria-pressed") == "true"
                assert said in page.inner_text("body")
                has_chinese = re.search("[\u4e00-\u9fff]", page.inner_text("main").replace("中文", ""))
                assert bool(has_chinese) == (language == "zh-Hans")
                assert violations(page) == []
                assert page.evaluate("document.documentElement.scrollWidth") == width
            assert (tab.requests, tab.complaints) == ([address], [])
            page.context.close()
        page = chromium.new_page(java_script_enabled=False)
        page.goto(address)
        for said in ("✓ holds", "✓ 成立", "cats & mice", "猫 & 鼠"):
            assert said in page.inner_text("main")
        assert page.locator('svg [lang="zh-Hans"]:visible').count() == 0  # it would stand upon the other
        assert not page.locator("button").first.is_visible()


def test_a_picture_takes_the_colour_of_its_text_and_is_reproducible() -> None:
    assert draw.curves(CAPTION, [1, 2], FOUND, xlabel=STEPS) == CURVES
    assert "currentColor" in CURVES.svg
    assert "#000000" not in CURVES.svg
    assert "&lt;steps&gt;" in CURVES.svg


def test_a_figure_is_its_mean_and_range() -> None:
    assert str(Measured((1, 2, 3), ".1f")) == "2.0 (1.0 … 3.0)"
    assert str(Measured((2.0,), ".1f")) == "2.0"
    assert str(Measured((2.0, 2.0001), ".1f")) == "2.0"


@pytest.mark.parametrize(
    ("values", "form", "shown"),
    [
        ((0.0001,), ".1%", "< 0.1%"),
        ((0.0,), ".1%", "0.0%"),
        ((0.9999,), ".1%", "> 99.9%"),
        ((1.0,), ".0%", "100%"),
        ((0.999,), ".0%", "> 99%"),
        ((0.0001, 0.5), ".1%", "25.0% (< 0.1% … 50.0%)"),
    ],
)
def test_what_is_little_is_not_shown_as_none(values: tuple[float, ...], form: str, shown: str) -> None:
    assert str(Measured(values, form)) == shown


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot be written: No such file or directory"):
        report.write(tmp_path / "no" / "lab.html", [], Effort())
