"""The compiled core on NumPy arrays: against the oracle, and exact to the last bit."""

import itertools
import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from helpers import FIELDS, INSTRUCTION_SETS, on_instruction_set
from hypothesis import given
from hypothesis import strategies as st

from penstock import equations
from penstock.native import Layer, core
from penstock.native.layer import PRECISIONS

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")
Array = np.ndarray[Any, np.dtype[Any]]

# Largest difference of any state or gate from float64, for weights of about 1/√H over a dozen steps. bfloat16 has 8
# significant bits: 0.4% of a weight; int8 keeps a row's weights to 0.4% of the largest.
ERROR = {"float64": 1e-13, "float32": 3e-6, "bfloat16": 2e-2, "int8": 3e-2}


def weights(D: int, H: int, rng: np.random.Generator, bias: bool = True) -> list[Array]:
    shapes = [(3 * H, D), (3 * H, H), (3 * H,), (3 * H,)][: 4 if bias else 2]
    return [rng.normal(size=shape) * max(D, H) ** -0.5 for shape in shapes]


def fields(result: Any) -> dict[str, Array]:
    output, h_n, gates = result
    return dict(zip(FIELDS, (output, h_n, *gates), strict=True))


def same(one: Any, other: Any) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_open_update_gate_carries_the_state_to_the_last_bit(
    instruction_set: str, reset: str, precision: Any
) -> None:
    rng = np.random.default_rng(0)
    H = 19
    w, x, h_0 = weights(3, H, rng), rng.normal(size=(1000, 2, 3)), rng.normal(size=(2, H))
    w[2][H : 2 * H] = 1e4
    layer = Layer(*w, reset=reset, precision=precision)
    output, h_n = layer(x, h_0)
    assert (output == h_0.astype(output.dtype)).all()
    assert (h_n == output[-1]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("L", "N", "D", "H"),
    [(1, 1, 1, 1), (12, 3, 5, 7), (5, 13, 9, 33), (4, 50, 20, 70), (3, 2, 300, 270), (0, 3, 4, 5), (3, 0, 4, 5)],
)
def test_forward_is_the_equations(
    instruction_set: str, reset: str, precision: Any, L: int, N: int, D: int, H: int
) -> None:
    rng = np.random.default_rng(L * 1000 + H)
    w, x, h_0 = weights(D, H, rng, bias=H != 7), rng.normal(size=(L, N, D)), rng.normal(size=(N, H))
    layer = Layer(*w, reset=reset, precision=precision)
    masks = {"lengths": rng.integers(0, L + 1, N), "resets": rng.random((L, N)) < 0.2}
    for options in ({}, masks, {**masks, "reverse": True}):
        steps = equations.gru(x, h_0, equations.by_gate(*w), reset=reset, **options)
        for threads in (1, 3):
            found = fields(layer(x, h_0, **options, return_gates=True, threads=threads))
            for name, value in found.items():
                np.testing.assert_allclose(value, getattr(steps, name), rtol=0, atol=ERROR[precision], err_msg=name)


@pytest.mark.parametrize("precision", PRECISIONS)
@given(
    L=st.integers(1, 40),
    N=st.integers(1, 30),
    D=st.integers(1, 40),
    H=st.integers(1, 80),
    form=st.sampled_from(["before", "after"]),
    masked=st.booleans(),
    threads=st.integers(1, 4),
    data=st.data(),
)
def test_a_sequence_does_not_feel_the_others_the_cuts_or_the_threads(
    instruction_set: str,
    precision: Any,
    L: int,
    N: int,
    D: int,
    H: int,
    form: str,
    masked: bool,
    threads: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(L + 41 * N + 1300 * H)
    x, h_0 = rng.normal(size=(L, N, D)), rng.normal(size=(N, H))
    layer = Layer(*weights(D, H, rng), reset=form, precision=precision)
    lengths = rng.integers(0, L + 1, N) if masked else np.full(N, L)
    resets = rng.random((L, N)) < (0.1 if masked else 0)
    whole = layer(x, h_0, lengths=lengths, resets=resets, return_gates=True, threads=1)
    shared = layer(x, h_0, lengths=lengths, resets=resets, return_gates=True, threads=threads)
    assert same(whole[:2] + whole[2], shared[:2] + shared[2])

    order = rng.permutation(N)[: data.draw(st.integers(1, N))]
    picked = layer(x[:, order], h_0[order], lengths=lengths[order], resets=resets[:, order], threads=threads)
    assert same(picked, (whole[0][:, order], whole[1][order]))

    n = int(order[0])
    cuts = sorted({0, int(lengths[n]), *data.draw(st.lists(st.integers(0, int(lengths[n]))))})
    h, pieces = h_0[[n]], [np.empty((0, 1, H), layer.dtype)]
    for start, stop in itertools.pairwise(cuts):
        piece, h = layer(x[start:stop, [n]], h, resets=resets[start:stop, [n]], threads=threads)
        pieces.append(piece)
    assert np.concatenate(pieces).tobytes() == whole[0][: lengths[n], [n]].tobytes()
    assert h.astype(layer.dtype).tobytes() == whole[1][[n]].tobytes()


def test_one_step_at_a_time_is_the_whole(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    layer = Layer(*weights(40, 200, rng), reset=reset)
    x, h = rng.normal(size=(30, 50, 40)), rng.normal(size=(50, 200))
    output, h_n = layer(x, h, threads=2)
    for t in range(30):
        step, h = layer(x[t : t + 1], h)
        assert step.tobytes() == output[t : t + 1].tobytes()
    assert h.tobytes() == h_n.tobytes()


def test_instruction_sets_differ_by_rounding_alone(reset: str) -> None:
    rng = np.random.default_rng(0)
    w, x = weights(40, 100, rng), rng.normal(size=(50, 4, 40))
    found = {}
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            found[name] = Layer(*w, reset=reset)(x)[0]
    for name, output in found.items():
        np.testing.assert_allclose(output, found["portable"], rtol=0, atol=ERROR["float32"], err_msg=name)
    fused = [output.tobytes() for name, output in found.items() if name != "portable"]
    assert all(output == fused[0] for output in fused)


def test_what_is_past_the_end_is_not_read(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    x, h_0, layer = rng.normal(size=(9, 3, 5)), rng.normal(size=(3, 20)), Layer(*weights(5, 20, rng), reset=reset)
    clean = layer(x, h_0, lengths=[4, 9, 0])
    x[4:, 0] = x[:, 2] = np.nan
    assert same(clean, layer(x, h_0, lengths=[4, 9, 0]))


def test_used_from_many_threads_at_once(reset: str) -> None:
    rng = np.random.default_rng(0)
    layer, x = Layer(*weights(64, 256, rng), reset=reset), rng.normal(size=(20, 16, 64))
    expected, wrong = layer(x, threads=1), []

    def call() -> None:
        for _ in range(30):
            if not same(layer(x, threads=2), expected):
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_used_after_a_fork(reset: str) -> None:
    rng = np.random.default_rng(0)
    layer, x = Layer(*weights(64, 256, rng), reset=reset), rng.normal(size=(20, 16, 64))
    expected = layer(x, threads=2)
    child = os.fork()
    if child == 0:
        os._exit(0 if same(layer(x, threads=2), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert same(layer(x, threads=2), expected)


def test_memory_that_runs_out_is_an_error_and_nothing_else() -> None:
    code = """
import resource, numpy as np
from pathlib import Path
from penstock.native import Layer
rng = np.random.default_rng(0)
layer = Layer(rng.normal(size=(192, 8)), rng.normal(size=(192, 64)), reset="before")
x = rng.normal(size=(1, 300_000, 8)).astype(np.float32)
expected = layer(x[:, :9])[0]
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (300 << 20), size + (300 << 20)))
try:
    layer(x)
except MemoryError:
    print("MemoryError", np.array_equal(layer(x[:, :9])[0], expected))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "MemoryError True\n", done.stderr


def test_weights_may_be_of_any_float_type_and_layout() -> None:
    rng = np.random.default_rng(0)
    w, x = [value.astype(np.float32) for value in weights(3, 4, rng)], rng.normal(size=(3, 2, 5)).T
    expected = Layer(*w, reset="after")(np.ascontiguousarray(x))
    turned = [np.asfortranarray(value.astype(np.float64)) for value in w]
    assert same(Layer(*turned, reset="after")(x), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_hh": np.zeros((6, 3))}, r"weight_hh: expected \(3H, H\), got \(6, 3\)"),
        ({"weight_ih": np.zeros((5, 3))}, r"weight_ih: expected \(3H=6, D\), got \(5, 3\)"),
        ({"bias_hh": np.zeros(5)}, r"bias_hh: expected \(3H=6,\), got \(5,\)"),
        ({"reset": "never"}, 'reset: expected "before" or "after", got \'never\''),
        ({"precision": "int4"}, "precision: expected one of float32, float64, bfloat16, int8, got 'int4'"),
    ],
)
def test_weights_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    given = {"weight_ih": np.zeros((6, 3)), "weight_hh": np.zeros((6, 2)), "reset": "before"} | arguments
    with pytest.raises(ValueError, match=message):
        Layer(**given)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.zeros((4, 3))}, ValueError, r"x: expected \(L, N, D=3\), got \(4, 3\)"),
        ({"x": np.zeros((4, 2, 5))}, ValueError, r"x: expected \(L, N, D=3\), got \(4, 2, 5\)"),
        ({"h_0": np.zeros((2, 3))}, ValueError, r"h_0: expected \(N=2, H=2\), got \(2, 3\)"),
        ({"lengths": [1]}, ValueError, r"lengths: expected \(N=2,\), got \(1,\)"),
        ({"lengths": [1, 5]}, ValueError, "lengths: expected 0 … L=4, got 5"),
        ({"lengths": [-1, 4]}, ValueError, "lengths: expected 0 … L=4, got -1"),
        ({"lengths": [1.0, 2.0]}, TypeError, "lengths: expected integers, got float64"),
        ({"resets": np.zeros((4, 2))}, TypeError, "resets: expected bool, got float64"),
        ({"resets": np.zeros((2, 4), bool)}, ValueError, r"resets: expected \(L=4, N=2\), got \(2, 4\)"),
    ],
)
def test_input_that_cannot_work(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    layer = Layer(np.zeros((6, 3)), np.zeros((6, 2)), reset="before")
    with pytest.raises(error, match=message):
        layer(**({"x": np.zeros((4, 2, 3))} | arguments))
