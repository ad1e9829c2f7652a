"""The page read in any writing, at any size, by finger, in forced colours: what is shown is what is there."""

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pytest
from browser import Show, keys, point_at, tab_to
from page_reader import in_view, number, pixels, rows, settled
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Shown
from traces import CATS, LETTERS, model, of_numbers, of_text

import penstock.look.page as of_page
from penstock.look.page import Page
from penstock.look.trace import Trace, trace_text
from penstock.text.vocabulary import ByteVocabulary, CharVocabulary

HEBREW = "abc שלום עולם\nשלום abc"


def of(text: str, **sizes: Any) -> Trace:
    return trace_text(model(CharVocabulary("".join(sorted({*LETTERS, *text}))), **sizes), text)


def lefts(page: Shown) -> list[float]:
    script = "elements => elements.map(e => e.getBoundingClientRect().left)"
    found: list[float] = page.locator(".text [role=option]").evaluate_all(script)
    return found


def test_a_text_to_the_left_stands_as_it_is_read(show: Show) -> None:
    page = show(Page(of(HEBREW)))
    left = lefts(page)
    second = HEBREW.index("\n") + 1
    assert left[0] < left[1] < left[2] < left[4]
    assert left[4:8] == sorted(left[4:8], reverse=True)
    assert left[4] > left[9], "the second Hebrew word stands left of the first"
    assert left[second] > left[second + 1] > left[second + 5], "a line that begins in Hebrew runs to the left"
    tab_to(page, ".text")
    keys(page, "Home", "ArrowRight")
    assert page.locator(".text .chosen").text_content() == "b"
    assert page.evaluate("document.querySelector('.text').matches(':dir(ltr)')")


def test_in_a_text_to_the_left_the_left_arrow_goes_on(show: Show) -> None:
    page = show(Page(of("שלום")))
    tab_to(page, ".text")
    keys(page, "Home", "ArrowLeft", "ArrowLeft")
    assert page.locator(".text .chosen").get_attribute("id") == "t0-2"
    keys(page, "ArrowRight")
    assert page.locator(".text .chosen").get_attribute("id") == "t0-1"


def test_bytes_show_the_character_that_they_make_up(show: Show) -> None:
    page = show(Page(trace_text(model(ByteVocabulary()), "猫 ok", 0)))
    assert page.locator(".text [role=option]").all_text_contents() == ["猫", "·", "·", " ", "o", "k"]
    tab_to(page, ".text")
    keys(page, "Home", "ArrowRight", "ArrowRight")
    expect(page.locator("#announcement")).to_contain_text("Position 2, 猫, byte 3 of 3.")
    assert not re.search(r"‹[0-9a-f]{2}›", page.locator("main").text_content() or "")


def test_bytes_that_make_up_nothing_are_shown_as_such(show: Show) -> None:
    trace = trace_text(model(ByteVocabulary()), "aé")
    assert trace.language
    broken = dataclasses.replace(trace.language, tokens=("‹c3›", "a", "‹a9›"))
    page = show(Page(Trace(trace.layers, broken)))
    assert page.locator(".text [role=option]").all_text_contents() == ["‹c3›", "a", "‹a9›"]
    expect(page.locator("#announcement")).to_contain_text("Position 2, byte a9.")


def test_what_the_model_never_saw_is_marked(show: Show) -> None:
    page = show(Page(of_text("a ж b")))
    assert page.locator(".text .unknown").all_text_contents() == ["ж"]
    assert page.locator(".text .unknown").get_attribute("aria-label") == "ж, unknown to the model"
    expect(page.locator("#unknown")).to_contain_text("Unknown to the model: 1, underlined with dots")
    expect(show(Page(of_text("a b"))).locator("#unknown")).to_be_hidden()


def test_positions_are_those_of_the_whole_text(show: Show) -> None:
    whole = of_text("so it goes, on and on")
    page = show(Page(whole.between(10, 20)))
    expect(page.locator(".position h3").first).to_contain_text("After position 19")
    assert {int(place.split()[0]) for place, _ in rows(page, "Where this state was written") if place != "before"} <= {
        *range(10, 20)
    }
    tab_to(page, ".text")
    keys(page, "Home", "Shift+ArrowRight", "Shift+ArrowRight")
    expect(page.get_by_text("Kept across the span 10 – 12")).to_be_visible()
    point_at(page.locator("#map-update .map"), 1)
    expect(page.locator("#tip")).to_contain_text("position 10 ")


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_a_click_takes_what_the_tip_names(chromium: Browser, tmp_path: Any, ratio: float) -> None:
    Page(of_text(CATS[0] * 8, H=400)).save(tmp_path / "page.html")
    context = chromium.new_context(device_scale_factor=ratio, viewport={"width": 900, "height": 800})
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    settled(page)
    corner = in_view(page, page.locator("#map-reset .map"))
    for x, y in ((30.75, 40.75), (31.25, 90.5), (100.9, 141.9)):
        page.mouse.move(corner["x"] + x, corner["y"] + y)
        named = page.locator("#tip").inner_text()
        page.mouse.click(corner["x"] + x, corner["y"] + y)
        unit, position = re.findall(r"unit (\d+) .*?position (\d+)", named, re.S)[0]
        expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone")
        expect(page.locator(".position h3").first).to_contain_text(f"position {position}")
    context.close()


def test_a_tip_follows_what_is_chosen_and_goes_with_what_it_is_about(show: Show) -> None:
    trace = of_text(CATS[0])
    page = show(Page(trace))
    attention = trace.layers[0].attention()
    point_at(page.locator("#t0-5"))
    tip = page.locator("#tip")
    expect(tip).to_contain_text(f"weight: {attention[-1, 6]:.3f}")
    page.locator(".text").focus()
    keys(page, "ArrowLeft")
    shown = number(re.findall(r"weight: (.*)", tip.inner_text())[0])
    assert shown == pytest.approx(attention[-2, 6], abs=1.5e-3)
    page.mouse.wheel(0, 200)
    expect(tip).to_be_hidden()


def test_a_span_by_finger(show: Show) -> None:
    page = show(Page(of_text(CATS[0])), width=400)
    page.locator("#t0-4").tap()
    page.locator("#spanning").tap()
    expect(page.locator("#spanning")).to_have_attribute("aria-pressed", "true")
    page.locator("#t0-9").tap()
    expect(page.get_by_text("Kept across the span 4 – 9")).to_be_visible()
    expect(page.locator("#spanning")).to_have_attribute("aria-pressed", "false")
    page.locator("#t0-2").tap()
    expect(page.locator("#held")).to_be_hidden()


def test_a_span_is_copied_as_text(show: Show) -> None:
    page = show(Page(of_text("so\tit\ngoes")))
    tab_to(page, ".text")
    keys(page, "Home", *["Shift+ArrowRight"] * 6)
    script = """() => {
        const clipboardData = new DataTransfer();
        const event = new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true });
        document.activeElement.dispatchEvent(event);
        return [event.clipboardData.getData("text/plain"), event.defaultPrevented];
    }"""
    assert page.evaluate(script) == ["so\tit\ng", True]
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    assert page.evaluate(script) == ["", False], "what is selected elsewhere is copied as ever"


def test_shades_are_spread_over_what_is_there_and_say_so(show: Show) -> None:
    trace = of_text(CATS[0])
    page = show(Page(trace))
    written = trace.layers[0].write_strength.mean(1)
    ticks = page.locator("#legend-write .ticks span").all_text_contents()
    assert [float(tick) for tick in ticks[::2]] == pytest.approx([written.min(), written.max()], abs=6e-3)
    shade = "element => getComputedStyle(element).backgroundColor"
    colours = [re.findall(r"\d+", e.evaluate(shade)) for e in page.locator(".text [role=option]").all()]
    reds = np.array([int(red) for red, *_ in colours])
    assert np.corrcoef(reds, written)[0, 1] < -0.99
    assert reds.max() - reds.min() > 80


def test_columns_are_named_by_words_where_tokens_have_no_room(show: Show) -> None:
    page = show(Page(of_text("the cat which ate the fish " * 8)))
    settled(page)
    for axis in ("#map-update .axis", ".triangle-figure .axis"):
        labels = page.locator(axis).locator("span").all_text_contents()
        assert len(labels) > 3
        assert {*labels} <= {"the", "cat", "which", "ate", "fish"}
        boxes = [label.bounding_box() for label in page.locator(axis).locator("span").all()]
        ends = [(box["x"], box["x"] + box["width"]) for box in boxes if box]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
    page = show(Page(of_text("cats")))
    settled(page)
    assert page.locator("#map-update .axis span").all_text_contents() == list("cats")
    page = show(Page(of_numbers().between(20, 60)))
    settled(page)
    assert page.locator("#map-update .axis span").first.text_content() == "20"


def test_numbers_have_a_bar_for_what_came_before(show: Show) -> None:
    trace = of_numbers()
    page = show(Page(trace))
    tab_to(page, ".strip")
    keys(page, "Home")
    height = page.locator(".strip .before .bar").evaluate("element => element.getBoundingClientRect().height")
    assert height == pytest.approx(40 * np.sqrt(trace.layers[0].attention()[0, 0]), abs=0.6)


def test_words_and_channels_of_other_peoples_sequences(show: Show) -> None:
    trace = of_numbers(5).named(["one", "two", "three", "four", "five"], ["height", "weight"])
    page = show(Page(trace))
    assert page.locator(".text [role=option]").all_text_contents() == ["one", "two", "three", "four", "five"]
    assert [name for name, _ in rows(page, "Inputs at this position")] == ["height", "weight"]
    for element in ("#bars", "#surprise"):
        expect(page.locator(element)).to_be_hidden()
    page = show(Page(of_numbers().named(None, ["height", "weight"])))
    expect(page.locator(".u-legend").first).to_contain_text("height")


def test_forced_colours_leave_the_shades(chromium: Browser, tmp_path: Any) -> None:
    Page(of_text(CATS[0])).save(tmp_path / "page.html")
    context = chromium.new_context(forced_colors="active", color_scheme="dark")
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    style = "(element, name) => getComputedStyle(element)[name]"
    shades = {e.evaluate(style, "backgroundColor") for e in page.locator(".text [role=option]").all()}
    assert len(shades) > 20
    assert page.locator(".text .chosen").evaluate(style, "boxShadow") != "none"
    assert "gradient" in page.locator("#legend-write .scale").evaluate(style, "backgroundImage")
    bar = page.locator(".barred .bar").first
    assert bar.evaluate(style, "backgroundColor") != page.locator("body").evaluate(style, "backgroundColor")
    context.close()


def test_at_four_hundred_per_cent_no_bar_covers_the_text(chromium: Browser, tmp_path: Any) -> None:
    Page(of_text(CATS[0])).save(tmp_path / "page.html")
    context = chromium.new_context(viewport={"width": 320, "height": 225})
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    page.locator("#t0-3").scroll_into_view_if_needed()
    page.mouse.wheel(0, 600)
    page.wait_for_function("scrollY > 500")
    assert page.locator("#choices").evaluate("element => element.getBoundingClientRect().bottom") <= 0
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    context.close()


CUT = """(trace, length) => ({
    ...trace,
    length,
    rows: {},
    written: null,
    tokens: trace.tokens.slice(0, length),
    layers: trace.layers.map((layer) => {
        const cut = { ...layer };
        for (const name of ["keep", "update", "write", "reset", "candidate", "hidden"]) {
            cut[name] = layer[name].subarray(0, length * layer.units);
        }
        return cut;
    }),
})"""


def test_other_traces_take_the_place_of_those_shown(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    asset, opened = of_page._asset, "\nwindow.opened = { showTraces, choice, views, of: () => traces };"
    monkeypatch.setattr(of_page, "_asset", lambda name: asset(name) + opened * name.endswith("main.js"))
    monkeypatch.setattr(of_page, "_script", of_page._script.__wrapped__)  # not the one that is kept
    page = show(Page(*map(of_text, CATS)))
    views = page.evaluate("opened.two = opened.of(), opened.views.length")
    page.locator("#t0-12").click()
    page.locator("#t0-20").click(modifiers=["Shift"])
    page.locator("#map-update .map").click(position={"x": 2, "y": 2})
    page.locator("#t0-20").click()
    page.locator("#t0-12").click(modifiers=["Shift"])
    unit = page.evaluate("opened.choice.unit")

    page.evaluate("opened.showTraces([opened.two[0]])")
    for element in ("#pair", "#shown", "#text-1"):
        expect(page.locator(element)).to_be_hidden()
    assert page.evaluate("[opened.choice.positions, opened.choice.span, opened.choice.unit]") == [[12], [12, 20], unit]
    assert pixels(page, "#map-update .map canvas").shape[1] == len(CATS[0])

    page.evaluate(f"opened.showTraces([({CUT})(opened.two[0], 9)])")
    assert page.locator(".text [role=option]").all_text_contents() == list(CATS[0][:9])
    assert page.evaluate("[opened.choice.positions, opened.choice.span, opened.choice.unit]") == [[8], None, unit]
    assert pixels(page, "#map-update .map canvas").shape[1] == 9
    assert pixels(page, ".triangle canvas").shape[0] == 9

    page.evaluate("opened.showTraces(opened.two)")
    expect(page.locator("#pair")).to_be_visible()
    assert page.locator("#text-1 [role=option]").all_text_contents() == list(CATS[1])
    assert page.locator(".triangle").count() == 2
    assert page.evaluate("opened.views.length") == views


def test_a_chart_names_the_token_that_is_pointed_at(show: Show) -> None:
    page = show(Page(*map(of_text, CATS)))
    chart = page.locator("#surprise .u-over")
    box = in_view(page, chart)
    each = box["width"] / (len(CATS[0]) + 1)  # one column more: “cats” has no counterpart
    point_at(chart, 4.5 * each, 20)
    expect(page.locator("#surprise .u-legend")).to_contain_text("4 c / 4 c")
    point_at(chart, 7.5 * each, 20)
    expect(page.locator("#surprise .u-legend")).to_contain_text("– / 7 s")


@pytest.mark.parametrize("width", [320, 718, 1000])
def test_no_equation_is_cut_on_paper_or_on_a_narrow_screen(show: Show, width: int) -> None:
    page = show(Page(of_text(CATS[0])), width=width)
    if width > 320:
        page.emulate_media(media="print")
    cut = """elements => elements.filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
        .map(e => e.textContent)"""
    assert page.locator(".explained math, figcaption math").evaluate_all(cut) == []
