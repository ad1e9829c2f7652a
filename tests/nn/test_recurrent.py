"""penstock.GRU against torch.nn.GRU, forward and backward, and against the equations layer by layer."""

import copy
import io
import itertools
import pickle

import numpy as np
import pytest
import torch
from helpers import draw, oracle
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from penstock import GRU

D, H = 3, 5
BOOLS = [False, True]


def pair(**options: object) -> tuple[GRU, torch.nn.GRU]:
    """Ours and torch's with the same weights."""
    theirs = torch.nn.GRU(D, H, dtype=torch.float64, **options)
    for k, parameter in enumerate(theirs.parameters()):
        parameter.data = draw(*parameter.shape, seed=k, scale=0.6)
    return GRU.from_torch(theirs), theirs


def gradients(outputs: list[torch.Tensor], inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    loss = sum((value * draw(*value.shape, seed=k)).sum() for k, value in enumerate(outputs))
    return list(torch.autograd.grad(loss, inputs, allow_unused=True))


@pytest.mark.parametrize(
    ("layers", "bidirectional", "batch_first", "bias"), list(itertools.product([1, 2, 3], BOOLS, BOOLS, BOOLS))
)
def test_parity_with_torch(layers: int, bidirectional: bool, batch_first: bool, bias: bool) -> None:
    ours, theirs = pair(num_layers=layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias)
    L, N, K = 7, 4, layers * (1 + bidirectional)
    x = draw(N, L, D) if batch_first else draw(L, N, D)
    inputs = [x.requires_grad_(), draw(K, N, H).requires_grad_()]
    found = []
    for module in (ours, theirs):
        outputs = module(*inputs)
        found.append([*outputs, *gradients(list(outputs), [*inputs, *module.parameters()])])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "bidirectional", "batch_first", "bias"), list(itertools.product([1, 2], BOOLS, BOOLS, BOOLS))
)
def test_lengths_are_torchs_packed_sequences(layers: int, bidirectional: bool, batch_first: bool, bias: bool) -> None:
    ours, theirs = pair(num_layers=layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias)
    lengths = [2, 6, 1, 6]
    x = (draw(4, 6, D) if batch_first else draw(6, 4, D)).requires_grad_()
    h_0 = draw(layers * (1 + bidirectional), 4, H).requires_grad_()
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=batch_first, enforce_sorted=False)
    output, h_n = theirs(packed, h_0)
    expected = [pad_packed_sequence(output, batch_first=batch_first)[0], h_n]
    expected += gradients(expected, [x, h_0, *theirs.parameters()])
    found = list(ours(x, h_0, lengths=lengths))
    found += gradients(found, [x, h_0, *ours.parameters()])
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("enforce_sorted", "bidirectional"), list(itertools.product(BOOLS, BOOLS)))
def test_a_packed_sequence_comes_back_packed_in_its_own_order(enforce_sorted: bool, bidirectional: bool) -> None:
    ours, theirs = pair(num_layers=2, bidirectional=bidirectional, batch_first=True)
    sequences = [draw(length, D, seed=length) for length in ([5, 3, 3, 1] if enforce_sorted else [3, 5, 1, 3])]
    packed = pack_sequence(sequences, enforce_sorted=enforce_sorted)
    h_0 = draw(2 * (1 + bidirectional), 4, H)
    (mine, h_n), (other, other_h_n) = ours(packed, h_0), theirs(packed, h_0)
    torch.testing.assert_close(mine.data, other.data, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(h_n, other_h_n, rtol=1e-11, atol=1e-12)
    assert torch.equal(mine.batch_sizes, other.batch_sizes)
    for ours_, theirs_ in (
        (mine.sorted_indices, other.sorted_indices),
        (mine.unsorted_indices, other.unsorted_indices),
    ):
        assert (ours_ is None and theirs_ is None) or torch.equal(ours_, theirs_)


def test_unbatched_input() -> None:
    ours, theirs = pair(num_layers=2, bidirectional=True, batch_first=True)
    x, h_0 = draw(6, D), draw(4, H)
    for mine, other in zip(ours(x, h_0), theirs(x, h_0), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-12)
    options = {"resets": torch.tensor([0, 0, 1, 0, 0, 0]).bool(), "decay": draw(6, H).sigmoid()}
    output, h_n, gates = ours(x, h_0, **options, return_gates=True)
    assert output.shape == (6, 2 * H)
    assert h_n.shape == (4, H)
    assert gates.update.shape == (4, 6, H)
    one = {name: value[None] for name, value in options.items()}
    for mine, batched in zip((output, h_n), ours(x[None], h_0[:, None], **one), strict=True):
        torch.testing.assert_close(mine, batched.squeeze(0 if batched.shape[0] == 1 else 1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("bidirectional", "batch_first"), list(itertools.product(BOOLS, BOOLS)))
@pytest.mark.parametrize("units", [None, 1, H])
def test_two_layers_are_the_equations_twice(
    reset: str, bidirectional: bool, batch_first: bool, units: int | None
) -> None:
    L, N, K = 6, 3, 2 * (1 + bidirectional)
    gru = GRU(D, H, 2, bidirectional=bidirectional, batch_first=batch_first, reset=reset, dtype=torch.float64)
    x, h_0 = draw(L, N, D), draw(K, N, H)
    lengths, resets = np.array([4, 0, 6]), np.random.default_rng(0).random((L, N)) < 0.3
    decay = None if units is None else draw(L, N, units).sigmoid()
    value, expected, states = x.numpy(), [], []
    for layer in range(2):
        outputs = []
        for reverse, suffix in enumerate(["", "_reverse"][: 1 + bidirectional]):
            w = [getattr(gru, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            options = {"reset": reset, "lengths": lengths, "resets": resets, "reverse": bool(reverse)}
            steps = oracle(value, h_0[len(states)], w, decay=None if decay is None else decay.numpy(), **options)
            expected.append(steps)
            states.append(steps.h_n)
            outputs.append(steps.hidden)
        value = np.concatenate(outputs, axis=-1)

    def laid_out(a: torch.Tensor) -> torch.Tensor:
        return a.transpose(0, 1) if batch_first else a

    output, h_n, gates = gru(
        input=laid_out(x),
        hx=h_0,
        lengths=torch.tensor(lengths),
        resets=laid_out(torch.tensor(resets)),
        decay=None if decay is None else laid_out(decay),
        return_gates=True,
    )
    np.testing.assert_allclose(laid_out(output.detach()), value, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(h_n.detach(), states, rtol=1e-12, atol=1e-14)
    for k, steps in enumerate(expected):
        for name in ("reset", "update", "candidate"):
            got = laid_out(getattr(gates, name)[k].detach())
            np.testing.assert_allclose(got, getattr(steps, name), rtol=1e-12, atol=1e-14)


def test_no_state_is_a_state_of_zeros(reset: str) -> None:
    gru = GRU(D, H, reset=reset, dtype=torch.float64)
    x = draw(4, 2, D)
    assert torch.equal(gru(x)[0], gru(x, torch.zeros(1, 2, H, dtype=torch.float64))[0])


@given(cut=st.integers(0, 9), form=st.sampled_from(["before", "after"]), layers=st.integers(1, 3))
def test_cutting_a_sequence_changes_nothing(cut: int, form: str, layers: int) -> None:
    torch.manual_seed(0)
    gru = GRU(D, H, layers, reset=form, dtype=torch.float64)
    x, h_0 = draw(9, 2, D), draw(layers, 2, H)
    whole, h_n = gru(x, h_0)
    first, state = gru(x[:cut], h_0)
    second, state = gru(x[cut:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(state, h_n, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("L", "N"), [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("bidirectional", BOOLS)
def test_empty_input(L: int, N: int, bidirectional: bool, reset: str) -> None:
    gru = GRU(D, H, 2, bidirectional=bidirectional, reset=reset)
    K = 2 * (1 + bidirectional)
    h_0 = torch.randn(K, N, H, requires_grad=True)
    output, h_n, gates = gru(torch.randn(L, N, D), h_0, return_gates=True, lengths=[L] * N)
    assert output.shape == (L, N, H * (1 + bidirectional))
    assert gates.reset.shape == (K, L, N, H)
    if L == 0:
        assert torch.equal(h_n, h_0)
    output.sum().backward(retain_graph=True)
    h_n.sum().backward()
    assert h_0.grad is not None


def test_a_sequence_of_length_zero_keeps_its_state(reset: str) -> None:
    gru = GRU(D, H, bidirectional=True, reset=reset)
    h_0 = torch.randn(2, 2, H)
    output, h_n = gru(torch.randn(4, 2, D), h_0, lengths=torch.tensor([0, 4], dtype=torch.int32))
    assert torch.equal(h_n[:, 0], h_0[:, 0])
    assert not output[:, 0].any()


def test_gates_are_differentiable(reset: str) -> None:
    gru = GRU(D, H, reset=reset)
    _, _, gates = gru(torch.randn(4, 2, D), return_gates=True)
    for gate in gates:
        assert torch.autograd.grad(gate.sum(), gru.weight_ih_l0, retain_graph=True)[0].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_types(dtype: torch.dtype, reset: str) -> None:
    torch.manual_seed(0)
    gru = GRU(D, H, reset=reset, dtype=dtype)
    x, h_0 = draw(20, 4, D).to(dtype), draw(1, 4, H).to(dtype)
    output, h_n = gru(x, h_0)
    assert output.dtype == h_n.dtype == dtype
    w = [p.double() for p in gru.parameters()]
    error = np.abs(output.detach().double().numpy() - oracle(x.double(), h_0[0].double(), w, reset=reset).hidden).max()
    assert error < {torch.float32: 1e-6, torch.float64: 1e-14, torch.bfloat16: 3e-2}[dtype]  # some roundings of h ≤ 4


def test_autocast_keeps_the_state_in_float32(reset: str) -> None:
    torch.manual_seed(0)
    gru = GRU(D, H, 2, reset=reset)
    x = torch.randn(20, 4, D)
    with torch.autocast("cpu", torch.bfloat16):
        output, h_n = gru(torch.nn.functional.linear(x, torch.eye(D)))  # comes in bfloat16
    assert output.dtype == h_n.dtype == torch.float32
    assert (output - gru(x)[0]).abs().max() < 2e-2  # eight bits of mantissa in the products
    output.sum().backward()
    assert gru.weight_hh_l0.grad is not None
    assert gru.weight_hh_l0.grad.dtype == torch.float32


def test_dropout_acts_between_layers_in_training_only(reset: str) -> None:
    x = torch.randn(6, 2, D)
    gru = GRU(D, H, 2, dropout=0.5, reset=reset)
    torch.manual_seed(0)
    first = gru(x)[0]
    assert not torch.equal(first, gru(x)[0])
    torch.manual_seed(0)
    assert torch.equal(first, gru(x)[0])
    assert torch.equal(gru.eval()(x)[0], gru(x)[0])
    with pytest.warns(UserWarning, match=r"dropout acts between layers"):
        GRU(D, H, dropout=0.5)


def test_backward_in_eval_mode(reset: str) -> None:
    gru = GRU(D, H, reset=reset).eval()
    gru(torch.randn(4, 2, D))[0].sum().backward()
    assert all(p.grad is not None for p in gru.parameters())


def test_copies_and_pickles(reset: str) -> None:
    gru = GRU(D, H, 2, bidirectional=True, reset=reset)
    x = torch.randn(4, 2, D)
    file = io.BytesIO()
    torch.save(gru, file)
    file.seek(0)
    for other in (
        copy.deepcopy(gru),
        pickle.loads(pickle.dumps(gru)),
        torch.load(file, weights_only=False),
    ):
        assert torch.equal(other(x)[0], gru(x)[0])
        assert repr(other) == repr(gru)


@pytest.mark.parametrize("units", [1, H])
def test_decay_is_differentiable(reset: str, units: int) -> None:
    gru = GRU(D, H, 2, bidirectional=True, reset=reset, dtype=torch.float64)
    x, h_0, decay = draw(4, 2, D), draw(4, 2, H), draw(4, 2, units).sigmoid().requires_grad_()
    lengths, resets = torch.tensor([4, 3]), torch.tensor([[0, 0], [1, 0], [0, 0], [0, 1]]).bool()
    assert torch.autograd.gradcheck(
        lambda decay: gru(x, h_0, lengths=lengths, resets=resets, decay=decay)[0], [decay], fast_mode=True
    )


def test_no_decay_is_a_decay_of_one_and_a_reset_one_of_zero(reset: str) -> None:
    gru = GRU(D, H, 2, bidirectional=True, reset=reset)
    x, h_0, resets = torch.randn(6, 3, D), torch.randn(4, 3, H), torch.rand(6, 3) < 0.3
    assert torch.equal(gru(x, h_0, decay=torch.ones(6, 3, H))[0], gru(x, h_0)[0])
    found = gru(x, h_0, decay=(~resets)[..., None].float())
    for mine, other in zip(found, gru(x, h_0, resets=resets), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


def test_a_packed_sequence_takes_padded_resets_and_decay(reset: str) -> None:
    gru = GRU(D, H, 2, batch_first=True, reset=reset, dtype=torch.float64)
    sequences = [draw(length, D, seed=length) for length in (3, 5, 1)]
    resets, decay = torch.rand(5, 3) < 0.3, draw(5, 3, 1).sigmoid()
    packed, h_n, gates = gru(
        pack_sequence(sequences, enforce_sorted=False), resets=resets, decay=decay, return_gates=True
    )
    x = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    options = {"lengths": [3, 5, 1], "resets": resets.t(), "decay": decay.transpose(0, 1)}
    expected = gru(x, **options, return_gates=True)
    torch.testing.assert_close(pad_packed_sequence(packed, batch_first=True)[0], expected[0], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(h_n, expected[1], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gates.update, expected[2].update.transpose(1, 2), rtol=1e-12, atol=1e-13)


def test_what_comes_back_shares_no_memory_with_what_went_in(reset: str) -> None:
    for L in (0, 1, 4):
        x, h_0 = torch.randn(L, 2, D), torch.randn(1, 2, H)
        given = h_0.clone()
        with torch.no_grad():
            for value in GRU(D, H, reset=reset)(x, h_0):
                value.add_(1)
        assert torch.equal(h_0, given)


def test_the_textbooks_form_is_the_default() -> None:
    assert GRU(D, H).reset == "before"
    assert repr(GRU(D, H, 2)) == "GRU(3, 5, num_layers=2, reset='before')"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_the_cpu(reset: str) -> None:
    gru = GRU(D, H, 2, bidirectional=True, reset=reset, dtype=torch.float64)
    x, lengths = draw(6, 3, D), [6, 0, 3]
    expected = gru(x, lengths=lengths)
    for ours, theirs in zip(gru.cuda()(x.cuda(), lengths=lengths), expected, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-10, atol=1e-12)
