"""A model as a page and a script: files for any server of files, or to be opened from disk, with nothing to build."""

import base64
import html
import importlib.resources
import string
from pathlib import Path

from penstock.errors import PenstockError
from penstock.export.written import write_export
from penstock.model_folder import load_model
from penstock.model_folder.content import read_config
from penstock.model_folder.series import TEXT, load_series_model
from penstock.web import MODEL, script
from penstock.web.model_file import answers_file, language_file

KIND = "web export"
SCRIPTS = ("begin.js", "language.js", "answers.js")
"""Of the page."""
HEAD = "// Runs a trained GRU; types in penstock.d.ts. Made by Penstock (Apache-2.0), which nobody needs to run it.\n"


def export(folder: Path, out: Path, *, force: bool) -> list[str]:
    """Writes the model of ``folder`` into ``out``: index.html, penstock.js and the weights, for servers and for disks.

    Returns:
        lines that say what was written.

    Raises:
        PenstockError: the script cannot run this model, or ``out`` cannot be written.
    """
    about, content = _model(folder)
    packed = base64.b64encode(content).decode()
    page = string.Template(_asset("page/index.html"))
    files: dict[str, str | bytes] = {
        "index.html": page.substitute(title=html.escape(folder.resolve().name), about=html.escape(about)),
        "page.css": _asset("page/page.css"),
        "page.js": '"use strict";\n' + "\n".join(_asset(f"page/{name}") for name in SCRIPTS),
        "penstock.js": f"{HEAD}globalThis.penstock = (({{ load }}) => ({{ load }}))({script(*MODEL)});\n"
        'if (typeof module === "object") module.exports = globalThis.penstock;\n',
        "penstock.d.ts": _asset("penstock.d.ts"),
        "model.bin": content,
        "model.js": f'globalThis.penstockModel = "{packed}";\n',
    }
    write_export(KIND, folder, out, files, force=force)
    script_size, file_size, packed_size = (len(files[name]) for name in ("penstock.js", "model.bin", "model.js"))
    return [
        about,
        f"wrote {out}/: penstock.js, {script_size:,} bytes, with the engine in it; the weights as model.bin, "
        f"{file_size:,} bytes, which servers send, and as model.js, {packed_size:,}, for a page from disk",
        f"Open {out / 'index.html'}, or put the folder on any server.",
    ]


def _model(folder: Path) -> tuple[str, bytes]:
    """What a reader is told of the model, and its file."""
    task = read_config(folder)["task"]
    if task == "forecast":
        raise PenstockError(
            f"{folder}: a forecast scales each series by its own past and writes many steps at once, which the page "
            "does not do; --task steps without --target answers one step ahead, which it does"
        )
    if task == "language":
        config, vocabulary, weights = load_model(folder)
        units = f"A GRU of {_layers(config.stack.num_layers)}{config.stack.hidden_size} units"
        return f"{units} that writes text.", language_file(config, vocabulary, weights, "float32")
    files = load_series_model(folder)
    units = f"A GRU of {_layers(files.config.stack.num_layers)}{files.config.stack.hidden_size} units"
    reads = "texts" if task == TEXT else "rows of numbers"
    return f"{units} that reads {reads} and answers {', '.join(files.answer.targets)}.", answers_file(files, "float32")


def _layers(count: int) -> str:
    return f"{count} layers, each of " if count > 1 else ""


def _asset(name: str) -> str:
    return (importlib.resources.files("penstock.web") / name).read_text("utf-8")
