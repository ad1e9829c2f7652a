"""Why there is no core, in words."""

import subprocess
import sys

import pytest

SAID = """
import sys, sysconfig
sys.modules["penstock.native._core"] = None  # as where it was not built
before = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: {} if name == "Py_GIL_DISABLED" else before(name)
from penstock.native import core
print(core.unavailable)
"""


@pytest.mark.parametrize(
    ("free_threaded", "words"),
    [
        (1, "not made for free-threaded Python; with a Python that has the GIL it is there"),
        (None, "installed without it: no working C++20 compiler was found then (install one, then reinstall)"),
    ],
)
def test_where_it_was_not_built(free_threaded: int | None, words: str) -> None:
    code = SAID.format(free_threaded)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == words
