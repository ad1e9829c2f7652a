"""The oracle against something simpler still: torch's own cell, scalar loops, and what must hold by algebra."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers import draw, draw_weights, oracle
from hypothesis import given
from hypothesis import strategies as st

from penstock import equations


def scalar_step(x: list[float], h: list[float], w: list[np.ndarray], reset: str) -> list[float]:
    """The five lines of the textbook, one number at a time."""
    W_i, W_h, b_i, b_h = w
    H = len(h)

    def affine(W: np.ndarray, v: list[float], row: int) -> float:
        return sum(float(W[row, j]) * v[j] for j in range(len(v)))

    def sigmoid(a: float) -> float:
        return 1 / (1 + math.exp(-a))

    r = [sigmoid(affine(W_i, x, k) + b_i[k] + affine(W_h, h, k) + b_h[k]) for k in range(H)]
    z = [sigmoid(affine(W_i, x, H + k) + b_i[H + k] + affine(W_h, h, H + k) + b_h[H + k]) for k in range(H)]
    n = []
    for k in range(H):
        row = 2 * H + k
        if reset == "before":
            past = affine(W_h, [r[j] * h[j] for j in range(H)], row) + b_h[row]
        else:
            past = r[k] * (affine(W_h, h, row) + b_h[row])
        n.append(math.tanh(affine(W_i, x, row) + b_i[row] + past))
    return [z[k] * h[k] + (1 - z[k]) * n[k] for k in range(H)]


def test_a_step_is_the_textbooks(reset: str) -> None:
    w = [t.numpy() for t in draw_weights(3, 4)]
    x, h = draw(3).numpy(), draw(4).numpy()
    *_, new = equations.step(x, h, equations.by_gate(*w), reset)
    np.testing.assert_allclose(new, scalar_step(x.tolist(), h.tolist(), w, reset), rtol=1e-13)


def test_after_is_torch() -> None:
    D, H, L, N = 3, 5, 7, 2
    w, x, h_0 = draw_weights(D, H), draw(L, N, D), draw(N, H)
    module = torch.nn.GRU(D, H, dtype=torch.float64)
    module.load_state_dict(dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), w, strict=True)))
    output, h_n = module(x, h_0[None])
    steps = oracle(x, h_0, w, reset="after")
    np.testing.assert_allclose(steps.hidden, output.detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(steps.h_n, h_n[0].detach(), rtol=0, atol=1e-14)


def test_the_forms_differ_from_the_first_step_on() -> None:
    w, x, h_0 = draw_weights(2, 3), draw(1, 1, 2), draw(1, 3)
    before, after = (oracle(x, h_0, w, reset=form).hidden for form in ("before", "after"))
    assert np.abs(before - after).max() > 1e-3


def test_update_gate_at_one_keeps_and_at_zero_takes(reset: str) -> None:
    w, x, h_0 = draw_weights(2, 3), draw(5, 2, 2), draw(2, 3)
    w[2][3:6] = 1000  # z = 1 to the last bit
    steps = oracle(x, h_0, w, reset=reset)
    np.testing.assert_array_equal(steps.h_n, h_0)
    w[2][3:6] = -1000
    steps = oracle(x, h_0, w, reset=reset)
    np.testing.assert_array_equal(steps.hidden, steps.candidate)


def test_reset_gate_at_zero_makes_the_candidate_an_mlp_of_the_input() -> None:
    w, x, h_0 = draw_weights(2, 3), draw(5, 2, 2), draw(2, 3)
    w[2][:3] = -1000
    steps = oracle(x, h_0, w, reset="before")
    W_in, b_in, b_hn = (w[k][6:].numpy() for k in (0, 2, 3))
    np.testing.assert_array_equal(steps.candidate, np.tanh(x.numpy() @ W_in.T + b_in + b_hn))


def test_z_zero_and_r_one_is_the_plain_rnn(reset: str) -> None:
    H = 3
    w, x, h_0 = draw_weights(2, H), draw(5, 2, 2), draw(2, H)
    w[2][:H], w[2][H : 2 * H] = 1000, -1000
    rnn = torch.nn.RNN(2, H, dtype=torch.float64)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    rnn.load_state_dict({name: value[2 * H :] for name, value in zip(names, w, strict=True)})
    np.testing.assert_allclose(oracle(x, h_0, w, reset=reset).hidden, rnn(x, h_0[None])[0].detach(), rtol=0, atol=1e-15)


def test_the_state_is_a_weighted_mean_of_what_was_written(reset: str) -> None:
    w, x, h_0 = draw_weights(2, 3), draw(9, 2, 2), draw(2, 3)
    steps = oracle(x, h_0, w, reset=reset)
    z, n = steps.update, steps.candidate
    t = 8
    kept = [np.prod(z[s + 1 : t + 1], axis=0) for s in range(t + 1)]
    weights = [(1 - z[s]) * kept[s] for s in range(t + 1)]
    initial = np.prod(z[: t + 1], axis=0)
    np.testing.assert_allclose(sum(weights) + initial, 1, rtol=1e-14)
    rebuilt = sum(a * n[s] for s, a in enumerate(weights)) + initial * h_0.numpy()
    np.testing.assert_allclose(rebuilt, steps.hidden[t], rtol=0, atol=1e-14)


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    reverse=st.booleans(),
    form=st.sampled_from(["before", "after"]),
    seed=st.integers(0, 9),
)
def test_lengths_are_the_sequences_alone(lengths: list[int], reverse: bool, form: str, seed: int) -> None:
    N, L = len(lengths), 6
    w, x, h_0 = draw_weights(2, 3, seed=seed), draw(L, N, 2, seed=seed), draw(N, 3, seed=seed)
    together = oracle(x, h_0, w, reset=form, lengths=np.array(lengths), reverse=reverse)
    for k, length in enumerate(lengths):
        alone = oracle(x[:length, k : k + 1], h_0[k : k + 1], w, reset=form, reverse=reverse)
        np.testing.assert_allclose(together.hidden[:length, k], alone.hidden[:, 0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(together.h_n[k], alone.h_n[0], rtol=1e-12, atol=1e-14)
        assert not together.hidden[length:, k].any()


@given(
    starts=st.lists(st.booleans(), min_size=7, max_size=7),
    length=st.integers(0, 7),
    reverse=st.booleans(),
    form=st.sampled_from(["before", "after"]),
)
def test_episodes_hear_nothing_of_each_other(starts: list[bool], length: int, reverse: bool, form: str) -> None:
    w, x, h_0 = draw_weights(2, 3), draw(7, 1, 2), draw(1, 3)
    resets = np.array(starts)[:, None]
    steps = oracle(x, h_0, w, reset=form, lengths=np.array([length]), resets=resets, reverse=reverse)
    bounds = [0, *(t for t in range(length) if starts[t] and t), length]
    for k, (begin, end) in enumerate(itertools.pairwise(bounds)):
        enters_with_h_0 = (k == len(bounds) - 2) if reverse else (k == 0 and not starts[0])
        h = h_0 if enters_with_h_0 else torch.zeros_like(h_0)
        alone = oracle(x[begin:end], h, w, reset=form, reverse=reverse)
        np.testing.assert_allclose(steps.hidden[begin:end], alone.hidden, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("units", [3, 1])
def test_a_decay_is_what_is_left_of_the_state_that_enters_a_step(units: int, reverse: bool, reset: str) -> None:
    L, N, H = 6, 3, 3
    w, x, h_0 = draw_weights(2, H), draw(L, N, 2), draw(N, H)
    decay, lengths = torch.sigmoid(draw(L, N, units)), [6, 0, 4]
    decay[4:, 2] = torch.nan  # past the end it is not read
    steps = oracle(x, h_0, w, reset=reset, decay=decay, lengths=lengths, reverse=reverse)
    for n, length in enumerate(lengths):
        h = h_0[n : n + 1].numpy()
        for t in reversed(range(length)) if reverse else range(length):
            if not reverse:
                h = decay[t, n].numpy() * h
            elif t + 1 < length:
                h = decay[t + 1, n].numpy() * h
            h = oracle(x[t : t + 1, n : n + 1], h, w, reset=reset).h_n
            np.testing.assert_allclose(steps.hidden[t, n], h[0], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(steps.h_n[n], h[0], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_is_a_decay_to_nothing_and_wins_over_one(reverse: bool, reset: str) -> None:
    w, x, h_0 = draw_weights(2, 3), draw(5, 2, 2), draw(2, 3)
    starts = torch.tensor([[1, 0], [0, 0], [0, 1], [1, 1], [0, 0]]).bool()
    options: dict[str, Any] = {"reset": reset, "lengths": [5, 4], "reverse": reverse}
    expected = oracle(x, h_0, w, resets=starts, **options)
    for resets, decay in ((None, 1 - starts.double()), (starts, starts.double() + 1)):
        steps = oracle(x, h_0, w, resets=resets, decay=decay[..., None], **options)
        np.testing.assert_array_equal(steps.hidden, expected.hidden)
        np.testing.assert_array_equal(steps.h_n, expected.h_n)
    all_start, half = np.ones((1, 2), bool), np.full((1, 2, 1), 0.5)
    from_infinity = oracle(x[:1], h_0 + torch.inf, w, reset=reset, resets=all_start, decay=half)
    np.testing.assert_array_equal(from_infinity.h_n, oracle(x[:1], 0 * h_0, w, reset=reset).h_n)


def test_what_is_missing_to_a_mean_is_what_faded(reset: str) -> None:
    w, x, h_0, decay = draw_weights(2, 3), draw(9, 2, 2), draw(2, 3), torch.sigmoid(draw(9, 2, 3)).numpy()
    steps = oracle(x, h_0, w, reset=reset, decay=decay)
    z, n, t = steps.update, steps.candidate, 8
    weights = [(1 - z[s]) * np.prod((z * decay)[s + 1 : t + 1], axis=0) for s in range(t + 1)]
    initial = np.prod((z * decay)[: t + 1], axis=0)
    rebuilt = sum(a * n[s] for s, a in enumerate(weights)) + initial * h_0.numpy()
    np.testing.assert_allclose(rebuilt, steps.hidden[t], rtol=0, atol=1e-14)
    assert (sum(weights) + initial < 1).all()


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r'reset: expected "before" or "after", got \'between\''):
        oracle(draw(1, 1, 2), draw(1, 3), draw_weights(2, 3), reset="between")


def test_no_input_overflows() -> None:
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(equations.sigmoid(np.float32([-1e30, 0, 1e30])), [0, 0.5, 1])
