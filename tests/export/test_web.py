"""The page and the script of an exported model, in Chromium and in Node: they answer as the runtime does."""

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import ARTEFACTS, Tab, browser, violations
from export import made
from node import WEB, run_node
from playwright.sync_api import Browser, Page, expect

from penstock.errors import PenstockError
from penstock.export.web import export
from penstock.model_folder.stack import StackConfig
from penstock.runtime import load

FILES = ["index.html", "model.bin", "model.js", "page.css", "page.js", "penstock.d.ts", "penstock.js", "penstock.json"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Of each kind the model and its export."""
    root = tmp_path_factory.mktemp("sites")
    found = {}
    for kind, folder in made.everything(root / "models").items():
        export(folder, root / kind, force=False)
        found[kind] = folder, root / kind
    return found


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """A page that complains of nothing."""
    context = chromium.new_context(viewport={"width": 700, "height": 900})
    opened = Tab(context)
    yield opened
    context.close()
    assert opened.complaints == []


def open_site(tab: Tab, site: Path | str) -> Page:
    tab.page.goto(site if isinstance(site, str) else (site / "index.html").as_uri())
    expect(tab.page.locator("html")).to_have_attribute("data-ready", "true")
    return tab.page


def keep(page: Page, name: str) -> None:
    (ARTEFACTS / "web").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "web" / f"{name}.png", full_page=True)


@pytest.mark.parametrize("form", ["", "-after", "-tied", "-w8a16", "-tied-w8a16"])
def test_a_page_from_disk_writes_what_the_runtime_writes(
    sites: dict[str, tuple[Path, Path]], tab: Tab, form: str
) -> None:
    kind = f"language{form}"
    folder, site = sites[kind]
    assert sorted(path.name for path in site.iterdir()) == FILES
    page, model = open_site(tab, site), load(folder)
    page.fill("#prompt", "the cat")
    page.locator("#temperature").fill("0")
    page.click("#write")
    page.wait_for_function("document.getElementById('written').textContent.length > 60")
    page.click("#write")
    written = page.locator("#written").text_content() or ""
    assert written == "the cat" + "".join(model.generate("the cat", length=len(written) - 7, temperature=0))
    if kind.endswith("w8a16"):  # gates in whole numbers stay inside
        expect(page.locator("figure")).to_be_hidden()
    else:
        picture = "document.getElementById('gates').getContext('2d').getImageData(0, 0, 160, 16).data"
        assert page.evaluate(f"{picture}.some((value) => value > 0)")
    keep(page, kind)
    asked = {request.rsplit("/", 1)[1] for request in tab.requests}
    assert asked == {"index.html", "page.css", "penstock.js", "page.js", "model.js"}
    assert all(request.startswith(site.as_uri()) for request in tab.requests)


def test_gates_losses_and_held_gates_in_a_page_are_the_runtimes(sites: dict[str, tuple[Path, Path]], tab: Tab) -> None:
    folder, site = sites["language"]
    page, model, text = open_site(tab, site), load(folder), "the cat sat on a mat"
    found = page.evaluate(
        """async (text) => {
          const model = await penstock.load(penstockModel);
          const { ids } = model.vocabulary.encode(text);
          const reads = (held) => {
            const state = model.state();
            let nats = 0;
            const updates = [];
            const seen = (layer, { update }) => layer === 1 && updates.push(Array.from(update));
            ids.forEach((id, t) => {
              const logP = model.step(id, state, { held, seen });
              if (t + 1 < ids.length) nats -= logP[ids[t + 1]];
            });
            return { nats, updates, hidden: Array.from(state.hidden) };
          };
          const H = model.config.hidden_size;
          return [reads(), reads([{ update: new Float32Array(H).fill(1) }, {}])];
        }""",
        text,
    )
    free, kept = found
    assert free["nats"] == pytest.approx(model.score(text).nats, rel=1e-6)
    state = model.state_after(model.vocabulary.encode(text))
    np.testing.assert_allclose(free["hidden"], state.ravel(), rtol=0, atol=1e-6)
    assert np.all((np.array(free["updates"]) > 0) & (np.array(free["updates"]) < 1))
    first, top = np.reshape(kept["hidden"], (2, -1))
    assert np.all(first == 0)  # it keeps what it began with
    assert np.any(np.abs(top - state[1]) > 1e-3)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("kind", ["language", "rows-plain", "texts"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_server_sends_the_weights_as_they_are_and_the_page_is_accessible(
    sites: dict[str, tuple[Path, Path]], tab: Tab, kind: str, theme: Any
) -> None:
    handler = functools.partial(Quiet, directory=sites[kind][1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab.page.emulate_media(color_scheme=theme)
        page = open_site(tab, f"http://127.0.0.1:{server.server_port}/index.html")
        asked = {request.rsplit("/", 1)[1] for request in tab.requests}
        assert "model.bin" in asked
        assert "model.js" not in asked
        if kind == "texts":
            page.fill("#read", "the cat")
        assert violations(page) == []
        keep(page, f"{kind}-{theme}")
        page.context.close()
        server.shutdown()


@pytest.mark.parametrize("numbers", ["", "-w8a16"])
def test_pages_of_rows_and_of_texts_answer_as_one_types(
    sites: dict[str, tuple[Path, Path]], tab: Tab, numbers: str
) -> None:
    folder, site = sites[f"segments{numbers}"]
    page, model = open_site(tab, site), load(folder)
    page.fill("#rows", "kind, b, a\nred, -3, 20\n\nblue,, 25.5\nother; -2.5; ")
    values = np.array([[20, -3, 0], [25.5, np.nan, 2], [np.nan, -2.5, 4]], np.float32)
    stream = model.stream()
    expected = [model.answers(stream.step(row)) for row in values]
    cells = page.locator("#answers td").all_text_contents()
    found = np.reshape([float(cell) for cell in cells], (3, 4))[:, 1:]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    keep(page, f"segments{numbers}")
    page.fill("#rows", "kind, b, a\nred, -3, x")
    expect(page.locator("#series-says")).to_have_text("row: a: expected a number, got x")

    folder, site = sites[f"texts{numbers}"]
    open_site(tab, site)
    page.fill("#read", "the cat")
    found = [float(cell) for cell in page.locator("#answer span").all_text_contents()]
    np.testing.assert_allclose(found, load(folder).predict(["the cat"])[0], atol=1e-4)
    keep(page, f"texts{numbers}")


def test_the_script_is_a_module_for_node_and_its_types_name_what_is_there(
    sites: dict[str, tuple[Path, Path]],
) -> None:
    kinds = {"LanguageModel": "language", "SeriesModel": "rows", "TextModel": "texts", "BareModel": "states"}
    for name, kind in kinds.items():
        folder, site = sites[kind]
        found = json.loads(
            run_node(f"""
            import {{ createRequire }} from "node:module";
            import {{ readFileSync }} from "node:fs";
            const penstock = createRequire({json.dumps((site / "x.js").as_uri())})("./penstock.js");
            const model = await penstock.load(readFileSync({json.dumps(str(site / "model.bin"))}));
            const state = Object.getOwnPropertyNames(Object.getPrototypeOf(model.state()));
            const pieces = model.generate?.("the ", {{ length: 20, temperature: 0 }}) ?? [];
            const written = Array.from(pieces).join("");
            console.log(JSON.stringify({{ has: Object.keys(model), state, written }}));""")
        )
        types = (WEB / "penstock.d.ts").read_text("utf-8")
        body = types.split(f"interface {name} {{")[1].split("\n}")[0]
        assert set(re.findall(r"^  (?:readonly )?(\w+)", body, re.M)) <= set(found["has"])
        body = types.split("interface State {")[1].split("\n}")[0]
        assert set(re.findall(r"^  (\w+)\(", body, re.M)) <= set(found["state"])
        if kind == "language":
            assert found["written"] == "".join(load(folder).generate("the ", length=20, temperature=0))


def test_a_name_of_signs_stays_text_and_a_forecast_is_refused(tmp_path: Path, tab: Tab) -> None:
    folder = made.language(tmp_path / "<b>&amp;", StackConfig(3, 5))
    said = export(folder, tmp_path / "site", force=False)
    assert said[0] == "A GRU of 5 units that writes text."
    page = open_site(tab, tmp_path / "site")
    assert page.locator("h1").inner_text() == page.title() == "<b>&amp;"
    with pytest.raises(PenstockError, match="add --force to replace it"):
        export(folder, tmp_path / "site", force=False)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "task": "forecast"}))
    with pytest.raises(PenstockError, match="a forecast scales each series by its own past"):
        export(folder, tmp_path / "other", force=False)
    assert not (tmp_path / "other").exists()
