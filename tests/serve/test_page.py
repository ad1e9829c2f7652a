"""The page at / in Chromium, of a real server: it writes and answers as the runtime does, and asks nobody else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import ARTEFACTS, Tab, browser, tab_to, violations
from playwright.sync_api import Browser, Page, expect
from serve_process import ServerProcess, serving

from penstock.runtime import load

UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
REFUSED = re.compile(r"Failed to load resource: (the server responded with a status of 4\d\d|net::ERR_)")
"""What the browser itself says in its console of an answer that is an error; the page says it in a sentence."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """A page that asks one server alone, and complains of nothing."""
    context = chromium.new_context(viewport={"width": 700, "height": 900})
    opened = Tab(context)
    yield opened
    context.close()
    assert [one for one in opened.complaints if not REFUSED.match(one)] == []
    assert len({request.split("/")[2] for request in opened.requests}) == 1


def open_page(tab: Tab, server: ServerProcess, model: str) -> Page:
    tab.page.goto(f"{server.url}/")
    expect(tab.page.locator("html")).to_have_attribute("data-ready", re.compile("."))
    tab.page.select_option("#model", model)
    expect(tab.page.locator("html")).to_have_attribute("data-ready", model)
    return tab.page


def keep(page: Page, name: str) -> None:
    (ARTEFACTS / "serve").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "serve" / f"{name}.png", full_page=True)


def choose(page: Page, temperature: str, length: int) -> None:
    page.locator("#temperature").fill(temperature)
    page.fill("#length", str(length))


def written(page: Page) -> str:
    return page.locator("#written").text_content() or ""


def rows_in(page: Page) -> list[list[str]]:
    """The cells of the table of answers, below its header."""
    return [row.locator("td").all_text_contents() for row in page.locator("#answers tr").all()[1:]]


@pytest.mark.parametrize("kind", ["language", "language-tied-w8a16"])
def test_a_text_is_written_and_gone_on_with_from_the_state_that_came_back(
    models: dict[str, Path], server: ServerProcess, tab: Tab, kind: str
) -> None:
    page, model = open_page(tab, server, kind), load(models[kind])
    page.fill("#prompt", "the cat")
    choose(page, "0", 40)
    page.click("#write")
    expect(page.locator("#says")).to_have_text(re.compile(r"^40 tokens in [\d.]+ s\.$"))
    assert written(page) == "the cat" + "".join(model.generate("the cat", length=40, temperature=0))
    size = re.search(r"a state, ([\d,]+) bytes", page.inner_text("#kept"))
    assert size is not None
    state = server.post("/v1/completions", model=kind, prompt="the cat", return_state=True)["choices"][0]["state"]
    assert int(size[1].replace(",", "")) == len(state)
    with page.expect_request("**/v1/completions") as asked:
        page.click("#write-on")
    sent = asked.value.post_data_json
    assert sent["prompt"] == ""
    assert sent["state"]
    expect(page.locator("#written .part")).to_have_count(2)
    expect(page.locator("#write-on")).to_be_visible()
    assert written(page) == "the cat" + "".join(model.generate("the cat", length=80, temperature=0))
    keep(page, kind)


def test_a_text_that_is_stopped_or_cut_off_is_read_again_to_go_on(models: dict[str, Path], tab: Tab) -> None:
    folder = models["language"]
    with serving(folder, options=["--max-tokens", "10000000"]) as server:
        page, model = open_page(tab, server, "language"), load(folder)
        page.fill("#prompt", "the cat")
        choose(page, "0", 1_000_000)
        page.click("#write")
        expect(page.locator("#written")).to_have_text(re.compile(r".{50}", re.DOTALL))
        page.click("#write")
        expect(page.locator("#says")).to_have_text(re.compile("^Stopped"))
        choose(page, "0", 20)
        page.click("#write-on")
        expect(page.locator("#says")).to_have_text(re.compile("^20 tokens"))
        found = written(page)
        assert found == "the cat" + "".join(model.generate("the cat", length=len(found) - 7, temperature=0))

        choose(page, "0", 1_000_000)
        page.click("#write-on")
        expect(page.locator("#written .part").last).to_have_text(re.compile(r".{50}", re.DOTALL))
        server.kill()
        expect(page.locator("#wrong")).to_have_text("The connection ended before the text did.")
        page.click("#write-on")
        expect(page.locator("#wrong")).to_have_text("The server cannot be reached. Does it still run?")


def test_a_model_that_is_left_writes_no_more_and_too_long_a_text_is_refused(server: ServerProcess, tab: Tab) -> None:
    page = open_page(tab, server, "language")
    choose(page, "1", 1_000_000)
    page.click("#write")
    _, error = server.refusal("/v1/completions", model="language", prompt="The ", max_tokens=1_000_000)
    expect(page.locator("#wrong")).to_have_text(error["message"])
    choose(page, "1", 90_000)
    page.click("#write")
    expect(page.locator("#written")).to_have_text(re.compile(r".{50}", re.DOTALL))
    page.select_option("#model", "texts")
    page.select_option("#model", "language")
    expect(page.locator("#write")).to_have_text("Write")
    for one in ("#written", "#says", "#kept", "#wrong"):
        expect(page.locator(one)).to_be_empty()
    choose(page, "1", 10)
    page.click("#write")
    expect(page.locator("#says")).to_have_text(re.compile("^10 tokens"))
    assert len(written(page)) == len("The ") + 10


def test_rows_are_answered_and_gone_on_with(models: dict[str, Path], server: ServerProcess, tab: Tab) -> None:
    page, stream = open_page(tab, server, "segments"), (model := load(models["segments"])).stream()
    assert page.input_value("#rows") == "a, b, kind\n"
    page.fill("#rows", 'kind; b; "a"\nred;-3;20\n\n"blue";"";25.5\n"a ""b""; c"; -2.5; ')
    page.click("#series button[type=submit]")
    expect(page.locator("#answers tr")).to_have_count(4)
    values = np.array([[20, -3, 0], [25.5, np.nan, 2], [np.nan, -2.5, 4], [21, -3, 2]], np.float32)
    expected = [model.answers(stream.step(row)) for row in values]
    assert page.locator("#answers th").all_text_contents() == ["row", "which", "p(one)", "p(two)", "p(three)"]
    page.fill("#rows", "a, b, kind\n21, -3, blue")
    page.click("#rows-on")
    expect(page.locator("#answers tr")).to_have_count(5)
    number, which, *odds = zip(*rows_in(page), strict=True)
    assert number == ("1", "2", "3", "4")
    np.testing.assert_allclose(np.array(odds, float).T, expected, atol=1e-4)
    assert list(which) == [model.answer.classes[k] for k in np.argmax(expected, axis=1)]
    expect(page.locator("#says")).to_have_text("4 rows read.")
    expect(page.locator("#kept")).to_contain_text("the server kept nothing")
    keep(page, "segments")


def test_rows_with_times_and_what_is_wrong_with_some(models: dict[str, Path], server: ServerProcess, tab: Tab) -> None:
    page, stream = open_page(tab, server, "rows"), (model := load(models["rows"])).stream()
    assert page.input_value("#rows") == "t, a, b, kind\n"
    page.click("#series button[type=submit]")
    expect(page.locator("#wrong")).to_have_text("There are no rows yet: write some below the columns' names.")
    page.fill("#rows", "t, a, b, kind\n0, 20, -3")
    page.click("#series button[type=submit]")
    expect(page.locator("#wrong")).to_have_text("Row 1: expected 4 cells as the first line has, got 3.")
    page.fill("#rows", "t, a, b, kind\n0, 20, x, red")
    page.click("#series button[type=submit]")
    _, error = server.refusal("/v1/predict", model="rows", rows=[{"t": "0", "a": "20", "b": "x", "kind": "red"}])
    expect(page.locator("#wrong")).to_have_text(error["message"])
    page.fill("#rows", "t, a, b, kind\n0, 20, -3, red\n90, , -2.5, blue")
    page.click("#series button[type=submit]")
    expect(page.locator("#answers tr")).to_have_count(3)
    expect(page.locator("#wrong")).to_be_hidden()
    found = np.array(rows_in(page), float)[:, 2:]
    rows = [([20, -3, 0], 0.0), ([np.nan, -2.5, 2], 90.0)]
    np.testing.assert_allclose(found, [model.answers(stream.step(row, time)) for row, time in rows], rtol=1e-3)


def test_texts_are_answered(models: dict[str, Path], server: ServerProcess, tab: Tab) -> None:
    page = open_page(tab, server, "texts")
    page.fill("#text", "the cat\nsat")
    page.click("#texts button")
    expected = load(models["texts"]).predict(["the cat\nsat"])[0]
    expect(page.locator("#verdict")).to_have_text(f"mood: {('good', 'bad')[int(np.argmax(expected))]}")
    assert page.locator("#answer dt").all_text_contents() == ["good", "bad"]
    found = [float(cell) for cell in page.locator("#answer span").all_text_contents()]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    keep(page, "texts")


def test_a_bare_gru_says_how_it_is_asked(server: ServerProcess, tab: Tab) -> None:
    page = open_page(tab, server, "states")
    expect(page.locator("#bare")).to_be_visible()
    page.click("summary")
    command = page.inner_text("#command")
    assert command == (
        f'curl {server.url}/v1/predict -d \'{{"model":"states","rows":[[0,0,0,0,0,0,0,0,0]],"return_state":true}}\''
    )
    for form in ("language", "texts", "series"):
        expect(page.locator(f"#{form}")).to_be_hidden()


def test_a_key_is_asked_for_and_kept_in_memory_alone(models: dict[str, Path], tmp_path: Path, tab: Tab) -> None:
    (tmp_path / "keys").write_text("open sesame\n")
    (tmp_path / "keys").chmod(0o600)
    with serving(models["language"], options=["--api-key-file", str(tmp_path / "keys")]) as server:
        page = tab.page
        page.goto(f"{server.url}/")
        expect(page.locator("#key-value")).to_be_focused()
        expect(page.locator("#wrong")).to_be_hidden()
        assert violations(page) == []
        keep(page, "key")
        page.fill("#key-value", "mellon")
        page.keyboard.press("Enter")
        expect(page.locator("#wrong")).to_contain_text("with a key that this server knows")
        page.fill("#key-value", "open sesame")
        page.keyboard.press("Enter")
        expect(page.locator("#language")).to_be_visible()
        expect(page.locator("#key")).to_be_hidden()
        expect(page.locator("#wrong")).to_be_hidden()
        choose(page, "0", 10)
        page.click("#write")
        expect(page.locator("#says")).to_have_text(re.compile("^10 tokens"))
        assert 'Authorization: Bearer $KEY"' in (page.text_content("#command") or "")
        assert "sesame" not in page.content()
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert set(tab.complaints) == {UNAUTHORIZED}
        page.reload()
        expect(page.locator("#key-value")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1000])
def test_it_is_accessible_and_no_wider_than_the_window(server: ServerProcess, tab: Tab, theme: Any, width: int) -> None:
    tab.page.emulate_media(color_scheme=theme)
    tab.page.set_viewport_size({"width": width, "height": 800})
    for model in ("language", "texts", "rows-plain", "states"):
        page = open_page(tab, server, model)
        if model == "language":
            page.click("#write")
            expect(page.locator("#write-on")).to_be_visible()
        elif model == "texts":
            page.fill("#text", "the cat")
            page.click("#texts button")
            expect(page.locator("#answer dt")).to_have_count(2)
        elif model == "rows-plain":
            page.fill("#rows", "a, b\n20, -3\n25.5, ")
            page.click("#series button[type=submit]")
            expect(page.locator("#answers tr")).to_have_count(3)
            page.fill("#rows", "a\n1")
            page.click("#series button[type=submit]")
            expect(page.locator("#wrong")).to_be_visible()
        page.click("summary")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        keep(page, f"{model}-{theme}-{width}")


def test_all_of_it_is_reached_by_the_keyboard(models: dict[str, Path], server: ServerProcess, tab: Tab) -> None:
    page = open_page(tab, server, "language")
    choose(page, "0", 10)
    tab_to(page, "#prompt")
    page.keyboard.press("Control+a")
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    expect(page.locator("#says")).to_have_text(re.compile("^10 tokens"))
    tab_to(page, "#write-on")
    page.keyboard.press("Enter")
    expect(page.locator("#written .part")).to_have_count(2)
    expect(page.locator("#write-on")).to_be_focused()  # as before, to be pressed again
    expected = "".join(load(models["language"]).generate("cat", length=20, temperature=0))
    assert written(page) == "cat" + expected
