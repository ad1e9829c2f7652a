"""The circuit in the page carries the numbers of the trace, for a unit and for all, by mouse, key and finger."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Show, Tab, keep, keys, point_at, tab_to, violations
from page_reader import number, settled
from playwright.sync_api import Browser, Page, expect
from traces import CATS, LETTERS, model, of_numbers, of_text

from penstock.look import page as look
from penstock.look.layer import Layer
from penstock.look.live import live_page
from penstock.look.trace import Trace, trace_text
from penstock.text.vocabulary import CharVocabulary

LARGEST_ERROR = 2e-3  # float16, of two factors, and three digits shown


def values(layer: Layer, t: int) -> dict[str, Any]:
    """What every part carries at step t, (H,)."""
    h, r, z, n = layer.before()[t], layer.reset[t], layer.update[t], layer.candidate[t]
    carried = {"previous": h, "reset": r, "update": z, "candidate": n, "kept": z * h}
    carried |= {"complement": 1 - z, "written": (1 - z) * n, "hidden": layer.hidden[t]}
    return carried if layer.form == "after" else carried | {"shown": r * h}


def shown(page: Page) -> dict[str, float]:
    settled(page)
    numbers = page.locator("#circuit .part").evaluate_all(
        "parts => parts.map((part) => [part.dataset.part, part.querySelector('.number')?.textContent])"
    )
    return {part: number(text) for part, text in numbers if text}


def says(page: Page) -> str:
    settled(page)
    return page.locator("#circuit-says").inner_text()


def choose_unit(page: Page, unit: int) -> None:
    """By the circuit's own keys."""
    page.locator("[data-part=update]").focus()
    keys(page, "Escape")
    for _ in range(20):
        if f"unit {unit}:" in says(page):
            return
        page.keyboard.press("ArrowDown")
    pytest.fail(f"unit {unit} is not reached")


def assert_carried(page: Page, layer: Layer, t: int, unit: int | None) -> None:
    expected = {
        part: pytest.approx(of.mean() if unit is None else of[unit], abs=LARGEST_ERROR)
        for part, of in values(layer, t).items()
    }
    assert shown(page) == expected


@pytest.mark.parametrize("layer", [0, 1])
def test_numbers_of_a_text(show: Show, layer: int) -> None:
    trace = of_text(CATS[0], K=2)
    page = show(look.Page(trace))
    page.locator("#layer").select_option(str(layer))
    for t in (0, 1, 20, len(trace) - 1):
        page.locator(f"#t0-{t}").click()
        assert_carried(page, trace.layers[layer], t, None)
        expect(page.locator("#circuit .token")).to_contain_text("T" if t == 0 else "")
    for unit in (0, 7, 11):
        choose_unit(page, unit)
        keys(page, "Home")
        for t in (0, 1, 2):
            assert_carried(page, trace.layers[layer], t, unit)
            keys(page, "ArrowRight")


@pytest.mark.parametrize("direction", [0, 1])
def test_numbers_of_either_direction_with_an_episode_and_a_first_state(show: Show, direction: int) -> None:
    trace = of_numbers()
    layer = trace.layers[direction]
    assert layer.form == "after"
    page = show(look.Page(trace))
    page.locator("#layer").select_option(str(direction))
    for unit in (None, 3):
        if unit is not None:
            choose_unit(page, unit)
        page.locator("[data-part=hidden]").focus()
        for t, way in ((0, "Home"), *((t, "ArrowRight") for t in range(1, 22)), (59, "End")):
            keys(page, way)
            assert_carried(page, layer, t, unit)


def equation_numbers(text: str) -> list[float]:
    """What stands behind the equation's own letters: 0.93 ⊙ 0.41 + … = 0.32."""
    return [number(value) for value in re.findall(r"[−-]?\d\.\d{3}", text)]


@pytest.mark.parametrize("form", ["before", "after"])
def test_equations_have_their_numbers_put_in(show: Show, form: str) -> None:
    trace = of_text(CATS[0]) if form == "before" else of_numbers()
    layer, t, unit = trace.layers[0], len(trace) - 1, 4
    of = values(layer, t)
    one = {name: value[unit] for name, value in of.items()}
    mean = {name: value.mean() for name, value in of.items()}
    page = show(look.Page(trace))

    def told(part: str) -> list[float]:
        page.locator(f"[data-part={part}]").focus()
        return equation_numbers(says(page))

    def near(*expected: float) -> Any:
        return pytest.approx(expected, abs=LARGEST_ERROR)

    assert told("hidden") == near(mean["kept"], mean["written"], mean["hidden"])
    assert told("kept") == near(mean["kept"])
    assert told("complement") == near(mean["update"], mean["complement"])
    assert told("reset") == near(mean["reset"])
    expect(page.locator("#circuit-says")).to_contain_text(f"mean over all {len(layer.h_0)} units")
    choose_unit(page, unit)
    h, z, w, n = (one[name] for name in ("previous", "update", "complement", "candidate"))
    assert told("hidden") == near(z, h, w, n, one["hidden"])
    assert told("kept") == near(z, h, one["kept"])
    assert told("written") == near(w, n, one["written"])
    assert told("complement") == near(z, w)
    assert told("candidate") == near(n)
    inside = "Whn (rt ⊙ ht−1) + bhn" if form == "before" else "rt ⊙ (Whn ht−1 + bhn)"
    assert inside in re.sub(r"\s+", " ", says(page))
    if form == "before":
        assert told("shown") == near(one["reset"], h, one["shown"])
    else:
        assert told("shown") == near(one["reset"])
    assert page.locator("#circuit [data-form=before]").first.is_visible() == (form == "before")
    assert page.locator("#circuit [data-form=after]").first.is_visible() == (form == "after")


def test_gates_stand_where_their_values_are_and_wires_are_as_thick(show: Show) -> None:
    trace = of_text(CATS[0])
    layer, t = trace.layers[0], len(trace) - 1
    page = show(look.Page(trace))
    page.emulate_media(reduced_motion="reduce")

    def raised(part: str) -> float:
        """How far the bar stands above the bottom of its box, 0 … 1."""
        settled(page)
        return page.locator(f"[data-part={part}] .level").evaluate(
            "bar => 1 - new DOMMatrix(getComputedStyle(bar).transform).f / 48"
        )

    def thick(part: str) -> float:
        wires = page.locator(f"[data-part={part}] .wire")
        return float(wires.first.evaluate("wire => parseFloat(getComputedStyle(wire).strokeWidth)"))

    assert raised("update") == pytest.approx(layer.update[t].mean(), abs=LARGEST_ERROR)
    assert raised("reset") == pytest.approx(layer.reset[t].mean(), abs=LARGEST_ERROR)
    assert thick("update") == thick("complement")
    for unit in (1, 9):
        choose_unit(page, unit)
        of = values(layer, t)
        assert raised("update") == pytest.approx(layer.update[t, unit], abs=LARGEST_ERROR)
        assert raised("reset") == pytest.approx(layer.reset[t, unit], abs=LARGEST_ERROR)
        order = sorted(("update", "complement", "candidate", "hidden", "kept"), key=lambda part: abs(of[part][unit]))
        widths = [thick(part) for part in order]
        assert widths == sorted(widths)
        assert widths[0] < widths[-1]


def test_all_units_stand_as_a_histogram_beside_the_wire(show: Show) -> None:
    trace = of_text(CATS[0])
    layer, t = trace.layers[0], len(trace) - 1
    page = show(look.Page(trace))
    settled(page)
    for part, low in (("hidden", -1), ("complement", 0)):
        path = page.locator(f"[data-part={part}] .bars").get_attribute("d")
        heights = np.array([float(height) for height in re.findall(r"v(-?[\d.]+)h", path or "")])
        counts, _ = np.histogram(values(layer, t)[part], 14, (low, 1))
        assert -heights / 16 == pytest.approx(counts / counts.max())
    choose_unit(page, 0)
    assert page.locator("[data-part=hidden] .bars").get_attribute("d") == ""


def test_pointing_shows_the_equation_and_the_line_below_keeps_it(show: Show) -> None:
    page = show(look.Page(of_text(CATS[0])))
    tip = page.locator("#tip")
    expect(page.locator("#circuit-says")).to_contain_text("hidden state")
    point_at(page.locator("[data-part=update] .inside"))
    expect(tip).to_contain_text("update gate")
    assert equation_numbers(tip.inner_text()) == equation_numbers(says(page)) != []
    point_at(page.locator("#circuit-title"))
    expect(tip).to_be_hidden()
    expect(page.locator("#circuit-says")).to_contain_text("update gate")


def test_every_part_is_reached_by_tab_and_a_unit_followed_by_arrows(show: Show) -> None:
    trace = of_text(CATS[0])
    page = show(look.Page(trace))
    live = page.locator("#circuit-says")
    expect(live).to_have_attribute("aria-live", "off")
    names = []
    tab_to(page, "[data-part=input]")
    for _ in range(10):
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        expect(page.locator("#tip")).to_be_visible()
        expect(live).to_have_attribute("aria-live", "polite")
        keys(page, "Tab")
    assert len(set(names)) == 10
    assert not page.evaluate("document.activeElement.matches('.part')")
    expect(live).to_have_attribute("aria-live", "off")
    tab_to(page, "[data-part=hidden]")
    keys(page, "ArrowDown")
    unit = int(re.findall(r"unit (\d+)", says(page))[0])
    keys(page, "Home")
    for t in range(4):
        assert shown(page)["hidden"] == pytest.approx(trace.layers[0].hidden[t, unit], abs=LARGEST_ERROR)
        expect(page.locator("#tip")).to_contain_text(says(page).split(": ")[1])
        expect(page.locator("#circuit-step")).to_contain_text(f"position {t}")
        keys(page, "ArrowRight")
    keys(page, "ArrowDown")
    assert int(re.findall(r"unit (\d+)", says(page))[0]) != unit
    keys(page, "Escape")
    assert "mean over all" in says(page)


def test_it_grows_as_the_pictures_of_the_textbook_do(show: Show) -> None:
    page = show(look.Page(of_text(CATS[0])))
    settled(page)

    def drawn() -> list[str]:
        return page.locator("#circuit .part:visible").evaluate_all("parts => parts.map((part) => part.dataset.part)")

    expect(page.locator("[data-until]")).to_have_count(1)
    for stage, ends, words in (
        ("gates", 4, "two fully connected layers"),
        ("candidate", 6, "near 0 it hides it"),
        ("state", 10, "The sum of both is the new state"),
    ):
        page.locator(f"#circuit-stage [value={stage}]").check()
        assert len(drawn()) == ends
        expect(page.locator("#circuit-told")).to_contain_text(words)
        expect(page.locator("#circuit-steps")).to_contain_text(words)
        newest = {"gates": "Update gate", "candidate": "Candidate", "state": "Hidden state"}[stage]
        assert says(page).startswith(newest)
        assert page.locator("[data-until]").is_visible() == (stage != "state")


def test_a_finger_shows_the_equation(show: Show) -> None:
    page = show(look.Page(of_text(CATS[0])), width=375)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.locator("[data-part=reset] .inside").tap()
    expect(page.locator("#circuit-says")).to_contain_text("reset gate")


def test_of_a_pair_the_circuit_shows_the_text_that_is_read(show: Show) -> None:
    pair = [of_text(text) for text in CATS]
    page = show(look.Page(*pair))
    for text, t in ((0, 12), (1, 30), (0, 3)):
        page.locator(f"#t{text}-{t}").click()
        assert_carried(page, pair[text].layers[0], t, None)
        expect(page.locator("#circuit-step")).to_contain_text("Second text" if text else "First text")


def test_it_follows_a_text_that_is_typed(chromium: Browser, tmp_path: Path) -> None:
    """A live page computes its traces anew."""
    of = model(CharVocabulary(LETTERS))
    (tmp_path / "live.html").write_text(live_page(of, CATS[0], title="live"), "utf-8")
    tab = Tab(chromium.new_context())
    tab.page.goto((tmp_path / "live.html").as_uri())
    expect(tab.page.locator("html")).to_have_attribute("data-ready", "true")
    for text in ("A mouse", "The cats"):
        tab.page.locator("#live-text-0").fill(text)
        expect(tab.page.locator(f"#t0-{len(text) - 1}")).to_have_text(text[-1])
        expect(tab.page.locator(f"#t0-{len(text)}")).to_have_count(0)
        trace: Trace = trace_text(of, text)
        expect(tab.page.locator("#circuit .token")).to_have_text(f"‘{text[-1]}’")
        assert_carried(tab.page, trace.layers[0], len(text) - 1, None)
    assert tab.complaints == []
    tab.page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_accessible(show: Show, theme: str, locale: str) -> None:
    page = show(look.Page(of_numbers()), theme=theme, locale=locale)
    tab_to(page, "[data-part=update]")
    keys(page, "ArrowDown", "ArrowLeft")
    assert violations(page) == []
    keep(page, f"circuit-{theme}-{locale[:2]}")
    if locale == "zh-CN":
        for word in ("这一步的单元", "重置门", "更新门", "候选隐状态", "露出", "挡住", "保留", "写入"):
            expect(page.locator("#circuit-title, #circuit text").get_by_text(word).first).to_be_visible()
        expect(page.locator("#circuit-steps")).to_contain_text("全连接层")
        assert "单元" in says(page)
    else:
        expect(page.locator("#circuit-steps")).to_contain_text("element by element")


def test_forced_colours_keep_it_readable(show: Show) -> None:
    page = show(look.Page(of_text(CATS[0])))
    choose_unit(page, 5)
    page.evaluate("document.activeElement.blur()")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    colours = page.evaluate("""() => {
        const probe = document.body.appendChild(document.createElement("p"));
        probe.style.color = "CanvasText";
        const ink = getComputedStyle(probe).color;
        probe.style.color = "Canvas";
        const ground = getComputedStyle(probe).color;
        probe.remove();
        const all = (selector) => [...document.querySelectorAll(`#circuit ${selector}`)];
        const of = (selector, name) => all(selector).map((element) => getComputedStyle(element)[name]);
        return { ink, ground, lines: [...of(".wire", "stroke"), ...of(".level", "stroke"), ...of(".box", "stroke")],
                 filled: [...of(".tip", "fill"), ...of("text", "fill")], boxes: of(".box", "fill") };
    }""")
    assert colours["ink"] != colours["ground"]
    assert set(colours["lines"]) == set(colours["filled"]) == {colours["ink"]}
    assert set(colours["boxes"]) == {colours["ground"]}
