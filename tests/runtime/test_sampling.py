"""Drawing follows the distribution, and its cuts."""

import numpy as np
import pytest

from penstock.runtime.sampling import sample

P = np.array([0.1, 0.4, 0.2, 0.05, 0.25])


def frequencies(**options: float) -> np.ndarray:
    generator = np.random.default_rng(0)
    drawn = [sample(np.log(P), generator, **options) for _ in range(20_000)]
    return np.bincount(drawn, minlength=len(P)) / len(drawn)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, P),
        ({"temperature": 0.5}, P**2 / (P**2).sum()),
        ({"temperature": 2.0}, P**0.5 / (P**0.5).sum()),
        ({"top_k": 2}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_p": 0.7}, [0, 0.4 / 0.85, 0.2 / 0.85, 0, 0.25 / 0.85]),
        ({"top_p": 0.65}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_k": 3, "top_p": 0.5}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
        ({"top_k": 99}, P),
        ({"temperature": 0}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e-310}, [0, 1, 0, 0, 0]),
    ],
)
def test_frequencies(options: dict[str, float], expected: list[float]) -> None:
    # 20,000 draws: a frequency's standard deviation is at most 0.0036
    np.testing.assert_allclose(frequencies(**options), expected, rtol=0, atol=0.015)


def test_what_has_no_probability_is_never_drawn() -> None:
    log_probabilities = np.array([-np.inf, 0.0, -np.inf])
    assert {sample(log_probabilities, np.random.default_rng(k)) for k in range(50)} == {1}
