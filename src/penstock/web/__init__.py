"""A trained model for JavaScript: one file of its weights, and the script that reads and runs it. Never imports torch.

The script has no dependency and knows no page: ``load``, and of what it gives ``state``, ``step`` and ``generate``.
What computes is ``engine_float.wasm`` or ``engine_fixed.wasm``, which `make wasm` compiles from their C and that of
``penstock/engine``.
"""

import base64
import importlib.resources
import re
from typing import Literal

MODEL = (
    "random.js",
    "sampling.js",
    "file.js",
    "state.js",
    "vocabulary.js",
    "engine.js",
    "float.js",
    "fixed.js",
    "answers.js",
    "features.js",
    "language.js",
    "series.js",
    "texts.js",
    "bare.js",
    "model.js",
)
"""What runs a trained model."""
TRAINER = ("random.js", "tasks.js", "backprop.js", "training.js", "trainer.js")
"""What trains a small layer on the lab's tasks, in a worker: in float64, with gradients, which the engine has not."""


Numbers = Literal["float32", "w8a16"]
ENGINES: dict[Numbers, str] = {"float32": "engine_float.wasm", "w8a16": "engine_fixed.wasm"}
"""What computes in each kind of numbers."""


def script(*names: str, numbers: Numbers = "float32") -> str:
    """Modules as one expression of plain JavaScript: an object of all that they export. A model's has the engine in it
    for one kind of numbers."""
    folder = importlib.resources.files(__name__)
    sources = "\n".join((folder / name).read_text("utf-8") for name in names)
    exported = re.findall(r"^export (?:const|class|(?:async )?function\*?) (\w+)", sources, re.M)
    plain = re.sub(r"^(import .*\n|export )", "", sources, flags=re.M)
    engine = ""
    if "engine.js" in names:
        wasm = base64.b64encode((folder / ENGINES[numbers]).read_bytes()).decode()
        engine = f'const ENGINE = {{ numbers: "{numbers}", wasm: "{wasm}" }};\n'
    return f"(() => {{\n{engine}{plain}\nreturn {{ {', '.join(exported)} }};\n}})()"
