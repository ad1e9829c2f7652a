"""Input that cannot work is refused before anything is computed, in words that name it."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock import GRU, GRUCell

L, N, D, H = 5, 3, 4, 6
X = torch.zeros(L, N, D)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([torch.zeros(L, N, 3)], {}, ValueError, "input: expected (L, N, D=4), got (5, 3, 3)"),
        ([torch.zeros(D)], {}, ValueError, "input: expected (L, N, D=4), got (4,)"),
        ([torch.zeros(1, L, N, D)], {}, ValueError, "input: expected (L, N, D=4), got (1, 5, 3, 4)"),
        ([torch.zeros(L, 3)], {}, ValueError, "input: expected (L, D=4), got (5, 3)"),
        ([[1.0, 2.0]], {}, TypeError, "input: expected a torch.Tensor, got list"),
        ([X.double()], {}, TypeError, "input: expected torch.float32, as the weights are, got torch.float64"),
        ([X.long()], {}, TypeError, "input: expected torch.float32, as the weights are, got torch.int64"),
        ([X.to("meta")], {}, ValueError, "input: expected a tensor on cpu, as the weights are, got meta"),
        ([X, torch.zeros(1, N, 5)], {}, ValueError, "hx: expected (K=2, N=3, H=6), got (1, 3, 5)"),
        ([X, torch.zeros(2, H)], {}, ValueError, "hx: expected (K=2, N=3, H=6), got (2, 6)"),
        ([X[:, 0], torch.zeros(2, N, H)], {}, ValueError, "hx: expected (K=2, H=6), got (2, 3, 6)"),
        ([X, torch.zeros(2, N, H).double()], {}, TypeError, "hx: expected torch.float32"),
        ([X], {"lengths": [1, 2]}, ValueError, "lengths: expected (N=3), got (2,)"),
        ([X], {"lengths": [1, 2, 6]}, ValueError, "lengths: expected 0 … L=5, got 6"),
        ([X], {"lengths": [-1, 2, 5]}, ValueError, "lengths: expected 0 … L=5, got -1"),
        ([X], {"lengths": 3}, TypeError, "lengths: expected N=3 integers, got 3"),
        ([X], {"lengths": "abc"}, TypeError, "lengths: expected N=3 integers, got 'abc'"),
        ([X], {"lengths": [None, 1, 2]}, TypeError, "lengths: expected N=3 integers, got [None, 1, 2]"),
        ([X], {"lengths": [[1], [2, 3], 4]}, TypeError, "lengths: expected N=3 integers, got [[1], [2, 3], 4]"),
        ([X], {"lengths": torch.ones(N)}, TypeError, "lengths: expected integers, got torch.float32"),
        (
            [X[:, 0]],
            {"lengths": [3]},
            ValueError,
            "lengths: an unbatched input (L, D) has one length: shorten it instead",
        ),
        ([X], {"resets": torch.zeros(L, N)}, TypeError, "resets: expected torch.bool, got torch.float32"),
        ([X], {"resets": torch.zeros(N, L).bool()}, ValueError, "resets: expected (L=5, N=3), got (3, 5)"),
        ([X], {"resets": [[True]]}, TypeError, "resets: expected a torch.Tensor, got list"),
        ([X], {"resets": torch.zeros(L, N).bool().to("meta")}, ValueError, "resets: expected a tensor on cpu, as x is"),
        ([X], {"decay": torch.zeros(L, N)}, ValueError, "decay: expected (L=5, N=3, H=6 or 1), got (5, 3)"),
        ([X], {"decay": torch.zeros(L, N, 2)}, ValueError, "decay: expected (L=5, N=3, H=6 or 1), got (5, 3, 2)"),
        ([X], {"decay": torch.zeros(L, 1, H)}, ValueError, "decay: expected (L=5, N=3, H=6 or 1), got (5, 1, 6)"),
        ([X[:, 0]], {"decay": torch.zeros(L, 1, H)}, ValueError, "decay: expected (L=5, H=6 or 1), got (5, 1, 6)"),
        ([X], {"decay": torch.zeros(L, N, H).long()}, TypeError, "decay: expected torch.float32, as the weights are"),
        ([X], {"decay": torch.zeros(L, N, 1).to("meta")}, ValueError, "decay: expected a tensor on cpu, as the weigh"),
        ([X], {"decay": 0.5}, TypeError, "decay: expected a torch.Tensor, got float"),
    ],
)
def test_the_module_says_what_is_wrong(
    arguments: list[Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        GRU(D, H, 2)(*arguments, **options)


@pytest.mark.parametrize(("weights", "given"), [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_autocast_leaves_float64_alone(weights: torch.dtype, given: torch.dtype) -> None:
    gru = GRU(D, H, dtype=weights)
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(TypeError, match=f"input: expected {weights}, as the weights are, got {given}"),
    ):
        gru(X.to(given))


def test_batch_first_is_told_in_its_own_order() -> None:
    with pytest.raises(ValueError, match=re.escape("input: expected (N, L, D=4), got (5, 3, 2)")):
        GRU(D, H, batch_first=True)(torch.zeros(L, N, 2))
    with pytest.raises(ValueError, match=re.escape("resets: expected (N=5, L=3), got (3, 5)")):
        GRU(D, H, batch_first=True)(X, resets=torch.zeros(3, 5).bool())
    with pytest.raises(ValueError, match=re.escape("decay: expected (N=5, L=3, H=6 or 1), got (3, 5, 6)")):
        GRU(D, H, batch_first=True)(X, decay=torch.zeros(3, 5, H))


def test_a_packed_sequence_brings_its_lengths() -> None:
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, D)])
    with pytest.raises(ValueError, match=r"lengths: a PackedSequence brings its own"):
        GRU(D, H)(packed, lengths=[3])  # type: ignore[call-overload]


@pytest.mark.parametrize("module", [GRU, GRUCell])
def test_sizes_and_types_that_cannot_be(module: type[GRU] | type[GRUCell]) -> None:
    for sizes, error, message in (
        ((D, -1), ValueError, "hidden_size: expected .*, got -1"),
        ((-1, H), ValueError, "input_size: expected .*, got -1"),
        ((D, 2.0), TypeError, r"hidden_size: expected .*, got 2\.0"),
        ((True, H), TypeError, "input_size: expected .*, got True"),
        ((D, "6"), TypeError, "hidden_size: expected .*, got '6'"),
    ):
        with pytest.raises(error, match=message):
            module(*sizes)
    with pytest.raises(TypeError, match="bias: expected True or False, got 1"):
        module(D, H, bias=1)  # type: ignore[arg-type]
    for dtype in (torch.complex64, torch.int64):
        with pytest.raises(TypeError, match=f"dtype: expected a floating-point type, got {dtype}"):
            module(D, H, dtype=dtype)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dropout": "0.5"}, ValueError, "dropout: expected a probability in 0 … 1, got '0.5'"),
        ({"dropout": True}, ValueError, "dropout: expected a probability in 0 … 1, got True"),
        ({"dropout": float("nan")}, ValueError, "dropout: expected a probability in 0 … 1, got nan"),
        ({"dropout": 1.5}, ValueError, "dropout: expected a probability in 0 … 1, got 1.5"),
        ({"reset": "both"}, ValueError, 'reset: expected "before" or "after", got \'both\''),
        ({"input_size": 0}, ValueError, "input_size: expected a positive integer, got 0"),
        ({"hidden_size": 0}, ValueError, "hidden_size: expected a positive integer, got 0"),
        ({"num_layers": -1}, ValueError, "num_layers: expected a positive integer, got -1"),
        ({"num_layers": 1.5}, TypeError, "num_layers: expected a positive integer, got 1.5"),
        ({"bias": 0.5}, TypeError, "bias: expected True or False, got 0.5"),
        ({"batch_first": 1}, TypeError, "batch_first: expected True or False, got 1"),
        ({"bidirectional": "no"}, TypeError, "bidirectional: expected True or False, got 'no'"),
        ({"recompute": None}, TypeError, "recompute: expected True or False, got None"),
        ({"proj_size": 3}, ValueError, "proj_size: expected 0, got 3: projections are an LSTM's"),
    ],
)
def test_the_constructor_says_what_is_wrong(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        GRU(**{"input_size": D, "hidden_size": H, **options})


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8, torch.tensor])
def test_numbers_of_numpy_and_tensors_are_numbers(integer: Callable[[int], Any]) -> None:
    gru = GRU(integer(D), integer(H), integer(2), np.True_, np.False_, np.float32(0.25), np.True_)  # type: ignore[arg-type]
    assert repr(gru) == "GRU(4, 6, num_layers=2, dropout=0.25, bidirectional=True, reset='before')"
    assert {type(size) for size in (gru.input_size, gru.hidden_size, gru.num_layers, gru.proj_size)} == {int}
    assert {type(flag) for flag in (gru.bias, gru.batch_first, gru.bidirectional)} == {bool}
    assert gru(X)[0].shape == (L, N, 2 * H)
    cell = GRUCell(integer(D), integer(H), np.True_)
    assert cell(X[0]).shape == (N, H)
    assert GRU(D, H, 2, dropout=np.float64(0.5)).dropout == 0.5


def test_the_function_and_the_cell_say_what_is_wrong() -> None:
    w = [torch.zeros(3 * H, D), torch.zeros(3 * H, H), torch.zeros(3 * H), torch.zeros(3 * H)]
    for arguments, message in (
        ((X, None, w[0], w[1][:5]), "weight_hh: expected (3H=18, H=6), got (5, 6)"),
        ((X, None, w[0][:5], w[1]), "weight_ih: expected (3H=18, D), got (5, 4)"),
        ((X, None, *w[:3]), "bias_ih, bias_hh: expected both or neither, got one"),
        ((X[..., :2], None, *w), "x: expected (L, N, D=4), got (5, 3, 2)"),
        ((X, torch.zeros(N, 2), *w), "h_0: expected (N=3, H=6), got (3, 2)"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            penstock.gru(*arguments)
    for options, message in (
        ({"decay": torch.zeros(L, N)}, "decay: expected (L=5, N=3, H=6 or 1), got (5, 3)"),
        ({"resets": torch.zeros(N, L).bool()}, "resets: expected (L=5, N=3), got (3, 5)"),
        ({"lengths": [1, 2, 6]}, "lengths: expected 0 … L=5, got 6"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            penstock.gru(X, None, *w, **options)
    for shape in ((3, 2), (), (2, 3, 4)):
        with pytest.raises(ValueError, match=re.escape(f"input: expected (N, D=4), got {shape}")):
            GRUCell(D, H)(torch.zeros(shape))
        with pytest.raises(ValueError, match=r"input: expected \(L, (N, )?D=5\), got"):
            GRU(5, H)(torch.zeros(shape))
    with pytest.raises(ValueError, match=re.escape("hx: expected (H=6), got (2, 6)")):
        GRUCell(D, H)(torch.zeros(D), torch.zeros(2, H))
    for arguments, message in (
        (([1.0],), "input: expected a torch.Tensor, got list"),
        ((None,), "input: expected a torch.Tensor, got NoneType"),
        ((torch.zeros(N, D), torch.zeros(N, H).double()), "hx: expected torch.float32, as the weights are, got t"),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            GRUCell(D, H)(*arguments)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.uint64])
def test_lengths_of_any_integer_type(dtype: torch.dtype) -> None:
    gru = GRU(D, H)
    assert torch.equal(gru(X, lengths=torch.tensor([1, 5, 0]).to(dtype))[0], gru(X, lengths=[1, 5, 0])[0])
