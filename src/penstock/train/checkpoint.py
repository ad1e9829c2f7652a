"""A run's resumable state in one file: weights, optimizer, hidden state, random state, and where it stands."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

import penstock
from penstock.errors import PenstockError
from penstock.files import write
from penstock.model_folder import ModelConfig
from penstock.train.plan import Plan
from penstock.train.settings import Settings
from penstock.train.step import Stepper

FORMAT = "penstock-checkpoint"
ANEW = "start anew with --force"


@dataclasses.dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    chunk: int = 0
    """The next chunk of the pass; the position in the text."""
    passes: int = 0
    seconds: float = 0.0
    """Spent training and validating, over all sittings."""
    input_seconds: float = 0.0
    """Of them, those that training waited for its text."""
    best: float | None = None
    """The lowest validation loss, nats a token."""
    validations: int = 0
    stale: int = 0
    """Validations since the best one."""
    log_bytes: int = 0
    """Length of the log; what was written after the checkpoint is written again by a resumed run."""


def save_checkpoint(path: Path, plan: Plan, progress: Progress, stepper: Stepper, state: Tensor) -> None:
    """Replaces the checkpoint.

    Raises:
        PenstockError: the folder cannot be written; the checkpoint before is unchanged.
    """
    tensors = {f"model.{name}": value for name, value in stepper.model.state_dict().items()}
    if plan.model.tied:
        del tensors["model.output.weight"]
    for name, moments in _moments(stepper).items():
        tensors |= {f"adam.{key}.{name}": value for key, value in moments.items()}
    tensors["state"] = state
    tensors["random.cpu"] = torch.get_rng_state()
    if stepper.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(stepper.device)
    about = {
        "format": FORMAT,
        "penstock": penstock.__version__,
        "plan": json.dumps(dataclasses.asdict(plan)),
        "progress": json.dumps(dataclasses.asdict(progress)),
    }
    content = safetensors.torch.save({k: v.detach().contiguous() for k, v in tensors.items()}, about)
    write(path, content)


def read_checkpoint(path: Path) -> tuple[Plan, Progress, dict[str, Tensor]]:
    """What ``save_checkpoint`` wrote, the tensors on the CPU.

    Raises:
        PenstockError: there is none, it is not whole, or it is of another program or version.
    """
    if not path.exists():
        raise PenstockError(f"{path}: nothing to resume: no checkpoint here; start without --resume")
    try:
        path.open("rb").close()  # the library calls a file that it may not read one that is not there
        with safetensors.safe_open(path, "pt") as file:
            about: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except safetensors.SafetensorError as error:
        raise PenstockError(f"{path}: not a whole checkpoint: {error}; {ANEW}") from None
    if about.get("format") != FORMAT:
        raise PenstockError(f"{path}: expected a {FORMAT}, got a file of something else; {ANEW}")
    if about.get("penstock") != penstock.__version__:
        raise PenstockError(
            f"{path}: written by Penstock {about.get('penstock')}, this is {penstock.__version__}; "
            f"resume with that one, or {ANEW}"
        )
    try:
        plan = json.loads(about["plan"])
        plan["settings"], plan["model"] = Settings(**plan["settings"]), ModelConfig(**plan["model"])
        return Plan(**plan), Progress(**json.loads(about["progress"])), tensors
    except (ValueError, KeyError, TypeError, PenstockError) as error:
        raise PenstockError(f"{path}: its plan and progress cannot be understood: {error}; {ANEW}") from None


def restore(tensors: dict[str, Tensor], stepper: Stepper) -> Tensor:
    """Puts a checkpoint's weights, optimizer and random state in place; returns the hidden state.

    Raises:
        PenstockError: they are not those of this model.
    """
    try:
        return _restored(tensors, stepper)
    except (KeyError, TypeError, RuntimeError) as error:
        raise PenstockError(f"checkpoint: its tensors are not those of its plan: {error}; {ANEW}") from None


def _restored(tensors: dict[str, Tensor], stepper: Stepper) -> Tensor:
    model = stepper.model
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    if model.config.tied:
        weights["output.weight"] = weights["embedding.weight"]
    model.load_state_dict(weights)
    for name, parameter in model.named_parameters():
        moments = {key: tensors[f"adam.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        moments = {key: value.to(stepper.device) for key, value in moments.items()}
        stepper.optimizer.state[parameter] = moments
    torch.set_rng_state(tensors["random.cpu"])
    if stepper.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"], stepper.device)
    return tensors["state"].to(stepper.device)


def _moments(stepper: Stepper) -> dict[str, dict[str, Any]]:
    """AdamW's state by parameter name; before the first step, what it begins from."""

    def fresh(parameter: Tensor) -> dict[str, Tensor]:
        zeros = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros((), dtype=torch.float32), **zeros}

    return {
        name: dict(stepper.optimizer.state.get(parameter, {})) or fresh(parameter)
        for name, parameter in stepper.model.named_parameters()
    }
