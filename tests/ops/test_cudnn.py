"""The path of torch.nn.GRU, which on a CPU is torch's own: all but cuDNN's arithmetic is tested without a GPU."""

import itertools

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle
from torch.multiprocessing.reductions import StorageWeakRef

from penstock.ops import Call, composite, cudnn, explain_layer

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def differentiable(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize(
    ("lengths", "reverse", "bias"), list(itertools.product([None, [4, 0, 2], [0, 0, 0]], [False, True], [False, True]))
)
def test_forward_is_the_equations(lengths: list[int] | None, reverse: bool, bias: bool) -> None:
    x, h_0, w = draw(4, 3, 2), draw(3, 5), draw_weights(2, 5, bias=bias)
    lengths_ = None if lengths is None else torch.tensor(lengths)
    result = cudnn.run(Call(x, h_0, *(w if bias else [*w, None, None]), "after", lengths_, reverse=reverse))
    steps = oracle(x, h_0, w, reset="after", lengths=lengths_, reverse=reverse)
    np.testing.assert_allclose(result.output, steps.hidden, rtol=0, atol=1e-14)
    np.testing.assert_allclose(result.h_n, steps.h_n, rtol=0, atol=1e-14)


@pytest.mark.parametrize("lengths", [None, [4, 0, 2]])
def test_first_and_second_derivatives_are_the_composites(lengths: list[int] | None) -> None:
    lengths_ = None if lengths is None else torch.tensor(lengths)
    inputs = differentiable(draw(4, 3, 2), draw(3, 5), *draw_weights(2, 5))
    found = []
    for backend in (cudnn, composite):
        result = backend.run(Call(*inputs, "after", lengths_, reverse=True))
        loss = (result.output * draw(4, 3, 5)).sum() + (result.h_n**2).sum()
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), inputs, retain_graph=True)
        found.append([*torch.autograd.grad(loss, inputs, retain_graph=True), *first, *second])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_the_second_derivative_is_taken_under_the_autocast_of_forward() -> None:
    inputs = differentiable(*(t.float() for t in (draw(4, 3, 2), draw(3, 5), *draw_weights(2, 5))))
    inputs[0] = inputs[0].bfloat16()
    found = []
    for backend in (cudnn, composite):
        with torch.autocast("cpu", torch.bfloat16):
            loss = backend.run(Call(*inputs, "after")).output.square().sum()
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        found.append(torch.autograd.grad(sum(g.float().square().sum() for g in first), inputs))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=5e-2, atol=5e-2 * float(theirs.abs().max()))


def test_gradcheck() -> None:
    def call(*inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return cudnn.run(Call(*inputs, "after", torch.tensor([3, 1])))[:2]

    inputs = differentiable(draw(3, 2, 2), draw(2, 3), *draw_weights(2, 3))
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_only_what_needs_a_gradient_gets_one() -> None:
    x, h_0, *w = draw(3, 2, 2), draw(2, 3), *draw_weights(2, 3)
    w[1].requires_grad_()
    result = cudnn.run(Call(x, h_0, *w, "after"))
    (gradient,) = torch.autograd.grad(result.output.sum(), [w[1]])
    assert gradient.abs().sum() > 0


def test_backward_frees_what_was_kept_for_it() -> None:
    """The loss may live on."""
    inputs = differentiable(draw(4, 3, 2), draw(3, 5), *draw_weights(2, 5))
    x = inputs[0] * 1
    output, h_n, _ = cudnn.run(Call(x, *inputs[1:], "after"))
    loss = output.square().sum() + h_n.sum()
    kept = [StorageWeakRef(value.untyped_storage()) for value in (x, output)]
    del x, output, h_n
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert not any(memory.expired() for memory in kept)
    for one, other in zip(first, torch.autograd.grad(loss, inputs), strict=True):
        assert torch.equal(one, other)
    assert all(memory.expired() for memory in kept)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_a_buffer_of_lengths_may_be_written_again() -> None:
    inputs = differentiable(draw(4, 3, 2), draw(3, 5), *draw_weights(2, 5))
    found = []
    for backend in (cudnn, composite):
        lengths = torch.tensor([4, 0, 2])
        loss = backend.run(Call(*inputs, "after", lengths)).output.square().sum()
        if backend is cudnn:
            lengths.fill_(1)
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        found.append([*first, *torch.autograd.grad(sum(g.square().sum() for g in first), inputs)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_many_gradients_at_once() -> None:
    inputs, V = differentiable(draw(4, 3, 2), draw(3, 5), *draw_weights(2, 5)), draw(6, 4, 3, 5)
    output = cudnn.run(Call(*inputs, "after")).output
    together = torch.autograd.grad(output, inputs, V, is_grads_batched=True, retain_graph=True)
    alone = [torch.autograd.grad(output, inputs, v, retain_graph=True) for v in V]
    for ours, theirs in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(ours, torch.stack(theirs), rtol=1e-11, atol=1e-12)


@needs_cuda
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reset": "before"}, 'computes reset="after" alone'),
        ({"resets": torch.zeros(3, 2, dtype=torch.bool)}, "no episode resets"),
        ({"decay": torch.ones(3, 2, 1, dtype=torch.float64)}, "no decay"),
        ({"return_gates": True}, "does not return its gates"),
    ],
)
def test_it_says_why_it_declines(change: dict[str, object], reason: str) -> None:
    tensors = [t.cuda() for t in (draw(3, 2, 2), draw(2, 3), *draw_weights(2, 3))]
    call = Call(*tensors, "after")
    assert [name for name, _ in explain_layer(call)] == ["cudnn"]
    change = {name: value.cuda() if isinstance(value, torch.Tensor) else value for name, value in change.items()}
    assert reason in explain_layer(call._replace(**change))[0][1]


@needs_cuda
def test_cudnn_agrees_with_the_equations_and_trains_in_eval_mode() -> None:
    inputs = [t.cuda().requires_grad_() for t in (draw(6, 3, 2), draw(3, 5), *draw_weights(2, 5))]
    result = cudnn.run(Call(*inputs, "after", torch.tensor([6, 0, 3], device="cuda")))
    steps = oracle(*(t.cpu() for t in inputs[:2]), [t.cpu() for t in inputs[2:]], reset="after", lengths=[6, 0, 3])
    np.testing.assert_allclose(result.output.detach().cpu(), steps.hidden, rtol=0, atol=1e-12)
    gradients = torch.autograd.grad(result.output.sum(), inputs)
    expected = torch.autograd.grad(
        composite.run(Call(*inputs, "after", torch.tensor([6, 0, 3], device="cuda"))).output.sum(), inputs
    )
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)
