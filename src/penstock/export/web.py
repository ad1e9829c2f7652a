"""A model as a page and a script: files for any server of files, or to be opened from disk, with nothing to build."""

import base64
import html
import importlib.resources
import string
from pathlib import Path

from penstock.errors import PenstockError
from penstock.export.written import write_export
from penstock.model_folder import StackConfig, load_model
from penstock.model_folder.content import read_config
from penstock.model_folder.quantized import is_quantized
from penstock.model_folder.series import TEXT, load_series_model
from penstock.model_folder.states import TASK as STATES
from penstock.model_folder.states import load_states_model
from penstock.web import MODEL, Numbers, script
from penstock.web.model_file import answers_file, language_file, states_file

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
    about, numbers, content = _model(folder)
    packed = base64.b64encode(content).decode()
    program = script(*MODEL, numbers=numbers)
    page = string.Template(_asset("page/index.html"))
    files: dict[str, str | bytes] = {
        "index.html": page.substitute(title=html.escape(folder.resolve().name), about=html.escape(about)),
        "page.css": _asset("page/page.css"),
        "page.js": '"use strict";\n' + "\n".join(_asset(f"page/{name}") for name in SCRIPTS),
        "penstock.js": f"{HEAD}globalThis.penstock = (({{ load }}) => ({{ load }}))({program});\n"
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


def _model(folder: Path) -> tuple[str, Numbers, bytes]:
    """What a reader is told of the model, what it computes in, and its file."""
    task = read_config(folder)["task"]
    if task == "forecast":
        raise PenstockError(
            f"{folder}: a forecast scales each series by its own past and writes many steps at once, which the page "
            "does not do; --task steps without --target answers one step ahead, which it does"
        )
    if task == STATES:
        bare = load_states_model(folder)
        try:
            return f"{_units(bare.config.stack)} that reads rows of numbers.", "float32", states_file(bare, "float32")
        except PenstockError as error:
            raise PenstockError(f"{folder}: {error}") from None
    if task == "language":
        config, vocabulary, weights = load_model(folder, quantized=True)
        does, stack, content = "writes text", config.stack, language_file(config, vocabulary, weights, "float32")
    else:
        files = load_series_model(folder, quantized=True)
        reads = "texts" if task == TEXT else "rows of numbers"
        does = f"reads {reads} and answers {', '.join(files.answer.targets)}"
        weights, stack, content = files.weights, files.config.stack, answers_file(files, "float32")
    if is_quantized(weights):
        return f"{_units(stack)}, its weights in 8 bits, that {does}.", "w8a16", content
    return f"{_units(stack)} that {does}.", "float32", content


def _units(stack: StackConfig) -> str:
    layers = f"{stack.num_layers} layers, each of " if stack.num_layers > 1 else ""
    return f"A GRU of {layers}{stack.hidden_size} units"


def _asset(name: str) -> str:
    return (importlib.resources.files("penstock.web") / name).read_text("utf-8")
