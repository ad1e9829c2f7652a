"""What may come to a page: HTML, any writing, gates at their ends, too much; and the file that it is."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from browser import Show, Tab, keys, point_at, tab_to
from page_reader import assert_largest, number, written
from playwright.sync_api import Browser, expect
from traces import CATS, LETTERS, model, of_numbers, of_text

import penstock.look.page_data as page_data
from penstock.errors import PenstockError
from penstock.look.layer import Layer
from penstock.look.page import MOST_CELLS, MOST_STEPS, Page
from penstock.look.trace import Trace, trace_text
from penstock.text.vocabulary import CharVocabulary

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- <b>&amp;\u2028"


def test_html_in_the_text_is_inert(show: Show) -> None:
    vocabulary = CharVocabulary(NASTY + LETTERS)
    trace = trace_text(model(vocabulary), NASTY)
    page = show(Page(trace, trace, title=NASTY))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    assert page.locator("#text-0 [role=option]").count() == len(NASTY)
    assert page.locator("#of").text_content() == page.title().split(" · ")[0] == NASTY
    assert page.locator("img, b").count() == 0
    assert page.locator("script").count() == 4  # data, packed, its loader and what that adds
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


def test_tokens_that_are_words_of_javascript(show: Show) -> None:
    trace = of_text("abc")
    assert trace.language
    tokens = ("constructor", "__proto__", "toString")
    vocabulary = tokens + trace.language.vocabulary[3:]
    page = show(Page(Trace(trace.layers, dataclasses.replace(trace.language, tokens=tokens, vocabulary=vocabulary))))
    assert page.locator(".text [role=option]").all_text_contents() == list(tokens)
    assert page.locator(".text .chosen").get_attribute("class") == "chosen"


@pytest.mark.parametrize("z", [0.0, 1.0])
def test_gates_that_write_or_keep_everywhere(show: Show, z: float) -> None:
    trace = of_text("keep or write", H=1)
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


def test_a_long_sequence_is_rounded_and_says_how_far(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_data, "MOST_EXACT", 1)
    for trace in (of_text("so it goes, on and on " * 9), of_numbers(150)):
        page = show(Page(trace))
        gates, candidate, hidden = map(float, re.findall(r"[\d.]+(?= \()", page.locator("#rounded").inner_text()))
        assert gates < 0.004
        assert candidate < 0.005
        assert hidden < 0.02
        assert_largest(written(page), trace.layers[0].attention()[-1], 0.01)
        box = page.locator("#map-hidden .map")
        bounds = box.bounding_box()
        assert bounds
        for across in (0.1, 0.6, 0.9):
            point_at(box, bounds["width"] * across)
            tip = page.locator("#tip").inner_text()
            unit, t = int(re.findall(r"unit (\d+)", tip)[0]), int(re.findall(r"position (\d+)", tip)[0])
            shown = [number(value) for value in re.findall(r"\b[zrnh] (−?[\d.]+)", tip)]
            layer = trace.layers[0]
            off = np.subtract(shown, [getattr(layer, n)[t, unit] for n in ("update", "reset", "candidate", "hidden")])
            assert (abs(off) <= np.array([gates, gates, candidate, hidden]) + 5.1e-4).all()
    expect(page.locator("#rounded")).to_be_visible()
    monkeypatch.undo()
    expect(show(Page(of_text("a"))).locator("#rounded")).to_be_hidden()


def test_refuses_what_cannot_be_drawn() -> None:
    trace = of_text("x" * (MOST_STEPS + 1), H=2)
    with pytest.raises(PenstockError, match=r"8,001 steps of 2 units .* at most 8,000 steps: show a part of it$"):
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
    around = tab.page.locator("iframe").locator("..")
    assert around.evaluate("element => getComputedStyle(element).resize") == "vertical"
    high = tab.page.locator("iframe").bounding_box()
    assert high
    assert 400 < high["height"] < tab.page.evaluate("innerHeight")
    around.evaluate("element => element.style.height = '1500px'")
    assert tab.page.locator("iframe").evaluate("element => element.clientHeight") == 1500
    expect(frame.locator("html")).to_have_attribute("data-ready", "true")
    frame.locator("#t0-3").click()
    expect(frame.locator(".text .chosen")).to_have_text(" ")
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("about:")] == []
    tab.page.context.close()
