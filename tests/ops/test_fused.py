"""The compiled core behind torch: exact whatever the threads, and at home in torch's machinery."""

import os
from typing import Any

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights
from hypothesis import given
from hypothesis import strategies as st

from penstock.native import core
from penstock.ops import Call, composite, fused

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

LENGTHS = torch.tensor([5, 0, 3])
RESETS = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1]]).bool()


@pytest.mark.parametrize("recompute", [False, True])
@given(
    L=st.integers(0, 30),
    N=st.integers(0, 40),
    D=st.integers(1, 40),
    H=st.integers(1, 70),
    form=st.sampled_from(["before", "after"]),
    masked=st.booleans(),
    reverse=st.booleans(),
    threads=st.integers(1, 4),
)
def test_gradients_are_those_of_the_composite_whatever_the_threads(
    instruction_set: str,
    recompute: bool,
    L: int,
    N: int,
    D: int,
    H: int,
    form: str,
    masked: bool,
    reverse: bool,
    threads: int,
) -> None:
    generator = torch.Generator().manual_seed(L + 31 * N + 1300 * H)
    scale = max(D, H) ** -0.5
    inputs = [draw(L, N, D), draw(N, H), *(w * scale for w in draw_weights(D, H))]
    for value in inputs:
        value.requires_grad_()
    lengths = torch.randint(0, L + 1, (N,), generator=generator) if masked else None
    resets = torch.rand(L, N, generator=generator) < 0.1 if masked else None
    call = Call(*inputs, form, lengths, resets, reverse=reverse, recompute=recompute)

    def gradients(backend: Any, threads: int) -> list[torch.Tensor]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        result = backend.run(call)
        values = [value for value in (result.output, result.h_n) if value.requires_grad]
        found = torch.autograd.grad(values, inputs, [draw(*v.shape) for v in values], allow_unused=True)
        torch.set_num_threads(before)
        return [torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)]

    mine = gradients(fused, threads)
    for a, b in zip(mine, gradients(composite, 1), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
    for a, b in zip(mine, gradients(fused, 1), strict=True):
        assert torch.equal(a, b)


def example(reset: str, dtype: torch.dtype = torch.float64, **options: Any) -> tuple[Any, ...]:
    inputs = [draw(5, 3, 2), draw(3, 9), *draw_weights(2, 9)]
    tensors = [value.to(dtype).requires_grad_() for value in inputs]
    given = {"after": reset == "after", "lengths": None, "resets": None, "reverse": False, "keep_gates": True}
    return (*tensors, *(given | options).values())


@pytest.mark.parametrize(
    "options", [{}, {"lengths": LENGTHS, "resets": RESETS, "reverse": True}, {"keep_gates": False}]
)
def test_the_operators_are_what_torch_expects(reset: str, options: dict[str, Any]) -> None:
    torch.library.opcheck(torch.ops.penstock.gru.default, example(reset, **options))
    with torch.no_grad():
        *tensors, after, lengths, resets, reverse, _ = arguments = example(reset, **options)
        output, h_n, *gates = torch.ops.penstock.gru(*arguments)
        grads = [torch.ones_like(output), torch.ones_like(h_n), None, None, None]
        backward = (*tensors, after, lengths, resets, reverse, output, gates, grads, [True] * 6)
        torch.library.opcheck(torch.ops.penstock.gru_backward.default, backward)


def test_any_layout_is_read_where_it_lies(reset: str) -> None:
    x, h_0, *w = (value.detach() for value in example(reset)[:6])
    expected = fused.run(Call(x, h_0, *w, reset)).output
    for other in (x.transpose(0, 1).contiguous().transpose(0, 1), x.transpose(1, 2).contiguous().transpose(1, 2)):
        assert torch.equal(fused.run(Call(other, h_0, *w, reset)).output, expected)
    turned = [value.t().contiguous().t() if value.dim() == 2 else value for value in w]
    resets = RESETS.t().contiguous().t()
    once = fused.run(Call(x[:, :1].expand(5, 3, 2), h_0.t().contiguous().t(), *turned, reset, None, resets))
    again = fused.run(Call(x[:, :1].repeat(1, 3, 1), h_0, *w, reset, None, RESETS))
    assert torch.equal(once.output, again.output)


def test_only_what_is_needed_has_a_gradient(reset: str) -> None:
    tensors = [value.detach() for value in example(reset)[:6]]
    for k, tensor in enumerate(tensors):
        tensor.requires_grad_()
        result = fused.run(Call(*tensors, reset))
        (alone,) = torch.autograd.grad(result.output.sum(), [tensor])
        tensor.requires_grad_(False)
        everything = example(reset)[:6]
        together = torch.autograd.grad(fused.run(Call(*everything, reset)).output.sum(), everything[k])
        assert torch.equal(alone, together[0])


def test_backward_may_be_taken_again(reset: str) -> None:
    tensors = example(reset)[:6]
    output = fused.run(Call(*tensors, reset)).output.sum()
    first = torch.autograd.grad(output, tensors, retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(output, tensors), strict=True):
        assert torch.equal(one, other)


def test_recomputing_keeps_no_gates(reset: str) -> None:
    tensors = example(reset)[:6]

    def kept(recompute: bool) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            fused.run(Call(*tensors, reset, recompute=recompute))
        return sum(sizes)

    gates = 4 if reset == "after" else 3
    assert kept(False) - kept(True) == gates * 5 * 3 * 9


def test_under_autocast_it_computes_in_the_weights_type(reset: str) -> None:
    x, h_0, *w = (value.detach() for value in example(reset, torch.float32)[:6])
    with torch.autocast("cpu", torch.bfloat16):
        lowered = x.bfloat16()
        output = fused.run(Call(lowered, h_0, *w, reset)).output
        direct = torch.ops.penstock.gru(lowered, h_0, *w, reset == "after", None, None, False, False)[0]
    assert output.dtype == torch.float32
    assert torch.equal(output, fused.run(Call(lowered.float(), h_0, *w, reset)).output)
    assert torch.equal(output, direct)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": torch.bfloat16}, "computes in float32 and float64, the weights are torch.bfloat16"),
        ({"device": "meta"}, "computes on the CPU, x is on meta"),
    ],
)
def test_it_says_why_it_declines(change: dict[str, Any], reason: str) -> None:
    tensors = [value.to(**change) for value in example("after")[:6]]
    assert reason in (fused.declines(Call(*tensors, "after")) or "")


@pytest.mark.skipif("PENSTOCK_CORE" in os.environ, reason="a core under a sanitizer keeps threads of its own")
def test_threads_are_those_of_torch() -> None:
    """One set of threads for both: a second one would spin beside the first."""
    assert core.threads_are_borrowed()


def test_used_after_a_fork(reset: str) -> None:
    call = Call(draw(40, 16, 64), draw(16, 128), *draw_weights(64, 128), reset)
    expected = fused.run(call).output
    child = os.fork()
    if child == 0:  # compared by NumPy: what torch itself does in parallel hangs there
        os._exit(0 if np.array_equal(fused.run(call).output.numpy(), expected.numpy()) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert torch.equal(fused.run(call).output, expected)
