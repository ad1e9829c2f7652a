"""Packed once for many calls: the same bits, and no call with weights that have changed or that want gradients."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import penstock
from penstock import GRU, GRUCell
from penstock.native import core
from penstock.ops import fused

D, H = 13, 37


class Policy(nn.Module):
    """Layers, directions and a cell."""

    def __init__(self, reset: str, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        options: dict[str, Any] = {"reset": reset, "bias": bias, "dtype": dtype}
        self.gru = GRU(D, H, 2, bidirectional=True, **options)
        self.cell = GRUCell(2 * H, H, **options)

    def forward(self, x: torch.Tensor, hx: torch.Tensor, **options: Any) -> list[torch.Tensor]:
        output, *rest = self.gru(x, hx, **options)
        return [output, *rest, self.cell(output[0], rest[0][0])]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_same_bits(reset: str, bias: bool, dtype: torch.dtype) -> None:
    """In bfloat16 nothing is packed, and plain operations compute."""
    policy = Policy(reset, bias, dtype)
    given = []
    for L, N in ((1, 1), (1, 33), (7, 3), (20, 1)):
        options: dict[str, Any] = {"lengths": torch.randint(0, L + 1, (N,)), "resets": torch.rand(L, N) < 0.3}
        options["decay"] = torch.rand(L, N, 1).to(dtype)
        for some in ({}, options):
            given.append((torch.randn(L, N, D).to(dtype), torch.randn(4, N, H).to(dtype), some))
    with torch.no_grad():
        expected = [policy(*arguments, **options) for *arguments, options in given]
        with penstock.packed(policy) as same, mock.patch.object(fused, "run", wraps=fused.run) as run:
            assert same is policy
            found = [policy(*arguments, **options) for *arguments, options in given]
            packed = [call.args[0].packed is not None for call in run.call_args_list]
        again = policy(*given[0][:2])
    there = core.unavailable is None and dtype is not torch.bfloat16
    assert packed == [True] * 5 * len(given) if there else not any(packed)
    for values in (found, [again]):
        for mine, unpacked in zip(values, expected, strict=False):
            assert all(torch.equal(a, b) for a, b in zip(mine, unpacked, strict=True))


def write(gru: GRU) -> None:
    gru.weight_hh_l1.mul_(2)


def load(gru: GRU) -> None:
    gru.load_state_dict(gru.state_dict())


def assign(gru: GRU) -> None:
    gru.load_state_dict(copy.deepcopy(gru.state_dict()), assign=True)


def replace(gru: GRU) -> None:
    gru.bias_ih_l0_reverse = nn.Parameter(gru.bias_ih_l0_reverse + 1)


def swap(gru: GRU) -> None:
    gru.weight_ih_l0.data = gru.weight_ih_l0.data + 1


def step(gru: GRU) -> None:
    for parameter in gru.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD(gru.parameters()).step()


def convert(gru: GRU) -> None:
    gru.double().float()


@pytest.mark.parametrize("change", [write, load, assign, replace, swap, step, convert])
def test_a_change_that_is_seen_makes_the_next_call_raise(reset: str, change: Callable[[GRU], None]) -> None:
    gru, x = GRU(D, H, 2, bidirectional=True, reset=reset), torch.randn(3, 2, D)
    with torch.no_grad():
        with penstock.packed(gru):
            gru(x)
            change(gru)
            with pytest.raises(
                RuntimeError, match=r"_l\d\w*: changed inside penstock.packed\(\): leave it before, and"
            ):
                gru(x)
        expected = copy.deepcopy(gru)(x)[0]
        assert torch.equal(gru(x)[0], expected)
        with penstock.packed(gru):
            assert torch.equal(gru(x)[0], expected)


def test_a_functional_call_has_other_weights() -> None:
    gru, x = GRU(D, H), torch.randn(3, 2, D)
    state = copy.deepcopy(gru).state_dict()
    with (
        torch.no_grad(),
        penstock.packed(gru),
        pytest.raises(RuntimeError, match=r"weight_ih_l0: changed inside penstock.packed"),
    ):
        torch.func.functional_call(gru, state, (x,))


@pytest.mark.parametrize("module", [GRU(D, H), GRUCell(D, H)])
def test_gradients_of_the_weights_are_refused_and_others_are_not(module: nn.Module) -> None:
    module, x = copy.deepcopy(module), torch.randn(1, 2, D)
    x = x if isinstance(module, GRU) else x[0]
    with penstock.packed(module):
        with pytest.raises(RuntimeError, match=r"penstock.packed\(\): expected calls without gradients of the weights"):
            module(x)
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                module(x)
        module.requires_grad_(False)
        x.requires_grad_()
        output = module(x)
        (output[0] if isinstance(output, tuple) else output).sum().backward()
    found, x.grad = x.grad, None
    output = module(x)
    (output[0] if isinstance(output, tuple) else output).sum().backward()
    assert torch.equal(found, x.grad)


def test_weights_that_are_computed_at_every_call_are_refused() -> None:
    for normed in (
        parametrizations.weight_norm(GRU(D, H, reset="after"), "weight_hh_l0"),
        prune.l1_unstructured(GRU(D, H), "weight_hh_l0", 0.5),
    ):
        model = nn.Sequential(GRU(D, D), normed)
        with pytest.raises(
            ValueError, match=r"weight_hh_l0: expected a parameter, got a weight that every call compute"
        ):
            penstock.packed(model).__enter__()
        assert model[0]._packing is None


def test_a_module_without_any_is_refused() -> None:
    for module in (nn.Linear(2, 2), nn.Sequential(nn.GRU(2, 2))):
        with pytest.raises(ValueError, match=r"module: expected one with a penstock.GRU or GRUCell in it, got \w+$"):
            penstock.packed(module).__enter__()


def test_entered_twice_and_left_by_an_error() -> None:
    gru, x = GRU(D, H), torch.randn(1, 1, D)
    with torch.no_grad():
        expected = gru(x)[0]
        with penstock.packed(gru):
            outer = gru._packing
            with contextlib.suppress(ZeroDivisionError), penstock.packed(nn.Sequential(gru)):
                assert gru._packing is not outer
                raise ZeroDivisionError
            assert gru._packing is outer
            assert torch.equal(gru(x)[0], expected)
        assert gru._packing is None


def test_copies_are_not_packed_and_what_was_made_in_inference_mode_can_be() -> None:
    with torch.inference_mode():
        gru, x = GRU(D, H), torch.randn(1, 1, D)
        expected = gru(x)[0]
        with penstock.packed(gru):
            assert torch.equal(gru(x)[0], expected)
            other = copy.deepcopy(gru)
            assert other._packing is None
            other.weight_ih_l0.mul_(2)
            assert not torch.equal(other(x)[0], expected)


@pytest.mark.slow
def test_compiled_calls_use_the_weights_themselves() -> None:
    torch.compiler.reset()
    gru, x = GRU(D, H), torch.randn(3, 2, D)
    compiled = torch.compile(gru, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        expected = compiled(x)[0]
        with penstock.packed(gru):
            assert torch.equal(compiled(x)[0], expected)
