"""penstock.h as C sees it: compiled alone, an example compiled and run, and calls whose descriptions are wrong.

What Python cannot hold, a C program can say: null pointers, strides and sizes without end, types that are none. Such a
call is refused, or it is right; that no memory was touched beyond the arrays is AddressSanitizer's to say.
"""

import ctypes
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import core_calls as calls
import numpy as np
import pytest
from core_calls import Array, Call
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from penstock.native import core

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "core" / "penstock.h"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
DTYPES = ["float32", "float64", "bfloat16", "int8", "int64", "bool"]
"""In the header's order."""
OK, BAD_VALUE, BAD_TYPE, NO_MEMORY = range(4)


class Described(ctypes.Structure):
    """penstock_array."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 3),
        ("strides", ctypes.c_int64 * 3),
    )


def arrays_named(*names: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, Described) for name in names)


class Weights(ctypes.Structure):
    """penstock_weights."""

    _fields_ = arrays_named("ih", "hh", "bias_ih", "bias_hh")


class CCall(ctypes.Structure):
    """penstock_call."""

    _fields_ = (
        ("set", ctypes.c_void_p),
        ("form", ctypes.c_int32),
        ("reverse", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("weights", Weights),
        ("packed", ctypes.c_void_p),
        *arrays_named("x", "h_0", *calls.MASKS, "output", "h_n", *calls.GATES),
    )


class Gradients(ctypes.Structure):
    """penstock_gradients."""

    _fields_ = (
        *arrays_named("output", "h_n", "reset", "update", "candidate", "x", "h_0"),
        ("weights", Weights),
        *arrays_named("decay"),
    )


def library() -> Any:
    """The core's C functions: the Python module exports them."""
    found = ctypes.CDLL(core._core.__file__)
    found.penstock_message.restype = ctypes.c_char_p
    return found


def message() -> str:
    return str(library().penstock_message().decode())


def described(array: Array | None) -> Described:
    if array is None:
        return Described()
    itemsize, shape = array.itemsize, (ctypes.c_int64 * 3)(*array.shape)
    strides = (ctypes.c_int64 * 3)(*(stride // itemsize for stride in array.strides))
    return Described(array.ctypes.data, DTYPES.index(str(array.dtype)), array.ndim, shape, strides)


class Arena:
    """The arrays of a call, each with room around it: a description that leads a little astray stays inside."""

    room = 1 << 11

    def __init__(self, call: Call) -> None:
        self.memory: dict[str, Array] = {}
        self.call = dict(call)
        for name, value in call.items():
            if isinstance(value, np.ndarray):
                fill = np.nan if value.dtype.kind == "f" else 1
                memory = self.memory[name] = np.full(value.size + 2 * self.room, fill, value.dtype)
                inside = memory[self.room : self.room + value.size].reshape(value.shape)
                inside[...] = value
                self.call[name] = inside

    def view(self, name: str, array: Described) -> Array | None:
        """What the description says, where that lies within the room; None where it cannot be had."""
        memory = self.memory[name]
        if (
            not 0 < array.ndim <= 3
            or array.dtype != DTYPES.index(str(memory.dtype))
            or min(array.shape[: array.ndim]) < 0
        ):
            return None
        shape, strides = tuple(array.shape[: array.ndim]), tuple(array.strides[: array.ndim])
        if 0 in shape:
            return np.empty(shape, memory.dtype) if max(shape) < 1 << 20 else None
        if math.prod(shape) >= 1 << 20:  # strides of 0 make a little memory any size
            return None
        at, astray = divmod((array.data or 0) - memory.ctypes.data, memory.itemsize)
        reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
        first, last = at + sum(r for r in reach if r < 0), at + sum(r for r in reach if r > 0)
        if astray or not array.data or first < 0 or last >= memory.size:
            return None
        steps = [s * memory.itemsize if n > 1 else 0 for n, s in zip(shape, strides, strict=True)]
        return as_strided(memory[at:], shape, steps)

    def lies(self, name: str, array: Described) -> bool:
        """Whether the description claims memory that a caller might have, and this one has not: no check finds that."""
        if self.view(name, array) is not None or not array.data or not 0 < array.ndim <= 3:
            return False
        shape, strides = array.shape[: array.ndim], array.strides[: array.ndim]
        size = self.memory[name].itemsize
        return min(shape) > 0 and all((n - 1) * abs(s) * size <= 1 << 57 for n, s in zip(shape, strides, strict=True))


def field(call: CCall, gradients: Gradients, name: str) -> Described:
    """Where an array of the binding's name is described."""
    holder: Any = gradients if name.startswith("grad_") else call
    name = name.removeprefix("grad_")
    if name in calls.WEIGHTS:
        holder, name = holder.weights, name.removeprefix("weight_")
    found: Described = getattr(holder, name)
    return found


def in_c(call: Call) -> tuple[CCall, Gradients]:
    of_call, gradients = CCall(form=int(call["after"]), reverse=call["reverse"], threads=1), Gradients()
    for name in dict.fromkeys((*calls.FORWARD, *calls.BACKWARD)):
        if name not in calls.HOW and name != "packed":
            ctypes.pointer(field(of_call, gradients, name))[0] = described(call.get(name))
    return of_call, gradients


def everything(after: bool) -> Call:
    """A small call with every argument of forward and backward."""
    call = calls.inputs(3, 2, 5, 4, after=after, masks=True, decay=4)
    call |= calls.results(call)
    calls.forward(call)
    rng = np.random.default_rng(2)
    come = {f"grad_{name}": calls.draw(rng, *call[name].shape) for name in calls.FIELDS}
    return call | come | calls.gradients(call)


ODD = st.sampled_from([0, 1, -1, 2, 3, 4, 5, 8, 20, 2**31, 2**32 + 1, -(2**40), 2**61, 2**62, 2**63 - 1, -(2**63)])
SMALL = st.sampled_from([0, 1, -1, 2, 3, 4, 5, 6, 7, 99, 2**31 - 1, -(2**31)])
CHANGES = st.one_of(
    st.tuples(st.just("data"), st.sampled_from([None, 1, 3, 8])),
    st.tuples(st.sampled_from(["dtype", "ndim"]), SMALL),
    st.tuples(st.sampled_from(["shape", "strides"]), st.integers(0, 2), ODD),
    st.tuples(st.just("both"), st.integers(0, 2), ODD, ODD),
)


@pytest.mark.parametrize("backward", [False, True])
@given(data=st.data(), after=st.booleans())
def test_descriptions_that_are_wrong(backward: bool, data: st.DataObject, after: bool) -> None:
    arena = Arena(everything(after))
    of_call, gradients = in_c(arena.call)
    names = [n for n in (calls.BACKWARD if backward else calls.FORWARD) if n in arena.memory]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True), label="arrays"):
        array = field(of_call, gradients, name)
        for change in data.draw(st.lists(CHANGES, min_size=1, max_size=3), label=name):
            if change[0] == "data":
                array.data = array.data + change[1] if array.data and change[1] else None
            elif change[0] == "both":
                array.shape[change[1]], array.strides[change[1]] = change[2:]
            elif len(change) == 2:
                setattr(array, change[0], change[1])
            else:
                getattr(array, change[0])[change[1]] = change[2]
    if data.draw(st.booleans(), label="how"):
        for name in ("form", "reverse", "threads"):
            setattr(of_call, name, data.draw(st.one_of(st.just(getattr(of_call, name)), SMALL), label=name))
    if any(arena.lies(name, field(of_call, gradients, name)) for name in names):
        return

    read: Call = {"after": of_call.form == 1, "reverse": of_call.reverse != 0}
    for name in names:
        array = field(of_call, gradients, name)
        view = None if not array.ndim and not array.data else arena.view(name, array)
        read[name] = None if view is None else view.copy()
    before = {name: memory.tobytes() for name, memory in arena.memory.items()}
    if backward:
        status = library().penstock_backward(ctypes.byref(of_call), ctypes.byref(gradients))
    else:
        status = library().penstock_forward(ctypes.byref(of_call))
    written = [name for name in names if name.startswith("grad_") and name[5:] in calls.GRADIENTS_OF]
    if not backward:
        written = [name for name in (*calls.FIELDS, "recurrent") if name in names]
    if status != OK:
        assert status in (BAD_VALUE, BAD_TYPE, NO_MEMORY)
        assert message()
        assert "\n" not in message()
        assert {name: memory.tobytes() for name, memory in arena.memory.items()} == before, message()
        return
    for name in names:
        if name not in written:
            assert arena.memory[name].tobytes() == before[name], f"{name} was written to"
    calls.check_sizes(read, backward)
    found = {name: arena.view(name, field(of_call, gradients, name)) for name in written if read[name] is not None}
    if not backward:
        calls.check_forward(read, found, calls.ERROR["float64"])
    elif calls.says_one_thing(read):
        made = {name: value for name, value in found.items() if value is not None}
        calls.check_backward(read, made, 1e-11, np.random.default_rng(3))


@pytest.mark.parametrize("name", ["x", "resets", "output", "weight_hh", "weight_ih", "grad_x"])
@pytest.mark.parametrize("axis", [0, 1])
def test_sizes_and_strides_beyond_all_memory(name: str, axis: int) -> None:
    for size in (2, 2**31, 2**62, 2**63 - 1):
        for stride in (2**32, 2**62, 2**63 - 1, -(2**63)):
            if (size - 1) * abs(stride) > 1 << 57:
                of_call, gradients = in_c(everything(True))
                array = field(of_call, gradients, name)
                array.shape[axis], array.strides[axis] = size, stride
                assert library().penstock_backward(ctypes.byref(of_call), ctypes.byref(gradients)) != OK


@pytest.mark.parametrize("stride", [0, 2**62, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(("L", "N"), [(1, 3), (3, 1), (1, 1)])
def test_the_stride_of_an_axis_of_one_says_nothing(L: int, N: int, stride: int) -> None:
    call = calls.inputs(L, N, 5, 4, after=True, masks=True, decay=4)
    call |= calls.results(call)
    call |= {"grad_output": call["x"][..., :4].copy()} | calls.gradients(call)
    of_call, gradients = in_c(call)
    for name in ("x", "resets", "decay", "output", "grad_output", "grad_x"):
        array = field(of_call, gradients, name)
        for axis, size in enumerate((L, N)):
            if size == 1:
                array.strides[axis] = stride
    assert library().penstock_forward(ctypes.byref(of_call)) == OK, message()
    calls.check_forward(call, call, calls.ERROR["float64"])
    assert library().penstock_backward(ctypes.byref(of_call), ctypes.byref(gradients)) == OK, message()
    made = {name: value for name, value in call.items() if name.startswith("grad_") and name != "grad_output"}
    calls.check_backward(call, made, 1e-11, np.random.default_rng(3))


@given(
    ndim=st.integers(-3, 1000),
    shape=st.lists(ODD, min_size=3, max_size=3),
    name=st.sampled_from(["bias_ih", "bias_hh", "hh", "ih"]),
)
def test_weights_beside_packed_ones(ndim: int, shape: list[int], name: str) -> None:
    """They are not looked into, whatever they claim to be."""
    call = everything(True)
    of_call, _ = in_c(call)
    packed = ctypes.c_void_p()
    assert library().penstock_pack(None, 1, 1, ctypes.byref(of_call.weights), ctypes.byref(packed)) == OK
    of_call.packed, of_call.weights = packed, Weights()
    array = getattr(of_call.weights, name)
    array.data, array.ndim, array.shape[:] = call["x"].ctypes.data, ndim, shape
    assert library().penstock_forward(ctypes.byref(of_call)) == BAD_VALUE
    assert message() == "packed: expected packed weights or weights, got both"
    library().penstock_free(packed)


def test_null_pointers() -> None:
    c, array, handle = library(), described(np.zeros((2, 3))), ctypes.c_void_p()
    of_call, gradients = (ctypes.byref(value) for value in in_c(everything(True)))
    at = ctypes.byref(array)
    wrong: list[tuple[Any, list[Any]]] = [
        (c.penstock_forward, [None]),
        (c.penstock_backward, [of_call, None]),
        (c.penstock_backward, [None, gradients]),
        (c.penstock_pack, [None, 0, 0, None, ctypes.byref(handle)]),
        (c.penstock_pack, [None, 0, 0, at, None]),
        (c.penstock_step, [None, at, at, at, 1]),
        (c.penstock_pack_output, [None, None, at, ctypes.byref(handle)]),
        (c.penstock_pack_output, [None, at, None, ctypes.byref(handle)]),
        (c.penstock_pack_output, [None, at, at, None]),
        (c.penstock_score, [None, at, at, at, 1]),
        (c.penstock_logits, [None, at, at, 1]),
        (c.penstock_log_probabilities, [None, at, at, 1]),
        (c.penstock_sample, [None, None, at, at, at]),
        (c.penstock_make_network, [None, ctypes.byref(handle)]),
        (c.penstock_make_network, [at, None]),
        (c.penstock_network_step, [None, at, at, at, None, ctypes.c_size_t(), 1]),
        (c.penstock_network_sample, [None, at, at, at, at, at, None, ctypes.c_size_t(), 1]),
    ]
    for function, arguments in wrong:
        assert function(*arguments) == BAD_VALUE, function
        assert "got null" in message()
        assert handle.value is None
    c.penstock_free(None)
    c.penstock_free_output(None)
    c.penstock_free_network(None)
    assert c.penstock_step_memory(None, 1) == 0
    weights = in_c(everything(True))[0].weights
    assert c.penstock_pack(None, 1, 1, ctypes.byref(weights), ctypes.byref(handle)) == OK
    for k in range(3):
        assert c.penstock_step(handle, *(None if k == j else at for j in range(3)), 1) == BAD_VALUE
    empty = ctypes.byref(Described())
    assert c.penstock_step(handle, empty, empty, empty, 1) == BAD_VALUE
    c.penstock_free(handle)


def test_instruction_sets_that_are_none() -> None:
    c = library()
    c.penstock_choose.restype = ctypes.c_void_p
    c.penstock_set_at.restype = ctypes.c_void_p
    assert c.penstock_choose(b"sse") is None
    assert "got sse" in message()
    assert c.penstock_choose(None) == c.penstock_choose(b"")
    assert c.penstock_set_at(-1) is None
    assert c.penstock_set_at(99) is None
    of_call, _ = in_c(everything(True))
    of_call.set = ctypes.addressof(of_call)
    assert c.penstock_forward(ctypes.byref(of_call)) == BAD_VALUE
    assert message().startswith("set: expected")


@pytest.fixture(scope="module")
def compiler() -> str:
    """A C compiler."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        pytest.skip("no C compiler")
    return found


def run_it(*command: Any) -> str:
    """What it prints; never on a sanitizer that this process runs on."""
    clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(command, env=clean, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("language", [["-x", "c", "-std=c99"], ["-x", "c++", "-std=c++20"]])
def test_the_header_stands_alone(compiler: str, language: list[str]) -> None:
    run_it(compiler, *language, *STRICT, "-fsyntax-only", HEADER)


def test_structures_are_laid_out_as_here(compiler: str, tmp_path: Path) -> None:
    program, source = tmp_path / "sizes", tmp_path / "sizes.c"
    of = {"array": Described, "weights": Weights, "call": CCall, "gradients": Gradients}
    sizes = ", ".join(f"(int)sizeof(penstock_{name})" for name in of)
    source.write_text(
        f'#include <stdio.h>\n#include "penstock.h"\nint main(void) {{ printf("%d %d %d %d", {sizes}); return 0; }}\n'
    )
    run_it(compiler, "-std=c99", f"-I{HEADER.parent}", source, "-o", program)
    assert run_it(program) == " ".join(str(ctypes.sizeof(structure)) for structure in of.values())


def test_the_example_runs(compiler: str, tmp_path: Path) -> None:
    """With the library that the Python module was made of."""
    built = next(ROOT.glob("build/cp*/libpenstock.a"), None)
    if built is None:
        pytest.skip("not installed from here: no build/cp*/libpenstock.a")
    program = tmp_path / "gru"
    link = [f"-L{built.parent}", "-lpenstock", "-lstdc++", "-lm", "-lpthread"]
    run_it(compiler, "-std=c99", *STRICT, f"-I{HEADER.parent}", ROOT / "examples" / "gru.c", *link, "-o", program)
    said = run_it(program)
    assert re.fullmatch(r"20 steps on \w+: one at a time, the same bits\nrefused: lengths: .* L=20, got 21\n", said)


COUNTED = """
#include <stdio.h>
#include <stdlib.h>
#include "penstock.h"

enum { N = 3, D = 5, H = 33, V = 70 };

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_memalign(size_t, size_t);
static int calls;
void *malloc(size_t bytes) { return ++calls, __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return ++calls, __libc_calloc(count, bytes); }
void *aligned_alloc(size_t place, size_t bytes) { return ++calls, __libc_memalign(place, bytes); }
int posix_memalign(void **at, size_t place, size_t bytes) {
    return ++calls, (*at = __libc_memalign(place, bytes)) ? 0 : 1;
}

static penstock_array array(void *data, int32_t dtype, int axes, int64_t a, int64_t b, int64_t c) {
    penstock_array made = {data, dtype, axes, {a, b, c}, {b * c, c, 1}};
    return made;
}

int main(void) {
    static float ih[3 * H * D], hh[3 * H * H], weight[V * H], bias[V], x[N * D], state[N * H], out[N * V];
    static double random[N];
    static int64_t tokens[N];
    penstock_weights weights = {array(ih, 0, 2, 3 * H, D, 1), array(hh, 0, 2, 3 * H, H, 1)};
    penstock_array of_weight = array(weight, 0, 2, V, H, 1), of_bias = array(bias, 0, 1, V, 1, 1);
    penstock_array of_x = array(x, 0, 2, N, D, 1), of_state = array(state, 0, 3, 1, N, H);
    penstock_array of_out = array(out, 0, 2, N, V, 1), of_random = array(random, PENSTOCK_FLOAT64, 1, N, 1, 1);
    penstock_array of_tokens = array(tokens, PENSTOCK_INT64, 1, N, 1, 1);
    penstock_sampling how = {0.8, 9, 0.9, -1};
    penstock_packed *packed;
    penstock_output *output;
    penstock_network *network;
    penstock_parts parts = {(const penstock_packed *const *)&packed, 1, 0, PENSTOCK_LOGITS};
    void *memory;
    size_t bytes;
    int k, failed = 0;

    failed |= penstock_pack(NULL, PENSTOCK_RESET_AFTER, PENSTOCK_FLOAT32, &weights, &packed);
    failed |= penstock_pack_output(NULL, &of_weight, &of_bias, &output);
    parts.output = output;
    failed |= penstock_make_network(&parts, &network);
    bytes = (size_t)penstock_step_memory(network, N);
    memory = malloc(bytes);
    printf("%d ", calls > 0);
    calls = 0;
    for (k = 0; k < 100; ++k) {
        failed |= penstock_network_step(network, &of_x, &of_state, &of_out, memory, bytes, 0);
        failed |= penstock_network_sample(network, &of_x, &of_state, &how, &of_random, &of_tokens, memory, bytes, 0);
    }
    printf("%d %d\\n", calls, failed);
    return 0;
}
"""


def test_a_step_of_a_network_allocates_nothing(compiler: str, tmp_path: Path) -> None:
    """Counted where every allocation passes; the packing before it shows that they do."""
    built = next(ROOT.glob("build/cp*/libpenstock.a"), None)
    if built is None or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"):  # type: ignore[operator]
        pytest.skip("not installed from here, or not on glibc: no build/cp*/libpenstock.a whose allocations show")
    source, program = tmp_path / "counted.c", tmp_path / "counted"
    source.write_text(COUNTED)
    link = [f"-L{built.parent}", "-lpenstock", "-lstdc++", "-lm", "-lpthread"]
    run_it(compiler, "-std=c99", f"-I{HEADER.parent}", source, *link, "-o", program)
    assert run_it(program) == "1 0 0\n"


def test_the_version_is_the_headers() -> None:
    (version,) = re.findall(r"#define PENSTOCK_HEADER_VERSION (\d+)", HEADER.read_text())
    assert library().penstock_header_version() == int(version)
