"""The compiled core on NumPy arrays: against the oracle, and exact to the last bit."""

import copy
import itertools
import os
import pickle
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
from penstock.native import RecurrentLayer, core
from penstock.native.layer import PRECISIONS

pytestmark = [
    pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}"),
    pytest.mark.usefixtures("fine_grain"),
]
Array = np.ndarray[Any, np.dtype[Any]]

# Largest difference of any state or gate from float64, for weights of about 1/√H over a dozen steps. bfloat16 has 8
# significant bits: 0.4% of a weight; int8 keeps a row's weights to 0.4% of the largest. Where the equations get weights
# that are rounded so, both are as near as float32.
ERROR = {"float64": 1e-13, "float32": 3e-6, "bfloat16": 2e-2, "int8": 3e-2}


def weights(D: int, H: int, rng: np.random.Generator, bias: bool = True) -> list[Array]:
    shapes = [(3 * H, D), (3 * H, H), (3 * H,), (3 * H,)][: 4 if bias else 2]
    return [rng.normal(size=shape) * max(D, H) ** -0.5 for shape in shapes]


def as_kept(weight: Array, precision: str) -> Array:
    """A weight matrix as it is after rounding to what the precision keeps."""
    if precision == "float64":
        return weight
    weight = weight.astype(np.float32)
    if precision == "bfloat16":
        bits = weight.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)  # to nearest, ties to even
    if precision == "int8":
        largest = np.abs(weight).max(axis=1, keepdims=True)
        return np.rint(weight * (127 / largest)) * (largest / 127)
    return weight


def masks(L: int, N: int, H: int, rng: np.random.Generator) -> dict[str, Array]:
    """Lengths, resets, and a decay that here and there leaves all or nothing."""
    decay = np.round(rng.random((L, N, H)) * 1.2 - 0.1, 2).clip(0, 1)
    return {"lengths": rng.integers(0, L + 1, N), "resets": rng.random((L, N)) < 0.2, "decay": decay}


def fields(result: Any) -> dict[str, Array]:
    if isinstance(result, equations.Steps):
        return {name: getattr(result, name) for name in FIELDS}
    output, h_n, gates = result
    return dict(zip(FIELDS, (output, h_n, *gates), strict=True))


def same(one: Any, other: Any) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_update_gate_that_keeps_carries_the_state_to_the_last_bit(
    instruction_set: str, reset: str, precision: Any
) -> None:
    rng = np.random.default_rng(0)
    H = 19
    w, x, h_0 = weights(3, H, rng), rng.normal(size=(1000, 2, 3)), rng.normal(size=(2, H))
    w[2][H : 2 * H] = 1e4
    layer = RecurrentLayer(*w, reset=reset, precision=precision)
    output, h_n = layer(x, h_0)
    assert (output == h_0.astype(output.dtype)).all()
    assert (h_n == output[-1]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("L", "N", "D", "H"),
    [
        (1, 1, 1, 1),
        (12, 3, 5, 7),
        (5, 13, 9, 33),
        (4, 50, 20, 70),
        (3, 2, 300, 270),
        (3, 13, 310, 333),
        (0, 3, 4, 5),
        (3, 0, 4, 5),
    ],
)
def test_forward_is_the_equations(
    instruction_set: str, reset: str, precision: Any, L: int, N: int, D: int, H: int
) -> None:
    rng = np.random.default_rng(L * 1000 + H)
    w, x, h_0 = weights(D, H, rng, bias=H != 7), rng.normal(size=(L, N, D)), rng.normal(size=(N, H))
    layer = RecurrentLayer(*w, reset=reset, precision=precision)
    atol = ERROR["float64" if precision == "float64" else "float32"]
    by_gate = equations.by_gate(*(as_kept(weight, precision) for weight in w[:2]), *w[2:])
    all_masks = masks(L, N, H, rng)
    decay = {"decay": all_masks["decay"][..., :1]}
    for options in ({}, all_masks, {**all_masks, "reverse": True}, decay, {**decay, "reverse": True}):
        steps = equations.gru(x, h_0, by_gate, reset=reset, **options)
        for threads in (1, 3):
            found = fields(layer(x, h_0, **options, return_gates=True, threads=threads))
            for name, value in found.items():
                np.testing.assert_allclose(value, getattr(steps, name), rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fewer_bits_are_near_the_equations(instruction_set: str, reset: str, precision: Any) -> None:
    rng = np.random.default_rng(0)
    w, x, h_0 = weights(20, 70, rng), rng.normal(size=(12, 50, 20)), rng.normal(size=(50, 70))
    expected = fields(equations.gru(x, h_0, equations.by_gate(*w), reset=reset))
    for name, value in fields(RecurrentLayer(*w, reset=reset, precision=precision)(x, h_0, return_gates=True)).items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=ERROR[precision], err_msg=name)


@pytest.mark.parametrize("precision", PRECISIONS)
@given(
    L=st.integers(1, 40),
    N=st.integers(1, 30),
    D=st.integers(1, 40),
    H=st.integers(1, 80),
    form=st.sampled_from(["before", "after"]),
    masked=st.booleans(),
    decayed=st.sampled_from(["no", "as one", "by unit"]),
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
    decayed: str,
    threads: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(L + 41 * N + 1300 * H)
    x, h_0 = rng.normal(size=(L, N, D)), rng.normal(size=(N, H))
    layer = RecurrentLayer(*weights(D, H, rng), reset=form, precision=precision)
    lengths = rng.integers(0, L + 1, N) if masked else np.full(N, L)
    steps = {"resets": rng.random((L, N)) < 0.1} if masked else {}
    if decayed != "no":
        steps["decay"] = rng.random((L, N, H if decayed == "by unit" else 1))
    whole = layer(x, h_0, lengths=lengths, **steps, return_gates=True, threads=1)
    shared = layer(x, h_0, lengths=lengths, **steps, return_gates=True, threads=threads)
    assert same(whole[:2] + whole[2], shared[:2] + shared[2])

    order = rng.permutation(N)[: data.draw(st.integers(1, N))]
    of_picked = {name: mask[:, order] for name, mask in steps.items()}
    picked = layer(x[:, order], h_0[order], lengths=lengths[order], **of_picked, threads=threads)
    assert same(picked, (whole[0][:, order], whole[1][order]))

    n = int(order[0])
    cuts = sorted({0, int(lengths[n]), *data.draw(st.lists(st.integers(0, int(lengths[n]))))})
    h, pieces = h_0[[n]], [np.empty((0, 1, H), layer.dtype)]
    for start, stop in itertools.pairwise(cuts):
        of_piece = {name: mask[start:stop, [n]] for name, mask in steps.items()}
        piece, h = layer(x[start:stop, [n]], h, **of_piece, threads=threads)
        pieces.append(piece)
    assert np.concatenate(pieces).tobytes() == whole[0][: lengths[n], [n]].tobytes()
    assert h.astype(layer.dtype).tobytes() == whole[1][[n]].tobytes()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("N", "D", "H"), [(1, 1, 1), (1, 64, 64), (3, 5, 19), (50, 40, 200), (13, 2, 301), (0, 4, 5)])
def test_one_step_at_a_time_is_the_whole(
    instruction_set: str, reset: str, precision: Any, N: int, D: int, H: int
) -> None:
    rng = np.random.default_rng(0)
    layer = RecurrentLayer(*weights(D, H, rng), reset=reset, precision=precision)
    x, h_0 = rng.normal(size=(7, N, D)), rng.normal(size=(N, H))
    output, h_n = layer(x, h_0, threads=2)
    by_call = by_step = in_place = h_0.astype(layer.dtype)
    in_place = in_place.copy()
    for t in range(7):
        piece, by_call = layer(x[t : t + 1], by_call)
        before = by_step.copy()
        after = layer.step(x[t], by_step, threads=3)
        assert by_step.tobytes() == before.tobytes()
        by_step = after
        assert layer.step(x[t], in_place, out=in_place) is in_place
        for found in (piece[0], by_step, in_place):
            assert found.dtype == layer.dtype
            assert found.tobytes() == output[t].tobytes()
    assert by_call.tobytes() == by_step.tobytes() == h_n.tobytes()


def test_a_row_without_a_batch_is_a_batch_of_one(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    layer = RecurrentLayer(*weights(5, 19, rng), reset=reset)
    x, h = rng.normal(size=5), rng.normal(size=19).astype(np.float32)
    expected = layer.step(x[None], h[None])[0]
    np.testing.assert_allclose(
        expected,
        equations.step(x, h, equations.by_gate(*weights(5, 19, np.random.default_rng(0))), reset)[3],
        atol=3e-6,
    )
    out = np.full(19, np.nan, np.float32)
    assert layer.step(x, h, out=out) is out
    for found in (layer.step(x, h), layer.step(x.tolist(), h.tolist()), out, layer.step(x, h, out=h)):
        assert found.shape == (19,)
        assert found.tobytes() == expected.tobytes()
    assert layer.step(x).tobytes() == layer.step(x, np.zeros(19)).tobytes()
    assert layer.step(x[None]).tobytes() == layer.step(x, np.zeros(19)).tobytes()


def test_results_are_written_where_they_are_told(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    layer = RecurrentLayer(*weights(5, 19, rng), reset=reset)
    x, h_0 = rng.normal(size=(6, 3, 5)), rng.normal(size=(3, 19)).astype(np.float32)
    options: dict[str, Any] = masks(6, 3, 19, rng)
    expected = layer(x, h_0, **options)
    output, h_n = np.full((6, 3, 19), np.nan, np.float32), np.full((3, 19), np.nan, np.float32)
    found = layer(x, h_0, **options, out=(output, h_n))
    assert found[0] is output
    assert found[1] is h_n
    assert same(found, expected)
    output[...], moving = np.nan, h_0.copy()
    assert same(layer(x, moving, **options, out=(output, moving)), expected)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (lambda x, h: np.empty((2, 5), np.float32), r"expected .*N=3, H=5\), got \(.*2, 5\)"),
        (lambda x, h: np.empty((1, 3, 5), np.float32), r"out: expected \(N=3, H=5\), got \(1, 3, 5\)"),
        (lambda x, h: np.empty((3, 5)), "expected float32, as the weights are, got float64"),
        (lambda x, h: np.empty((5, 3), np.float32).T, "contiguous, got strides"),
        (lambda x, h: np.empty((3, 10), np.float32)[:, ::2], "contiguous, got strides"),
        (lambda x, h: np.frombuffer(bytes(60), np.float32).reshape(3, 5), "expected an array that can be written"),
        (lambda x, h: x, "overlap|memory|place"),
        (lambda x, h: h.base[5:20].reshape(3, 5), "overlap|memory|place"),
        (lambda x, h: [[0.0] * 5] * 3, "expected an array that can be written"),
    ],
)
def test_where_a_step_cannot_write(out: Any, message: str) -> None:
    layer, x = RecurrentLayer(np.zeros((15, 5)), np.zeros((15, 5)), reset="before"), np.ones((3, 5), np.float32)
    h = np.ones(40, np.float32)[:15].reshape(3, 5)
    before = h.base.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        layer.step(x, h, out=out(x, h))
    assert (h.base == before).all()
    assert (x == 1).all()


def test_instruction_sets_differ_by_rounding_alone(reset: str) -> None:
    rng = np.random.default_rng(0)
    w, x = weights(40, 100, rng), rng.normal(size=(50, 4, 40))
    found = {}
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            found[name] = RecurrentLayer(*w, reset=reset)(x)[0]
    for name, output in found.items():
        np.testing.assert_allclose(output, found["portable"], rtol=0, atol=ERROR["float32"], err_msg=name)
    fused = [output.tobytes() for name, output in found.items() if name != "portable"]
    assert all(output == fused[0] for output in fused)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_past_the_end_is_not_read(instruction_set: str, reset: str, reverse: bool) -> None:
    rng = np.random.default_rng(0)
    x, h_0 = rng.normal(size=(9, 3, 5)), rng.normal(size=(3, 20))
    layer = RecurrentLayer(*weights(5, 20, rng), reset=reset)
    resets, decay = rng.random((9, 3)) < 0.2, rng.random((9, 3, 20))
    options: dict[str, Any] = {"lengths": [4, 9, 0], "resets": resets, "decay": decay, "reverse": reverse}
    clean = layer(x, h_0, **options)
    for values in (x, decay):
        values[4:, 0] = values[:, 2] = np.nan
    resets[4:, 0] = resets[:, 2] = True
    assert same(clean, layer(x, h_0, **options))


def test_a_decay_of_one_is_none_and_of_zero_a_reset(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    x, h_0 = rng.normal(size=(9, 3, 5)), rng.normal(size=(3, 20))
    layer = RecurrentLayer(*weights(5, 20, rng), reset=reset)
    resets = rng.random((9, 3)) < 0.3
    for reverse in (False, True):
        for size in (1, 20):
            ones = np.ones((9, 3, size))
            assert same(layer(x, h_0, reverse=reverse), layer(x, h_0, decay=ones, reverse=reverse))
            zeros = np.where(resets[..., None], 0, ones)
            assert same(layer(x, h_0, resets=resets, reverse=reverse), layer(x, h_0, decay=zeros, reverse=reverse))


def test_a_reset_wins_over_a_decay_and_clears_what_is_infinite(instruction_set: str, reset: str) -> None:
    rng = np.random.default_rng(0)
    x, layer = rng.normal(size=(4, 3, 5)), RecurrentLayer(*weights(5, 20, rng), reset=reset)
    resets, decay = np.zeros((4, 3), bool), np.full((4, 3, 20), 0.5)
    resets[0] = True
    found = layer(x, np.full((3, 20), np.inf), resets=resets, decay=decay)
    assert same(found, layer(x, np.zeros((3, 20)), decay=decay))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_copies_and_pickles_are_the_same_layer(reset: str, precision: Any) -> None:
    rng = np.random.default_rng(0)
    given = weights(5, 37, rng)
    layer, x = RecurrentLayer(*given, reset=reset, precision=precision), rng.normal(size=(6, 2, 5))
    bare = RecurrentLayer(*given[:2], reset=reset, precision=precision)
    expected, expected_bare = layer(x), bare(x)
    for weight in given:
        weight[...] = 0
    for how in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        other = how(layer)
        assert (other.reset, other.precision, other.dtype) == (reset, precision, layer.dtype)
        assert (other.input_size, other.hidden_size) == (5, 37)
        assert same(other(x), expected)
        assert same(how(other)(x), expected)
        assert same(how(bare)(x), expected_bare)


def test_a_pickle_computes_on_the_instruction_set_that_it_finds(reset: str) -> None:
    w, x = weights(5, 37, np.random.default_rng(0)), np.random.default_rng(1).normal(size=(6, 2, 5))
    pickles, results = [], {}
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            layer = RecurrentLayer(*w, reset=reset)
            pickles.append(pickle.dumps(layer))
            results[name] = layer(x)
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            for pickled in pickles:
                assert same(pickle.loads(pickled)(x), results[name])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("which", "name"), [(0, "weight_ih"), (1, "weight_hh")])
def test_int8_refuses_what_is_not_finite(instruction_set: str, value: float, which: int, name: str) -> None:
    for place in (0, 17, -1):
        w = weights(9, 13, np.random.default_rng(0))
        w[which].flat[place] = value
        with pytest.raises(ValueError, match=rf"^{name}: expected finite numbers for int8, got {value}$"):
            RecurrentLayer(*w, reset="before", precision="int8")


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_hidden(instruction_set: str, reset: str, precision: Any, value: float) -> None:
    rng = np.random.default_rng(0)
    x, h_0 = np.abs(rng.normal(size=(1, 2, 5))), np.abs(rng.normal(size=(2, 13)))
    for which in range(4):
        w = weights(5, 13, rng)
        w[which][30] = value  # a candidate's row
        expected = equations.gru(x, h_0, equations.by_gate(*w), reset=reset).hidden
        found = RecurrentLayer(*w, reset=reset, precision=precision)(x, h_0)[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=ERROR[precision])
        assert np.isnan(expected[..., 4]).all() == np.isnan(value)


def test_biases_that_are_not_finite_are_kept_by_int8_too(instruction_set: str) -> None:
    w = weights(5, 13, np.random.default_rng(0))
    w[2][30], w[3][31] = np.nan, np.inf
    state = RecurrentLayer(*w, reset="after", precision="int8").step(np.ones(5))
    assert [*np.flatnonzero(np.isnan(state))] == [4]


def test_used_from_many_threads_at_once(reset: str) -> None:
    rng = np.random.default_rng(0)
    layer, x = RecurrentLayer(*weights(64, 256, rng), reset=reset), rng.normal(size=(20, 16, 64))
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
    layer, x = RecurrentLayer(*weights(64, 256, rng), reset=reset), rng.normal(size=(20, 16, 64))
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
from penstock.native import RecurrentLayer
rng, L, N, D, H = np.random.default_rng(0), 3, 20_000, 8, 256
layer = RecurrentLayer(rng.normal(size=(3 * H, D)), rng.normal(size=(3 * H, H)), reset="before")
x, h_0 = np.ones((L, N, D), np.float32), np.zeros((N, H), np.float32)
out = np.zeros((L, N, H), np.float32), np.zeros((N, H), np.float32)
expected = layer(x[:, :9])[0]
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), size + (1 << 20)))
try:
    layer(x, h_0, out=out)
except MemoryError as error:
    print(error, np.array_equal(layer(x[:, :9])[0], expected))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "not enough memory for this call True\n", done.stderr


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "lists": lambda a: a.tolist(),
    "float64": lambda a: a if a.dtype.kind == "b" else a.astype(float if a.dtype.kind == "f" else np.int32),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "wide": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "read-only": read_only,
}


@pytest.mark.parametrize("layout", [*LAYOUTS])
@pytest.mark.parametrize("D", [1, 3])
def test_arrays_may_be_of_any_layout_and_type(layout: str, D: int) -> None:
    rng, laid = np.random.default_rng(0), LAYOUTS[layout]
    w = [value.astype(np.float32) for value in weights(D, 4, rng)]
    x, h_0 = rng.normal(size=(5, 2, D)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    options: dict[str, Any] = masks(5, 2, 4, rng)
    options["decay"] = options["decay"].astype(np.float32)
    expected = RecurrentLayer(*w, reset="after")(x, h_0, **options)
    layer = RecurrentLayer(*map(laid, w), reset="after")
    assert same(layer(laid(x), laid(h_0), **{name: laid(value) for name, value in options.items()}), expected)
    transposed = np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    assert same(layer(transposed, h_0, **options), expected)
    expected_step = layer.step(x[0], h_0)
    assert same([layer.step(laid(x[0]), laid(h_0))], [expected_step])
    assert same([layer.step(laid(x[0, 0]), laid(h_0[0]))], [expected_step[0]])


def test_memory_that_is_not_aligned_is_refused_in_words() -> None:
    layer = RecurrentLayer(np.zeros((6, 3)), np.zeros((6, 2)), reset="before")
    x = np.zeros(13, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match=r"^x: its data is not aligned to its type$"):
        layer.step(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_hh": np.zeros((6, 3))}, r"weight_hh: expected \(3H=9, H=3\), got \(6, 3\)"),
        ({"weight_ih": np.zeros((5, 3))}, r"weight_ih: expected \(3H=6, D\), got \(5, 3\)"),
        ({"weight_hh": None}, r"weight_hh: expected \(3H, H\), got none"),
        ({"weight_hh": np.zeros((0, 0)), "weight_ih": np.zeros((0, 2))}, "weight_hh: expected H of 1 or more, got 0"),
        ({"bias_hh": np.zeros(5)}, r"bias_hh: expected \(3H=6,?\), got \(5,\)"),
        ({"reset": "never"}, 'reset: expected "before" or "after", got \'never\''),
        ({"precision": "int4"}, "precision: expected one of float32, float64, bfloat16, int8, got 'int4'"),
    ],
)
def test_weights_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    given = {"weight_ih": np.zeros((6, 3)), "weight_hh": np.zeros((6, 2)), "reset": "before"} | arguments
    with pytest.raises(ValueError, match=message):
        RecurrentLayer(**given)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.zeros((4, 3))}, ValueError, r"x: expected \(L, N, D=3\), got \(4, 3\)"),
        ({"x": np.zeros((4, 2, 5))}, ValueError, r"x: expected \(L, N, D=3\), got \(4, 2, 5\)"),
        ({"h_0": np.zeros((2, 3))}, ValueError, r"h_0: expected \(N=2, H=2\), got \(2, 3\)"),
        ({"lengths": [1]}, ValueError, r"lengths: expected \(N=2,?\), got \(1,\)"),
        ({"lengths": [1, 5]}, ValueError, "lengths: expected 0 … L=4, got 5"),
        ({"lengths": [-1, 4]}, ValueError, "lengths: expected 0 … L=4, got -1"),
        ({"lengths": [1.0, 2.0]}, TypeError, "lengths: expected int64, got float64"),
        ({"resets": np.zeros((4, 2))}, TypeError, "resets: expected bool, got float64"),
        ({"resets": np.zeros((2, 4), bool)}, ValueError, r"resets: expected \(L=4, N=2\), got \(2, 4\)"),
        ({"decay": np.zeros((4, 2))}, ValueError, r"decay: expected \(L=4, N=2, H=2\).*, got \(4, 2\)"),
        ({"decay": np.zeros((4, 2, 3))}, ValueError, r"decay: expected \(L=4, N=2, H=2\).*, got \(4, 2, 3\)"),
        ({"threads": -1}, ValueError, "threads: expected 0 or more, got -1"),
    ],
)
def test_input_that_cannot_work(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    layer = RecurrentLayer(np.zeros((6, 3)), np.zeros((6, 2)), reset="before")
    with pytest.raises(error, match=message):
        layer(**({"x": np.zeros((4, 2, 3))} | arguments))


@pytest.mark.parametrize(
    ("x", "h", "message"),
    [
        (np.zeros(4), np.zeros(2), r"x: expected \(.*D=3\), got \(.*4\)"),
        (np.zeros((2, 4)), np.zeros((2, 2)), r"x: expected \(.*D=3\), got \(.*2, 4\)"),
        (np.zeros((1, 2, 3)), np.zeros((2, 2)), r"x: expected \(N, D=3\), got \(1, 2, 3\)"),
        (0.0, None, r"x: expected"),
        (np.zeros(3), np.zeros(3), r"h.*: expected \(N=1, H=2\), got \(1, 3\)"),
        (np.zeros((2, 3)), np.zeros((3, 2)), r"h.*: expected \(N=2, H=2\), got \(3, 2\)"),
        (np.zeros((2, 3)), np.zeros(2), r"expected"),
        (np.zeros(3), np.zeros((1, 2)), r"expected"),
    ],
)
def test_a_step_that_cannot_be(x: Any, h: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecurrentLayer(np.zeros((6, 3)), np.zeros((6, 2)), reset="before").step(x, h)
