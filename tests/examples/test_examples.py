"""The examples as they are: run where they can run, checked for syntax where they need a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from penstock.cli import app
from penstock.serve.server import LAST_WORDS

EXAMPLES = Path(__file__).parents[2] / "examples"


def losses(name: str, corpus: Path) -> list[float]:
    """What an example prints."""
    command = [sys.executable, str(EXAMPLES / name), str(corpus), "61"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("step")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["with_fabric.py", "with_accelerate.py"])
def test_the_training_step_under_another_launcher(corpus: Path, name: str) -> None:
    alone = losses(name, corpus)
    assert len(alone) == 4
    assert alone[0] > 2.5
    assert alone[-1] < 0.7 * alone[0]


def test_the_slurm_script_is_whole() -> None:
    subprocess.run(["bash", "-n", EXAMPLES / "slurm.sh"], check=True)


def test_the_manifest_is_a_job_of_the_training_operator() -> None:
    job = yaml.safe_load((EXAMPLES / "pytorchjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    worker = job["spec"]["pytorchReplicaSpecs"]["Worker"]
    assert worker["restartPolicy"] == "ExitCode"
    (container,) = worker["template"]["spec"]["containers"]
    assert container["name"] == "pytorch"  # the name that the operator looks for
    subprocess.run(["sh", "-nc", *container["args"]], check=True)


def test_the_server_on_kubernetes_has_time_to_end() -> None:
    deployment, service = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    (container,) = pod["spec"]["containers"]
    program, *words = container["args"]
    assert program == "penstock"
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > waits + bound.arguments["grace"] + LAST_WORDS
