"""``penstock serve`` that cannot begin: one line that says why, and exit status 2."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import penstock
from serve_process import ServerProcess, language, serving


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return language(tmp_path_factory.mktemp("served") / "model")


def refused(*words: object) -> str:
    """What is said of a call that cannot be."""
    done = penstock("serve", *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    *before, line = done.stderr.splitlines()
    assert not [one for one in before if not one.startswith("penstock: serving ")]
    assert line.startswith("penstock: error: ")
    return line.removeprefix("penstock: error: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "65536"], "--port: expected 0 … 65535, got 65536"),
        (["--port", "-1"], "--port: expected 0 … 65535, got -1"),
        (["--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["--threads", "0"], "--threads: expected 1 or more, got 0"),
        (["--streams", "0"], "--streams: expected 1 or more, got 0"),
        (["--queue", "-1"], "--queue: expected 0 or more, got -1"),
        (["--max-body", "0"], "--max-body: expected 1 or more, got 0"),
        (["--max-tokens", "0"], "--max-tokens: expected 1 or more, got 0"),
        (["--max-seconds", "0"], "--max-seconds: expected more than 0 seconds, got 0"),
        (["--max-arrival", "nan"], "--max-arrival: expected more than 0 seconds, got nan"),
        (["--grace", "-1"], "--grace: expected more than 0 seconds, got -1"),
        (["--idle", "inf"], "--idle: expected more than 0 seconds, got inf"),
        (["--host", "no such host"], "no such host:8000: cannot listen there: "),
        (["--host", "x" * 70], f"{'x' * 70}:8000: cannot listen there: "),
        (["--host", "192.0.2.1"], "192.0.2.1:8000: cannot listen there: "),
    ],
)
def test_settings_that_cannot_be(words: list[str], message: str, model: Path) -> None:
    assert refused(model, *words).startswith(message)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_in_use(workers: int, model: Path) -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        port = plain.getsockname()[1]
        said = refused(model, "--port", port, "--workers", workers, "--threads", 1)
    assert said == (
        f"127.0.0.1:{port}: cannot listen there: Address already in use; name another with --host and --port"
    )


def test_a_port_of_another_server(model: Path) -> None:
    with serving(model, options=["--workers", "2", "--threads", "1"]) as server:
        assert "Address already in use" in refused(model, "--port", server.port, "--workers", 2, "--threads", 1)


def test_folders_that_are_no_models(model: Path, tmp_path: Path) -> None:
    assert refused() == "DIR: expected a model to serve, got none"
    assert str(tmp_path) in refused(tmp_path)
    assert str(tmp_path / "nothing") in refused(model, tmp_path / "nothing")
    twin = shutil.copytree(model, tmp_path / "model")
    assert refused(model, twin).startswith(f"{twin}: expected another name, 'model' is that of {model}")
    (twin / "model.safetensors").write_bytes(b"\xff" * 99)
    for words in ([], ["--check"]):
        assert refused(twin, "--port", 0, *words).startswith(f"{twin / 'model.safetensors'}")


def test_a_check_listens_nowhere(model: Path) -> None:
    with serving(model) as server:
        done = penstock("serve", model, "--port", server.port, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_keys_that_are_none(model: Path, tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "nothing", "No such file or directory")):
        assert refused(model, "--api-key-file", path) == f"--api-key-file: {path}: {why}"
    (tmp_path / "keys").write_text("\n  \n")
    assert refused(model, "--api-key-file", tmp_path / "keys").endswith("expected keys, a line each, got none")


def test_what_is_unwise_is_said(model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a-key\n")
    keys.chmod(0o644)
    with serving(model, options=["--api-key-file", str(keys)]) as server:
        assert f"--api-key-file: {keys}: others may read it; chmod 600 {keys}" in server.stderr
    keys.chmod(0o600)
    for options, said in (([], True), (["--api-key-file", str(keys)], False)):
        server = ServerProcess([model], ["--host", "0.0.0.0", *options])
        try:
            assert ("--host 0.0.0.0: whoever can reach it may ask" in server.stderr) == said
        finally:
            server.close()


def test_without_its_packages_it_says_how_to_get_them(model: Path) -> None:
    code = (
        f"import sys; sys.modules['starlette'] = None; sys.argv = ['penstock', 'serve', {str(model)!r}]\n"
        "from penstock.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'penstock[serve]'" in done.stderr


def test_a_link_has_a_name_of_its_own(model: Path, tmp_path: Path) -> None:
    (tmp_path / "now").symlink_to(model)
    with serving(tmp_path / "now") as server:
        assert server.client.get("/v1/models").json()["data"][0]["id"] == "now"
