"""What every room's tests share."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised: CI fails for a change, not for a draw. The time of an example depends on the machine, so none is set.
settings.register_profile(
    "penstock", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("penstock")


@pytest.fixture(params=["before", "after"])
def reset(request: pytest.FixtureRequest) -> str:
    """Both forms."""
    return str(request.param)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Some thousand characters that are easy to learn."""
    path = tmp_path / "corpus.txt"
    path.write_text("the cat sat on the mat. the dog ate the food of the cat!\n" * 120)
    return path
