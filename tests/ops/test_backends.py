"""The backends that compute both forms, against the oracle: forward and backward, every input, every option, odd sizes.

They are the composite, and the compiled core on every instruction set that this machine can run.
"""

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
    fading=st.sampled_from(["", "all units alike", "each unit"]),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_forward_is_the_equations(
    backend: Any,
    L: int,
    N: int,
    D: int,
    H: int,
    form: str,
    bias: bool,
    reverse: bool,
    fading: str,
    seed: int,
    data: st.DataObject,
) -> None:
    x, h_0, w = draw(L, N, D, seed=seed), draw(N, H, seed=seed), draw_weights(D, H, seed=seed, bias=bias)
    lengths = data.draw(st.none() | st.lists(st.integers(0, L), min_size=N, max_size=N))
    resets = data.draw(st.none() | st.lists(st.booleans(), min_size=L * N, max_size=L * N))
    lengths_ = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    resets_ = None if resets is None else torch.tensor(resets, dtype=torch.bool).view(L, N)
    decay = torch.sigmoid(draw(L, N, H if fading == "each unit" else 1)) if fading else None
    options = {"lengths": lengths_, "resets": resets_, "decay": decay, "reverse": reverse}
    call = Call(x, h_0, *(w if bias else [*w, None, None]), form, **options, return_gates=True)
    steps = oracle(x, h_0, w, reset=form, **options)
    for name, value in as_fields(backend.run(call)).items():
        np.testing.assert_allclose(value, getattr(steps, name), rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("masked", "reverse", "bias", "fading"),
    [
        (False, False, False, 0),
        (False, False, True, 1),
        (False, True, True, 5),
        (True, False, False, 5),
        (True, False, True, 0),
        (True, True, False, 0),
        (True, True, True, 1),
        (True, True, True, 5),
    ],
)
def test_backward_is_the_equations(
    backend: Any, reset: str, masked: bool, reverse: bool, bias: bool, fading: int, recompute: bool
) -> None:
    L, N, D, H = 5, 3, 2, 5
    inputs = [draw(L, N, D), draw(N, H), *draw_weights(D, H, bias=bias)]
    lengths = torch.tensor([5, 0, 3]) if masked else None
    resets = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1]]).bool() if masked else None
    decay = torch.sigmoid(draw(L, N, fading)) if fading else None
    options = {"reset": reset, "lengths": lengths, "resets": resets, "decay": decay, "reverse": reverse}
    x, h_0, *w = inputs
    if decay is not None:
        inputs.append(decay)
    for value in inputs:
        value.requires_grad_()
    call = Call(x, h_0, *(w if bias else [*w, None, None]), **options, return_gates=not recompute, recompute=recompute)
    result = backend.run(call)
    fields = dict(zip(FIELDS, (result.output, result.h_n, *(result.gates or ())), strict=False))
    cotangents = {name: draw(*value.shape, seed=k) for k, (name, value) in enumerate(fields.items())}
    sum((cotangents[name] * value).sum() for name, value in fields.items()).backward()
    expected = oracle_gradients(x, h_0, w, cotangents, **options)
    for value, gradient in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(value.grad, gradient, rtol=1e-10, atol=1e-12)


def test_what_is_past_the_end_is_not_read(backend: Any, reset: str) -> None:
    x, h_0, w, decay = draw(4, 2, 3), draw(2, 5), draw_weights(3, 5), torch.sigmoid(draw(4, 2, 5))
    lengths = torch.tensor([2, 4])
    clean = backend.run(Call(x, h_0, *w, reset, lengths, decay=decay, return_gates=True))
    x[2:, 0] = decay[2:, 0] = torch.nan
    poisoned = backend.run(Call(x, h_0, *w, reset, lengths, decay=decay, return_gates=True))
    for name, value in as_fields(poisoned).items():
        assert torch.equal(value, as_fields(clean)[name]), name


def test_backward_does_not_read_past_the_end(backend: Any, reset: str) -> None:
    inputs = [draw(4, 2, 3), draw(2, 5), *draw_weights(3, 5), torch.sigmoid(draw(4, 2, 5))]
    gradients = []
    for padding in (0.0, 1e6, torch.nan, torch.inf):
        inputs[0][2:, 0] = inputs[-1][2:, 0] = padding
        leaves = [value.clone().requires_grad_() for value in inputs]
        result = backend.run(Call(*leaves[:-1], reset, torch.tensor([2, 4]), decay=leaves[-1]))
        gradients.append(torch.autograd.grad(result.output.sum() + result.h_n.sum(), leaves))
    for poisoned in gradients[1:]:
        for ours, clean in zip(poisoned, gradients[0], strict=True):
            assert torch.equal(ours, clean)


def test_a_reset_wins_over_a_decay(backend: Any, reset: str) -> None:
    """Whatever the state was."""
    x, w, resets = draw(2, 2, 3), draw_weights(3, 5), torch.ones(2, 2, dtype=torch.bool)
    gradients = []
    for h_0, gamma in ((0.0, 1.0), (torch.inf, 0.5), (torch.nan, 0.5), (1.0, 0.0), (1.0, torch.nan)):
        leaves = [x.clone(), torch.full((2, 5), h_0), *(v.clone() for v in w), torch.full((2, 2, 1), gamma)]
        leaves = [value.double().requires_grad_() for value in leaves]
        result = backend.run(Call(*leaves[:-1], reset, resets=resets, decay=leaves[-1]))
        gradients.append([result.output, *torch.autograd.grad(result.output.sum(), leaves)])
    for other in gradients[1:]:
        for ours, clean in zip(other, gradients[0], strict=True):
            assert torch.equal(ours, clean)


def test_one_bias_may_be_alone(backend: Any, reset: str) -> None:
    x, h_0, weight_ih, weight_hh, bias_ih, bias_hh = draw(3, 2, 3), draw(2, 5), *draw_weights(3, 5)
    for alone in ((bias_ih, None), (None, bias_hh)):
        steps = oracle(x, h_0, [weight_ih, weight_hh, *(bias_ih * 0 if b is None else b for b in alone)], reset=reset)
        result = backend.run(Call(x, h_0, weight_ih, weight_hh, *alone, reset))
        np.testing.assert_allclose(result.output, steps.hidden, rtol=1e-12, atol=1e-14)
