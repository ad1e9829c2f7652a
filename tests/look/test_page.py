"""The page shows what the trace holds, in a real browser."""

import re

import numpy as np
import pytest
from browser import Show, keys, point_at, tab_to
from page_reader import assert_largest, number, pixels, places, rows, written
from playwright.sync_api import expect
from traces import CATS, of_numbers, of_text, weights

from penstock.look.layer import run
from penstock.look.page import Page
from penstock.look.trace import Trace


def test_the_last_position_is_chosen_and_shows_where_its_state_was_written(show: Show) -> None:
    trace = of_text(CATS[0])
    page = show(Page(trace))
    assert page.locator(".text [role=option]").all_text_contents() == list(CATS[0])
    assert page.locator(".text .chosen").all_text_contents() == ["s"]
    assert_largest(written(page), trace.layers[0].attention()[-1])
    heights = page.locator(".text .chosen").evaluate("element => getComputedStyle(element).boxShadow")
    share = trace.layers[0].attention()[-1, -1]
    assert float(re.findall(r"-([\d.]+)px", heights)[0]) == pytest.approx(15 * np.sqrt(share), abs=0.26)


def test_every_position_shows_its_attention_expectation_and_surprise(show: Show) -> None:
    trace = of_text("so it goes, on and on", K=2)
    page = show(Page(trace))
    page.select_option("#layer", "1")
    attention, surprise = trace.layers[1].attention(), trace.surprise()
    expected = np.exp(trace.log_probabilities())
    assert trace.language
    page.locator(".text").focus()
    for t in reversed(range(len(trace))):
        assert_largest(written(page), attention[t])
        shown = rows(page, "Expected next")
        assert [number(p) for _, p in shown] == pytest.approx(np.sort(expected[t])[:-9:-1], abs=2e-3)
        assert shown[0][0] in (trace.language.vocabulary[expected[t].argmax()], "space", "new line", "tab")
        if t + 1 < len(trace):
            assert page.locator(".next").inner_text().endswith(f"{surprise[t + 1]:.2f} bits")
        keys(page, "ArrowLeft")


@pytest.mark.parametrize("residual", [False, True])
def test_contributions_are_those_of_the_trace(show: Show, residual: bool) -> None:
    trace = of_text("so it goes, on and on", K=2, residual=residual)
    page = show(Page(trace))
    tab_to(page, "[value=attention]")
    keys(page, "ArrowRight")
    token = int(np.argmax(trace.log_probabilities()[-1]))
    assert_largest(places(page, "What spoke for"), trace.contributions(len(trace) - 1, token), 5e-3)
    tab_to(page, ".text")
    for t in (12, 3, 0):
        page.locator(f"#t0-{t}").click()
        assert_largest(places(page, "What spoke for"), trace.contributions(t), 5e-3)


def test_maps_hold_the_gates_with_the_longest_half_life_on_top(show: Show) -> None:
    layer = of_text(CATS[0]).layers[0]
    page = show(Page(of_text(CATS[0])))
    order = np.argsort(-layer.half_life(), kind="stable")
    for name in ("update", "reset", "candidate", "hidden"):
        values = getattr(layer, name)[:, order].T
        colours = pixels(page, f"#map-{name} .map canvas")
        assert colours.shape[:2] == values.shape
        if name in ("update", "reset"):  # from white to blue
            assert np.corrcoef(values.ravel(), colours[..., 0].ravel())[0, 1] < -0.98
        else:  # from blue to orange
            strong = np.abs(values) > 0.1
            assert ((colours[..., 0] > colours[..., 2]) == (values > 0))[strong].all()


def test_pointing_at_a_map_gives_the_unit_and_its_numbers(show: Show) -> None:
    layer = of_text(CATS[0]).layers[0]
    page = show(Page(of_text(CATS[0])))
    box = page.locator("#map-reset .map")
    point_at(box, 1)
    unit = int(np.argsort(-layer.half_life(), kind="stable")[0])
    tip = page.locator("#tip").inner_text()
    assert tip.startswith(f"unit {unit} · half-life")
    shown = [number(value) for value in re.findall(r"\b[zrnh] (−?[\d.]+)", tip)]
    exact = [getattr(layer, name)[0, unit] for name in ("update", "reset", "candidate", "hidden")]
    assert shown == pytest.approx(exact, abs=1.5e-3)


def test_a_unit_chosen_on_a_map_shades_the_text_by_itself_alone(show: Show) -> None:
    trace = of_text(CATS[0])
    layer = trace.layers[0]
    page = show(Page(trace))
    shade = "element => getComputedStyle(element).backgroundColor"
    mean = [element.evaluate(shade) for element in page.locator(".text [role=option]").all()]
    tab_to(page, ".map")
    keys(page, "ArrowDown", "ArrowDown")
    unit = int(np.argsort(-layer.half_life(), kind="stable")[1])
    expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone")
    assert_largest(written(page), layer.attention(unit)[-1])
    alone = [element.evaluate(shade) for element in page.locator(".text [role=option]").all()]
    assert alone != mean
    reds = [int(colour.split("(")[1].split(",")[0]) for colour in alone]
    strengths = layer.write_strength[:, unit]
    assert reds[int(strengths.argmax())] == min(reds)
    assert reds[int(strengths.argmin())] == max(reds)
    keys(page, "Escape")
    expect(page.locator("#units")).to_contain_text("Mean over all 12 units")
    page.locator("#map-hidden .map").click(position={"x": 2, "y": 2})
    expect(page.locator("#units")).to_contain_text("alone")
    expect(page.locator(".text .chosen")).to_have_text("T")
    tab_to(page, "#all-units")
    keys(page, "Enter")
    expect(page.locator("#units")).to_contain_text("Mean over all 12 units")


def test_a_span_puts_the_units_that_stay_open_across_it_first(show: Show) -> None:
    trace = of_text(CATS[0])
    layer = trace.layers[0]
    page = show(Page(trace))
    tab_to(page, ".text")
    keys(page, "Home", "ArrowRight", "ArrowRight", *["Shift+ArrowRight"] * 5)
    assert page.locator(".text [aria-selected=true]").all_text_contents() == list(CATS[0][2:8])
    kept = layer.held(2, 7)
    shown = rows(page, "Kept across the span 2 – 7")
    assert [int(unit) for unit, *_ in shown] == list(np.argsort(-kept, kind="stable")[:8])
    assert [number(value) for _, value, _ in shown] == pytest.approx(np.sort(kept)[::-1][:8], abs=2e-3)
    page.wait_for_timeout(200)
    colours = pixels(page, "#map-update .map canvas")
    values = layer.update[:, np.argsort(-kept, kind="stable")].T
    assert np.corrcoef(values.ravel(), colours[..., 0].ravel())[0, 1] < -0.98
    expect(page.locator("#announcement")).to_contain_text("Span 2 to 7")
    keys(page, "Escape")
    assert page.locator(".text [aria-selected=true]").all_text_contents() == [CATS[0][7]]
    page.locator("#t0-4").click()
    page.locator("#t0-9").click(modifiers=["Shift"])
    expect(page.get_by_text("Kept across the span 4 – 9")).to_be_visible()


def test_keys_move_along_and_between_lines(show: Show) -> None:
    page = show(Page(of_text("six\none\ntwo\n")))
    tab_to(page, ".text")
    keys(page, "Home", *["ArrowRight"] * 4)
    steps = {"ArrowRight": "n", "ArrowDown": "w", "ArrowUp": "n", "ArrowLeft": "o", "Home": "s", "End": "\n"}
    for key, token in steps.items():
        keys(page, key)
        assert page.locator(".text .chosen").text_content() == token
        chosen = page.locator(".text .chosen").get_attribute("id")
        assert page.locator(".text").get_attribute("aria-activedescendant") == chosen
    expect(page.locator("#announcement")).to_contain_text("Position 11, new line.")
    assert page.locator(".text .chosen").get_attribute("aria-label") == "new line"


def test_the_triangle_is_the_whole_attention(show: Show) -> None:
    trace = of_text(CATS[0])
    attention = trace.layers[0].attention()
    page = show(Page(trace))
    page.wait_for_timeout(300)
    colours = pixels(page, ".triangle canvas")
    lower = np.tril_indices(len(trace))
    written = attention[:, 1:][lower]
    drawn = colours[:, 2:, 2][lower]  # the first column is what came before, the second one space
    assert np.corrcoef(np.sqrt(written), drawn)[0, 1] < -0.99
    assert (colours[:, 2:, 3][np.triu_indices(len(trace), 1)] == 0).all()
    point_at(page.locator(".triangle"), 1, 2)
    assert f"weight: {attention[0, 0]:.3f}" in page.locator("#tip").inner_text()


def test_a_long_sequence_shows_a_part_of_its_triangle_around_the_position(show: Show) -> None:
    page = show(Page(of_text("abcdefg " * 90)))
    expect(page.locator("#triangle-part")).to_contain_text("Positions 480 – 719")
    tab_to(page, ".text")
    keys(page, "Home")
    expect(page.locator("#triangle-part")).to_contain_text("Positions 0 – 239")


def test_a_numeric_sequence_shows_its_channels_and_moves_by_keys(show: Show) -> None:
    trace = of_numbers()
    page = show(Page(trace))
    expect(page.get_by_text("channel 1").first).to_be_visible()
    for element in ("#bars", "#surprise"):
        expect(page.locator(element)).to_be_hidden()
    tab_to(page, ".strip")
    keys(page, "Home", "ArrowRight")
    assert page.locator(".strip").get_attribute("aria-valuenow") == "1"
    inputs = [number(value) for _, value in rows(page, "Inputs at this position")]
    assert inputs == pytest.approx(trace.layers[0].x[1], abs=2e-3)
    keys(page, "Shift+End")
    expect(page.get_by_text("Kept across the span 1 – 59")).to_be_visible()
    page.locator(".chart .u-over").first.click(position={"x": 3, "y": 30})
    assert page.locator(".strip").get_attribute("aria-valuenow") == "0"


@pytest.mark.parametrize("direction", [0, 1])
def test_directions_and_episodes_have_their_own_attention(show: Show, direction: int) -> None:
    trace = of_numbers()
    layer = trace.layers[direction]
    page = show(Page(trace))
    tab_to(page, "#layer")
    keys(page, *["ArrowDown"] * direction)
    tab_to(page, ".strip")
    for t in (0, 7, 19, 20, 21, 59):
        keys(page, "Home", *["ArrowRight"] * t)
        assert_largest(written(page), layer.attention()[t])
    keys(page, "Home", *["ArrowRight"] * 5, *["Shift+ArrowRight"] * 6)
    kept = layer.held(5, 11)
    shown = rows(page, "Kept across the span 5 – 11")
    assert [number(value) for _, value, _ in shown] == pytest.approx(np.sort(kept)[::-1], abs=2e-3)
    point_at(page.locator("#map-hidden .map"), 1)
    tip = page.locator("#tip").inner_text()
    unit = int(re.findall(r"unit (\d+)", tip)[0])
    assert number(re.findall(r"\bh (−?[\d.]+)", tip)[0]) == pytest.approx(layer.hidden[0, unit], abs=2e-3)


def test_many_channels_are_drawn_in_part_and_said_to_be(show: Show) -> None:
    x = np.random.default_rng(0).normal(size=(30, 90)).astype(np.float32)
    layer = run("gru", x, np.zeros(4), weights(np.random.default_rng(0), 90, 4), "before")
    page = show(Page(Trace((layer,))))
    expect(page.get_by_text("The first 64 of 90 channels.")).to_be_visible()
