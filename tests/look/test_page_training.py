"""A small GRU learns in the live page, in a real browser's worker."""

import re
from pathlib import Path
from typing import Any

import pytest
from browser import ARTEFACTS, Show, keys, point_at, tab_to, violations
from playwright.sync_api import Page as Shown
from playwright.sync_api import expect
from traces import LETTERS, model, of_text

from penstock.look.live import live_page
from penstock.look.page import Page
from penstock.text.vocabulary import CharVocabulary

LONG = 300_000
"""Milliseconds that a condition may take on a busy machine."""


class Live:
    """A live page, as ``show`` saves one."""

    def save(self, path: Path) -> None:
        path.write_text(live_page(model(CharVocabulary(LETTERS)), "The cat was full"), "utf-8")


def opened(show: Show, **settings: Any) -> Shown:
    """With a model that has not learned yet."""
    page = show(Live(), **settings)
    page.set_default_timeout(LONG)
    page.locator("#train-other").scroll_into_view_if_needed()
    expect(page.locator("#train-shares > span")).to_have_count(20, timeout=LONG)
    return page


def steps(page: Shown) -> int:
    return int(page.locator("#train-steps").inner_text().replace(",", "").replace("–", "0"))


def paused(page: Shown) -> int:
    """Pauses; after the worker has heard of it, the steps."""
    page.locator("#train-run").click()
    expect(page.locator("#train-rate")).to_have_text("–", timeout=LONG)
    return steps(page)


def one_step(page: Shown) -> str:
    """The loss after one step more."""
    count = steps(page) + 1
    page.locator("#train-step").click()
    expect(page.locator("#train-steps")).to_have_text(f"{count:,}", timeout=LONG)
    return page.locator("#train-loss-now").inner_text()


def test_learns_pauses_and_goes_on(show: Show) -> None:
    page = opened(show)
    assert steps(page) == 0
    expect(page.locator("#train-status")).to_contain_text("Not trained yet")
    page.locator("#train-run").click()
    expect(page.locator("#train-status")).to_contain_text("Better than a naive guess (2.08) since step", timeout=LONG)
    count = paused(page)
    assert float(page.locator("#train-loss-now").inner_text()) < 2.08
    before = page.locator("#train-says").inner_text()
    page.locator("#train-other").click()
    expect(page.locator("#train-says")).not_to_have_text(before, timeout=LONG)
    assert steps(page) == count
    one_step(page)
    page.locator("#train-run").click()
    expect(page.locator("#train-steps")).not_to_have_text(f"{count + 1:,}", timeout=LONG)


def test_the_same_seed_has_the_same_losses(show: Show) -> None:
    page = opened(show)
    first = [one_step(page) for _ in range(3)]
    page.locator("#train-again").click()
    expect(page.locator("#train-steps")).to_have_text("0", timeout=LONG)
    assert [one_step(page) for _ in range(3)] == first
    page.locator("[name=seed]").fill("2")
    tab_to(page, "[name=width]")
    expect(page.locator("#train-steps")).to_have_text("0", timeout=LONG)
    assert [one_step(page) for _ in range(3)] != first


@pytest.mark.parametrize("task", ["odd", "bit", "verb"])
@pytest.mark.parametrize("gate", ["update", "reset"])
def test_a_gate_taken_away_is_drawn_so(show: Show, task: str, gate: str) -> None:
    page = opened(show)
    page.select_option("#train-settings [name=task]", task)
    page.select_option("#train-settings [name=form]", "after")
    page.select_option("#train-settings [name=without]", gate)
    one_step(page)
    point_at(page.locator(f"#train-{gate}"))
    tip = page.locator("#tip div")
    expect(tip.nth(1)).to_have_text({"update": "z 0.000", "reset": "r 1.000"}[gate])
    names = page.locator("#train-labels span").all_inner_texts()
    assert tip.nth(0).inner_text().split(" · ")[1] in names
    point_at(page.locator({"update": "#train-reset", "reset": "#train-update"}[gate]))
    assert 0 < float(tip.nth(1).inner_text().split()[1]) < 1


def test_by_keyboard(show: Show) -> None:
    page = opened(show)
    tab_to(page, "[name=task]")
    keys(page, "ArrowDown")
    expect(page.locator("#train-labels > span")).to_have_count(21, timeout=LONG)
    tab_to(page, "#train-run")
    keys(page, "Enter")
    expect(page.locator("#train-run")).to_have_text("Pause")
    expect(page.locator("#train-steps")).not_to_have_text("0", timeout=LONG)
    keys(page, "Enter")
    expect(page.locator("#train-run")).to_have_text("Start")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [1200, 375])
def test_accessible_and_fits(show: Show, theme: str, locale: str, width: int) -> None:
    page = opened(show, theme=theme, locale=locale, width=width)
    page.locator("#train-run").click()
    expect(page.locator("#train-steps")).not_to_have_text("0", timeout=LONG)
    paused(page)
    assert violations(page, "#training") == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    (ARTEFACTS / "look").mkdir(parents=True, exist_ok=True)
    page.locator("#training").screenshot(path=ARTEFACTS / "look" / f"training-{theme}-{locale[:2]}-{width}.png")


def test_language_and_theme_change_while_it_learns(show: Show) -> None:
    page = opened(show)
    page.locator("#train-run").click()
    expect(page.locator("#train-steps")).not_to_have_text("0", timeout=LONG)
    page.locator("#language").click()
    page.locator("#theme").click()
    expect(page.locator("#train-labels span").first).to_have_text("猫")
    expect(page.locator("#train-run")).to_have_text("暂停")
    count = paused(page)
    assert count > 0
    assert page.locator("#train-curve .uplot").count() == 1


def test_its_settings_stand_in_the_address(show: Show) -> None:
    page = opened(show)
    page.select_option("#train-settings [name=task]", "verb")
    page.select_option("#train-settings [name=width]", "8")
    page.wait_for_url(re.compile(r"train=verb\+8\+before\+none\+1"))
    page.goto(page.url.split("#")[0] + "#train=bit+32+after+reset+7")
    expect(page.locator("#train-settings [name=task]")).to_have_value("bit")
    assert page.locator("#train-settings [name=seed]").input_value() == "7"
    expect(page.locator("#train-shares > span")).to_have_count(21, timeout=LONG)
    for damaged in ("bit+32+after+reset", "bit+31+after+reset+7", "bit+32+after+reset+x", "<b>+32+after+reset+7"):
        page.goto(page.url.split("#")[0] + f"#train={damaged}")
        expect(page.locator("#address-says")).to_contain_text("is damaged (train)")
    assert page.locator("#train-settings [name=task]").input_value() == "bit"


def test_only_a_live_page_has_it(show: Show) -> None:
    page = show(Page(of_text("so it goes")))
    expect(page.locator("#training")).to_be_hidden()
