"""Node for tests of JavaScript: the one that Playwright brings."""

import subprocess
from pathlib import Path

import playwright

WEB = Path(__file__).parents[1] / "src" / "penstock" / "web"
"""Where the modules to be imported stand."""


def run_node(script: str) -> str:
    """What a module of this source prints. It imports files by their address, such as ``(WEB / "gru.js").as_uri()``.

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
