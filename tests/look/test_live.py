"""The page with the model inside: what it computes, in a real browser, is what Python computes of the same weights."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Tab, violations
from page_reader import assert_largest, number, pixels, places, rows, settled
from playwright.sync_api import Browser, Page, expect
from traces import LETTERS, model

from penstock import equations
from penstock.errors import PenstockError
from penstock.look.live import live_page
from penstock.look.trace import trace_text
from penstock.runtime.model import Model
from penstock.text.vocabulary import BpeVocabulary, ByteVocabulary, CharVocabulary

CAT = "The cat, which already ate the fish, was"
Open = Callable[..., Page]


@pytest.fixture
def open_live(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a live page from disk, with what stands after #. None may complain, or ask for anything but its file."""
    tabs: list[tuple[str, Tab]] = []

    def open_page(of: Model, *texts: str, hash: str = "", locale: str = "en-US", width: int = 1200) -> Page:
        path = tmp_path / f"{len(tabs)}.html"
        path.write_text(live_page(of, *texts, title="live"), "utf-8")
        context = chromium.new_context(locale=locale, viewport={"width": width, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        tab = Tab(context)
        tabs.append((path.as_uri(), tab))
        tab.page.goto(path.as_uri() + hash)
        ready(tab.page)
        return tab.page

    yield open_page
    for url, tab in tabs:
        tab.page.context.close()
        assert {request.split("#")[0] for request in tab.requests} == {url}
        assert tab.complaints == []


def ready(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("data-ready", "true")


def halved(of: Model) -> Model:
    """The model with the weights that a page holds."""
    return Model(of.config, of.vocabulary, {n: w.astype(np.float16).astype(np.float32) for n, w in of.weights.items()})


def in_form(of: Model, form: Any) -> Model:
    """A model of the same weights in a form of the reset gate."""
    return Model(replace(of.config, stack=replace(of.config.stack, reset=form)), of.vocabulary, of.weights)


def numbers(page: Page, text: int = 0) -> dict[str, Any]:
    """What "copy numbers" gives of the chosen layer, by name, (L, H)."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.click("#copy-numbers")
    page.wait_for_function("navigator.clipboard.readText().then(text => text.length > 0)")
    copied = page.evaluate("navigator.clipboard.readText()")
    found = [row for row in csv.DictReader(io.StringIO(copied)) if row["text"] == str(text)]
    units = 1 + max(int(row["unit"]) for row in found)
    fields = ("reset", "update", "candidate", "hidden")
    return {name: np.array([float(row[name]) for row in found]).reshape(-1, units) for name in fields}


def read(page: Page, text: int = 0) -> str:
    return "".join(page.locator(f"#text-{text} [role=option]").all_text_contents())


def held_by_equations(of: Model, text: str, hold: Callable[..., None], layer: int = 0) -> Any:
    """Gates and states (L, 4, H) of a layer of a model whose gates at step t ``hold(t, r, z, n)`` changes in place."""
    ids, found = of.vocabulary.encode(text), []
    x = of.weights["embedding.weight"].astype(np.float64)[ids]
    for k in range(of.config.stack.num_layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w = equations.by_gate(*(of.weights[f"layers.{k}.{name}_l0"].astype(np.float64) for name in names))
        h, steps = np.zeros(of.config.stack.hidden_size), []
        for t in range(len(ids)):
            r, z, _, _ = equations.step(x[t], h, w, of.config.stack.reset)
            free = np.full_like(r, np.nan)
            if k == layer:
                hold(t, r, z, free)
            past = w.W_hn @ (r * h) + w.b_hn if of.config.stack.reset == "before" else r * (w.W_hn @ h + w.b_hn)
            n = np.where(np.isnan(free), np.tanh(w.W_in @ x[t] + w.b_in + past), free)
            h = z * h + (1 - z) * n
            steps.append([r, z, n, h])
        x = np.array(steps)[:, 3]
        found.append(np.array(steps))
    return found[layer]


def agree(found: dict[str, Any], expected: Any) -> None:
    """To the seven digits that the page writes of a number."""
    for k, name in enumerate(("reset", "update", "candidate", "hidden")):
        np.testing.assert_allclose(found[name], expected[:, k], rtol=0, atol=1e-6, err_msg=name)


def nothing(*_: Any) -> None:
    """Holds nothing."""


@pytest.mark.parametrize("K", [1, 2])
def test_what_is_typed_is_computed(open_live: Open, K: int) -> None:
    of = model(CharVocabulary(LETTERS), K=K)
    page = open_live(of, CAT)
    page.select_option("#layer", str(K - 1))
    agree(numbers(page), held_by_equations(halved(of), CAT, nothing, K - 1))
    page.locator("#live-text-0").press("End")
    page.keyboard.type("n't full")
    page.keyboard.press("Home")
    page.keyboard.type("So: ")
    text = f"So: {CAT}n't full"
    assert read(page) == text
    trace = trace_text(halved(of), text)
    agree(numbers(page), held_by_equations(halved(of), text, nothing, K - 1))
    expected = np.sort(np.exp(trace.log_probabilities())[-1])[::-1]
    assert [number(p) for _, p in rows(page, "Expected next")] == pytest.approx(expected[:8], abs=2e-3)
    page.locator(f"#t0-{len(text) - 5}").click()
    surprise = trace.surprise()
    expect(page.locator(".next")).to_contain_text(f"{surprise[-4]:.2f} bits")
    page.locator("[value=contributions]").click()
    assert_largest(places(page, "What spoke for"), trace.contributions(len(text) - 5), 5e-3)
    lives = trace.layers[K - 1].half_life()
    page.locator("#map-update .map").focus()
    for unit in np.argsort(-lives, kind="stable")[:4]:
        page.keyboard.press("ArrowDown")
        life = "∞, longer" if np.isinf(lives[unit]) else f"{lives[unit]:.{0 if lives[unit] >= 10 else 1}f} steps"
        expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone. Half-life: {life}")


@pytest.mark.parametrize(
    "after", ["The", "The cat\tö", "A cat, which already ate the fish, was", CAT + " full", CAT[4:], CAT]
)
def test_what_stays_of_a_text_that_is_typed_looks_as_if_it_were_new(open_live: Open, after: str) -> None:
    of = model(CharVocabulary(LETTERS))
    typed, new = open_live(of, CAT), open_live(of, after)
    settled(typed)
    typed.fill("#live-text-0", after[:-1])
    typed.fill("#live-text-0", after)
    for page in typed, new:
        page.locator("#t0-1").click()
    looks = """tokens => tokens.map(({id, textContent, ariaLabel, ariaSelected, className, style}) =>
        [id, textContent, ariaLabel, ariaSelected, className, style.backgroundColor, style.boxShadow])"""
    assert read(typed) == read(new)
    assert typed.eval_on_selector_all("#text-0 > span", looks) == new.eval_on_selector_all("#text-0 > span", looks)
    for drawn in ".triangle", "#map-update .map", "#map-hidden .map":
        np.testing.assert_array_equal(pixels(typed, f"{drawn} canvas"), pixels(new, f"{drawn} canvas"))
    for words in "#position-0", "#legend-write", "#unit-list", "#moments":
        assert typed.locator(words).text_content() == new.locator(words).text_content()


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_tokens_of_every_kind_are_read(open_live: Open, kind: str) -> None:
    vocabulary = ByteVocabulary() if kind == "byte" else BpeVocabulary.trained_on([CAT * 3], 290)
    of = model(vocabulary)
    text = "The cat 猫 \N{CAT FACE} <b>x</b>"
    page = open_live(of, "x")
    page.locator("#live-text-0").fill(text)
    agree(numbers(page), held_by_equations(halved(of), text, nothing))


QUESTIONS = {
    "never hid": lambda t, r, z, n: r.fill(1),
    "hid all": lambda t, r, z, n: r.fill(0),
    "no gates": lambda t, r, z, n: (r.fill(1), z.fill(0)),
}


@pytest.mark.parametrize("form", ["before", "after"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_shows_before_and_after_side_by_side(open_live: Open, form: str, question: str) -> None:
    of = model(CharVocabulary(LETTERS))
    of = in_form(of, form)
    page = open_live(of, CAT)
    page.get_by_role("button", name=question).click()
    assert page.locator("#texts h3[id]").all_inner_texts() == ["First: as it is", "Second: held"]
    agree(numbers(page, 0), held_by_equations(halved(of), CAT, nothing))
    agree(numbers(page, 1), held_by_equations(halved(of), CAT, QUESTIONS[question]))
    page.click("#let-go")
    expect(page.locator("#texts .reading")).to_have_count(1)


def test_a_question_is_about_the_text_that_is_chosen(open_live: Open) -> None:
    of, cats = model(CharVocabulary(LETTERS)), CAT.replace("cat", "cats")
    page = open_live(of, CAT, cats)
    page.locator("#t1-5").click()
    page.get_by_role("button", name="no gates").click()
    assert [read(page, text) for text in (0, 1)] == [cats, cats]
    agree(numbers(page, 1), held_by_equations(halved(of), cats, QUESTIONS["no gates"]))


@pytest.mark.parametrize("whom", ["unit .*", "all units"])
def test_units_that_forget_at_a_step(open_live: Open, whom: str) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.locator("#t0-7").click()
    button = page.get_by_role("button", name=re.compile(f"What if {whom} forgot at ‘,’, position 7"))
    named = re.findall(r"unit (\d+)", button.inner_text())
    button.click()

    def forget(t: int, r: Any, z: Any, n: Any) -> None:
        if t == 7:
            z[[int(unit) for unit in named] or slice(None)] = 0

    agree(numbers(page, 1), held_by_equations(halved(of), CAT, forget))


@pytest.mark.parametrize(("gate", "value"), [("update", 0.25), ("reset", 0.5), ("state", -0.5)])
def test_a_group_of_units_is_held_at_a_value(open_live: Open, gate: str, value: float) -> None:
    of = model(CharVocabulary(LETTERS), K=2)
    page = open_live(of, CAT)
    page.locator("#t0-9").click()
    page.select_option("#hold [name=gate]", gate)
    page.fill("#hold [name=units]", "1, 4-6")
    page.locator("#hold [name=value]").fill(str(value))
    page.get_by_role("button", name="Hold", exact=True).click()

    def hold(t: int, r: Any, z: Any, n: Any) -> None:
        for unit in (1, 4, 5, 6) if t >= 9 else ():
            if gate == "state":
                z[unit], n[unit] = 0, value
            else:
                (z if gate == "update" else r)[unit] = value

    agree(numbers(page, 1), held_by_equations(halved(of), CAT, hold))
    page.select_option("#layer", "1")  # which hears of it
    layer_0_held = numbers(page, 1)["hidden"]
    assert np.abs(layer_0_held - numbers(page, 0)["hidden"]).max() > 1e-3
    for wrong in ("12", "3-1", "x", "-1"):
        page.fill("#hold [name=units]", wrong)
        page.get_by_role("button", name="Hold", exact=True).click()
        expect(page.locator("#hold-says")).to_have_text("Expected units 0 … 11, such as “3, 7-9”, or “all”.")
    expect(page.locator("#hold-list li")).to_have_count(1)


def test_the_other_form_is_another_function_and_says_so(open_live: Open) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.get_by_role("button", name="in the form").click()
    assert "another function" in page.locator("#hold-list").inner_text()
    agree(numbers(page, 1), held_by_equations(halved(in_form(of, "after")), CAT, nothing))


def test_it_writes_and_steps_back(open_live: Open) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.locator("#temperature").fill("0")
    for _ in range(3):
        page.click("#write-one")
    written = CAT + "".join(halved(of).generate(CAT, length=3, temperature=0))
    assert read(page) == written
    assert page.locator("#live-text-0").input_value() == written
    page.click("#step-back")
    assert read(page) == written[:-1]
    page.click("#write")
    page.wait_for_function("n => document.querySelectorAll('#text-0 [role=option]').length > n", arg=len(CAT) + 20)
    page.click("#write")  # stops
    stopped = read(page)
    assert stopped == CAT + "".join(halved(of).generate(CAT, length=len(stopped) - len(CAT), temperature=0))
    for _ in range(len(stopped) - len(CAT) + 2):
        page.click("#step-back")
    assert read(page) == CAT[:-2]


def test_before_and_after_are_written_on_each_by_itself(open_live: Open) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.locator("#temperature").fill("0")
    page.get_by_role("button", name="hid all").click()
    for _ in range(4):
        page.click("#write-one")
    assert read(page, 0) == CAT + "".join(halved(of).generate(CAT, length=4, temperature=0))
    weights, text = halved(of).weights, CAT
    for _ in range(4):
        state = held_by_equations(halved(of), text, QUESTIONS["hid all"])[-1, 3]
        logits = weights["output.weight"] @ state + weights["output.bias"]
        text += of.vocabulary.characters[1 + int(np.argmax(logits[1:]))]  # type: ignore[attr-defined]
    assert read(page, 1) == text


def test_everything_chosen_stands_in_the_address(open_live: Open, chromium: Browser) -> None:
    of = model(CharVocabulary(LETTERS), K=2)
    page = open_live(of, CAT)
    page.locator("#live-text-0").fill("Is it “&#<script>”? " + CAT)
    page.select_option("#layer", "1")
    page.get_by_role("button", name="never hid").click()
    page.locator("#t1-12").click()
    page.fill("#hold [name=units]", "3-4")
    page.get_by_role("button", name="Hold", exact=True).click()
    page.click("#copy-link")
    expect(page.locator("#address-says")).to_have_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    again = open_live(of, CAT, hash="#" + link.split("#", 1)[1])
    assert again.locator("#address-says").inner_text() == ""
    for text in (0, 1):
        assert read(again, text) == read(page, text)
        for name, values in numbers(page, text).items():
            assert np.array_equal(values, numbers(again, text)[name])
    assert again.locator("#layer").input_value() == "1"
    assert again.locator("#hold-list li").all_inner_texts() == page.locator("#hold-list li").all_inner_texts()
    assert again.locator("#text-1 .chosen").get_attribute("id") == "t1-12"


def test_back_and_forward_go_through_what_was_chosen(open_live: Open) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT)
    page.locator("#t0-5").click()
    page.wait_for_url(re.compile("at=5&"))
    page.get_by_role("button", name="hid all").click()
    page.wait_for_url(re.compile("hold="))
    page.go_back()
    expect(page.locator("#texts .reading")).to_have_count(1)
    assert page.locator("#text-0 .chosen").get_attribute("id") == "t0-5"
    page.go_forward()
    expect(page.locator("#texts .reading")).to_have_count(2)


@pytest.mark.parametrize(
    "damage",
    ["at=99999", "at=x", "unit=12", "layer=-1", "span=9+3", "hold=update+0+all+7+0+end", "hold=drop+table", "form=none",
     "text=", "bars=<img src=x onerror=alert(1)>", "temperature=hot"],
)  # fmt: skip
def test_an_address_that_is_damaged_opens_the_page_and_says_so(open_live: Open, damage: str) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.locator("#t0-5").click()
    page.click("#copy-link")
    link = page.evaluate("navigator.clipboard.readText()").split("#")[1]
    name = damage.split("=")[0]
    others = [part for part in link.split("&") if not part.startswith(f"{name}=")]
    again = open_live(of, CAT, hash="#" + "&".join([*others, damage]))
    assert "is damaged" in again.locator("#address-says").inner_text()
    assert read(again) == CAT


def test_an_address_of_another_page_is_left_aside(open_live: Open) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT, hash="#of=0123456789ab&at=3&text=x")
    assert "another page" in page.locator("#address-says").inner_text()
    assert read(page) == CAT


@pytest.mark.parametrize("text", ["\N{CAT FACE}", "é", "</script><script>alert(1)</script>", "\u202eabc", "a\nb"])
def test_texts_that_are_strange_are_read_and_stay_text(open_live: Open, text: str) -> None:
    of = model(CharVocabulary(LETTERS))
    page = open_live(of, CAT)
    page.locator("#live-text-0").fill(text)
    agree(numbers(page), held_by_equations(halved(of), text, nothing))


def test_a_character_that_the_model_never_saw_is_marked(open_live: Open) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT)
    page.locator("#live-text-0").fill("a né猫 cat")
    assert page.locator("#text-0 .unknown").all_text_contents() == ["é"]
    expect(page.locator("#unknown")).to_contain_text("1 ")
    page.locator("#live-text-0").fill("a ne cat")
    expect(page.locator("#unknown")).to_be_hidden()


def test_a_text_that_is_empty_or_very_long_says_what_is_the_matter(open_live: Open) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT)
    box = page.locator("#live-text-0")
    box.fill("")
    expect(page.locator("#live-says")).to_have_text("Type at least one character.")
    assert read(page) == CAT  # as it was
    box.fill("so it goes " * 9091)
    expect(page.locator("#live-says")).to_have_text("The first 2000 tokens are shown; 98001 more are left out here.")
    expect(page.locator("#text-0 [role=option]")).to_have_count(2000)


def test_two_texts_are_compared_and_one_is_left(open_live: Open) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT)
    page.click("#second")
    page.locator("#live-text-1").fill(CAT.replace("cat", "cats").replace("was", "were"))
    assert read(page, 1) == "The cats, which already ate the fish, were"
    page.click("#second")
    expect(page.locator("#texts .reading")).to_have_count(1)
    assert read(page) == CAT


def test_without_a_text_the_model_writes_one(open_live: Open) -> None:
    of = model(CharVocabulary(LETTERS))
    assert len(read(open_live(of))) == 160


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.look.live.LARGEST", 1000)
    with pytest.raises(PenstockError, match=r"its 3,\d\d\d weights are more than a page can hold, 1,000"):
        live_page(model(CharVocabulary(LETTERS)), CAT)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(("width", "theme"), [(1200, "light"), (375, "dark"), (320, "light")])
def test_accessible(open_live: Open, width: int, theme: Any, locale: str) -> None:
    page = open_live(model(CharVocabulary(LETTERS)), CAT, locale=locale, width=width)
    page.emulate_media(color_scheme=theme)
    page.locator("#questions button").first.click()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
