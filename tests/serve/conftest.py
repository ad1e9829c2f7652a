"""What tests of the server share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from export import made
from openai import OpenAI
from serve_process import PATIENCE, ServerProcess, serving

from penstock.runtime import Model, load


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models of every kind, by name."""
    return made.everything(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[ServerProcess]:
    """A server of all of them."""
    with serving(*models.values()) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[OpenAI]:
    """OpenAI's client of that server."""
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE) as found:
        yield found


@pytest.fixture(scope="module")
def runtimes(models: dict[str, Path]) -> dict[str, Model]:
    """The language models among them, in this process."""
    return {name: load(folder) for name, folder in models.items() if name.startswith("language")}
