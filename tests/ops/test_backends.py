"""The backends that compute both forms, against the oracle: forward and backward, every input, every option, odd sizes.

They are the composite, and the compiled core on every instruction set that this machine can run.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FIELDS, INSTRUCTION_SETS, draw, draw_weights, on_instruction_set, oracle, oracle_gradients
from hypothesis import given
from hypothesis import strategies as st

from penstock.ops import Call, Result, composite, fused


@pytest.fixture(params=["composite", *INSTRUCTION_SETS])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "composite":
        yield composite
    else:
        with on_instruction_set(request.param):
            yield fused


def as_fields(result: Result) -> dict[str, torch.Tensor]:
    assert result.gates is not None
    return dict(zip(FIELDS, (result.output, result.h_n, *result.gates), strict=True))


@given(
    L=st.integers(0, 5),
    N=st.integers(0, 3),
    D=st.integers(1, 3),
    H=st.integers(1, 20),
    form=st.sampled_from(["before", "after"]),
    bias=st.booleans(),
    reverse=st.booleans(),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_forward_is_the_equations(
    backend: Any, L: int, N: int, D: int, H: int, form: str, bias: bool, reverse: bool, seed: int, data: st.DataObject
) -> None:
    x, h_0, w = draw(L, N, D, seed=seed), draw(N, H, seed=seed), draw_weights(D, H, seed=seed, bias=bias)
    lengths = data.draw(st.none() | st.lists(st.integers(0, L), min_size=N, max_size=N))
    resets = data.draw(st.none() | st.lists(st.booleans(), min_size=L * N, max_size=L * N))
    lengths_ = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    resets_ = None if resets is None else torch.tensor(resets, dtype=torch.bool).view(L, N)
    call = Call(x, h_0, *(w if bias else [*w, None, None]), form, lengths_, resets_, reverse, True)
    steps = oracle(x, h_0, w, reset=form, lengths=lengths_, resets=resets_, reverse=reverse)
    for name, value in as_fields(backend.run(call)).items():
        np.testing.assert_allclose(value, getattr(steps, name), rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize(
    ("masked", "reverse", "bias"), list(itertools.product([False, True], [False, True], [False, True]))
)
def test_backward_is_the_equations(backend: Any, reset: str, masked: bool, reverse: bool, bias: bool) -> None:
    L, N, D, H = 5, 3, 2, 5
    inputs = [draw(L, N, D), draw(N, H), *draw_weights(D, H, bias=bias)]
    for value in inputs:
        value.requires_grad_()
    lengths = torch.tensor([5, 0, 3]) if masked else None
    resets = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1]]).bool() if masked else None
    options = {"reset": reset, "lengths": lengths, "resets": resets, "reverse": reverse}
    x, h_0, *w = inputs
    call = Call(x, h_0, *(w if bias else [*w, None, None]), **options, return_gates=True)
    fields = as_fields(backend.run(call))
    cotangents = {name: draw(*value.shape, seed=k) for k, (name, value) in enumerate(fields.items())}
    sum((cotangents[name] * value).sum() for name, value in fields.items()).backward()
    expected = oracle_gradients(x, h_0, w, cotangents, **options)
    for value, gradient in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(value.grad, gradient, rtol=1e-10, atol=1e-12)


def test_what_is_past_the_end_is_not_read(backend: Any, reset: str) -> None:
    x, h_0, w = draw(4, 2, 3), draw(2, 5), draw_weights(3, 5)
    lengths = torch.tensor([2, 4])
    clean = backend.run(Call(x, h_0, *w, reset, lengths, return_gates=True))
    x[2:, 0] = torch.nan
    poisoned = backend.run(Call(x, h_0, *w, reset, lengths, return_gates=True))
    for name, value in as_fields(poisoned).items():
        assert torch.equal(value, as_fields(clean)[name]), name


def test_backward_does_not_read_past_the_end(backend: Any, reset: str) -> None:
    inputs = [draw(4, 2, 3), draw(2, 5), *draw_weights(3, 5)]
    gradients = []
    for padding in (0.0, 1e6, torch.nan, torch.inf):
        inputs[0][2:, 0] = padding
        leaves = [value.clone().requires_grad_() for value in inputs]
        result = backend.run(Call(*leaves, reset, torch.tensor([2, 4])))
        gradients.append(torch.autograd.grad(result.output.sum() + result.h_n.sum(), leaves))
    for poisoned in gradients[1:]:
        for ours, clean in zip(poisoned, gradients[0], strict=True):
            assert torch.equal(ours, clean)
