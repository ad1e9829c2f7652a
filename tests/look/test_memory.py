"""Memory in closed form, and against its definition."""

import numpy as np
import pytest

from penstock.look.memory import half_life, held, older_than

Z = np.random.default_rng(0).random((37, 4))


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 16, 36, 37, 50])
def test_older_than_is_the_product_of_the_last_gates(steps: int) -> None:
    expected = [Z[max(0, t - steps + 1) : t + 1].prod(0) if steps else np.ones(4) for t in range(len(Z))]
    np.testing.assert_allclose(older_than(Z, steps), expected, rtol=1e-13)


def test_half_life_of_an_exponential_decay() -> None:
    for z in (0.6, 0.9, 0.999):
        np.testing.assert_allclose(half_life(np.full((2000, 2), z)), np.log(0.5) / np.log(z), rtol=1e-9)
    assert half_life(np.full((5, 1), 0.5)) == [1]
    assert half_life(np.zeros((5, 1))) == [0]
    assert half_life(np.ones((5, 1))) == [np.inf]
    assert half_life(np.zeros((0, 2))).tolist() == [np.inf, np.inf]


def test_half_life_is_where_the_mean_share_crosses_one_half() -> None:
    slow = Z**0.05
    for unit, life in enumerate(half_life(slow)):
        shares = [older_than(slow, k)[k - 1 :, unit].mean() if k else 1.0 for k in range(len(slow) + 1)]
        k = next(k for k, share in enumerate(shares) if share <= 0.5)
        assert k - 1 < life <= k
        at = np.log(shares[k - 1]) + (life - k + 1) * np.log(shares[k] / shares[k - 1])
        assert at == pytest.approx(np.log(0.5))


def test_held_across_a_span() -> None:
    np.testing.assert_allclose(held(Z, 3, 9), Z[4:10].prod(0), rtol=1e-13)
    assert (held(Z, 3, 3) == 1).all()


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="steps: expected 0 or more, got -1"):
        older_than(Z, -1)
    for start, stop in ((-1, 3), (4, 3), (0, 37)):
        with pytest.raises(ValueError, match="start, stop: expected 0 ≤ start ≤ stop < L=37"):
            held(Z, start, stop)
