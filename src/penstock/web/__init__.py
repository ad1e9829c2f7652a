"""A trained model for JavaScript: one file of its weights, and the script that reads and runs it. Never imports torch.

The script has no dependency and knows no page: ``load``, and of what it gives ``state``, ``step`` and ``generate``.
"""

import importlib.resources
import re

SCRIPTS = ("vocabulary.js", "gru.js", "model.js")


def script(*names: str) -> str:
    """Modules as one plain script: what they export is simply there."""
    folder = importlib.resources.files(__name__)
    sources = ((folder / name).read_text("utf-8") for name in names)
    return "\n".join(re.sub(r"^(import .*\n|export )", "", source, flags=re.M) for source in sources)
