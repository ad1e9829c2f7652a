"""The story that a page opens on: what it names is what the trace holds most of, and it leads there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Show, keep, keys, tab_to
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Shown
from traces import CATS, of_numbers, of_text, weights

from penstock.look.layer import Layer, run
from penstock.look.live import live_page
from penstock.look.page import Page
from penstock.look.trace import Trace, trace_text
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.runtime.model import Model
from penstock.text.vocabulary import CharVocabulary

SINGULAR, PLURAL = "xcxxxxxxxxvs", "xCxxxxxxxxvr"
SUBJECT, VERB = 1, 10
HOLDER = 2


def agreement() -> Model:
    """c is a cat, C are cats, x is a clause; after v comes s where it was a cat, and r where there were more.

    Unit 2 alone keeps the number: below 0 after c, above after C. The others are written anew at every step.
    """
    vocabulary = CharVocabulary("cCxvsr")
    V, H = len(vocabulary), 4
    c, C, x, v, s, r = vocabulary.encode("cCxvsr").tolist()
    w_ih, bias = np.zeros((3 * H, V)), np.zeros(3 * H)
    bias[H : 2 * H] = -6  # z
    bias[H + HOLDER] = 6
    w_ih[H + HOLDER, [c, C]] = -12
    w_ih[2 * H + HOLDER, [c, C]] = -2, 2  # n
    w_ih[2 * H] = -1
    w_ih[2 * H, v] = 2
    w_ih[2 * H + 1, [c, C, x, v, s, r]] = np.linspace(-2, 2, 6)
    output = np.zeros((V, H))
    output[[s, r, x], 0] = 4, 4, -6
    output[[s, r], HOLDER] = -3, 3
    of_model: dict[str, Any] = {"embedding.weight": np.eye(V), "output.weight": output, "output.bias": np.zeros(V)}
    of_model |= {"layers.0.weight_ih_l0": w_ih, "layers.0.weight_hh_l0": np.zeros((3 * H, H))}
    of_model |= {"layers.0.bias_ih_l0": bias, "layers.0.bias_hh_l0": np.zeros(3 * H)}
    float32 = {name: np.asarray(value, np.float32) for name, value in of_model.items()}
    return Model(LanguageConfig(V, StackConfig(V, H, 1)), vocabulary, float32)


def moment(page: Shown, kind: str) -> Locator:
    return page.locator(f"#moments li.{kind}")


def numbers(moment: Locator, pattern: str = r"[+−]?\d+\.\d+") -> list[float]:
    return [float(found.replace("−", "-")) for found in re.findall(pattern, moment.locator("p").text_content() or "")]


def percents(moment: Locator) -> list[float]:
    return [value / 100 for value in numbers(moment, r"\d+(?=%)")]


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def test_the_unit_that_carries_the_number_over_the_clause_tells_a_pair_apart(show: Show) -> None:
    first, second = (trace_text(agreement(), text) for text in (SINGULAR, PLURAL))
    page = show(Page(first, second))
    apart = moment(page, "apart")
    expect(apart.locator("h3")).to_have_text(f"Unit {HOLDER} tells the two apart")
    states = [trace.layers[0].hidden[t, HOLDER] for t in (SUBJECT, VERB) for trace in (first, second)]
    assert first.language
    s, r = first.language.vocabulary.index("s"), first.language.vocabulary.index("r")
    towards = first.language.weight[r] - first.language.weight[s]
    parts = towards * (second.layers[0].hidden[VERB] - first.layers[0].hidden[VERB])
    assert numbers(apart) == pytest.approx([*states, parts.sum(), parts[HOLDER]], abs=0.011)
    margin = -towards @ first.layers[0].hidden[VERB]
    assert percents(apart) == pytest.approx([sigmoid(margin), sigmoid(margin - parts[HOLDER])], abs=0.011)
    expect(apart).to_contain_text(f"{VERB - SUBJECT} steps later, at ‘{SINGULAR[: VERB + 1]}’")
    expect(apart).to_contain_text("‘s’ comes next in the first and ‘r’ in the second")
    expect(apart.locator("svg path")).to_have_count(2)
    tab_to(page, "#moments li.apart button")
    keys(page, "Enter")
    expect(page.locator("#units")).to_contain_text(f"Unit {HOLDER} alone")
    assert page.locator(".text .chosen").all_text_contents() == ["v", "v"]
    expect(page.locator("#map-hidden .map")).to_be_focused()
    expect(page.locator("#map-hidden .map")).to_be_in_viewport()


def test_the_one_that_says_most_is_named_beside_the_one_that_holds(show: Show) -> None:
    """Another unit that reads what unit 2 holds, when it hears v, and speaks in its place."""
    model = agreement()
    altered = {name: value.copy() for name, value in model.weights.items()}
    altered["layers.0.weight_hh_l0"][2 * 4 + 3, HOLDER] = 2
    altered["output.weight"][:, 3] = altered["output.weight"][:, HOLDER]
    altered["output.weight"][:, HOLDER] = 0
    altered["layers.0.bias_ih_l0"][:4] = 9  # r: the past is shown
    model = Model(model.config, model.vocabulary, altered)
    page = show(Page(*(trace_text(model, text) for text in (SINGULAR, PLURAL))))
    apart = moment(page, "apart")
    expect(apart.locator("h3")).to_have_text(f"Unit {HOLDER} tells the two apart")
    expect(apart).to_contain_text("0.00 of that it sets itself, and unit 3 sets most")


def test_without_a_fork_the_unit_that_differs_and_lasts_is_told(show: Show) -> None:
    page = show(Page(*(trace_text(agreement(), text) for text in ("xcxxxxxxx", "xCxxxxxxx"))))
    expect(moment(page, "apart").locator("h3")).to_have_text(f"Unit {HOLDER} tells the two apart")
    expect(moment(page, "apart")).not_to_contain_text("logits")


def test_the_unit_that_decides_a_prediction(show: Show) -> None:
    text = SINGULAR + PLURAL.replace("x", "xx")  # the second clause is the longer one
    trace = trace_text(agreement(), text)
    page = show(Page(trace))
    decides = moment(page, "decides")
    expect(decides.locator("h3")).to_have_text(f"Unit {HOLDER} decides what comes next")
    expect(decides).to_contain_text("came ‘r’. Between ‘r’ and ‘s’")
    verb, subject = text.rindex("v"), text.rindex("C")
    assert trace.language
    towards = trace.language.weight[trace.language.vocabulary.index("r")]
    towards = towards - trace.language.weight[trace.language.vocabulary.index("s")]
    part = towards[HOLDER] * trace.layers[0].hidden[verb, HOLDER]
    margin = towards @ trace.layers[0].hidden[verb]
    assert numbers(decides) == pytest.approx([part], abs=0.011)
    share = trace.layers[0].attention(HOLDER)[verb, subject + 1]
    assert percents(decides) == pytest.approx([sigmoid(margin), sigmoid(margin - part), share], abs=0.011)
    expect(decides).to_contain_text(f"written {verb - subject} steps before")
    decides.locator("button").click()
    expect(page.locator("#units")).to_contain_text(f"Unit {HOLDER} alone")
    expect(page.locator(".text .chosen")).to_have_text("v")
    expect(page.locator("#text-0")).to_be_focused()


def longest_memory(layer: Layer) -> tuple[int, int, int, float]:
    """Unit, position, step and share: every share of every state, looked at."""
    L, H = layer.hidden.shape
    shares = np.stack([layer.attention(unit)[:, 1:] for unit in range(H)])  # (H, L, L)
    distance = np.abs(np.subtract.outer(np.arange(L), np.arange(L)))
    score = np.where((shares >= 0.25) & (distance >= 3), shares * distance * np.abs(layer.candidate.T)[:, None], 0)
    unit, t, s = map(int, np.unravel_index(score.argmax(), score.shape))
    return unit, t, s, float(shares[unit, t, s])


@pytest.mark.parametrize("direction", ["text", "forward", "reverse"])
def test_the_longest_memory(show: Show, direction: str) -> None:
    if direction == "text":
        trace = of_text(CATS[0])
    else:
        trace = Trace(of_numbers().layers[(direction == "reverse") : (direction == "reverse") + 1])
    unit, t, s, share = longest_memory(trace.layers[0])
    page = show(Page(trace))
    memory = moment(page, "memory")
    expect(memory.locator("h3")).to_have_text(f"Unit {unit} remembers for long")
    expect(memory).to_contain_text(f"what it wrote {abs(t - s)} steps before")
    assert percents(memory) == pytest.approx([share], abs=0.011)
    memory.locator("button").click()
    expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone")
    expect(page.get_by_text(f"Kept across the span {min(s, t)} – {max(s, t)}")).to_be_visible()
    expect(page.locator("#text-0")).to_be_focused()


@pytest.mark.parametrize("direction", [0, 1])
def test_where_the_reset_gates_hide_most(show: Show, direction: int) -> None:
    trace = Trace(of_numbers().layers[direction : direction + 1])
    (layer,) = trace.layers
    order = slice(None, None, -1 if layer.reverse else 1)
    past = np.concatenate([layer.h_0[None], layer.hidden[order][:-1]])[order] * ~layer.resets[:, None]
    hidden = (1 - layer.reset) * np.abs(past)
    at = int(hidden.sum(1).argmax())
    unit = int(hidden[at].argmax())
    page = show(Page(trace))
    hides = moment(page, "hides")
    expect(hides).to_contain_text(f"At step {at},")
    expect(hides).to_contain_text(f"Most of all unit {unit}:")
    assert numbers(hides) == pytest.approx([past[at, unit], layer.reset[at, unit]], abs=0.011)
    shares = [hidden[at].sum() / np.abs(past[at]).sum(), hidden.sum() / np.abs(past).sum()]
    assert percents(hides) == pytest.approx(shares, abs=0.011)
    assert hides.locator(".bar").count() == len(trace)
    hides.locator("button").click()
    expect(page.locator("#units")).to_contain_text(f"Unit {unit} alone")
    assert page.locator(".strip").get_attribute("aria-valuenow") == str(at)
    expect(page.locator("#map-reset .map")).to_be_focused()


def test_of_several_layers_the_moment_leads_into_its_own(show: Show) -> None:
    first, second = (trace_text(model, SINGULAR + PLURAL) for model in (agreement(), agreement()))
    stack = Trace((of_text(SINGULAR + PLURAL, H=4).layers[0], second.layers[0]), first.language)
    page = show(Page(stack))
    decides = moment(page, "decides")
    expect(decides.locator("h3")).to_have_text(f"Unit {HOLDER} ({second.layers[0].name}) decides what comes next")
    decides.locator("button").click()
    expect(page.locator("#layer")).to_have_value("1")


@pytest.mark.parametrize("text", ["a", "aaaaaaaa"])
def test_of_one_token_or_always_the_same_it_says_that_nothing_tells_much(show: Show, text: str) -> None:
    page = show(Page(of_text(text)))
    expect(page.locator("#story-says")).to_contain_text("Nothing tells much here")
    expect(page.locator("#moments li")).to_have_count(0)


def test_constant_numbers_tell_nothing_either(show: Show) -> None:
    layer = run("gru", np.ones((9, 2), np.float32), np.zeros(3), weights(np.random.default_rng(0), 2, 3), "before")
    expect(show(Page(Trace((layer,)))).locator("#story-says")).to_contain_text("Nothing tells much here")


def test_where_nothing_is_held_or_hidden_it_says_so(show: Show) -> None:
    w_ih, w_hh, bias, zero = weights(np.random.default_rng(0), 2, 3)
    bias[:3], bias[3:6] = 40, -40  # the past is shown, the state is written
    x = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    page = show(Page(Trace((run("gru", x, np.zeros(3), (w_ih, w_hh, bias, zero), "before"),))))
    expect(page.locator("#story-says")).to_contain_text("Nothing stands out here")


@pytest.mark.parametrize("texts", [("ab",), ("so it goes", "so"), ("x", "so it goes, and on"), ("same", "same")])
@pytest.mark.parametrize("H", [1, 12])
def test_every_moment_can_be_gone_to(show: Show, texts: tuple[str, ...], H: int) -> None:
    page = show(Page(*(of_text(text, H=H) for text in texts)))
    for button in page.locator("#moments button").all():
        button.click()
        expect(page.locator("#units")).to_contain_text("alone")
    if len(set(texts)) == 1:
        expect(moment(page, "apart")).to_have_count(0)


def test_in_chinese_and_in_the_dark(show: Show) -> None:
    page = show(Page(*map(of_text, CATS)), locale="zh-CN", theme="dark", width=375)
    expect(page.locator("#moments")).to_contain_text("把两者区分开")
    expect(page.locator("#moments")).to_contain_text("挡住")
    told = page.locator("#moments p").all_text_contents()
    assert not re.search("[A-Za-z]{6,}", re.sub("“[^”]*”", "", "".join(told)))
    found = Axe().run(page, context="#story").response["violations"]
    assert [rule["id"] for rule in found] == []
    keep(page, "story-phone-dark-zh")


@pytest.fixture
def live(chromium: Browser, tmp_path: Path) -> Iterator[Shown]:
    """A live page in which s and r both come, after one c and after one C."""
    path = tmp_path / "live.html"
    path.write_text(live_page(agreement(), SINGULAR + PLURAL), "utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


def test_it_follows_the_text_of_a_live_page(live: Shown) -> None:
    for longer, shorter, verb in ((PLURAL, SINGULAR, "r"), (SINGULAR, PLURAL, "s")):
        live.locator("#live-text-0").fill(longer.replace("x", "xx") + shorter)
        expect(moment(live, "decides")).to_contain_text(f"came ‘{verb}’")
    live.locator("#live-text-0").fill("xxx")
    expect(live.locator("#story-says")).to_contain_text("Nothing tells much here")


def test_where_a_held_state_turns_what_is_expected_into_another(live: Shown) -> None:
    live.select_option("#hold [name=gate]", "state")
    live.fill("#hold [name=units]", str(HOLDER))
    live.locator("#hold [name=value]").fill("1")
    live.select_option("#hold [name=when]", "all")
    live.locator("#hold > button").click()
    apart = moment(live, "apart")
    expect(apart.locator("h3")).to_have_text(f"Unit {HOLDER} tells the two apart")
    expect(apart).to_contain_text("‘s’ is expected next in the first and ‘r’ in the second")
    expect(apart).to_contain_text("with the second’s state in this unit it would be < 1%")
    apart.locator("button").click()
    assert live.locator(".text .chosen").all_text_contents() == ["v", "v"]
    assert live.locator("#text-0 .chosen").get_attribute("id") == f"t0-{VERB}"
