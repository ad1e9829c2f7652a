"""The compiled core behind torch: exact whatever the threads, and at home in torch's machinery."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from penstock.native import core
from penstock.ops import Call, composite, fused

pytestmark = pytest.mark.skipif(core.unavailable is not None, reason=f"no compiled core: {core.unavailable}")

LENGTHS = torch.tensor([5, 0, 3])
RESETS = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1]]).bool()


@contextlib.contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """As many as this, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with mock.patch.object(core, "thread_limit", return_value=64):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("recompute", [False, True])
@given(
    L=st.integers(0, 30),
    N=st.integers(0, 40),
    D=st.integers(1, 40),
    H=st.integers(1, 70),
    form=st.sampled_from(["before", "after"]),
    masked=st.booleans(),
    fading=st.sampled_from(["", "all units alike", "each unit"]),
    reverse=st.booleans(),
    threads=st.integers(2, 4),
)
def test_gradients_are_those_of_the_composite_whatever_the_threads(
    instruction_set: str,
    fine_grain: None,
    recompute: bool,
    L: int,
    N: int,
    D: int,
    H: int,
    form: str,
    masked: bool,
    fading: str,
    reverse: bool,
    threads: int,
) -> None:
    generator = torch.Generator().manual_seed(L + 31 * N + 1300 * H)
    scale = max(D, H) ** -0.5
    inputs = [draw(L, N, D), draw(N, H), *(w * scale for w in draw_weights(D, H))]
    decay = torch.sigmoid(draw(L, N, H if fading == "each unit" else 1)) if fading else None
    wanted = [value.requires_grad_() for value in (*inputs, *([] if decay is None else [decay]))]
    lengths = torch.randint(0, L + 1, (N,), generator=generator) if masked else None
    resets = torch.rand(L, N, generator=generator) < 0.1 if masked else None
    call = Call(*inputs, form, lengths, resets, decay, reverse, recompute=recompute)

    def everything(backend: Any, threads: int) -> list[torch.Tensor]:
        with on_threads(threads):
            result = backend.run(call)
            values = [value for value in (result.output, result.h_n) if value.requires_grad]
            found = torch.autograd.grad(values, wanted, [draw(*v.shape) for v in values], allow_unused=True)
        gradients = [torch.zeros_like(i) if g is None else g for g, i in zip(found, wanted, strict=True)]
        return [result.output, result.h_n, *gradients]

    mine = everything(fused, threads)
    for a, b in zip(mine, everything(composite, 1), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
    for a, b in zip(mine, everything(fused, 1), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("N", "D", "H"), [(13, 300, 301), (14, 700, 320), (1, 1030, 515)])
def test_products_longer_than_a_block(
    instruction_set: str, fine_grain: None, reset: str, N: int, D: int, H: int, recompute: bool
) -> None:
    """In float32, whose chains are cut at other places than float64's: against the composite in float64."""
    L = 3
    scale = max(D, H) ** -0.5
    exact = [draw(L, N, D), draw(N, H), *(w * scale for w in draw_weights(D, H))]
    rounded = [value.float() for value in exact]
    lengths, resets = torch.arange(N) % (L + 1), draw(L, N) > 1

    def everything(backend: Any, inputs: list[torch.Tensor], threads: int) -> list[torch.Tensor]:
        inputs = [value.detach().requires_grad_() for value in inputs]
        with on_threads(threads):
            result = backend.run(Call(*inputs, reset, lengths, resets, recompute=recompute))
            grads = [draw(*value.shape).to(value.dtype) for value in result[:2]]
            return [*result[:2], *torch.autograd.grad(result[:2], inputs, grads)]

    mine = everything(fused, rounded, 3)
    for a, b in zip(mine, everything(fused, rounded, 1), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(mine, everything(composite, exact, 1), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5 * b.detach().abs().max().item())


def example(reset: str, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return [t.to(dtype).requires_grad_() for t in (draw(5, 3, 2), draw(3, 9), *draw_weights(2, 9))]


def test_any_layout_is_read_where_it_lies(reset: str) -> None:
    x, h_0, *w = (value.detach() for value in example(reset))
    expected = fused.run(Call(x, h_0, *w, reset)).output
    for other in (x.transpose(0, 1).contiguous().transpose(0, 1), x.transpose(1, 2).contiguous().transpose(1, 2)):
        assert torch.equal(fused.run(Call(other, h_0, *w, reset)).output, expected)
    turned = [value.t().contiguous().t() if value.dim() == 2 else value for value in w]
    resets = RESETS.t().contiguous().t()
    once = fused.run(Call(x[:, :1].expand(5, 3, 2), h_0.t().contiguous().t(), *turned, reset, None, resets))
    again = fused.run(Call(x[:, :1].repeat(1, 3, 1), h_0, *w, reset, None, RESETS))
    assert torch.equal(once.output, again.output)


def test_only_what_is_needed_has_a_gradient(reset: str) -> None:
    tensors = [value.detach() for value in example(reset)]
    for k, tensor in enumerate(tensors):
        tensor.requires_grad_()
        result = fused.run(Call(*tensors, reset))
        (alone,) = torch.autograd.grad(result.output.sum(), [tensor])
        tensor.requires_grad_(False)
        everything = example(reset)
        together = torch.autograd.grad(fused.run(Call(*everything, reset)).output.sum(), everything[k])
        assert torch.equal(alone, together[0])


def test_backward_may_be_taken_again(reset: str) -> None:
    tensors = example(reset)
    output = fused.run(Call(*tensors, reset)).output.sum()
    first = torch.autograd.grad(output, tensors, retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(output, tensors), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("grad", [False, True])
def test_a_plain_call_goes_straight_to_the_core_and_a_watched_one_by_the_operator(reset: str, grad: bool) -> None:
    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            seen.append(function)
            return function(*arguments, **(options or {}))

    class Functions(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            seen.append(function)
            return function(*arguments, **(options or {}))

    class Other(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            seen.append(function)
            return super().__torch_function__(function, types, arguments, options)

    tensors = [value.requires_grad_(grad) for value in example(reset)]
    call, operator = Call(*tensors, reset, LENGTHS, RESETS), torch.ops.penstock.gru
    seen: list[Any] = []
    with mock.patch.object(torch.ops.penstock, "gru", side_effect=AssertionError("by the operator")):
        expected = fused.run(call)
    for watching in (Operations(), Functions(), contextlib.nullcontext()):
        seen.clear()
        x = call.x if not isinstance(watching, contextlib.nullcontext) else call.x.detach().as_subclass(Other)
        with watching:
            result = fused.run(call._replace(x=x))
        assert operator in seen or operator.default in seen
        assert torch.equal(torch.Tensor(result.output), expected.output)
    with torch.profiler.profile() as profile:
        assert torch.equal(fused.run(call).output, expected.output)
    assert "penstock::gru" in {event.name for event in profile.events() or ()}


def test_packed_weights_are_used_where_no_gradient_is_needed(reset: str) -> None:
    x, h_0, *w = (value.detach() for value in example(reset))
    packed = core.chosen().pack(reset == "after", 1, *w)
    call = Call(x, h_0, *w, reset, packed=packed)
    expected = fused.run(call._replace(packed=None))
    others = call._replace(weight_ih=w[0] * 0, weight_hh=w[1] * 0)
    for one, other in zip(expected[:2], fused.run(others)[:2], strict=True):
        assert torch.equal(one, other)
    others = others._replace(weight_ih=others.weight_ih.requires_grad_())
    assert not torch.equal(fused.run(others).output, expected.output)
    with torch.no_grad():
        assert torch.equal(fused.run(others).output, expected.output)


@pytest.mark.parametrize("bytes_left", [0, 8])
@pytest.mark.parametrize("watched", [False, True])
def test_freed_memory_is_refused(reset: str, watched: bool, bytes_left: int) -> None:
    for k, name in enumerate(("x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        tensors = [value.detach() for value in example(reset)]
        tensors[k].untyped_storage().resize_(bytes_left)
        with (
            torch.profiler.profile() if watched else contextlib.nullcontext(),
            pytest.raises(ValueError, match=f"{name}: expected .* bytes of memory, got {bytes_left}"),
        ):
            fused.run(Call(*tensors, reset))


def test_recomputing_keeps_no_gates(reset: str) -> None:
    tensors = example(reset)

    def kept(recompute: bool) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            fused.run(Call(*tensors, reset, recompute=recompute))
        return sum(sizes)

    gates = 4 if reset == "after" else 3
    assert kept(False) - kept(True) == gates * 5 * 3 * 9


def test_under_autocast_it_computes_in_the_weights_type(reset: str) -> None:
    x, h_0, *w = (value.detach() for value in example(reset, torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        lowered = x.bfloat16()
        output = fused.run(Call(lowered, h_0, *w, reset)).output
        options = (reset == "after", None, None, False)
        direct = torch.ops.penstock.gru(lowered, h_0, *w, None, *options, False, False)[0]
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
    tensors = [value.to(**change) for value in example("after")]
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
