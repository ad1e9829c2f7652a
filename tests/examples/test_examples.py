"""The examples as they are: run where they can run, checked for syntax where they need a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
