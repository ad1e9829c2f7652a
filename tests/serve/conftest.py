"""What tests of the server share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from export import made
from serve_process import ServerProcess, serving


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models of every kind, by name."""
    return made.everything(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[ServerProcess]:
    """A server of all of them."""
    with serving(*models.values()) as found:
        yield found
