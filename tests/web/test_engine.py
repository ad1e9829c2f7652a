"""The compiled engine that ships: it is what its source says, small, and by itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from node import WEB, run_node

ENGINES = {
    "engine_float": "function product, function step, global __heap_base, memory memory",
    "engine_fixed": "function embed, function embed_tied, function output, function step, function total, "
    "global __heap_base, memory memory",
}


@pytest.mark.parametrize("name", ENGINES)
def test_it_is_small_and_asks_for_nothing(name: str) -> None:
    engine = WEB / f"{name}.wasm"
    assert len(engine.read_bytes()) <= 10_000
    said = run_node(f"""
        import {{ readFileSync }} from "node:fs";
        const module = new WebAssembly.Module(readFileSync({str(engine)!r}));
        const named = WebAssembly.Module.exports(module).map(({{ name, kind }}) => `${{kind}} ${{name}}`).sort();
        console.log(WebAssembly.Module.imports(module).length, named.join(", "));""")
    assert said == f"0 {ENGINES[name]}\n"


@pytest.mark.parametrize("name", ENGINES)
def test_it_is_what_the_source_says(tmp_path: Path, name: str) -> None:
    pytest.importorskip("ziglang", reason="the compiler is not installed: pip install ziglang")
    out = tmp_path / "engine.wasm"
    command = [sys.executable, "-m", "ziglang", "cc", f"@{WEB / 'engine.flags'}", WEB / f"{name}.c", "-o", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (WEB / f"{name}.wasm").read_bytes(), "make wasm"
