"""The learning rate rises, then falls."""

import pytest

from penstock.train.schedule import learning_rate_share


def test_shape() -> None:
    shares = [learning_rate_share(k / 1000, 0.1) for k in range(1001)]
    assert shares[0] == pytest.approx(0.05)
    assert shares[100] == 1
    assert shares[1000] == pytest.approx(0, abs=1e-12)
    assert shares[:101] == sorted(shares[:101])
    assert shares[100:] == sorted(shares[100:], reverse=True)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_edges(warmup: float) -> None:
    assert all(0 <= learning_rate_share(k / 10, warmup) <= 1 for k in range(11))
