"""A trained model for JavaScript: one file of its weights, and the script that reads and runs it. Never imports torch.

The script has no dependency and knows no page: ``load``, and of what it gives ``state``, ``step`` and ``generate``.
"""

import importlib.resources
import re

MODEL = ("vocabulary.js", "gru.js", "model.js")
"""What runs a trained model."""
TRAINER = ("tasks.js", "backprop.js", "training.js", "trainer.js")
"""What trains a small layer on the lab's tasks, in a worker."""


def script(*names: str) -> str:
    """Modules as one expression of plain JavaScript: an object of all that they export."""
    folder = importlib.resources.files(__name__)
    sources = "\n".join((folder / name).read_text("utf-8") for name in names)
    exported = re.findall(r"^export (?:const|function\*?) (\w+)", sources, re.M)
    plain = re.sub(r"^(import .*\n|export )", "", sources, flags=re.M)
    return f"(() => {{\n{plain}\nreturn {{ {', '.join(exported)} }};\n}})()"
