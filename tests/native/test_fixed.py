"""Networks in whole numbers by the core: the oracle's numbers, and what it is sent wrongly."""

from typing import Any

import numpy as np
import pytest
from helpers import INSTRUCTION_SETS, on_instruction_set

from penstock import fixed_point, native
from penstock.fixed_point import ONE, FixedLayer, FixedOutput
from penstock.native import core
from penstock.native.fixed import fixed_layers, fixed_output

pytestmark = pytest.mark.skipif(native.unavailable is not None, reason=f"no compiled core: {native.unavailable}")
D, H, V, PER = 5, 19, 21, 1000.0


def layer(reset: str, inputs: int = D, per: float = PER) -> FixedLayer:
    rng = np.random.default_rng(inputs)
    weights = [rng.uniform(-1, 1, shape) for shape in ((3 * H, inputs), (3 * H, H), 3 * H, 3 * H)]
    return fixed_point.quantize(*weights, reset=reset, x_scale=1 / per)


def output() -> FixedOutput:
    rng = np.random.default_rng(0)
    return fixed_point.quantize_output(rng.normal(size=(V, H)), rng.normal(size=V), bits=ONE - 1)


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_step_of_two_layers_is_the_oracle(name: str, reset: str) -> None:
    layers = [(layer(reset), PER), (layer(reset, H, 2.0**ONE), 2.0**ONE)]
    rng, N = np.random.default_rng(1), 3
    with on_instruction_set(name):
        stack = fixed_layers(layers, reset=reset, residual=True)
        made = stack.network(fixed_output(output(), 2.0 ** (ONE - 1)), None, False)
        states, out = np.zeros((2, N, H), np.float32), np.full((N, V), np.nan, np.float32)
        states[:] = rng.integers(-30_000, 30_000, states.shape) * 2.0**-ONE
        h, x = [*np.rint(states * 2.0**ONE).astype(int)], rng.normal(size=(N, D)).astype(np.float32)
        assert made.step(x, states, out, None, None) is out
        h[0] = fixed_point.step(layers[0][0], fixed_point.whole(x, PER), h[0], reset)
        h[1] = fixed_point.step(layers[1][0], h[0], h[1], reset)
        np.testing.assert_array_equal(states * 2.0**ONE, h)
        expected = fixed_point.output(output(), fixed_point.total(np.stack(h)))
        np.testing.assert_array_equal(out, expected.astype(np.float32) * np.float32(2.0**-16))
        read, after = np.full((1, N, H), np.nan, np.float32), np.zeros((N, H), np.float32)
        stack.read(0, x[None], after, None, None, read, 2)
        np.testing.assert_array_equal(read[0], after)


def network(tokens: bool = False) -> Any:
    embedding = np.random.default_rng(2).normal(size=(V, D)).astype(np.float32) if tokens else None
    return fixed_layers([(layer("before"), PER)], reset="before", residual=False).network(None, embedding, False)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"x": np.zeros((2, D), np.float64)}, TypeError),
        ({"x": np.zeros((2, D + 1), np.float32)}, ValueError),
        ({"x": np.zeros((D, 2), np.float32).T}, ValueError),
        ({"x": np.zeros((2, 1, D), np.float32)}, ValueError),
        ({"x": np.zeros((), np.float32)}, ValueError),
        ({"x": "rows"}, ValueError),
        ({"x": None}, (TypeError, ValueError)),
        ({"state": np.zeros((2, 2, H), np.float32)}, ValueError),
        ({"state": np.zeros((1, 2, H), np.int64)}, TypeError),
        ({"state": np.broadcast_to(np.float32(0), (1, 2, H))}, ValueError),
        ({"out": np.zeros((2, H, 1), np.float32)}, ValueError),
        ({"out": np.zeros((2, 2 * H), np.float32)[:, ::2]}, ValueError),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_written(wrong: dict[str, Any], error: Any) -> None:
    call = {"x": np.ones((2, D), np.float32), "state": np.zeros((1, 2, H), np.float32)}
    call |= {"out": np.zeros((2, H), np.float32)}
    with pytest.raises(error):
        network().step(*(call | wrong).values(), None, None)
    assert not call["state"].any()
    assert not call["out"].any()


@pytest.mark.parametrize("token", [-1, V, 1 << 62, 1 << 70, np.int64(V), np.array([0, V]), np.array([0.5, 1])])
def test_tokens_that_there_are_none_of(token: Any) -> None:
    n = np.size(token)
    state, out = np.zeros((1, n, H), np.float32), np.zeros((n, H), np.float32)
    with pytest.raises((ValueError, TypeError)):
        network(tokens=True).step(token, state, out, None, None)
    assert not state.any()


@pytest.mark.parametrize("length", [-1, 4])
def test_lengths_beyond_a_sequence(length: int) -> None:
    out = np.zeros((3, 1, H), np.float32)
    x, state = np.zeros((3, 1, D), np.float32), np.zeros((1, H), np.float32)
    stack = fixed_layers([(layer("after"), PER)], reset="after", residual=False)
    with pytest.raises(ValueError, match="lengths"):
        stack.read(0, x, state, np.array([length]), None, out, 1)
    with pytest.raises(ValueError, match="layer"):
        stack.read(1, x, state, None, None, out, 1)
    stack.read(0, x[:0], state, None, None, out[:0], 1)
    assert not state.any()


def test_constants_of_another_size() -> None:
    made = core.fixed(H, False, False)
    with pytest.raises(ValueError, match="ih: expected"):
        made.add_layer(D, PER, b"", b"", b"", b"", b"")
    with pytest.raises(ValueError, match="output"):
        fixed_layers([(layer("before"), PER)], reset="before", residual=False).network(made, None, False)
    with pytest.raises(ValueError, match="layers"):
        made.step(np.zeros(D, np.float32), np.zeros((0, H), np.float32), np.zeros(H, np.float32), None, None)
