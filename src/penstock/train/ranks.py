"""One run on many processes, started by torchrun: who we are, which streams are ours, what all must agree on.

Every rank holds the whole model and optimizer and some of the streams. Gradients are averaged by PyTorch's
DistributedDataParallel; small numbers and states travel over Gloo, also beside NCCL. One process alone is ``Ranks()``,
for which all of this is free.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import socket
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from penstock.errors import PenstockError

PATIENCE = datetime.timedelta(hours=12)
"""How long one may wait for another, which may be reading a large corpus; one that has died is noticed at once."""


class Lost(PenstockError):
    """Another process of the run is gone."""

    status = 1


class Ranks:
    """The processes of a run, as one of them sees them."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size, self.first = rank, size, rank == 0

    def device(self, planned: torch.device) -> torch.device:
        """This rank's own: on a machine with several GPUs each process has one."""
        if self.size == 1 or planned.type != "cuda" or planned.index is not None:
            return planned
        return torch.device("cuda", int(_number("LOCAL_RANK", 0)) % torch.cuda.device_count())

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module that averages gradients over all ranks in its backward pass."""
        if self.size == 1:
            return model
        # A parameter a bucket: larger ones are put together anew after a first step, and where an element stands in
        # its bucket decides the order of its sum: a resumed run, which has a first step again, would go another way.
        # The only buffers are the marks of a form, which stay as they are.
        return nn.parallel.DistributedDataParallel(
            model, broadcast_buffers=False, bucket_cap_mb=1 / 2**20, gradient_as_bucket_view=True
        )

    def shard(self, count: int, rank: int | None = None) -> slice:
        """This rank's streams of ``count``: contiguous, as equal in number as can be."""
        rank = self.rank if rank is None else rank
        return slice(rank * count // self.size, (rank + 1) * count // self.size)

    def total(self, *values: float) -> tuple[float, ...]:
        """Each value summed over all ranks, the same to the last bit on every one."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=_control())
        return tuple(sums.tolist())

    def told(self, value: Any) -> Any:
        """What the first rank says, on every rank."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, group=_control())
        return box[0]

    def gathered(self, state: Tensor, count: int) -> Tensor:
        """From each rank's state (K, n, H) that of all streams, (K, count, H), on the first; elsewhere its own."""
        if self.size == 1:
            return state
        most = max(_length(self.shard(count, rank)) for rank in range(self.size))
        mine = torch.zeros(state.shape[0], most, state.shape[2])
        mine[:, : state.shape[1]] = state.cpu()
        parts = [torch.empty_like(mine) for _ in range(self.size)] if self.first else None
        dist.gather(mine, parts, 0, group=_control())
        if parts is None:
            return state
        return torch.cat([part[:, : _length(self.shard(count, rank))] for rank, part in enumerate(parts)], 1)

    def agree(self, said: dict[str, Any]) -> None:
        """Checks that every rank was started alike.

        Raises:
            PenstockError: on every rank, naming the first setting that differs and both its values.
        """
        if self.size == 1:
            return
        everyone: list[Any] = [None] * self.size
        dist.all_gather_object(everyone, said, group=_control())
        for rank, theirs in enumerate(everyone):
            for name, value in theirs.items():
                if value != everyone[0].get(name):
                    raise PenstockError(
                        f"{name}: the processes of a run must be started alike: "
                        f"{everyone[0].get(name)} on rank 0, {value} on rank {rank}"
                    )


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def launch() -> str:
    """torchrun's name for this start of the run; empty without it."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "")


def restarts() -> int:
    """How often torchrun has started this run's processes again."""
    return int(_number("TORCHELASTIC_RESTART_COUNT", 0))


def _number(variable: str, default: float) -> float:
    """What the environment says; an empty value says nothing.

    Raises:
        PenstockError: it is no number, or less than 0.
    """
    value = os.environ.get(variable, "").strip()
    try:
        number = float(value or default)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise PenstockError(f"{variable}: expected a number of 0 or more in the environment, got {value!r}")
    return number


_control_group: Any = None


def _control() -> Any:
    """The Gloo group: of CPU tensors, whatever the gradients travel by."""
    return _control_group


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks of this run, as torchrun's environment tells; one alone where there is none.

    Raises:
        PenstockError: the others are not found within PENSTOCK_RENDEZVOUS_SECONDS, 120 unless the environment says.
        Lost: one of them has died.
    """
    global _control_group
    if _number("WORLD_SIZE", 1) <= 1:
        yield Ranks()
        return
    limit = datetime.timedelta(seconds=_number("PENSTOCK_RENDEZVOUS_SECONDS", 120))
    address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://", timeout=limit))
        # the launcher's store outlives its processes, and holds the addresses of those that were before us
        store = dist.PrefixStore(f"start-{restarts()}", store)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=limit)
        _control_group = dist.new_group(backend="gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:  # also torch's own, all of RuntimeError
        raise PenstockError(
            f"rendezvous: {socket.gethostname()} did not find the other processes at {address} within "
            f"{limit.total_seconds():.0f} s; check that address, and that all were started "
            f"({str(error).splitlines()[0]})"
        ) from None
    ranks = Ranks(rank, size)
    try:
        yield ranks
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "NCCL", "onnection")):
            what = str(error).splitlines()[0]
            raise Lost(f"rank {ranks.rank}: lost another process of the run: {what}") from None
        raise
    finally:
        dist.destroy_process_group()
        _control_group = None
