"""The core's door: what comes through it is computed as the equations say, or refused in words with nothing written.

Arrays lie in larger ones full of NaN, so that what is read or written beside them shows; `make sanitize` runs this
under AddressSanitizer too.
"""

import functools
from collections.abc import Callable
from typing import Any

import core_calls as calls
import numpy as np
import pytest
from core_calls import Array, Call
from helpers import INSTRUCTION_SETS, on_instruction_set
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from penstock.native import core

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

PRECISIONS = ("float32", "float64", "bfloat16", "int8")  # in the core's order
SMALL: dict[str, Any] = {"L": 3, "N": 2, "D": 5, "H": 5, "masks": True, "decay": 5}
REFUSED = (ValueError, TypeError, MemoryError)


def lay(value: Array, steps: tuple[int, ...], turned: bool = False) -> Array:
    """The values with so many places from one to the next along each axis, NaN between and around them."""
    order = (1, 0, *range(2, value.ndim)) if turned else tuple(range(value.ndim))
    sizes = [abs(steps[k]) * value.shape[k] + 4 for k in order]
    around = np.full(sizes, np.nan if value.dtype.kind == "f" else 1, value.dtype).transpose(np.argsort(order))
    laid: Array = around[tuple(slice(2, 2 + abs(s) * n, abs(s)) for s, n in zip(steps, value.shape, strict=True))]
    laid = laid[tuple(slice(None, None, -1 if s < 0 else 1) for s in steps)]
    laid[...] = value
    return laid


def ground(array: Array) -> Array:
    """The whole memory that an array is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def refusal(function: Callable[..., Any], *arguments: Any) -> str | None:
    """The words in which a call was refused; None where it was not."""
    try:
        function(*arguments)
    except REFUSED as error:
        return str(error) or "refused, without a word\n"
    return None


def arrays(call: Call) -> dict[str, Array]:
    return {name: value for name, value in call.items() if isinstance(value, np.ndarray)}


def copied(call: Call) -> Call:
    return call | {name: value.copy() for name, value in arrays(call).items()}


def past_the_end(call: Call) -> Array:
    """(L, N) bool."""
    L, N = call["x"].shape[:2]
    lengths = call.get("lengths")
    return np.arange(L)[:, None] >= (np.full(N, L) if lengths is None else lengths)


ANY_CALL = {
    "L": st.integers(0, 12),
    "N": st.integers(0, 20),
    "D": st.integers(0, 20),
    "H": st.integers(1, 40),
    "after": st.booleans(),
    "dtype": st.sampled_from([np.float32, np.float64]),
    "bias": st.booleans(),
    "masks": st.booleans(),
    "reverse": st.booleans(),
    "threads": st.integers(0, 4),
}
STEPS = st.tuples(st.sampled_from([1, 2, -1, -3]), st.sampled_from([1, 3, -2]))
DECAYS = st.sampled_from(["none", "one", "each"])


def drawn(data: st.DataObject) -> Call:
    """A call that is right, its arrays anywhere that the header allows."""
    sizes: dict[str, Any] = data.draw(st.fixed_dictionaries(ANY_CALL), label="call")
    decay = {"none": None, "one": 1, "each": sizes["H"]}[data.draw(DECAYS, label="decay")]
    call = calls.inputs(**sizes, decay=decay)
    past = past_the_end(call)
    call["x"][past] = np.nan
    if decay is not None:
        call["decay"][past] = np.nan
    call |= calls.results(call)
    turned = data.draw(st.booleans(), label="turned")
    for name in ("x", "output"):
        call[name] = lay(call[name], (*data.draw(STEPS, label=name), 1), turned)
    for name in ("h_0", *calls.WEIGHTS, *calls.GATES, "h_n", "lengths"):
        if name in call:
            flat = lay(call[name].reshape(-1), (1,))
            call[name] = flat.reshape(call[name].shape)
    if "resets" in call:
        call["resets"] = lay(call["resets"], data.draw(STEPS, label="resets"), turned)
    if decay is not None:
        call["decay"] = lay(call["decay"], (*data.draw(STEPS, label="decay"), data.draw(st.sampled_from([1, -2]))))
    return call


def untouched_beside(array: Array, before: Array) -> bool:
    """Whether an array's surroundings are what they were."""
    inside, whole = array.copy(), ground(array)
    array[...] = 0 if array.dtype.kind != "f" else np.nan
    same = whole.tobytes() == before.tobytes()
    array[...] = inside
    return same


@given(data=st.data())
def test_forward_is_the_equations_wherever_the_arrays_lie(
    instruction_set: str, fine_grain: None, data: st.DataObject
) -> None:
    call = drawn(data)
    read = copied(call)
    around = {name: ground(call[name]).copy() for name in ("output", "h_n")}
    calls.forward(call)
    calls.check_forward(read, call, calls.ERROR[str(call["x"].dtype)])
    assert all(untouched_beside(call[name], before) for name, before in around.items())
    again = copied(read)
    calls.forward(again | {"packed": calls.pack(read, read["x"].dtype == np.float64)} | dict.fromkeys(calls.WEIGHTS))
    assert all(np.array_equal(again[name], call[name]) for name in calls.FIELDS)


@given(data=st.data(), recompute=st.booleans())
def test_backward_is_the_equations_wherever_the_arrays_lie(
    instruction_set: str, fine_grain: None, data: st.DataObject, recompute: bool
) -> None:
    call = drawn(data)
    calls.forward(call)
    if recompute:
        call |= dict.fromkeys(calls.GATES)
    rng = np.random.default_rng(1)
    come = data.draw(st.sets(st.sampled_from(list(calls.FIELDS))), label="gradients that come")
    for name in come:
        shape = (call["h_n"] if name == "h_n" else call["output"]).shape
        value = calls.draw(rng, *shape).astype(call["x"].dtype)
        call[f"grad_{name}"] = lay(value, (2, -1, 1)) if name == "output" else value
    wanted = calls.gradients(call)
    if wanted and "grad_x" in wanted:
        wanted["grad_x"] = lay(wanted["grad_x"], (*data.draw(STEPS, label="grad_x"), 1))
    for name in data.draw(st.sets(st.sampled_from(list(wanted))), label="gradients that are not wanted"):
        del wanted[name]
    around = {name: ground(value).copy() for name, value in wanted.items()}
    read = copied(call)
    calls.backward(call | wanted)
    error = 1e-11 if call["x"].dtype == np.float64 else 1e-4
    calls.check_backward(read, wanted, error, rng)
    assert all(untouched_beside(wanted[name], before) for name, before in around.items())
    for name, value in arrays(read).items():
        assert call[name].tobytes() == value.tobytes(), f"{name} was written to"


# What a caller may get wrong about one array. Each makes another one of it.


def resized(array: Array, axis: int, by: int) -> Array:
    shape = list(array.shape)
    shape[axis % array.ndim] = max(0, shape[axis % array.ndim] + by)
    return np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)


def misaligned(array: Array) -> Array:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    moved: Array = memory.view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def spread(array: Array) -> Array:
    return lay(array, (1,) * (array.ndim - 1) + (2,))


def repeated(array: Array) -> Array:
    """One place for all of the first axis."""
    return np.broadcast_to(array[:1], array.shape)


def converted(array: Array, to: str) -> Array:
    with np.errstate(invalid="ignore"):  # NaN to an integer
        return array.astype(to)


WRONG: dict[str, Callable[[Array], Any]] = {
    "none": lambda a: None,
    "an axis more": lambda a: a[None],
    "an axis less": lambda a: a[0],
    "no axis": lambda a: a.reshape(-1)[0],
    "four axes": lambda a: a.reshape((1,) * (4 - a.ndim) + a.shape),
    "turned": lambda a: a.T.copy(),
    "longer": lambda a: resized(a, 0, 1),
    "shorter": lambda a: resized(a, 0, -1),
    "wider": lambda a: resized(a, -1, 1),
    "narrower": lambda a: resized(a, -1, -1),
    "one row": lambda a: a[:1],
    "empty": lambda a: a[:0],
    "empty across": lambda a: a[..., :0],
    "with gaps": spread,
    "in Fortran's order": np.asfortranarray,
    "backwards": lambda a: a[::-1].copy()[::-1],
    "repeated": repeated,
    "misaligned": misaligned,
    "read-only": read_only,
    "bytes swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "of objects": lambda a: a.astype(object),
    "a list": lambda a: a.tolist(),
    "bytes": lambda a: a.tobytes(),
    "an address": lambda a: a.ctypes.data,
    "text": lambda a: "x",
    "of nothing": lambda a: np.empty(a.shape, "V0"),
    **{
        f"of {t}": functools.partial(converted, to=t)
        for t in ("f2", "f4", "f8", "c8", "c16", "i1", "u8", "i4", "i8", "?", "S3")
    },
}


def everything(after: bool, dtype: Any = np.float64, **how: Any) -> Call:
    """A small call with every argument of forward and backward."""
    call = calls.inputs(**SMALL, after=after, dtype=dtype, **how)
    call |= calls.results(call)
    calls.forward(call)
    rng = np.random.default_rng(2)
    come = {f"grad_{name}": calls.draw(rng, *call[name].shape).astype(dtype) for name in calls.FIELDS}
    return call | come | calls.gradients(call)


def refused_or_right(backward: bool, call: Call) -> None:
    """Runs a call that may be wrong."""
    could_be = [f"grad_{name}" for name in calls.GRADIENTS_OF] if backward else [*calls.FIELDS, "recurrent"]
    written = [name for name in could_be if isinstance(call.get(name), np.ndarray)]
    read, before = copied(call), {name: ground(value).copy() for name, value in arrays(call).items()}
    if words := refusal(calls.backward if backward else calls.forward, call):
        assert "\n" not in words
        for name, value in arrays(call).items():
            assert ground(value).tobytes() == before[name].tobytes(), f"{name} was written to, and then: {words}"
        return
    calls.check_sizes(read, backward)
    for name, value in arrays(call).items():
        if not any(np.shares_memory(value, call[other]) for other in written):
            assert value.tobytes() == read[name].tobytes(), f"{name} was written to"
    if not backward:
        calls.check_forward(read, call, calls.ERROR[str(read["x"].dtype)])
    elif calls.says_one_thing(read):
        calls.check_backward(read, {name: call[name] for name in written}, 1e-11, np.random.default_rng(3))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("backward", [False, True])
@given(data=st.data(), after=st.booleans())
def test_one_array_that_is_wrong(backward: bool, wrong: str, data: st.DataObject, after: bool) -> None:
    call = everything(after)
    names = [n for n in (calls.BACKWARD if backward else calls.FORWARD) if isinstance(call.get(n), np.ndarray)]
    name = data.draw(st.sampled_from(names), label="argument")
    call[name] = WRONG[wrong](call[name])
    refused_or_right(backward, call)


@pytest.mark.parametrize("backward", [False, True])
@given(data=st.data(), after=st.booleans())
def test_several_arrays_that_are_wrong(backward: bool, data: st.DataObject, after: bool) -> None:
    call = everything(after)
    names = [n for n in (calls.BACKWARD if backward else calls.FORWARD) if isinstance(call.get(n), np.ndarray)]
    how = st.dictionaries(st.sampled_from(names), st.sampled_from(list(WRONG)), min_size=2, max_size=4)
    for name, wrong in data.draw(how, label="wrong").items():
        call[name] = WRONG[wrong](call[name])
    refused_or_right(backward, call)


@pytest.mark.parametrize("backward", [False, True])
@given(data=st.data(), after=st.booleans(), shift=st.integers(-3, 3))
def test_arrays_that_overlap(backward: bool, data: st.DataObject, after: bool, shift: int) -> None:
    call = everything(after)
    order = calls.BACKWARD if backward else calls.FORWARD
    names = [n for n in order if isinstance(call.get(n), np.ndarray)]
    written = [f"grad_{n}" for n in calls.GRADIENTS_OF] if backward else [*calls.FIELDS, *calls.GATES]
    target = data.draw(st.sampled_from([n for n in written if n in names]), label="written")
    other = data.draw(st.sampled_from([n for n in names if n != target]), label="overlaps")
    to, beside = call[target], call[other]
    memory = np.full((to.nbytes + beside.nbytes) // 8 + 16, np.nan)
    start = 8 * (4 + min(0, shift) % 4) if beside.dtype == np.float64 else 32
    inside: Array = memory.view(np.uint8)[start : start + beside.nbytes].view(beside.dtype).reshape(beside.shape)
    first = 4 + shift
    moved = memory[first : first + to.size].reshape(to.shape)
    moved[...] = to
    inside[...] = beside
    assume(np.shares_memory(moved, inside))
    call |= {target: moved, other: inside}
    refused_or_right(backward, call)


@pytest.mark.parametrize("backward", [False, True])
@given(lengths=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 5)), min_size=2, max_size=2))
def test_any_lengths(backward: bool, lengths: list[int]) -> None:
    call = everything(True)
    call |= {"lengths": np.array(lengths)}
    if all(0 <= n <= 3 for n in lengths):
        calls.forward(call)
    else:
        with pytest.raises(ValueError, match="lengths: expected 0 … L=3, got "):
            (calls.backward if backward else calls.forward)(call)
    refused_or_right(backward, call)


@pytest.mark.parametrize("threads", [-1, 1 - 2**31, 2**31 - 1, 2**31, 2**63, 2.5, "2", None])
def test_any_number_of_threads(reset: str, threads: Any) -> None:
    for backward in (False, True):
        call = everything(reset == "after") | {"threads": threads}
        if isinstance(threads, int) and abs(threads) < 2**31:
            refused_or_right(backward, call)
        else:
            with pytest.raises(TypeError):
                (calls.backward if backward else calls.forward)(call)


def test_a_true_is_any_byte_but_zero(reset: str) -> None:
    call = everything(reset == "after")
    expected = call["output"].copy()
    call["resets"] = (call["resets"].astype(np.uint8) * np.array([2, 255], np.uint8)).view(np.bool_)
    calls.forward(call)
    assert np.array_equal(call["output"], expected)


def test_the_state_may_be_written_in_place(instruction_set: str, reset: str) -> None:
    for L in (1, 4):
        call = calls.inputs(L, 3, 5, 17, after=reset == "after", decay=1, masks=True)
        call |= calls.results(call)
        calls.forward(call)
        expected = call["h_n"].copy()
        calls.forward(call | {"h_n": call["h_0"]})
        assert np.array_equal(call["h_0"], expected)


def huge(dtype: Any, *shape: int) -> Array:
    """One element in all places."""
    return as_strided(np.zeros(1, dtype), shape, (0,) * len(shape))


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": huge("f8", 2**29, 2**29, 1)},
        {"x": huge("f8", 2**40, 2, 1), "output": huge("f8", 2**40, 2, 5), "lengths": None, "resets": None},
        {"x": huge("f8", 2**40, 2, 5), "resets": huge("?", 2**40, 2)},
        {"weight_ih": huge("f8", 15, 2**56), "x": huge("f8", 3, 2, 2**56)},
        {"weight_hh": huge("f8", 3 * 2**29, 2**29), "h_0": huge("f8", 2, 2**29)},
        {"weight_hh": huge("f8", 3 * 2**29, 2**29), "weight_ih": huge("f8", 3 * 2**29, 5), "h_0": huge("f8", 2, 2**29)},
        {"decay": huge("f8", 3, 2, 2**57)},
        {"lengths": huge("i8", 2**59)},
        {"resets": huge("?", 2**31, 2**31)},
    ],
)
def test_sizes_whose_product_overflows(arguments: Call) -> None:
    for backward in (False, True):
        with pytest.raises(REFUSED):
            (calls.backward if backward else calls.forward)(everything(False) | arguments)


def test_many_steps_of_no_sequence(reset: str) -> None:
    L = 2**40
    call = everything(reset == "after", np.float32)
    call |= {"x": np.empty((L, 0, 5), "f4"), "h_0": np.empty((0, 5), "f4"), "h_n": np.empty((0, 5), "f4")}
    call |= {name: np.empty((L, 0, 5), "f4") for name in ("output", "decay", *calls.GATES) if name in call}
    call |= {"lengths": np.empty(0, "i8"), "resets": np.empty((L, 0), "?")}
    assert "memory" in (refusal(calls.forward, call) or "memory")  # computed or refused, in no time


@pytest.mark.parametrize("wrong", WRONG)
@given(name=st.sampled_from(calls.WEIGHTS), after=st.booleans(), precision=st.integers(0, 3))
def test_packing_weights_that_are_wrong(wrong: str, name: str, after: bool, precision: int) -> None:
    call = everything(after, np.float64 if precision == 1 else np.float32)
    read = call | {name: WRONG[wrong](call[name])}
    if words := refusal(calls.pack, read, precision):
        assert "\n" not in words
        return
    packed = calls.pack(read, precision)
    if words := refusal(calls.forward, call | dict.fromkeys(calls.WEIGHTS) | {"packed": packed}):
        assert words.startswith("x: expected (L, N, D=")  # these weights are right, for another x
    else:
        calls.check_forward(read, call, calls.ERROR[PRECISIONS[precision]])


@pytest.mark.parametrize("precision", [-1, 4, 7, 2**31 - 1, -(2**31), 2**40])
def test_packing_to_a_precision_that_is_none(precision: int) -> None:
    with pytest.raises(REFUSED):
        calls.pack(everything(False, np.float32), precision)


@given(
    precision=st.sampled_from([0, 2, 3]),
    name=st.sampled_from(calls.WEIGHTS),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 3.4028235e38, -3.4e38, 1e-45, -0.0]),
    data=st.data(),
)
def test_packing_any_number(precision: int, name: str, value: float, data: st.DataObject) -> None:
    """What is not finite is refused by int8, or is seen in what comes out; nothing hides it."""
    call = everything(True, np.float32)
    call[name].reshape(-1)[data.draw(st.integers(0, call[name].size - 1))] = value
    if precision == 3 and name.startswith("weight") and not np.isfinite(value):
        with pytest.raises(ValueError, match=name):
            calls.pack(call, precision)
        return
    packed = calls.pack(call, precision)
    call["lengths"][:] = 3
    calls.forward(call | dict.fromkeys(calls.WEIGHTS) | {"packed": packed})
    if np.isnan(value):
        assert np.isnan(call["h_n"]).any()


def test_what_was_packed_belongs_to_one_function(reset: str) -> None:
    call = everything(reset == "after", np.float32)
    without = call | dict.fromkeys(calls.WEIGHTS)
    other_form = calls.pack(call | {"after": not call["after"]}, 0)
    wider = calls.pack(calls.inputs(3, 2, 6, 5, after=call["after"], dtype=np.float32), 0)
    more_units = calls.pack(calls.inputs(3, 2, 5, 6, after=call["after"], dtype=np.float32), 0)
    doubles = calls.pack(everything(call["after"]), 1)
    output = core.chosen().pack_output(np.zeros((4, 5), np.float32), np.zeros(4, np.float32))
    for packed in (None, object(), 1, other_form, wider, more_units, doubles, output):
        with pytest.raises(REFUSED):
            calls.forward(without | {"packed": packed})
    for maker in INSTRUCTION_SETS:
        with on_instruction_set(maker):
            packed = calls.pack(call, 0)
        for user in INSTRUCTION_SETS:
            with on_instruction_set(user):
                made = calls.results(call)
                try:
                    calls.forward(without | made | {"packed": packed})
                except REFUSED:
                    assert maker != user
                else:
                    calls.check_forward(call, made, calls.ERROR["float32"])


@pytest.mark.parametrize("wrong", WRONG)
@given(name=st.sampled_from(["x", "h", "out"]), after=st.booleans(), threads=st.integers(0, 3))
def test_a_step_with_an_array_that_is_wrong(wrong: str, name: str, after: bool, threads: int) -> None:
    call = calls.inputs(1, 3, 5, 5, after=after)
    held = {"x": call["x"][0].copy(), "h": call["h_0"].copy(), "out": np.full((3, 5), np.nan)}
    held[name] = WRONG[wrong](held[name])
    before = bytes(held["out"]) if isinstance(held["out"], np.ndarray) else b""
    if words := refusal(calls.pack(call, 1).step, *held.values(), threads):
        assert "\n" not in words
        assert not before or bytes(held["out"]) == before
        return
    steps = calls.oracle(call | {"x": held["x"][None], "h_0": held["h"]})
    np.testing.assert_allclose(held["out"], steps.h_n, rtol=0, atol=calls.ERROR["float64"])


OF_TOKENS = ("logits", "log_probabilities")


@pytest.mark.parametrize("wrong", WRONG)
@given(name=st.sampled_from(["weight", "bias", "hidden", "tokens", "nats", *OF_TOKENS]), threads=st.integers(0, 3))
def test_the_output_layer_with_an_array_that_is_wrong(wrong: str, name: str, threads: int) -> None:
    rng = np.random.default_rng(0)
    shapes = {"weight": (7, 5), "bias": (7,), "hidden": (4, 5)}
    held: Call = {key: calls.draw(rng, *shape).astype("f4") for key, shape in shapes.items()}
    held |= {"tokens": np.array([0, 6, 3, 3]), "nats": np.full(4, np.nan)}
    held |= {key: np.full((4, 7), np.nan, "f4") for key in OF_TOKENS}
    held[name] = WRONG[wrong](held[name])
    before = {key: bytes(value) for key, value in arrays(held).items()}

    def compute() -> None:
        packed = core.chosen().pack_output(held["weight"], held["bias"])
        if name in OF_TOKENS:
            getattr(packed, name)(held["hidden"], held[name], threads)
        else:
            packed.score(held["hidden"], held["tokens"], held["nats"], threads)

    if words := refusal(compute):
        assert "\n" not in words
        assert {key: bytes(value) for key, value in arrays(held).items()} == before
        return
    logits = np.einsum("nk,vk->nv", held["hidden"], held["weight"], dtype=np.float64) + held["bias"]
    if name in OF_TOKENS:
        expected = logits - (np.log(np.exp(logits).sum(1, keepdims=True)) if name == "log_probabilities" else 0)
        # sums of five products of about 1 in float32, each rounded to 6e-8 of it; a wrong read is off by whole numbers
        np.testing.assert_allclose(held[name], expected, rtol=0, atol=1e-5)
    else:
        nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), held["tokens"]]
        np.testing.assert_allclose(held["nats"], nats, rtol=1e-5, atol=2e-5)


@given(tokens=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 8)), min_size=1, max_size=4))
def test_any_tokens(tokens: list[int]) -> None:
    weight, hidden, found = np.zeros((7, 5), "f4"), np.zeros((len(tokens), 5), "f4"), np.full(len(tokens), np.nan)
    packed = core.chosen().pack_output(weight, np.zeros(7, "f4"))
    if all(0 <= token < 7 for token in tokens):
        packed.score(hidden, np.array(tokens), found, 1)
        np.testing.assert_allclose(found, np.log(7), rtol=1e-6)
    else:
        with pytest.raises(ValueError, match="tokens: expected 0 … V − 1=6, got "):
            packed.score(hidden, np.array(tokens), found, 1)
        assert np.isnan(found).all()


def test_tensors_are_arrays() -> None:
    torch = pytest.importorskip("torch")
    call = everything(True)
    expected = call["output"].copy()
    tensors = {name: torch.from_numpy(value) for name, value in arrays(call).items()}
    parameters = {name: torch.nn.Parameter(tensors[name]) for name in calls.WEIGHTS}
    call["output"][...] = np.nan
    calls.forward(call | tensors | parameters)
    assert np.array_equal(call["output"], expected)
    for name in ("x", "decay", "weight_hh", "output"):
        for other in (
            tensors[name].to("meta"),
            tensors[name].to_sparse(),
            tensors[name].bfloat16(),
            tensors[name].to(torch.complex128),
            torch.zeros(3, dtype=torch.float64),
        ):
            with pytest.raises(REFUSED):
                calls.forward(call | tensors | {name: other})
    imaginary = torch.complex(torch.zeros_like(tensors["x"]), tensors["x"]).conj().imag  # lazily negated
    assert imaginary.is_neg()
    try:
        calls.forward(call | tensors | {"x": imaginary})
    except REFUSED:
        return
    calls.check_forward(call | {"x": -call["x"]}, call, calls.ERROR["float64"])
