"""Every unit can be reached: in a list that is searched and sorted, and in maps that are zoomed."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Show, keys, tab_to
from page_reader import in_view, number, pixels
from playwright.sync_api import Page as Shown
from playwright.sync_api import expect
from traces import CATS, of_numbers, of_text

from penstock.look.page import Page

MANY = 300


def listed(page: Shown) -> list[int]:
    return [int(row.get_attribute("data-unit") or "") for row in page.locator("#unit-list [role=option]").all()]


def sort_by(page: Shown, name: str) -> None:
    page.locator("#unit-finder").scroll_into_view_if_needed()
    page.select_option("#sort-units", name)


def test_the_list_is_sorted_by_half_life_and_scrolls_to_the_last_unit(show: Show) -> None:
    trace = of_text(CATS[0], H=MANY)
    page = show(Page(trace))
    page.locator("#unit-finder").scroll_into_view_if_needed()
    expect(page.locator("#unit-list [role=option]").first).to_be_visible()
    order = np.argsort(-trace.layers[0].half_life(), kind="stable")
    shown = listed(page)
    assert len(shown) < 20
    assert shown == list(order[: len(shown)])
    tab_to(page, "#unit-list")
    keys(page, "End")
    expect(page.locator("#unit-list [aria-selected=true]")).to_have_attribute("aria-posinset", str(MANY))
    assert listed(page)[-1] == order[-1]
    expect(page.locator("#units")).to_contain_text(f"Unit {order[-1]} alone")
    expect(page.locator("#unit-list")).to_have_attribute("aria-activedescendant", f"unit-{order[-1]}")
    keys(page, "ArrowUp", "ArrowUp")
    expect(page.locator("#units")).to_contain_text(f"Unit {order[-3]} alone")
    keys(page, "PageUp")
    expect(page.locator("#units")).to_contain_text(f"Unit {order[-11]} alone")
    keys(page, "Home", "Escape")
    expect(page.locator("#units")).to_contain_text(f"Mean over all {MANY} units")
    page.locator("#unit-list").evaluate("list => { list.scrollTop = 26 * 100; }")
    expect(page.locator(f"#unit-{order[100]}")).to_be_visible()
    page.locator(f"#unit-{order[100]}").click()
    expect(page.locator("#units")).to_contain_text(f"Unit {order[100]} alone")


def test_a_unit_is_found_by_its_number(show: Show) -> None:
    page = show(Page(of_text(CATS[0], H=MANY)))
    tab_to(page, "#find-unit")
    page.keyboard.type("29")
    expect(page.locator("#unit-list [role=option]")).to_have_count(11)
    found = listed(page)
    assert found[0] == 29
    assert sorted(found) == [29, *range(290, 300)]
    keys(page, "Enter")
    expect(page.locator("#units")).to_contain_text("Unit 29 alone")
    page.keyboard.type("99")
    expect(page.locator("#no-unit")).to_have_text("No unit has this number: they run from 0 to 299.")
    expect(page.locator("#unit-list")).to_be_hidden()
    keys(page, *["Backspace"] * 4)
    expect(page.locator("#unit-list [role=option]").first).to_be_visible()


@pytest.mark.parametrize("residual", [False, True])
def test_by_contribution_to_the_prediction_at_hand(show: Show, residual: bool) -> None:
    trace = of_text("so it goes, on and on", K=2, residual=residual)
    page = show(Page(trace))
    page.select_option("#layer", "1")
    sort_by(page, "toLogit")
    assert trace.language
    weight = trace.language.weight - trace.language.weight.mean(0)
    for t in (5, 12):
        page.locator(f"#t0-{t}").click()
        parts = weight[trace.language.ids[t + 1]] * trace.layers[1].hidden[t]
        expect(page.locator("#to-logit")).to_contain_text(f"after position {t}")
        shown = listed(page)
        texts = page.locator("#unit-list [role=option] > .barred:last-child").all_text_contents()
        assert [number(text.replace("+", "")) for text in texts] == pytest.approx(parts[shown], abs=3e-3)
        assert (np.diff(np.abs(parts[shown])) <= 3e-3).all()
    page.select_option("#layer", "0")
    expect(page.locator("#sort-units option[value=toLogit]")).to_have_count(int(residual))


def test_by_difference_between_two_texts(show: Show) -> None:
    page = show(Page(*map(of_text, CATS)))
    sort_by(page, "apartMean")
    tables = page.locator("#units-apart tbody th").all_text_contents()
    assert listed(page)[:8] == [int(unit) for unit in tables]
    page.locator("#unit-list [role=option]").nth(1).click()
    expect(page.locator("#units")).to_contain_text(f"Unit {tables[1]} alone")
    sort_by(page, "byNumber")
    assert listed(page) == list(range(12))


def test_numbers_are_listed_by_half_life_alone(show: Show) -> None:
    page = show(Page(of_numbers()))
    sort_by(page, "byNumber")
    assert page.locator("#sort-units option").count() == 2
    expect(page.locator("#unit-list [role=option]")).to_have_count(8)
    page.select_option("#layer", "1")
    expect(page.locator("#unit-list [role=option]")).to_have_count(8)


def settled(page: Shown) -> None:
    """The frames have heard that one of them was scrolled."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def frame(page: Shown, name: str = "update") -> list[float]:
    """Of a map: its size against its frame, across and down, and how far it is scrolled."""
    script = """frame => {
        const { width, height } = frame.querySelector(".map").getBoundingClientRect();
        return [width / frame.clientWidth, height, frame.scrollLeft, frame.scrollTop];
    }"""
    settled(page)
    found: list[float] = page.locator(f"#map-{name} .zoomed").evaluate(script)
    return found


def test_maps_are_zoomed_by_slider_keys_and_wheel_and_scroll_together(show: Show) -> None:
    trace = of_text(CATS[0], H=MANY)
    page = show(Page(trace))
    whole = frame(page)
    assert whole == [pytest.approx(1), 240, 0, 0]
    tab_to(page, "#zoom")
    keys(page, "End")
    across, down, left, _ = frame(page)
    assert (across, down) == (pytest.approx(16, abs=0.1), 240 * 16)
    assert left > 0  # the chosen position, the last, is in sight
    expect(page.locator("#zoom")).to_have_attribute("aria-valuetext", "× 16.0")
    assert frame(page, "hidden") == frame(page)
    keys(page, "Home")
    assert frame(page) == whole
    page.locator("#map-reset .map").focus()
    keys(page, "+", "+", "+", "+", "-", "-")
    assert frame(page)[:2] == [pytest.approx(2, abs=0.01), 480]
    keys(page, "ArrowDown", "ArrowUp")
    page.locator("#unit-list").focus()
    keys(page, "End")
    assert frame(page)[3] > 200
    box = page.locator("#map-update .zoomed").bounding_box()
    assert box
    page.mouse.move(box["x"] + 10, box["y"] + 100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    expect(page.locator("#zoom")).to_have_value("2")
    assert frame(page)[1] == 960


def test_in_a_zoomed_map_the_cell_pointed_at_is_the_one_told_and_chosen(show: Show) -> None:
    trace = of_text(CATS[0], H=MANY)
    page = show(Page(trace))
    tab_to(page, "#zoom")
    keys(page, "End")
    zoomed = page.locator("#map-update .zoomed")
    zoomed.evaluate("frame => frame.scrollTo(0, 0)")
    settled(page)
    unit = int(np.argsort(-trace.layers[0].half_life(), kind="stable")[4])
    for _ in range(20):  # on a busy machine the page may still have moved since its place was asked for
        box = in_view(page, zoomed)
        x, y = box["x"] + 1.5 * 16 * box["width"] / len(trace), box["y"] + 4.5 * 240 * 16 / MANY
        page.mouse.move(x, y)
        settled(page)
        if f"unit {unit} " in (page.locator("#tip").text_content() or ""):
            break
    expect(page.locator("#tip")).to_contain_text(f"unit {unit} ")
    assert re.search(r"position 1\b", page.locator("#tip").inner_text())
    page.mouse.click(x, y)
    expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone")
    assert pixels(page, "#map-update .map canvas").shape[0] == MANY


@pytest.mark.parametrize(("theme", "locale"), [("light", "zh-CN"), ("dark", "en-US")])
def test_accessible_and_within_a_phone(show: Show, theme: str, locale: str) -> None:
    page = show(Page(*(of_text(text, H=40) for text in CATS)), theme=theme, locale=locale, width=375)
    tab_to(page, "#zoom")
    keys(page, "End")
    page.locator("#unit-list").focus()
    keys(page, "ArrowDown")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    for part in ("#unit-finder", "#maps .zoomed", ".finding"):
        found = Axe().run(page, context=part).response["violations"]
        assert [rule["id"] for rule in found] == []
