"""The page, in a real browser: it shows what the trace holds, by keyboard and pointer, in both themes and languages."""

import dataclasses
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import ARTEFACTS, Tab, browser
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Shown

from penstock.errors import PenstockError
from penstock.look.layer import Layer, run
from penstock.look.page import MOST_CELLS, MOST_STEPS, Page
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import ModelConfig
from penstock.runtime.model import Model
from penstock.text.vocabulary import ByteVocabulary, CharVocabulary, Vocabulary

CATS = "The cat, which already ate the fish, was", "The cats, which already ate the fish, were"
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- <b>&amp;\u2028"
LETTERS = "".join(map(chr, range(32, 127))) + "\n\t猫吃鱼"

Show = Callable[..., Shown]


def weights(rng: np.random.Generator, D: int, H: int) -> tuple[Any, ...]:
    """A layer's, some units of which forget at once and some hardly ever."""
    bias = np.zeros(3 * H)
    bias[H : 2 * H] = np.linspace(-2, 4, H)
    w_ih, w_hh = (rng.normal(size=(3 * H, n)) / np.sqrt(n) for n in (D, H))
    return tuple(np.float32(value) for value in (w_ih, w_hh, bias, np.zeros(3 * H)))


def model(vocabulary: Vocabulary, *, H: int = 12, K: int = 1, residual: bool = False) -> Model:
    rng = np.random.default_rng(7)
    V = len(vocabulary)
    config = ModelConfig(V, H, H, K, residual=residual)
    of_model: dict[str, Any] = {"embedding.weight": rng.normal(size=(V, H)) * 2}
    of_model |= {"output.weight": rng.normal(size=(V, H)), "output.bias": np.zeros(V)}
    for k in range(K):
        names = (f"layers.{k}.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        of_model |= dict(zip(names, weights(rng, H, H), strict=True))
    return Model(config, vocabulary, {name: np.asarray(value, np.float32) for name, value in of_model.items()})


def of_text(text: str, **sizes: Any) -> Trace:
    return trace_text(model(CharVocabulary(LETTERS), **sizes), text)


def of_numbers(L: int = 60, H: int = 8) -> Trace:
    """Two channels through a layer in each direction, from a state that is not zero, with an episode's start."""
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.normal(size=(L, 2)), 0).astype(np.float32)
    resets = np.arange(L) == L // 3
    given = [(x, rng.normal(size=H), weights(rng, 2, H), "after") for _ in range(2)]
    return Trace((run("gru", *given[0], resets=resets), run("gru reverse", *given[1], resets=resets, reverse=True)))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens a page from disk. None may complain, or ask for anything but its own file."""
    tabs: dict[str, Tab] = {}

    def open_page(page: Page, *, theme: str = "light", locale: str = "en-US", width: int = 1200) -> Shown:
        path = tmp_path / f"{len(tabs)}.html"
        page.save(path)
        settings: Any = {"color_scheme": theme, "locale": locale, "viewport": {"width": width, "height": 900}}
        context = chromium.new_context(**settings, has_touch=width < 500)
        tab = tabs[path.as_uri()] = Tab(context)
        tab.page.goto(path.as_uri())
        expect(tab.page.locator("html")).to_have_attribute("data-ready", "true")
        return tab.page

    yield open_page
    for url, tab in tabs.items():
        tab.page.context.close()
        assert tab.requests == [url]
        assert tab.complaints == []


def tab_to(page: Shown, selector: str) -> None:
    """Presses Tab until the element has the focus."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
    pytest.fail(f"{selector} cannot be reached by Tab")


def keys(page: Shown, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def rows(page: Shown, caption: str) -> list[list[str]]:
    table = page.locator("table", has=page.get_by_text(caption))
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def number(text: str) -> float:
    return 0.0 if text == "< 0.001" else float(text.replace("−", "-"))


def places(page: Shown, caption: str) -> dict[int, float]:
    """A table of positions: position to number, −1 for what came before."""
    return {-1 if where == "before" else int(where.split()[0]): number(value) for where, value in rows(page, caption)}


def written(page: Shown) -> dict[int, float]:
    return places(page, "Where this state was written")


def assert_largest(shown: dict[int, float], row: Any, tolerance: float = 2e-3) -> None:
    """The list holds the largest entries of row (L + 1,), in order; and what came before, be it one of them or not."""
    if list(shown)[-1] == -1:
        assert shown.pop(-1) == pytest.approx(row[0], abs=tolerance)
        row = np.append(0, row[1:])
    assert len(shown) in (min(7, np.count_nonzero(row)), min(8, np.count_nonzero(row)))
    largest = np.sort(np.abs(row))[::-1]
    for rank, (position, value) in enumerate(shown.items()):
        assert value == pytest.approx(row[position + 1], abs=tolerance)
        assert abs(value) == pytest.approx(largest[rank], abs=tolerance)


def pixels(page: Shown, selector: str) -> Any:
    """A canvas, (rows, columns, 4)."""
    script = """canvas => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        return [canvas.height, canvas.width, Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data)];
    }"""
    height, width, values = page.locator(selector).first.evaluate(script)
    return np.reshape(values, (height, width, 4)).astype(float)


def keep(page: Shown, name: str) -> None:
    """Keeps a picture of the whole page."""
    page.wait_for_timeout(400)  # the attention map is drawn in slices
    (ARTEFACTS / "look").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "look" / f"{name}.png", full_page=True)


def violations(page: Shown) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found]


# What it shows


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
    box.hover(position={"x": 1, "y": 1})
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
    shown = rows(page, "Open across the span 2 – 7")
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
    expect(page.get_by_text("Open across the span 4 – 9")).to_be_visible()


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
    page.locator(".triangle").hover(position={"x": 1, "y": 2})
    assert f"weight: {attention[0, 0]:.3f}" in page.locator("#tip").inner_text()


def test_a_long_sequence_shows_a_part_of_its_triangle_around_the_position(show: Show) -> None:
    page = show(Page(of_text("abcdefg " * 90)))
    expect(page.locator("#triangle-part")).to_contain_text("Positions 480 – 719")
    tab_to(page, ".text")
    keys(page, "Home")
    expect(page.locator("#triangle-part")).to_contain_text("Positions 0 – 239")


# Two texts


def test_two_texts_side_by_side(show: Show) -> None:
    first, second = map(of_text, CATS)
    page = show(Page(first, second))
    for text, trace in enumerate((first, second)):
        panel = page.locator(f"#position-{text} table", has=page.get_by_text("Where this state was written"))
        shown = {
            int(where.split()[0]): number(value)
            for where, value in (row.locator("th, td").all_inner_texts() for row in panel.locator("tbody tr").all())
            if where != "before"
        }
        row = trace.layers[0].attention()[-1]
        assert shown == {position: pytest.approx(row[position + 1], abs=2e-3) for position in shown}
    # aligned with the fewest changes: an s is put in, and of the verb two letters are replaced and one is put in
    page.locator("#t0-12").click()
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-13"
    matched = np.delete(np.arange(len(second)), [7, 39])
    # the difference of both, by unit
    differ = np.abs(second.layers[0].hidden[matched] - first.layers[0].hidden)
    order = np.argsort(-differ.mean(0), kind="stable")
    apart = (second.layers[0].update[matched] - first.layers[0].update)[:, order].T
    colours = pixels(page, "#map-update .map canvas")
    assert colours.shape[1] == len(second)
    assert (np.flatnonzero((colours[..., 3] == 0).all(0)) == [7, 39]).all()
    strong = np.abs(apart) > 0.05
    assert ((colours[:, matched, 0] > colours[:, matched, 2]) == (apart > 0))[strong].all()
    units = rows(page, "Units that differ most (hidden state)")
    assert [int(unit) for unit, _ in units] == list(order[:8])
    positions = places(page, "Positions that differ most (hidden state)")
    assert list(positions.values()) == pytest.approx(np.sort(differ.mean(1))[::-1][:8], abs=2e-3)
    page.locator("#shown [value='1']").check()
    assert pixels(page, "#map-update .map canvas").shape[1] == len(second)


def test_what_has_no_counterpart_leaves_the_other_text_where_it_was(show: Show) -> None:
    page = show(Page(of_text("the cat sat"), of_text("the cats sat")))
    page.locator("#t0-8").click()
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-9"
    page.locator("#t1-7").click()
    assert page.locator("#text-0 .chosen").get_attribute("id") == "t0-8"
    assert page.locator("#text-1 .chosen").get_attribute("id") == "t1-7"


def test_two_equal_texts_say_so(show: Show) -> None:
    page = show(Page(of_text("same"), of_text("same")))
    expect(page.get_by_text("The two are identical.")).to_be_visible()


# Numbers, directions, episodes


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
    expect(page.get_by_text("Open across the span 1 – 59")).to_be_visible()
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
    shown = rows(page, "Open across the span 5 – 11")
    assert [number(value) for _, value, _ in shown] == pytest.approx(np.sort(kept)[::-1], abs=2e-3)
    page.locator("#map-hidden .map").hover(position={"x": 1, "y": 1})
    tip = page.locator("#tip").inner_text()
    unit = int(re.findall(r"unit (\d+)", tip)[0])
    assert number(re.findall(r"\bh (−?[\d.]+)", tip)[0]) == pytest.approx(layer.hidden[0, unit], abs=2e-3)


def test_many_channels_are_drawn_in_part_and_said_to_be(show: Show) -> None:
    x = np.random.default_rng(0).normal(size=(30, 90)).astype(np.float32)
    layer = run("gru", x, np.zeros(4), weights(np.random.default_rng(0), 90, 4), "before")
    page = show(Page(Trace((layer,))))
    expect(page.get_by_text("The first 64 of 90 channels.")).to_be_visible()


# Languages, themes, screens, paper


def test_language_and_theme_by_keyboard(show: Show) -> None:
    page = show(Page(of_text(CATS[0])))
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "en")
    tab_to(page, "#language")
    keys(page, "Enter")
    expect(root).to_have_attribute("lang", "zh-Hans")
    for word in ("更新门", "重置门", "候选隐状态", "隐状态", "半衰期"):
        expect(page.get_by_text(word).first).to_be_visible()
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
        for r, g, b, _ in pixels(page, "#legend-write canvas")[0]:
            ground = luminance(f"{r:.0f} {g:.0f} {b:.0f}")
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
    page.wait_for_timeout(600)
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


# What may come


def test_html_in_the_text_is_inert(show: Show) -> None:
    vocabulary = CharVocabulary(NASTY + LETTERS)
    trace = trace_text(model(vocabulary), NASTY)
    page = show(Page(trace, trace, title=NASTY))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    assert page.locator("#text-0 [role=option]").count() == len(NASTY)
    assert page.locator("#of").text_content() == page.title().split(" · ")[0] == NASTY
    assert page.locator("img, b").count() == 0
    assert page.locator("script").count() == 2
    tab_to(page, "#text-0")
    keys(page, "Home", *["ArrowRight"] * 12)


@pytest.mark.parametrize(
    "text", ["a", "👩‍💻 né e\u0301\u200d\ufe0f\u202e!", "שלום عليكم", "猫吃鱼。", "\n \t\r\x00", "a\udc80"]
)
def test_any_text(show: Show, text: str) -> None:
    page = show(Page(trace_text(model(CharVocabulary(LETTERS + text)), text)))
    tab_to(page, ".text")
    for _ in text:
        assert float(page.locator(".text .chosen").bounding_box()["width"]) > 2  # type: ignore[index]
        assert not page.locator(".text .chosen").evaluate("e => /^\\s*$/.test(e.ariaLabel ?? e.textContent)")
        keys(page, "ArrowLeft")


def test_bytes_are_shown_as_numbers(show: Show) -> None:
    page = show(Page(trace_text(model(ByteVocabulary()), "猫 ok")))
    assert page.locator(".text [role=option]").all_text_contents() == ["‹e7›", "‹8c›", "‹ab›", " ", "o", "k"]


def test_tokens_that_are_words_of_javascript(show: Show) -> None:
    trace = of_text("abc")
    assert trace.language
    tokens = ("constructor", "__proto__", "toString")
    vocabulary = tokens + trace.language.vocabulary[3:]
    page = show(Page(Trace(trace.layers, dataclasses.replace(trace.language, tokens=tokens, vocabulary=vocabulary))))
    assert page.locator(".text [role=option]").all_text_contents() == list(tokens)
    assert page.locator(".text .chosen").get_attribute("class") == "chosen"


@pytest.mark.parametrize("z", [0.0, 1.0])
def test_gates_shut_or_open_everywhere(show: Show, z: float) -> None:
    trace = of_text("open or shut", H=1)
    layer = trace.layers[0]
    h = np.zeros_like(layer.hidden) if z else layer.candidate
    fields = {**vars(layer), "update": np.full_like(layer.update, z), "hidden": h}
    trace = Trace((Layer(**fields),), trace.language)
    page = show(Page(trace))
    assert written(page) == ({-1: 1.0} if z else {len(trace) - 1: 1.0, -1: 0.0})
    tab_to(page, ".map")
    keys(page, "ArrowDown")
    expect(page.locator("#units")).to_contain_text("∞" if z else "steps")


def test_gates_near_their_ends_keep_small_weights_right(show: Show) -> None:
    trace = of_text("x" * 400, H=3)
    z = np.full((400, 3), [1e-4, 0.9995, 0.5], np.float32)
    trace = Trace((Layer(**{**vars(trace.layers[0]), "update": z}),), trace.language)
    page = show(Page(trace))
    assert_largest(written(page), trace.layers[0].attention()[-1], 1e-3)


def test_refuses_what_cannot_be_drawn() -> None:
    trace = of_text("x" * (MOST_STEPS + 1), H=2)
    with pytest.raises(PenstockError, match=r"8,001 steps of 2 units .* at most 8,000 .* with --from"):
        Page(trace)
    layer = of_numbers(100, 2).layers[0]
    wide = np.zeros((100, MOST_CELLS // 200), np.float32)
    fields = dict.fromkeys(("update", "reset", "candidate", "hidden"), wide) | {"h_0": wide[0]}
    with pytest.raises(PenstockError, match="at most 50 steps"):
        Page(Trace((Layer(**{**vars(layer), **fields}),)))
    with pytest.raises(PenstockError, match="at least one step"):
        Page(Trace((of_numbers(3).layers[0].between(1, 1),)))
    with pytest.raises(ValueError, match="expected two of the same model"):
        Page(of_text("a"), of_numbers())
    with pytest.raises(ValueError, match="expected one, or two to compare, got 3"):
        Page(*itertools.repeat(of_text("a"), 3))


# The file


def test_one_small_file_whose_scripts_are_named_by_their_hash(tmp_path: Path) -> None:
    page = Page(of_text("a", H=1))
    page.save(tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text("utf-8")
    assert content == page.html == Page(of_text("a", H=1)).html
    assert len(content.encode()) < 1_000_000
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', content)[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r"\s(?:src|href)=", content.split("<script>")[0])
    assert "Permission is hereby granted" in content  # uPlot's licence


def test_shows_itself_in_a_notebook(chromium: Browser) -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(of_text(CATS[0]))
    tab = Tab(chromium.new_context())
    tab.page.set_content(data["text/html"])
    frame = tab.page.frame_locator("iframe")
    expect(frame.locator("html")).to_have_attribute("data-ready", "true")
    frame.locator("#t0-3").click()
    expect(frame.locator(".text .chosen")).to_have_text(" ")
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("about:")] == []
    tab.page.context.close()
