"""The header of w8a16, built with each path that this machine has, against the oracle: the same numbers."""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock import engine, fixed_point
from penstock.engine import fixed_layout
from penstock.engine.fixed_layout import LAYOUTS

STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion", "-Wno-unused-function"]
PATHS = {
    "plain": ["-DGRU_PLAIN"],
    "as the compiler would": [],
    "avx2": ["-mavx2"],
    "avx512 by hand": ["-mavx2", "-include", str(Path(__file__).parent / "avx512_by_hand.h")],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni"],
    "plain, checked": ["-DGRU_PLAIN", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover"],
    "avx2, checked": ["-mavx2", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover"],
}
SIZES = [(1, 1), (3, 5), (17, 16), (8, 33), (64, 64), (30, 70), (9, 130)]


def has(path: str) -> bool:
    """Whether this processor has what a path needs."""
    if not path.startswith("avx"):
        return True
    flags = Path("/proc/cpuinfo").read_text() if platform.machine() == "x86_64" else ""
    return ("avx512_vnni" if path == "avx512" else "avx2") in flags


@pytest.fixture(scope="module", params=PATHS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    if not has(request.param):
        pytest.skip(f"this processor has no path {request.param}")
    made = tmp_path_factory.mktemp("fixed") / "fixed.so"
    source, include = Path(__file__).parent / "fixed_calls.c", Path(engine.__file__).parent
    flags = ["-O2", *STRICT, *PATHS[request.param], "-shared", "-fPIC", f"-I{include}"]
    subprocess.run([compiler, *flags, source, "-o", made], check=True)
    return ctypes.CDLL(str(made))


def at(array: NDArray[Any]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def padded(x: NDArray[Any], to: int = 8) -> NDArray[np.int16]:
    """(…, D) with zeros behind, up to whole eights."""
    out = np.zeros((*x.shape[:-1], -(-x.shape[-1] // to) * to), np.int16)
    out[..., : x.shape[-1]] = x
    return out


@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize(("D", "H"), SIZES)
def test_steps_are_the_oracles(built: Any, D: int, H: int, reset: str) -> None:
    rng, most = np.random.default_rng(D), 8 * H**-0.5
    weights = [rng.uniform(-most, most, shape) for shape in ((3 * H, D), (3 * H, H), 3 * H, 3 * H)]
    layer = fixed_point.quantize(*weights, reset=reset, x_scale=1e-4)
    x = rng.integers(-32767, 32768, (9, D))
    x[0], x[1:5] = 32767, x[1:5] // 100
    expected = first = rng.integers(-32767, 32768, H).astype(np.int16)
    for row in x:
        expected = fixed_point.step(layer, row, expected, reset)
    arrays = fixed_layout.layer_arrays(layer, LAYOUTS[built.layout() - 1])
    h, rows, size = padded(first, 16), padded(x), built.scratch(D, H)
    room = np.full(size + 16, 12345, np.int16)
    built.steps(reset == "after", D, H, *map(at, arrays), len(x), at(rows), at(h), at(room))
    np.testing.assert_array_equal(h[:H], expected)
    assert not h[H:].any()
    assert (room[size:] == 12345).all()


@pytest.mark.parametrize(("V", "H"), [(53, 37), (16, 16), (1, 3)])
def test_outputs_and_embeddings_are_the_oracles(built: Any, V: int, H: int) -> None:
    rng = np.random.default_rng(V)
    weight, x = rng.normal(size=(V, H)), rng.integers(-32767, 32768, H)
    layer = fixed_point.quantize_output(weight, rng.normal(size=V))
    arrays = fixed_layout.output_arrays(layer, LAYOUTS[built.layout() - 1])
    y, operand, room = np.zeros(V + 1, np.int32), padded(x), np.zeros(H + 8, np.int16)
    built.output(V, H, *map(at, arrays), at(operand), at(y), at(room))
    np.testing.assert_array_equal(y, [*fixed_point.output(layer, x), 0])
    embedding, _ = fixed_point.quantize_embedding(weight)
    for token in {0, V // 2, V - 1, min(V - 1, 8)}:
        expected, m = fixed_point.embed(embedding, np.array(token)), int(embedding.m[token])
        row, of_row, of_words = np.ascontiguousarray(embedding.q[token]), padded(x), padded(x)
        built.embed(H, at(row), m, at(of_row))
        built.embed_tied(H, at(arrays.weights), token, m, at(of_words))
        np.testing.assert_array_equal(of_row, padded(expected))
        np.testing.assert_array_equal(of_words, padded(expected))


def test_every_tanh_is_the_oracles(built: Any) -> None:
    u = np.append(np.arange(-32767, 32768), 0).astype(np.int16)
    y = np.zeros_like(u)
    built.tanhs(len(u), at(u), at(y))
    np.testing.assert_array_equal(y, fixed_point.tanh(u.astype(np.int64)))


@pytest.mark.parametrize("m", [1, 2, 3, 5, 8])
def test_totals_are_the_oracles(built: Any, m: int) -> None:
    states = np.random.default_rng(m).integers(-32767, 32768, (m, 48)).astype(np.int16)
    states[:, 0], states[:, 1] = 32767, -32767
    x = np.zeros(48, np.int16)
    built.total(m, 48, at(states), at(x))
    np.testing.assert_array_equal(x, fixed_point.total(states))


def test_a_text_has_what_it_includes() -> None:
    text = engine.text("gru_fixed.h")
    assert '#include "' not in text
    assert text.count("#ifndef GRU_FIXED_X86_H") == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_weight_stands_once(layout: fixed_layout.Layout) -> None:
    q = np.zeros((19, 11), np.int8)
    empty = fixed_layout.words(q, layout)
    places = set()
    for row, column in np.ndindex(q.shape):
        q[:] = 0
        q[row, column] = 1
        changed = np.flatnonzero((fixed_layout.words(q, layout) != empty).reshape(-1))
        body = changed[-1] if layout == "quads" else changed[0]
        assert len(changed) == 1 + (layout == "quads")
        places.add((int(body), int(fixed_layout.words(q, layout)[body] ^ empty[body]).bit_length() // 8))
    assert len(places) == q.size
