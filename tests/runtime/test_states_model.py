"""A bare GRU's runtime beside the equations."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock import PenstockError, equations
from penstock.exchange import Direction, Layers
from penstock.exchange.model import to_folder
from penstock.runtime import layer as backends

L, N, D, H = 7, 4, 3, 5
RNG = np.random.default_rng(4)
LENGTHS = np.array([L, 0, 5, 1])


def made(ways: str, reset: str = "before", residual: bool = False) -> Layers:
    width, layers = H if residual else D, []
    for way in ways:
        both = {"f": [False], "r": [True], "b": [False, True]}[way]
        shapes = [(3 * H, width), (3 * H, H), (3 * H,), (3 * H,)]
        layers.append(
            tuple(
                Direction(*(RNG.normal(0, 0.5, shape).astype(np.float32) for shape in shapes), reverse=reverse)  # type: ignore[misc]
                for reverse in both
            )
        )
        width = H * len(both)
    return Layers(tuple(layers), reset, residual)


@pytest.mark.parametrize("numpy", [False, True])
@pytest.mark.parametrize(
    ("ways", "residual"), [("ff", False), ("ff", True), ("bf", False), ("bb", False), ("r", False)]
)
def test_it_is_the_equations(ways: str, residual: bool, numpy: bool, tmp_path: Path, monkeypatch: Any) -> None:
    if numpy:
        monkeypatch.setattr(backends.native, "unavailable", "for this test")
    layers = made(ways, residual=residual)
    to_folder(layers, tmp_path / "m", tmp_path / "x")
    model = penstock.load(tmp_path / "m")
    x = RNG.normal(size=(L, N, layers.input_size)).astype(np.float32)
    state = RNG.normal(size=model.initial_state(N).shape).astype(np.float32)
    output, after = model.states(x, state, lengths=LENGTHS)
    rows, k = x.astype(np.float64), 0
    for number, layer in enumerate(layers.layers):
        given = []
        for one in layer:
            weights = equations.by_gate(
                *(value.astype(np.float64) for value in (one.weight_ih, one.weight_hh, *one.biases))
            )
            found = equations.gru(
                rows, state[k].astype(np.float64), weights, reset=layers.reset, lengths=LENGTHS, reverse=one.reverse
            )
            given.append(found.hidden)
            np.testing.assert_allclose(after[k], found.h_n, atol=2e-6)
            k += 1
        top = np.concatenate(given, 2)
        rows = rows + top if number and residual else top
    mask = np.arange(L)[:, None, None] < LENGTHS[:, None]
    np.testing.assert_allclose(np.where(mask, output, 0), np.where(mask, rows, 0), atol=2e-6)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.states(x, state)[0], model.states(x, state)[0])
    assert again.digest == model.digest


def test_steps_are_a_sequence(tmp_path: Path) -> None:
    to_folder(made("ff"), tmp_path / "m", tmp_path / "x")
    model = penstock.load(tmp_path / "m")
    x = RNG.normal(size=(L, N, D)).astype(np.float32)
    whole, after = model.states(x)
    state = None
    for t in range(L):
        output, state = model.step(x[t], state)
        assert np.array_equal(output, whole[t])
    assert np.array_equal(state, after)
    stream = model.stream(N)
    for t in range(L):
        assert np.array_equal(stream.step(x[t]), whole[t])
    assert np.array_equal(stream.state, after.swapaxes(0, 1))


def test_what_cannot_work(tmp_path: Path) -> None:
    to_folder(made("bf"), tmp_path / "m", tmp_path / "x")
    model = penstock.load(tmp_path / "m")
    x = np.zeros((L, N, D), np.float32)
    with pytest.raises(ValueError, match="reads backwards too"):
        model.step(x[0])
    with pytest.raises(ValueError, match=r"x: expected \(L, N, D=3\), got \(7, 4\)"):
        model.states(x[..., 0])
    with pytest.raises(ValueError, match=r"state: expected \(K, N, H\), \(3, 4, 5\), got \(1, 4, 5\)"):
        model.states(x, np.zeros((1, N, H)))
    for lengths in ([1, 2], [1.0] * N, [L + 1] * N, [-1] * N):
        with pytest.raises(ValueError, match=r"lengths: expected \(4,\) integers in 0 … 7"):
            model.states(x, lengths=lengths)
    assert model.states(x[:0])[0].shape == (0, N, H)
    assert model.states(x[:, :0])[1].shape == (3, 0, H)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"ways"', '"else"', "ways: expected forward or reverse or both for each layer"),
        ('"forward"', '"sideways"', "ways: expected forward or reverse or both for each layer"),
        ('"num_layers": 2', '"num_layers": 3', "ways: expected forward or reverse or both for each layer"),
        ('"hidden_size": 5', '"hidden_size": 6', "expected"),
        ('"task": "states"', '"task": "language"', "expected"),
    ],
)
def test_a_folder_that_is_not_whole(before: str, after: str, message: str, tmp_path: Path) -> None:
    to_folder(made("ff"), tmp_path / "m", tmp_path / "x")
    config = tmp_path / "m" / "config.json"
    content = config.read_text()
    assert before in content
    config.write_text(content.replace(before, after))
    with pytest.raises(PenstockError, match=message):
        penstock.load(tmp_path / "m")
