"""The compiled engine that ships: it is what its source says, small, and by itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from node import WEB, run_node

ENGINE = WEB / "engine.wasm"


def compiled(out: Path) -> bytes:
    """Compiled anew."""
    pytest.importorskip("ziglang", reason="the compiler is not installed: pip install ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", f"@{WEB / 'engine.flags'}", WEB / "engine.c", "-o", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


def test_it_is_small_and_asks_for_nothing() -> None:
    assert len(ENGINE.read_bytes()) <= 10_000
    said = run_node(f"""
        import {{ readFileSync }} from "node:fs";
        const module = new WebAssembly.Module(readFileSync({str(ENGINE)!r}));
        const named = WebAssembly.Module.exports(module).map(({{ name, kind }}) => `${{kind}} ${{name}}`).sort();
        console.log(WebAssembly.Module.imports(module).length, named.join(", "));""")
    assert said == "0 function product, function step, global __heap_base, memory memory\n"


def test_it_is_what_the_source_says(tmp_path: Path) -> None:
    assert compiled(tmp_path / "engine.wasm") == ENGINE.read_bytes(), "make wasm"
