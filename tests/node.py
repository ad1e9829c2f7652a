"""Node for tests of JavaScript: the one that Playwright brings."""

import json
import subprocess
from pathlib import Path
from typing import Any

import playwright

from penstock.web import MODEL, Numbers, script

WEB = Path(__file__).parents[1] / "src" / "penstock" / "web"
"""Where the modules to be imported stand."""


def run_node(script: str) -> str:
    """What a module of this source prints. It imports files by their address: ``(WEB / "training.js").as_uri()``.

    Raises:
        AssertionError: the script failed; the message is what it wrote to its standard error.
    """
    folder = Path(playwright.__file__).parent / "driver"
    node = next(path for path in (folder / "node", folder / "node.exe") if path.exists())
    # a .js file without a package.json beside it is read as a module where it says `export`
    done = subprocess.run(
        [node, "--input-type=module", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"],
        input=script,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_model(file: Path, source: str, *, catching: bool = False, numbers: Numbers = "float32") -> Any:
    """What a module of this source prints as JSON; it has ``web``, all that the script of a page exports, and
    ``model``, loaded from the file. ``catching`` gives what loading it raised."""
    given = f"""
    import {{ readFileSync }} from "node:fs";
    const web = {script(*MODEL, numbers=numbers)};
    const file = readFileSync({json.dumps(str(file))});
    """
    if catching:
        say = "({ name, message }) => console.log(`${name}: ${message}`)"
        return run_node(f"{given} await web.load(file).catch({say});")
    return json.loads(run_node(f"{given} const model = await web.load(file);\n{source}"))
