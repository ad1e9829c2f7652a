"""What backward finds may not be what forward kept: what forward saw counts, or an error names what changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle_gradients
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.checkpoint import checkpoint

from penstock.native import core
from penstock.ops import Call, Result, composite, fused, gru_layer

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

L, N, D, H = 6, 3, 2, 5
NAMES = ("x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
Tensors = list[torch.Tensor]


def leaves() -> Tensors:
    return [t.requires_grad_() for t in (draw(L, N, D), draw(N, H), *draw_weights(D, H))]


def loss_of(result: Result) -> torch.Tensor:
    return (result.output * draw(L, N, H)).sum() + (result.h_n * draw(N, H)).sum()


def gradients(inputs: Tensors, reset: str, change: Callable[[Result], Any] = lambda _: None, **options: Any) -> Tensors:
    """Those of a call in which ``change`` is done between forward and backward."""
    result = gru_layer(Call(*inputs, reset, **options))
    loss = loss_of(result)
    change(result)
    return list(torch.autograd.grad(loss, inputs))


def assert_equal(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def assert_close(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("by_numpy", [False, True])
def test_buffers_of_lengths_and_resets_may_be_written_again(reset: str, by_numpy: bool) -> None:
    inputs, resets = leaves(), draw(L, N) > 1
    lengths = torch.tensor([4, 0, 6])
    expected = gradients(inputs, reset, lengths=lengths.clone(), resets=resets.clone())

    def next_batch(_: Result) -> None:
        if by_numpy:  # torch does not see it
            lengths.numpy()[:], resets.numpy()[:] = -1000, True
        else:
            lengths.fill_(-1000)
            resets.logical_not_()

    assert_equal(gradients(inputs, reset, next_batch, lengths=lengths, resets=resets), expected)


def test_a_rollout_writes_its_buffers_as_it_goes(reset: str) -> None:
    inputs = leaves()
    _, h, *w = inputs
    starts, lengths = torch.zeros(L, N, dtype=torch.bool), torch.zeros(L, N, dtype=torch.int64)
    loss = torch.zeros((), dtype=torch.float64)
    for t in range(L):
        starts[t], lengths[t] = draw(N, seed=t) > 0.5, 1
        call = Call(inputs[0][t : t + 1], h, *w, reset, lengths[t], starts[t : t + 1])
        output, h, _ = gru_layer(call)
        loss = loss + (output * draw(L, N, H)[t]).sum()
    expected = oracle_gradients(*inputs[:2], w, {"hidden": draw(L, N, H)}, reset=reset, resets=starts)
    for value, gradient in zip(torch.autograd.grad(loss, inputs), expected, strict=True):
        np.testing.assert_allclose(value, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("fading", [False, True])
def test_what_forward_returned_may_be_changed_in_place(reset: str, recompute: bool, fading: bool) -> None:
    inputs = leaves()
    decay = torch.sigmoid(draw(L, N, 1)) if fading else None
    options = {"recompute": recompute, "decay": decay, "lengths": torch.tensor([4, 0, 6])}
    expected = gradients(inputs, reset, **options)
    changes: list[Callable[[Result], Any]] = [
        lambda result: torch.relu_(result.output),
        lambda result: result.output.detach().zero_(),
        lambda result: result.output[:, 1:].mul_(2),
        lambda result: result.h_n.zero_(),
    ]
    for change in changes:
        assert_equal(gradients(inputs, reset, change, **options), expected)


def test_gates_may_be_changed_in_place(reset: str) -> None:
    inputs, found = leaves(), []
    for change in (False, True):
        result = gru_layer(Call(*inputs, reset, return_gates=True))
        assert result.gates is not None
        loss = loss_of(result) + sum((gate * draw(L, N, H, seed=k)).sum() for k, gate in enumerate(result.gates))
        if change:
            for gate in result.gates:
                gate.zero_()
        found.append(torch.autograd.grad(loss, inputs))
    assert_equal(*found)


def test_a_change_in_place_is_part_of_the_graph(reset: str) -> None:
    inputs, found = leaves(), []
    for backend in (fused, composite):
        result = backend.run(Call(*inputs, reset))
        loss = (result.output.mul_(2).relu_() * draw(L, N, H)).sum()
        found.append([*torch.autograd.grad(loss, inputs, retain_graph=True), *torch.autograd.grad(loss, inputs)])
    assert_close(*found)


def test_a_changed_input_is_refused_as_torch_refuses_it(reset: str) -> None:
    inputs = leaves()
    inputs[0] = inputs[0].detach()
    output = gru_layer(Call(*inputs, reset)).output
    inputs[0].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


HOOKS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "other strides": (lambda t: t, lambda t: t.transpose(0, -1).contiguous().transpose(0, -1)),
    "a part of something": (lambda t: torch.stack([t, t], -1), lambda t: t[..., 1]),
    "another type": (lambda t: t.to(torch.complex128), lambda t: t.real),
    "lazily negated": (lambda t: t, lambda t: torch._neg_view(-t)),
    "through NumPy": (lambda t: t.detach().numpy().copy(), torch.from_numpy),
}


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("hooks", HOOKS.values(), ids=HOOKS)
def test_hooks_may_give_back_the_same_values_otherwise(reset: str, recompute: bool, hooks: Any) -> None:
    inputs = leaves()
    expected = gradients(inputs, reset, recompute=recompute)
    with saved_tensors_hooks(*hooks):
        loss = loss_of(gru_layer(Call(*inputs, reset, recompute=recompute)))
    assert_equal(torch.autograd.grad(loss, inputs), expected)


@pytest.mark.parametrize("recompute", [False, True])
def test_hooks_may_keep_fewer_bits(reset: str, recompute: bool) -> None:
    inputs = leaves()
    expected = gradients(inputs, reset, recompute=recompute)
    with saved_tensors_hooks(lambda t: t.float(), lambda t: t):
        loss = loss_of(gru_layer(Call(*inputs, reset, recompute=recompute)))
    for ours, right in zip(torch.autograd.grad(loss, inputs), expected, strict=True):
        assert ours.dtype == torch.float64
        torch.testing.assert_close(ours, right, rtol=1e-5, atol=1e-5)


def test_hooks_that_cut_are_refused(reset: str) -> None:
    inputs = leaves()
    with saved_tensors_hooks(lambda t: t, lambda t: t[:1].clone() if t.dim() == 3 else t):
        loss = loss_of(gru_layer(Call(*inputs, reset)))
    with pytest.raises(ValueError, match=r"output: expected \(L=1, N=3, H=5\)|grad_output: expected \(L=1"):
        loss.backward()


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_under_checkpointing(reset: str, reentrant: bool, in_place: bool) -> None:
    inputs = leaves()
    expected = gradients(inputs, reset)

    def layer(*inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return gru_layer(Call(*inputs, reset))[:2]

    output, h_n = checkpoint(layer, *inputs, use_reentrant=reentrant)
    loss = loss_of(Result(output, h_n))
    if in_place:
        output.zero_()
    loss.backward()
    assert_equal([value.grad for value in inputs], expected)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_checkpointing_keeps_no_states(reset: str, checkpointed: bool) -> None:
    inputs = leaves()

    def layer(*inputs: torch.Tensor) -> torch.Tensor:
        output = gru_layer(Call(*inputs, reset)).output
        memory.append(StorageWeakRef(output.untyped_storage()))
        return output + 2  # whose derivative needs no output

    memory: list[Any] = []
    output = checkpoint(layer, *inputs, use_reentrant=False) if checkpointed else layer(*inputs)
    assert memory[0].expired() == checkpointed
    output.sum().backward()
    assert memory[0].expired()


SWAPS: dict[str, Callable[[torch.Tensor], Any]] = {
    "half": lambda w: w.half(),
    "float": lambda w: w.float(),
    "other": lambda w: w * 0.5,
    "smaller": lambda w: w[:1].clone(),
    "turned": lambda w: w.t().contiguous().t(),
}


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_weights_may_be_swapped(reset: str, recompute: bool, swap: Callable[[torch.Tensor], Any]) -> None:
    """``p.data = other``, which ``module.half()`` and hand-written updates do, is nothing to the graph."""
    expected = gradients(leaves(), reset, recompute=recompute)
    inputs = leaves()

    def change(_: Result) -> None:
        for weight in inputs[2:]:
            weight.data = swap(weight.data)

    result = gru_layer(Call(*inputs, reset, recompute=recompute))
    loss = loss_of(result)
    change(result)
    assert_equal(torch.autograd.grad(loss, inputs[:2]), expected[:2])


@pytest.mark.parametrize("k", range(6))
def test_a_second_derivative_of_swapped_data_is_refused(reset: str, k: int) -> None:
    inputs = leaves()
    loss = loss_of(gru_layer(Call(*inputs, reset)))
    inputs[k].data = inputs[k].data * 0.5
    with pytest.raises(
        ValueError, match=f"{NAMES[k]}: expected the data that forward saw, got other data in its place"
    ):
        torch.autograd.grad(loss, inputs, create_graph=True)


@pytest.mark.parametrize("k", [0, 1])
def test_swapped_inputs_are_refused(reset: str, k: int) -> None:
    inputs = leaves()
    loss = loss_of(gru_layer(Call(*inputs, reset)))
    inputs[k].data = inputs[k].data * 0.5
    with pytest.raises(
        ValueError, match=f"{NAMES[k]}: expected the data that forward saw, got other data in its place"
    ):
        loss.backward()


@pytest.mark.parametrize("bytes_left", [0, 8])
@pytest.mark.parametrize("k", range(6))
def test_freed_memory_is_refused(reset: str, k: int, bytes_left: int) -> None:
    inputs = leaves()
    loss = loss_of(gru_layer(Call(*inputs, reset)))
    inputs[k].untyped_storage().resize_(bytes_left)
    with pytest.raises(ValueError, match=f"{NAMES[k]}: expected .* bytes of memory, got {bytes_left}"):
        loss.backward()


def test_lazily_negated_tensors_have_their_own_sign(reset: str) -> None:
    plain = leaves()
    negated = [torch._neg_view(-t.detach()).requires_grad_() for t in plain]
    assert all(t.is_neg() for t in negated)
    decay = torch.sigmoid(draw(L, N, H))
    lazy = torch._neg_view(-decay)
    results = [gru_layer(Call(*inputs, reset, decay=d)) for inputs, d in ((plain, decay), (negated, lazy))]
    assert_equal(results[0][:2], results[1][:2])
    with torch.no_grad():
        assert_equal(gru_layer(Call(*negated, reset, decay=lazy))[:2], results[0][:2])
    grads = [draw(L, N, H), draw(N, H)]
    expected = torch.autograd.grad(results[0][:2], plain, grads)
    assert_equal(torch.autograd.grad(results[1][:2], negated, [torch._neg_view(-g) for g in grads]), expected)


@pytest.mark.parametrize("units", [1, 2])
def test_the_imaginary_part_of_a_conjugate(reset: str, units: int) -> None:
    """Its gradient comes lazily negated."""
    tensors = [t.requires_grad_() for t in (draw(1, 1, D), draw(1, units), *draw_weights(D, units))]
    h_n = gru_layer(Call(*tensors, reset)).h_n
    plain = torch.autograd.grad(h_n.sum(), tensors, retain_graph=True)
    lazy = torch.autograd.grad(torch.complex(torch.zeros_like(h_n), h_n).conj().imag.sum(), tensors)
    assert_equal(lazy, [-gradient for gradient in plain])


def test_zeros_that_do_not_lie_in_memory(reset: str) -> None:
    inputs = leaves()
    result = gru_layer(Call(*inputs, reset))
    nothing = torch._efficientzerotensor((L, N, H), dtype=torch.float64)
    grads = torch.autograd.grad(result.output, inputs, nothing)
    assert not any(gradient.any() for gradient in grads)


def test_many_gradients_at_once(reset: str) -> None:
    inputs, V = leaves(), draw(4, L, N, H)
    output = gru_layer(Call(*inputs, reset)).output

    def pull(v: torch.Tensor, **options: Any) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(output, inputs, v, retain_graph=True, **options)

    expected = [torch.stack(rows) for rows in zip(*map(pull, V), strict=True)]
    assert_close(pull(V, is_grads_batched=True), expected)
    assert_close(torch.func.vmap(pull)(V), expected)


def test_jacobians_and_hessians_at_once(reset: str) -> None:
    x, *rest = (t.detach() for t in leaves())

    def states(x: torch.Tensor) -> torch.Tensor:
        return gru_layer(Call(x, *rest, reset)).output

    for vectorize in (False, True):
        options = {"vectorize": vectorize}
        jacobian = torch.autograd.functional.jacobian(lambda x: states(x).sum(0), x, **options)
        hessian = torch.autograd.functional.hessian(lambda x: states(x).square().sum(), x[:3], **options)
        if not vectorize:
            expected = [jacobian, hessian]
    assert_close([jacobian, hessian], expected)


def test_one_tensor_given_twice_has_a_gradient_for_each(reset: str) -> None:
    """Tied biases: the derivative of the derivative once counted each twice."""
    found = []
    for backend in (fused, composite):
        x, h_0, weight_ih, weight_hh, bias, _ = inputs = leaves()
        result = backend.run(Call(x, h_0, weight_ih, weight_hh, bias, bias, reset))
        first = torch.autograd.grad(loss_of(result), inputs[:5], create_graph=True)
        found.append([*first, *torch.autograd.grad(sum(g.square().sum() for g in first), inputs[:5])])
    assert_close(*found)


def test_first_and_second_derivatives_are_the_composites(reset: str) -> None:
    lengths, resets = torch.tensor([6, 0, 4]), draw(L, N) > 1
    for fading in (None, 1, H):
        found = []
        for backend in (fused, composite):
            inputs = leaves()
            decay = None if fading is None else torch.sigmoid(draw(L, N, fading)).requires_grad_()
            wanted = inputs if decay is None else [*inputs, decay]
            options = {"lengths": lengths, "resets": resets, "decay": decay, "reverse": True, "return_gates": True}
            result = backend.run(Call(*inputs, reset, **options))
            loss = loss_of(result) + sum((gate * draw(L, N, H, seed=3)).sum() for gate in result.gates or ())
            first = torch.autograd.grad(loss, wanted, create_graph=True)
            second = torch.autograd.grad(sum((g**2).sum() for g in first), wanted, retain_graph=True)
            found.append([*torch.autograd.grad(loss, wanted, retain_graph=True), *first, *second])
        assert_close(*found)


def test_the_second_derivative_is_not_lowered_by_autocast(reset: str) -> None:
    inputs, found = [t.detach().float().requires_grad_() for t in leaves()], []
    for lowered in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
            loss = gru_layer(Call(*inputs, reset)).output.square().sum()
            first = torch.autograd.grad(loss, inputs, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), inputs))
    assert_equal(*found)


def test_forward_mode_derivatives(reset: str) -> None:
    inputs = [t.detach() for t in leaves()]
    tangents = [draw(*t.shape, seed=7) for t in inputs]

    def layer(*inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return gru_layer(Call(*inputs, reset))[:2]

    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(t, v) for t, v in zip(inputs, tangents, strict=True)]
        found = [torch.autograd.forward_ad.unpack_dual(value).tangent for value in layer(*duals)]
    _, expected = torch.autograd.functional.jvp(layer, tuple(inputs), tuple(tangents))
    assert_close(found, expected)
    assert_close(torch.func.jvp(layer, tuple(inputs), tuple(tangents))[1], expected)


def test_one_graph_from_several_threads(reset: str) -> None:
    inputs = leaves()
    loss = loss_of(gru_layer(Call(*inputs, reset)))
    expected = torch.autograd.grad(loss, inputs, retain_graph=True)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: torch.autograd.grad(loss, inputs, retain_graph=True), range(16)):
            assert_equal(found, expected)
