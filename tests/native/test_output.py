"""The output layer of the compiled core: right, and exact to the last bit."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from helpers import INSTRUCTION_SETS, on_instruction_set
from hypothesis import given
from hypothesis import strategies as st

from penstock.native import OutputLayer, core

pytestmark = [
    pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}"),
    pytest.mark.usefixtures("fine_grain"),
]
Array = np.ndarray[Any, np.dtype[Any]]


def draw(rows: int, H: int, V: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(rows + 100 * H + V)
    weight, bias = rng.normal(size=(V, H)) * 3 * H**-0.5, rng.normal(size=V)
    return weight, bias, rng.normal(size=(rows, H)), rng.integers(0, V, rows)


@pytest.mark.parametrize(
    ("rows", "H", "V"), [(5, 1, 1), (13, 7, 2), (40, 33, 97), (100, 64, 256), (3, 300, 5000), (0, 4, 5)]
)
def test_nats_are_those_of_the_softmax(instruction_set: str, rows: int, H: int, V: int) -> None:
    weight, bias, hidden, tokens = draw(rows, H, V)
    logits = np.einsum("nk,vk->nv", hidden, weight) + bias  # ThreadSanitizer cannot see into the threads of BLAS
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(rows), tokens]
    layer = OutputLayer(weight, bias)
    for threads in (1, 3):
        found = layer.logits(hidden, threads=threads)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, logits, rtol=1e-5, atol=2e-5)
        nats = layer.nats(hidden, tokens, threads=threads)
        assert nats.dtype == np.float64
        np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=2e-5)
        log_p = layer.log_probabilities(hidden, threads=threads)
        assert log_p.dtype == np.float32
        assert log_p[np.arange(rows), tokens].tobytes() == (-nats).astype(np.float32).tobytes()


def test_large_logits_do_not_overflow_and_nan_is_not_hidden(instruction_set: str) -> None:
    layer = OutputLayer(np.array([[1e30], [-1e30], [0]]), np.zeros(3))
    np.testing.assert_allclose(layer.nats([[1.0], [1.0], [0.0]], [0, 1, 2]), [0, 2e30, np.log(3)], rtol=1e-6)
    for place in range(20):
        bias = np.zeros(20)
        bias[place] = np.nan
        assert np.isnan(OutputLayer(np.zeros((20, 2)), bias).nats([[1, 1]], [3])).all()


@given(rows=st.integers(1, 150), H=st.integers(1, 80), V=st.integers(1, 300), data=st.data())
def test_a_row_does_not_feel_the_others_its_place_or_the_threads(
    instruction_set: str, rows: int, H: int, V: int, data: st.DataObject
) -> None:
    weight, bias, hidden, tokens = draw(rows, H, V)
    layer = OutputLayer(weight, bias)
    whole = layer.nats(hidden, tokens, threads=1)
    picked = np.random.default_rng(rows).permutation(rows)[: data.draw(st.integers(1, rows))]
    threads = data.draw(st.integers(1, 4))
    assert layer.nats(hidden[picked], tokens[picked], threads=threads).tobytes() == whole[picked].tobytes()
    logits = layer.logits(hidden, threads=1)
    assert layer.logits(hidden[picked], threads=threads).tobytes() == logits[picked].tobytes()
    assert layer.logits(hidden[picked[0]], threads=threads).tobytes() == logits[picked[0]].tobytes()
    log_p = layer.log_probabilities(hidden, threads=1)
    assert layer.log_probabilities(hidden[picked], threads=threads).tobytes() == log_p[picked].tobytes()


@pytest.mark.parametrize("name", ["logits", "log_probabilities"])
def test_they_are_written_where_they_are_told(instruction_set: str, name: str) -> None:
    weight, bias, hidden, _ = draw(5, 20, 33)
    compute = getattr(OutputLayer(weight, bias), name)
    out = np.full((5, 33), np.nan, np.float32)
    assert compute(hidden, out=out) is out
    assert out.tobytes() == compute(hidden).tobytes()
    row = np.full(33, np.nan, np.float32)
    assert compute(hidden[2], out=row) is row
    assert row.tobytes() == out[2].tobytes()


def test_copies_and_pickles_are_the_same_layer() -> None:
    weight, bias, hidden, tokens = draw(5, 20, 33)
    layer = OutputLayer(weight, bias)
    expected = layer.nats(hidden, tokens)
    weight[...] = bias[...] = 0
    for how in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        other = how(layer)
        assert (other.vocabulary_size, other.hidden_size) == (33, 20)
        assert other.nats(hidden, tokens).tobytes() == expected.tobytes()


def test_instruction_sets_that_fuse_agree() -> None:
    weight, bias, hidden, tokens = draw(50, 70, 200)
    found = {}
    for name in INSTRUCTION_SETS:
        with on_instruction_set(name):
            found[name] = OutputLayer(weight, bias).nats(hidden, tokens)
    for nats in found.values():
        np.testing.assert_allclose(nats, found["portable"], rtol=1e-5, atol=2e-5)
    fused = [nats.tobytes() for name, nats in found.items() if name != "portable"]
    assert all(nats == fused[0] for nats in fused)


@pytest.mark.parametrize(
    ("hidden", "tokens", "error", "message"),
    [
        (np.zeros((2, 4)), [0, 0], ValueError, r"hidden: expected \(rows, H=3\), got \(2, 4\)"),
        (np.zeros((2, 3)), [0], ValueError, r"tokens: expected \(rows=2,?\), got \(1,\)"),
        (np.zeros((2, 3)), [0, 5], ValueError, r"tokens: expected 0 … V − 1=4, got 5$"),
        (np.zeros((2, 3)), [-1, 0], ValueError, r"tokens: expected 0 … V − 1=4, got -1$"),
        (np.zeros((2, 3)), [0.0, 1.0], TypeError, r"tokens: expected int64, got float64"),
    ],
)
def test_a_wrong_call(hidden: Array, tokens: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        OutputLayer(np.zeros((5, 3)), np.zeros(5)).nats(hidden, tokens)


def test_wrong_weights() -> None:
    with pytest.raises(ValueError, match=r"weight: expected \(V, H\), got \(5,\)"):
        OutputLayer(np.zeros(5), np.zeros(5))
    with pytest.raises(ValueError, match=r"bias: expected \(V=5,?\), got \(3,\)"):
        OutputLayer(np.zeros((5, 3)), np.zeros(3))


@pytest.mark.parametrize("name", ["logits", "log_probabilities"])
def test_a_wrong_call_for_all_tokens(name: str) -> None:
    compute = getattr(OutputLayer(np.zeros((5, 3)), np.zeros(5)), name)
    for hidden in (np.zeros(4), np.zeros((2, 4)), np.zeros((1, 2, 3)), 0.0):
        with pytest.raises(ValueError, match=r"^hidden: expected \(rows, H=3\), got"):
            compute(hidden)
    with pytest.raises(ValueError, match=rf"^{name}: expected \(rows=2, V=5\), got \(2, 3\)"):
        compute(np.zeros((2, 3)), out=np.zeros((2, 3), np.float32))
