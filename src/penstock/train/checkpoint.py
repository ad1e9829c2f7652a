"""A run's resumable state: weights, optimizer, the hidden state of every stream, and where it stands.

There is no random state in it: what a step draws follows from the seed and the step's number.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

import penstock
from penstock.errors import PenstockError
from penstock.files import write
from penstock.folder import Folder
from penstock.train.plan import Plan
from penstock.train.settings import Settings
from penstock.train.step import Stepper
from penstock.train.task import Task

FORMAT = "penstock-checkpoint"
NAME = "checkpoint-{:09}.safetensors"
"""By the step that it was made after."""
ANEW = "start anew with --force"


class Broken(PenstockError):
    """A checkpoint that is not whole."""


@dataclasses.dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    chunk: int = 0
    """The next chunk of the pass."""
    passes: int = 0
    seconds: float = 0.0
    """Spent training and validating, over all sittings."""
    input_seconds: float = 0.0
    """Of them, those that training waited for its data."""
    best: float | None = None
    """The lowest validation loss."""
    validations: int = 0
    stale: int = 0
    """Validations since the best one."""
    log_bytes: int = 0
    """Length of the log; what was written after the checkpoint is written again by a resumed run."""


class Checkpoints:
    """The checkpoints of a run in its folder: the newest ``keep`` of them, written while training goes on.

    ``save`` copies; a thread of its own writes and flushes. At most one is on its way: a second waits for it. Used as a
    context manager, so that the last one is on the disk when the block ends.
    """

    def __init__(self, folder: Folder | None, keep: int) -> None:
        self._folder, self._keep = folder, keep
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._writing: concurrent.futures.Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def save(
        self,
        plan: Plan,
        progress: Progress,
        stepper: Stepper,
        state: Tensor,
        first: Callable[[], object] | None = None,
    ) -> None:
        """Starts writing a checkpoint of this moment; ``first`` is called before, by the thread that writes.

        Raises:
            PenstockError: the one before could not be written; older ones are unchanged.
        """
        self.wait()
        tensors, about = _content(plan, progress, stepper, state)
        tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
        self._writing = self._thread.submit(self._write, tensors, about, progress.step, first)

    def wait(self) -> None:
        """Returns once the last checkpoint is on the disk.

        Raises:
            PenstockError: it could not be written; older ones are unchanged.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(
        self, tensors: dict[str, Tensor], about: dict[str, str], step: int, first: Callable[[], object] | None
    ) -> None:
        if first is not None:
            first()
        about["checksum"] = _checksum(tensors, about)
        assert self._folder is not None  # the first rank alone saves
        write(self._folder.place(NAME.format(step)), safetensors.torch.save(tensors, about))
        self._folder.remove(*(path.name for path in found(self._folder.path)[self._keep :]))


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    return sorted(folder.glob(NAME.replace("{:09}", "*")), reverse=True)


def newest(
    folder: Path, task: Task, passed_over: Callable[[Path, Broken], object] = lambda *_: None
) -> tuple[Plan, Progress, dict[str, Tensor]]:
    """The newest checkpoint that is whole; ``passed_over`` hears of each newer one that is not.

    Raises:
        PenstockError: there is none, none is whole, or it is of another program or version.
    """
    paths = found(folder)
    if not paths:
        raise nothing_to_resume(folder)
    broken: list[tuple[Path, Broken]] = []
    for path in paths:
        try:
            content = read_checkpoint(path, task)
        except Broken as error:
            if path == paths[-1]:
                raise
            broken.append((path, error))
            continue
        for one in broken:
            passed_over(*one)
        return content
    raise AssertionError


def task_of(folder: Path) -> str | None:
    """The task's name of the run in a folder; None where nothing there says it."""
    for path in found(folder):
        try:
            with safetensors.safe_open(path, "pt") as file:
                return str(json.loads((file.metadata() or {})["plan"])["task"])
        except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError):
            continue  # which is said when it is read
    return None


def nothing_to_resume(folder: Path) -> PenstockError:
    """The error of a folder without a checkpoint."""
    return PenstockError(f"{folder}: nothing to resume: no checkpoint here; start without --resume")


def put_away(folder: Folder, tell: Callable[[str], object]) -> Callable[[Path, Broken], None]:
    """What puts a broken checkpoint out of the way and says so, for ``newest``."""

    def passed_over(path: Path, error: Broken) -> None:
        tell(f"{str(error).removesuffix(ANEW).rstrip('; ')}; going on from the checkpoint before")
        folder.move(path.name, path.with_suffix(".broken").name)

    return passed_over


def _content(
    plan: Plan, progress: Progress, stepper: Stepper, state: Tensor
) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors = {f"model.{name}": value for name, value in _weights(stepper).items()}
    tensors |= {f"average.{name}": value for name, value in stepper.average.items()}
    for name, moments in _moments(stepper).items():
        tensors |= {f"adam.{key}.{name}": value for key, value in moments.items()}
    tensors["state"] = state
    about = {
        "format": FORMAT,
        "penstock": penstock.__version__,
        "plan": json.dumps(dataclasses.asdict(plan)),
        "progress": json.dumps(dataclasses.asdict(progress)),
    }
    return tensors, about


def _checksum(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """Of everything in a checkpoint but itself: BLAKE2b."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(about.keys() - {"checksum"}):
        digest.update(f"{name}={about[name]};".encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        digest.update(value.reshape(-1).numpy().data)
    return digest.hexdigest()


def read_checkpoint(path: Path, task: Task) -> tuple[Plan, Progress, dict[str, Tensor]]:
    """What ``Checkpoints.save`` wrote, the tensors on the CPU.

    Raises:
        Broken: it is not whole.
        PenstockError: it cannot be read, or it is of another program or version.
    """
    try:
        path.open("rb").close()  # the library calls a file that it may not read one that is not there
        with safetensors.safe_open(path, "pt") as file:
            about: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise PenstockError(f"{path}: cannot be read: {error.strerror or error}") from None
    except safetensors.SafetensorError as error:
        raise Broken(f"{path}: not a whole checkpoint: {error}; {ANEW}") from None
    if about.get("format") != FORMAT:
        raise Broken(f"{path}: expected a {FORMAT}, got a file of something else; {ANEW}")
    if about.get("checksum") != _checksum(tensors, about):
        raise Broken(f"{path}: not a whole checkpoint: its checksum is not that of its content; {ANEW}")
    if about.get("penstock") != penstock.__version__:
        raise PenstockError(
            f"{path}: written by Penstock {about.get('penstock')}, this is {penstock.__version__}; "
            f"resume with that one, or {ANEW}"
        )
    try:
        plan = json.loads(about["plan"])
        if plan["task"] != task.name:
            raise ValueError(f"it is of the task {plan['task']}, not of {task.name}")
        plan["settings"], plan["own"] = Settings(**plan["settings"]), task.own(**plan["own"])
        plan["model"] = task.config_of(plan["model"])
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
    with torch.no_grad():
        for name, value in _weights(stepper).items():
            if (saved := tensors[f"model.{name}"]).shape != value.shape:
                raise KeyError(f"model.{name}")
            value.copy_(saved)
        for name, value in stepper.average.items():
            value.copy_(tensors[f"average.{name}"])
    for name, parameter in stepper.model.named_parameters():
        moments = {key: tensors[f"adam.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        moments = {key: value.to(stepper.device) for key, value in moments.items()}
        stepper.optimizer.state[parameter] = moments
    return tensors["state"].to(stepper.device)


def _weights(stepper: Stepper) -> dict[str, Tensor]:
    """Each once, also where two parts of a model share one."""
    return dict(stepper.model.named_parameters()) | dict(stepper.model.named_buffers())


def _moments(stepper: Stepper) -> dict[str, dict[str, Any]]:
    """AdamW's state by parameter name; before the first step, what it begins from."""

    def fresh(parameter: Tensor) -> dict[str, Tensor]:
        zeros = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
        return {"step": torch.zeros((), dtype=torch.float32), **zeros}

    return {
        name: dict(stepper.optimizer.state.get(parameter, {})) or fresh(parameter)
        for name, parameter in stepper.model.named_parameters()
    }
