"""The textbook's pictures: each grows out of the one before it, in both languages and forms, for eyes and for ears."""

import re
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Browser

from penstock.look.circuit import PARTS, STAGES, Form, elements, inline
from penstock.look.plates import HEIGHTS, plate

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
SVG = "{http://www.w3.org/2000/svg}"
FORMS: tuple[Form, ...] = ("before", "after")
PLATES = [(stage, language, form) for stage, language, form in product(HEIGHTS, ("en", "zh"), FORMS)]


def text_of(element: Any) -> str:
    return "".join(element.itertext())


def texts(svg: str) -> list[str]:
    return [text_of(element) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def description(stage: str, language: str = "en", form: Form = "before") -> str:
    (found,) = ElementTree.fromstring(plate(stage, language, form)).iter(f"{SVG}desc")
    return text_of(found)


@pytest.mark.parametrize(("stage", "language", "form"), PLATES)
def test_a_plate_is_an_image_with_a_name_and_its_steps_as_sentences(stage: str, language: str, form: Form) -> None:
    svg = ElementTree.fromstring(plate(stage, language, form))
    assert svg.get("role") == "img"
    ids = {element.get("id"): element for element in svg.iter() if element.get("id")}
    title, steps = (ids[name] for name in svg.get("aria-labelledby", "").split())
    assert (title.tag, steps.tag) == (f"{SVG}title", f"{SVG}desc")
    assert text_of(title)
    assert text_of(steps).endswith("." if language == "en" else "。")
    assert all(not element.get("data-word") for element in svg.iter())
    assert all(text_of(element) for element in svg.iter(f"{SVG}text"))
    assert "url(" not in plate(stage, language, form)


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_holds_those_before_it_and_what_is_new(form: Form) -> None:
    for earlier, later in pairwise(STAGES[:-1]):
        kept = [element for element in elements(earlier, form) if element.until != later]
        assert [element for element in elements(later, form) if element.since != later] == kept
        assert len(elements(later, form)) > len(kept)
        assert len(elements(earlier, form)) - len(kept) == (later == "state")  # z led nowhere, and now leads on
    assert elements("whole", form) == elements("state", form)
    drawn = {stage: {element.part for element in elements(stage, form)} - {""} for stage in STAGES}
    assert drawn["gates"] == {"input", "previous", "reset", "update"}
    assert drawn["candidate"] - drawn["gates"] == {"shown", "candidate"}
    assert drawn["state"] - drawn["candidate"] == {"kept", "complement", "written", "hidden"}
    assert drawn["state"] == set(PARTS)


@pytest.mark.parametrize("form", FORMS)
def test_layers_are_those_of_the_textbook(form: Form) -> None:
    layers = {
        stage: [text for text in texts(plate(stage, "en", form)) if text in ("σ", "tanh", "Whn", "Win")]
        for stage in STAGES
    }
    linear = ["Whn", "Win"] if form == "after" else []
    assert layers["gates"] == ["σ", "σ"]
    assert layers["candidate"] == layers["state"] == layers["whole"] == ["σ", "σ", *linear, "tanh"]
    shown = {
        "before": "= tanh(Win xt + bin + Whn (rt ⊙ ht−1) + bhn)",
        "after": "= tanh(Win xt + bin + rt ⊙ (Whn ht−1 + bhn))",
    }
    assert texts(plate("whole", "en", form))[-5] == shown[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stage", STAGES)
def test_wires_begin_and_end_at_something(stage: str, form: Form) -> None:
    markup = "".join(element.markup for element in elements(stage, form))

    def found(shape: str, *names: str) -> list[list[float]]:
        tags = re.findall(rf"<{shape}[^>]*>", markup)
        return [[float(re.findall(rf' {name}="([^"]+)"', tag)[0]) for name in names] for tag in tags]

    frame, *boxes = found("rect", "x", "y", "width", "height")
    operators = found('circle class="operator"', "cx", "cy", "r")

    def inside(x: float, y: float, box: list[float]) -> bool:
        return box[0] < x < box[0] + box[2] and box[1] < y < box[1] + box[3]

    def on_edge(x: float, y: float) -> bool:
        of_box = any(left <= x <= left + w and y in (top, top + h) for left, top, w, h in boxes)
        beside = any(top <= y <= top + h and x in (left, left + w) for left, top, w, h in boxes)
        return of_box or beside or any(np.hypot(x - cx, y - cy) == pytest.approx(r) for cx, cy, r in operators)

    new = {"gates": [[232, 225], [384, 186]], "candidate": [[384, 186], [540, 171]]}.get(stage, [])
    tips = [[float(x), float(y)] for x, y in re.findall(r'class="tip" d="M(\S+) (\d+)', markup)]
    for x, y in tips:
        assert on_edge(x, y) or not inside(x, y, frame) or [x, y] in new, (x, y)
    assert all(point in tips for point in new)
    copies = [tuple(at) for at in found('circle class="copy"', "cx", "cy")]
    starts = [(float(x), float(y)) for x, y in re.findall(r'class="wire" d="M(\S+?) (\d+)', markup)]
    assert set(copies) <= {*starts, (220, 345)}
    for x, y in starts:
        joins = (x, y) in {(188, 345), (220, 345), (540, 333), (384, 193)}  # where two wires have become one
        assert on_edge(x, y) or not inside(x, y, frame) or joins or (x, y) in {*copies, (112, 104), (136, 200)}, (x, y)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_sentences_grow_with_the_picture(language: str, form: Form) -> None:
    told = [description(stage, language, form) for stage in STAGES]
    for earlier, later in pairwise(told):
        assert later.startswith(earlier + " ")
    for letters in ("x_t", "h_{t−1}", "r_t", "z_t"):
        assert letters in told[0]
    assert "n_t" in told[1]
    assert "(1 − z_t) ⊙ n_t" in told[2]
    assert ("W_{hn} h_{t−1} + b_{hn}" in told[1]) == (form == "after")


def test_both_languages_draw_the_same_with_their_own_words() -> None:
    names = {
        "en": ("reset gate", "update gate", "candidate", "hidden state"),
        "zh": ("重置门", "更新门", "候选隐状态", "隐状态"),
    }
    for stage, form in product(HEIGHTS, FORMS):
        drawn = [re.sub(r">[^<]*<", "><", plate(stage, language, form)) for language in names]
        assert drawn[0].replace('lang="en"', 'lang="zh-Hans"') == drawn[1]
    for language, expected in names.items():
        assert set(expected) <= set(texts(plate("whole", language)))
    left_over = [text for text in texts(plate("state", "zh")) if re.search("[a-z]{3}", text)]
    assert left_over == ["tanh"]


def test_no_gate_is_said_to_open_or_to_shut() -> None:
    for stage, language, form in PLATES:
        assert not re.search(
            r"\b(open|shut|clos)|打开|关上|关闭|开门|关门", plate(stage, language, form), re.IGNORECASE
        )


def test_the_lesson_shows_what_the_code_draws() -> None:
    for stage, language in product(HEIGHTS, ("en", "zh")):
        shown = (FIGURES / f"circuit-{stage}.{language}.svg").read_text("utf-8")
        assert shown == plate(stage, language), "docs/figures/draw.py circuit draws it anew"


def test_the_circuit_of_the_page_holds_both_forms_and_no_style_of_its_own() -> None:
    svg = ElementTree.fromstring(inline())
    assert [group.get("data-part") for group in svg.iter("g") if group.get("class") == "part"] == list(PARTS)
    assert {group.get("data-form") for group in svg.iter("g")} == {None, *FORMS}
    assert all("style" not in (element.tag, *element.keys()) for element in svg.iter())  # the page's policy refuses it


def test_texts_have_room_in_a_browser(chromium: Browser) -> None:
    page = chromium.new_page()
    for stage, language, form in PLATES:
        page.set_content(plate(stage, language, form))
        boxes = page.evaluate("""() => [...document.querySelectorAll("svg text")].map((text) => {
            const { x, y, width, height } = text.getBBox();
            return [text.textContent, x, y, width, height];
        })""")
        left, top, width, height = map(float, re.findall(r'viewBox="(.*?)"', plate(stage, language))[0].split())
        for text, x, y, w, h in boxes:
            assert left <= x, text
            assert x + w <= left + width, text
            assert top <= y, text
            assert y + h <= top + height, text
        for (one, x, y, w, h), (other, x2, y2, w2, h2) in combinations(boxes, 2):
            apart = x + w <= x2 or x2 + w2 <= x or y + h * 0.8 <= y2 + h2 * 0.2 or y2 + h2 * 0.8 <= y + h * 0.2
            assert apart, (one, other)
    page.close()


def test_a_plate_is_dark_where_the_reader_is_and_light_on_paper(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "plate.svg").write_text(plate("whole", "en"), "utf-8")
    page = chromium.new_page(color_scheme="dark")
    page.goto((tmp_path / "plate.svg").as_uri())
    fills = "() => ['.ground', '.name'].map((name) => getComputedStyle(document.querySelector(name)).fill)"
    assert page.evaluate(fills) == ["rgb(21, 23, 26)", "rgb(166, 171, 179)"]
    page.emulate_media(media="print")
    assert page.evaluate(fills) == ["rgb(255, 255, 255)", "rgb(91, 95, 102)"]
    page.emulate_media(media="screen", color_scheme="light")
    assert page.evaluate(fills) == ["rgb(255, 255, 255)", "rgb(91, 95, 102)"]
    page.close()
