"""Networks: a step of many layers by one call is a step of a whole sequence, to the bit; and tokens are drawn as NumPy
draws them."""

import threading
import tracemalloc
from typing import Any

import core_calls as calls
import numpy as np
import pytest
from helpers import INSTRUCTION_SETS, on_instruction_set
from hypothesis import given
from hypothesis import strategies as st

from penstock.native import Network, OutputLayer, RecurrentLayer, core
from penstock.runtime.sampling import sample

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")
Array = np.ndarray[Any, np.dtype[Any]]


def made(
    sizes: tuple[int, int, int], reset: str = "after", precision: Any = "float32", V: int | None = None, **more: Any
) -> Network:
    """K layers of H units that read D numbers."""
    K, D, H = sizes
    rng = np.random.default_rng([K, D, H])
    dtype = np.float64 if precision == "float64" else np.float32
    layers = []
    for k in range(K):
        shapes = ((3 * H, H if k else D), (3 * H, H), (3 * H,), (3 * H,))
        weights = [calls.draw(rng, *shape, scale=1.5 * H**-0.5).astype(dtype) for shape in shapes]
        layers.append(RecurrentLayer(*weights, reset=reset, precision=precision))
    output = OutputLayer(calls.draw(rng, V, H).astype("f4"), calls.draw(rng, V).astype("f4")) if V else None
    return Network(layers, output=output, **more)


def whole(network: Network, x: Array, state: Array, residual: bool = False) -> tuple[Array, Array]:
    """What the last layer hands on at each step of x (L, N, D), and the state (K, N, H) after."""
    after = np.empty_like(state)
    for k, layer in enumerate(network.layers):
        output, after[k] = layer(x, state[k], threads=1)
        x = x + output if k and residual else output
    return x, after


DRAWN = {
    "n": st.integers(1, 20),  # on both sides of what one thread takes through a step at once
    "sizes": st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 70)),
    "reset": st.sampled_from(["before", "after"]),
    "precision": st.sampled_from(["float32", "float64", "bfloat16", "int8"]),
    "residual": st.booleans(),
    "remembers": st.booleans(),
}


@given(drawn=st.fixed_dictionaries(DRAWN))
def test_steps_have_the_bits_of_the_whole(instruction_set: str, drawn: dict[str, Any]) -> None:
    n, sizes, residual = drawn["n"], drawn["sizes"], drawn["residual"]
    network = made(sizes, drawn["reset"], drawn["precision"], residual=residual)
    rng, (K, D, H) = np.random.default_rng(n), sizes
    x = calls.draw(rng, 4, n, D).astype(network.dtype)
    state = calls.draw(rng, K, n, H).astype(network.dtype)
    expected, after = whole(network, x, state, residual)
    out, memory = np.full((n, H), np.nan, network.dtype), network.memory(n) if drawn["remembers"] else None
    for t in range(4):
        assert network.step(x[t], state, out, memory, None) is out
        assert out.tobytes() == expected[t].tobytes()
    assert state.tobytes() == after.tobytes()


@given(n=st.integers(1, 20), V=st.integers(1, 300), H=st.integers(1, 40), layers=st.integers(1, 2), log=st.booleans())
def test_tokens_in_and_answers_out(
    instruction_set: str, fine_grain: None, n: int, V: int, H: int, layers: int, log: bool
) -> None:
    rng = np.random.default_rng(V)
    embedding = calls.draw(rng, 5, 7).astype("f4")
    network = made((layers, 7, H), V=V, embedding=embedding, log_probabilities=log)
    output = OutputLayer(*made_output(layers, H, V))
    state, tokens = np.zeros((layers, n, H), "f4"), rng.integers(0, 5, (3, n))
    tops, after = whole(network, embedding[tokens], state)
    out = np.full((n, V), np.nan, "f4")
    for t in range(3):  # fine_grain: on many threads
        network.step(tokens[t], state, out, network.memory(n), None)
        expected = (output.log_probabilities if log else output.logits)(tops[t], threads=1)
        assert out.tobytes() == expected.tobytes()
    assert state.tobytes() == after.tobytes()


def made_output(K: int, H: int, V: int) -> tuple[Array, Array]:
    """The weights of the output layer of such a network: those that ``made`` draws last."""
    rng, D = np.random.default_rng([K, 7, H]), 7
    for k in range(K):
        for shape in ((3 * H, H if k else D), (3 * H, H), (3 * H,), (3 * H,)):
            calls.draw(rng, *shape)
    return calls.draw(rng, V, H).astype("f4"), calls.draw(rng, V).astype("f4")


def test_one_stream_needs_no_axis() -> None:
    network = made((2, 5, 9), V=4)
    x, out, row = np.linspace(-1, 1, 5, dtype="f4"), np.empty((1, 4), "f4"), np.empty(4, "f4")
    state, flat = np.zeros((2, 1, 9), "f4"), np.zeros((2, 9), "f4")
    assert network.step(x[None], state, out, None, row) is out
    assert network.step(x, flat, row, None, row) is row
    assert (state[:, 0] == flat).all()
    assert (out[0] == row).all()
    assert network.step(x, flat, out, None, row) is row  # which is a part of it, or not
    reader = made((1, 5, 9), V=4, embedding=np.eye(5, dtype="f4"))
    for token in (3, np.int64(3)):
        state = np.zeros((1, 9), "f4")
        assert reader.step(token, state, row, None, row) is row
        assert (row == reader_of(reader, 3)).all()


def reader_of(network: Network, token: int) -> Array:
    out: Array = np.empty((1, 4), "f4")
    network.step(np.array([token]), np.zeros((1, 1, 9), "f4"), out, None, None)
    row: Array = out[0]
    return row


def test_nothing_outside_the_memory_is_touched() -> None:
    for n in (1, 3, 16, 17):
        network = made((2, 5, 33), V=70)
        size = len(network.memory(n))
        around = np.full(size + 200, np.pi)
        x, out = np.ones((n, 5), "f4"), np.empty((n, 70), "f4")
        network.step(x, np.zeros((2, n, 33), "f4"), out, around[100 : 100 + size], None)
        assert (around[:100] == np.pi).all()
        assert (around[100 + size :] == np.pi).all()
        state = np.ones((2, n, 33), "f4")
        with pytest.raises(ValueError, match=r"^memory: expected \d+ bytes, as penstock_step_memory says, got"):
            network.step(x, state, out, around[: size - 16], None)
        assert (state == 1).all()


def test_a_step_allocates_nothing() -> None:
    network = made((2, 5, 33), V=70)
    x, state, out, memory = (
        np.ones((3, 5), "f4"),
        np.zeros((2, 3, 33), "f4"),
        np.empty((3, 70), "f4"),
        network.memory(3),
    )
    step = network.step
    step(x, state, out, memory, None)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            step(x, state, out, memory, None)
        assert tracemalloc.get_traced_memory()[1] - before < 300  # the loop's own
    finally:
        tracemalloc.stop()


RIGHT: dict[str, Any] = {
    "x": np.zeros((3, 5), "f4"),
    "state": np.zeros((2, 3, 9), "f4"),
    "out": np.zeros((3, 4), "f4"),
}
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": np.zeros((3, 6), "f4")}, ValueError, r"^x: expected \(N=3, D=5\), got \(3, 6\)$"),
    ({"x": np.zeros((3, 5))}, TypeError, r"^x: expected float32, as the weights are, got float64$"),
    ({"x": np.zeros((3, 10), "f4")[:, ::2]}, ValueError, r"^x: expected to be contiguous"),
    ({"x": np.zeros((2, 5), "f4")}, ValueError, r"^state: expected \(K=2, N=2, H=9\), got \(2, 3, 9\)$"),
    ({"x": None}, ValueError, r"^x: expected \(N=0, D=5\), got none$"),
    ({"x": "text"}, ValueError, r"^x: expected an array or a CPU tensor$"),
    ({"state": np.zeros((2, 9), "f4")}, ValueError, r"^state: expected"),
    ({"out": np.zeros((3, 5), "f4")}, ValueError, r"^out: expected \(N=3, V=4\), got \(3, 5\)$"),
    ({"out": np.broadcast_to(np.zeros((1, 4), "f4"), (3, 4))}, ValueError, r"^out: expected an array that can be"),
]


@pytest.mark.parametrize(("change", "error", "message"), WRONG)
def test_a_step_that_is_wrong(change: dict[str, Any], error: type[Exception], message: str) -> None:
    network, call = made((2, 5, 9), V=4), {name: value.copy() for name, value in RIGHT.items()} | change
    with pytest.raises(error, match=message):
        network.step(call["x"], call["state"], call["out"], None, None)
    assert not np.any(call["state"])


def test_places_that_are_shared() -> None:
    network = made((1, 9, 9))
    both = np.zeros((1, 3, 9), "f4")
    with pytest.raises(ValueError, match=r"^out: overlaps with x$"):
        network.step(both[0], np.zeros((1, 3, 9), "f4"), both[0], None, None)
    with pytest.raises(ValueError, match=r"^state: overlaps with x$"):
        network.step(both[0], both, np.zeros((3, 9), "f4"), None, None)


@pytest.mark.parametrize("token", [-1, 5, 2**31, 2**63 - 1, 2**70])
def test_tokens_that_are_none(token: int) -> None:
    network = made((1, 3, 9), V=4, embedding=np.zeros((5, 3), "f4"))
    state, row = np.ones((1, 9), "f4"), np.empty(4, "f4")
    with pytest.raises(ValueError, match=r"^token: expected 0 … V − 1=4, got -?\d+$"):
        network.step(token, state, row, None, row)
    with pytest.raises(ValueError, match=r"^token: expected"):
        network.sample(token, state, 0.5, 1.0, 4, 1.0, -1, None)
    assert (state == 1).all()


def test_parts_that_do_not_fit() -> None:
    a, b = made((1, 5, 9)).layers, made((1, 9, 7)).layers
    with pytest.raises(ValueError, match=r"^layers\[1\]: expected D=H=9, as the first layer has H, got D=9, H=7$"):
        Network([*a, *b])
    with pytest.raises(TypeError, match=r"^layers\[1\]: expected weights of float32"):
        Network([*a, *made((1, 9, 9), precision="float64").layers])
    with pytest.raises(ValueError, match=r"^embedding: expected \(V, D=5\), got \(5, 4\)$"):
        Network(a, embedding=np.zeros((5, 4), "f4"))
    with pytest.raises(ValueError, match=r"^output: expected one of H=9 hidden units"):
        Network(a, output=OutputLayer(np.zeros((4, 7)), np.zeros(4)))
    with pytest.raises(ValueError, match=r"^layers: expected 1 or more, got 0$"):
        Network([])
    if len(INSTRUCTION_SETS) > 1:
        with on_instruction_set(INSTRUCTION_SETS[1]):
            other = made((1, 9, 9)).layers
        with pytest.raises(ValueError, match=r"^layers\[1\]: expected weights packed for"):
            Network([*a, *other])


def test_it_keeps_what_it_refers_to() -> None:
    row = np.empty(4, "f4")
    network = made((1, 3, 9), V=4, embedding=np.eye(3, dtype="f4"))
    expected = network.step(1, np.zeros((1, 9), "f4"), row, None, row).copy()
    step = network.step
    del network
    junk = [np.full(k, np.nan, "f4") for k in range(200)]
    assert (step(1, np.zeros((1, 9), "f4"), row, None, row) == expected).all()
    assert junk


def test_many_threads_step_one_network() -> None:
    network = made((2, 40, 64), V=300)
    x = calls.draw(np.random.default_rng(0), 60, 8, 40).astype("f4")
    expected, wrong = whole(network, x, np.zeros((2, 8, 64), "f4"))[1], []

    def step() -> None:
        state, out = np.zeros((2, 8, 64), "f4"), np.empty((8, 300), "f4")
        for row in x:
            network.step(row, state, out, None, None)
        if state.tobytes() != expected.tobytes():
            wrong.append(1)

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


SETTINGS: dict[str, Any] = {
    "temperature": st.sampled_from([1.0, 0.3, 2.0, 1e-5, 1e-310, 0.0]),
    "top_k": st.none() | st.integers(1, 400),
    "top_p": st.none() | st.floats(0.01, 1),
}


def drawn_by_the_core(logits: Array, numbers: Array, settings: dict[str, Any], never: int = -1) -> Array:
    rows = np.tile(logits, (len(numbers), 1))
    tokens = np.full(len(numbers), -7)
    core.chosen().sample(
        rows,
        numbers,
        settings["temperature"],
        settings["top_k"] or len(logits),
        settings["top_p"] or 1.0,
        never,
        tokens,
    )
    return tokens


@given(
    seed=st.integers(0, 1000),
    V=st.integers(1, 300),
    digits=st.integers(0, 5),
    width=st.sampled_from([0.1, 3.0, 40.0]),
    settings=st.fixed_dictionaries(SETTINGS),
)
def test_tokens_are_drawn_as_numpy_draws_them(
    instruction_set: str, seed: int, V: int, digits: int, width: float, settings: dict[str, Any]
) -> None:
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(size=V) * width, digits).astype("f4")  # few digits: ties
    logits[rng.random(V) < 0.1] = -np.inf
    never = int(rng.integers(-1, V))
    numbers = np.append(rng.random(20), [0, np.nextafter(1, 0)])
    without = logits.copy()
    if never >= 0:
        without[never] = -np.inf
    if not np.isfinite(without.max()):
        assert drawn_by_the_core(logits, numbers, settings, never).max() < V
        return
    found = drawn_by_the_core(logits, numbers, settings, never).tolist()
    with np.errstate(over="ignore"):
        near = [{sample(without, around, **settings) for around in hairs(number)} for number in numbers.tolist()]
    near[-1].add(int(without.argmax()))  # where the product is rounded up to the sum
    if settings["top_p"] is not None and on_the_edge(without, settings):
        return
    assert all(token in expected for token, expected in zip(found, near, strict=True))


def hairs(number: float) -> list[float]:
    """It, and a hair's breadth to either side: sums are rounded elsewhere."""
    return [min(number * by, float(np.nextafter(1, 0))) for by in (1 - 1e-9, 1, 1 + 1e-9)]


def on_the_edge(logits: Array, settings: dict[str, Any]) -> bool:
    """Whether rounding decides how many tokens have the share."""
    order = np.argsort(-logits, kind="stable")[: settings["top_k"]]
    p = np.exp((logits[order].astype(float) - logits.max()) / max(settings["temperature"], 1e-200))
    sums = np.cumsum(p / p.sum())
    return bool(np.isclose(sums, settings["top_p"], rtol=0, atol=1e-12).any())


def test_a_token_of_a_step_is_that_of_its_logits() -> None:
    embedding = calls.draw(np.random.default_rng(0), 5, 7).astype("f4")
    network, V = made((2, 7, 20), V=90, embedding=embedding), 90
    state, other, row = np.zeros((2, 20), "f4"), np.zeros((2, 20), "f4"), np.empty(V, "f4")
    for number in np.linspace(0, 0.99, 30):
        network.step(2, other, row, None, row)
        token = network.sample(2, state, number, 0.7, 40, 0.9, 3, network.memory(1))
        settings = {"temperature": 0.7, "top_k": 40, "top_p": 0.9}
        assert token == drawn_by_the_core(row, np.array([number]), settings, 3)[0]
        assert (state == other).all()


def test_what_is_no_number_is_not_drawn(instruction_set: str) -> None:
    settings = {"temperature": 1.0, "top_k": 30, "top_p": 0.9}
    numbers = np.linspace(0, 0.999, 40)
    for logits in ([np.nan] * 50, [np.inf] * 50, [-np.inf] * 50, [np.nan, 1.0] * 25, [np.inf, 0.0] * 25):
        found = drawn_by_the_core(np.array(logits, "f4"), numbers, settings)
        assert found.min() >= 0
        assert found.max() < 50
        if logits[1] == 1.0:
            assert (found % 2 == 1).all()


def test_instruction_sets_draw_the_same() -> None:
    rng = np.random.default_rng(0)
    logits, numbers = (rng.normal(size=5000) * 3).astype("f4"), rng.random(200)
    found = set()
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            for settings in ({"temperature": 0.8, "top_k": None, "top_p": None},):
                found.add(drawn_by_the_core(logits, numbers, settings).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": -1.0}, "temperature: expected 0 or more"),
        ({"temperature": np.nan}, "temperature: expected 0 or more"),
        ({"top_k": -1}, "top_k: expected 1 or more"),
        ({"top_p": -0.5}, "top_p: expected more than 0"),
        ({"never": 5}, "never: expected -1 or a token"),
        ({"numbers": 1.0}, "random: expected 0 … 1, without 1"),
        ({"numbers": np.nan}, "random: expected 0 … 1, without 1"),
    ],
)
def test_settings_that_mean_nothing(change: dict[str, Any], message: str) -> None:
    how = {"temperature": 1.0, "top_k": 3, "top_p": 0.5, "never": -1, "numbers": 0.5} | change
    with pytest.raises(ValueError, match=f"^{message}"):
        drawn_by_the_core(np.zeros(5, "f4"), np.array([how["numbers"]]), how, how["never"])
