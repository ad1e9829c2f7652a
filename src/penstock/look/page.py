"""The page: one or two traces as one HTML file, which opens from disk, asks no network and shows itself in a notebook.

What the page needs to draw is put into it here, as JSON; all that follows from the gates (states, attention, what is
held across a span) is computed in the page, by the scripts in ``assets``.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import html
import importlib.resources
import json
import string
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.files import MADE, write
from penstock.look import circuit
from penstock.look.page_data import Traced, data_of
from penstock.web import MODEL, TRAINER, script

SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "script/colours.js",
    "script/data.js",
    "script/memory.js",
    "script/words.js",
    "script/align.js",
    "script/choice.js",
    "script/axis.js",
    "script/elements.js",
    "script/text.js",
    "script/rows.js",
    "script/strip.js",
    "script/position.js",
    "script/lines.js",
    "script/answer.js",
    "script/account.js",
    "script/maps.js",
    "script/triangle.js",
    "script/circuit.js",
    "script/pair.js",
    "script/moments.js",
    "script/apart.js",
    "script/picture.js",
    "script/story.js",
    "script/units.js",
    "script/zoom.js",
    "script/live.js",
    "script/write.js",
    "script/hold.js",
    "script/train.js",
    "script/address.js",
    "script/take.js",
    "script/main.js",
)
STYLES = ("uplot/uPlot.min.css", "page.css", "circuit.css")
MOST_CELLS = 32_000_000
"""Steps × units × 4 (z, r, candidate, state) that a browser still draws without strain."""
MOST_STEPS = 8_000


class Page:
    """A page of one trace, or of two to compare.

    Args:
        traces: one, or two of the same model.
        title: a line of your own at the head of the page, such as the model's name; "" for none.
        more: what else the page shows, for its scripts: ``curve``, of a run, and ``confusion``, of a file of series.

    Raises:
        PenstockError: too long to be drawn.
        ValueError: there are more than two traces, or the two are not of the same model.
    """

    def __init__(self, *traces: Traced, title: str = "", more: dict[str, Any] | None = None) -> None:
        if not 1 <= len(traces) <= 2:
            raise ValueError(f"traces: expected one, or two to compare, got {len(traces)}")
        first, last = _kind(traces[0]), _kind(traces[-1])
        if first != last:
            raise ValueError(f"traces: expected two of the same model, got {first} and {last}")
        for trace in traces:
            _check_drawable(trace, len(traces))
        self.traces, self.title, self.more = traces, title, more or {}

    def __repr__(self) -> str:
        return f"<Page of {', '.join(map(repr, self.traces))}>"

    @functools.cached_property
    def html(self) -> str:
        """The whole page."""
        return assembled({"title": self.title, "traces": [data_of(trace) for trace in self.traces], **self.more})

    def save(self, path: str | Path) -> None:
        """Writes the page.

        Raises:
            PenstockError: it cannot be written; what was there before is unchanged.
        """
        write(Path(path), self.html)

    def _repr_html_(self) -> str:
        """The page in a frame, for a notebook."""
        return (  # as high as most of the window; its lower edge can be drawn
            '<div style="height: 85vh; min-height: 20rem; resize: vertical; overflow: hidden">'
            '<iframe title="Penstock" sandbox="allow-scripts" style="width: 100%; height: 100%; border: 0" '
            f'srcdoc="{html.escape(self.html)}"></iframe></div>'
        )


def assembled(data: dict[str, Any]) -> str:
    """A page that draws this, as the scripts read it."""
    content = json.dumps(data, allow_nan=False, separators=(",", ":"))
    identity = hashlib.sha256(content.encode()).hexdigest()[:12]  # a link of another page does not fit this one
    digest, packed_script = _script("live" in data, "live" in data or not data["traces"])
    loader = _asset("loader.js")
    style = "\n".join(_asset(name) for name in STYLES)
    policy = "; ".join([
        "default-src 'none'",
        f"script-src '{_digest(loader)}' '{digest}'" + " 'wasm-unsafe-eval'" * ("live" in data),
        f"style-src '{_digest(style)}'",
        "img-src data:",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip
    return string.Template(_asset("page.html")).substitute(
        made=MADE,
        policy=policy,
        style=style,
        licence=_asset("uplot/LICENSE"),
        data=content.replace("<", "\\u003c"),  # no text can end the element
        identity=identity,
        circuit=circuit.inline(),
        packed=packed_script,
        loader=loader,
    )


@functools.cache
def _script(runs: bool, trains: bool) -> tuple[str, str]:
    """The page's script, with what runs a model or trains one where that is asked for: its digest, and it packed."""
    words = json.dumps(json.loads(_asset("words.json")), ensure_ascii=False, separators=(",", ":"))
    web, trainer = (script(*names) if asked else "null" for names, asked in ((MODEL, runs), (TRAINER, trains)))
    worker = json.dumps(f"{trainer}.trainIn(self)")
    given = f"const WORDS = {words};\nconst web = {web};\nconst TRAINER = {worker};\n"
    scripts = "\n".join(_asset(name) for name in SCRIPTS)
    whole = f'"use strict";\n(() => {{\n{given}{scripts}\n}})();\n'
    return _digest(whole), base64.b64encode(gzip.compress(whole.encode(), 9, mtime=0)).decode()


def _kind(trace: Traced) -> list[Any]:
    """What two traces need to have in common."""
    layers: list[Any] = [(layer.name, layer.reverse, *layer.weight_ih.shape) for layer in trace.layers]
    return [*layers, len(trace.language.vocabulary) if trace.language else "no language"]


def _check_drawable(trace: Traced, pages: int) -> None:
    L = len(trace)
    if not L:
        raise PenstockError("trace: expected at least one step to draw, got none")
    of_step = 4 * sum(len(layer.h_0) for layer in trace.layers)
    most = min(MOST_STEPS, MOST_CELLS // (of_step * pages))
    if most < L:
        raise PenstockError(
            f"trace: its {L:,} steps of {of_step // 4:,} units are more than a page can show, at most {most:,} steps: "
            "show a part of it"
        )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@functools.cache
def _asset(name: str) -> str:
    return (importlib.resources.files("penstock.look") / "assets" / name).read_text("utf-8")
