"""One step of optimisation: forward, backward, clip, AdamW."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from penstock.errors import PenstockError
from penstock.train.task import Chunk, Streams

AVERAGED = 20
"""η of averaging: the later the run, the longer the average, of about its last steps' share 1 / η."""


class NotFinite(PenstockError):
    """The loss or its gradient is infinite or no number."""

    status = 1


class Step(NamedTuple):
    """What one step of optimisation measured."""

    loss: float  # of a prediction, on average
    gradient_norm: float  # before clipping
    state: Tensor  # (num_layers, N, H), detached


class Stepper:
    """A model and its AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); decay on matrices alone.

    On CUDA devices with bfloat16 the products run in it under autocast; the state stays float32.

    Args:
        model: what learns: a module with a ``Stack`` inside, ``layers``; (inputs, state, resets) → (outputs, state).
        loss: of outputs and targets, all that count together.
        learning_rate: at its height.
        weight_decay: of AdamW.
        clip: the norm that gradients are clipped to.
        accumulate: parts that the streams are cut into, one after the other, for less memory; the same optimisation.
        wrapped: what to call in the place of ``model``: that with hooks around it which average the gradients over
            ``ranks`` processes, by DistributedDataParallel, Lightning Fabric, Accelerate.
        ranks: how many processes that is.
        average: keep an average of the weights beside them: polynomial-decay averaging (Shamir & Zhang 2013, ICML,
            section 4), which tells less of the last few chunks.
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        learning_rate: float,
        weight_decay: float,
        clip: float,
        accumulate: int = 1,
        wrapped: nn.Module | None = None,
        ranks: int = 1,
        average: bool = False,
    ) -> None:
        self.model, self.learning_rate, self._loss, self._clip = model, learning_rate, loss, clip
        self._wrapped, self._ranks, self._accumulate = model if wrapped is None else wrapped, ranks, accumulate
        self.device = next(model.parameters()).device
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": weight_decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.average = {name: p.detach().clone() for name, p in model.named_parameters()} if average else {}
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)

    def step(self, chunk: Chunk, state: Tensor, rate: float = 1.0) -> Step:
        """Learns from one chunk, at ``rate`` × the learning rate.

        Args:
            chunk: of this process's streams.
            state: of them, (num_layers, N, H).
            rate: 0 … 1.

        Returns:
            The loss is this process's share: that of all is the sum.

        Raises:
            NotFinite: nothing was changed.
        """
        inputs, targets, resets, predictions = chunk
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        total, states = torch.zeros((), device=self.device), []
        parts = torch.arange(inputs.shape[1]).tensor_split(min(self._accumulate, max(inputs.shape[1], 1)))
        for k, part in enumerate(parts):
            of_part = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0)
            with self._synchronised(k == len(parts) - 1):
                with self._autocast():
                    starts = None if resets is None else resets[:, of_part]
                    outputs, new = self._wrapped(inputs[:, of_part], state[:, of_part], starts)
                loss = self._loss(outputs, targets[:, of_part]) / max(predictions, 1)
                # the average of the ranks' gradients is then that of the sum of their losses
                (loss * self._ranks).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            states.append(new.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip))
        value = float(total)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NotFinite(f"loss {value}, gradient norm {norm}")
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * rate
        self.optimizer.step()
        return Step(value, norm, torch.cat(states, 1) if len(states) > 1 else states[0])

    @torch.no_grad()
    def take_into_average(self, step: int) -> None:
        """The weights after so many steps."""
        for name, weight in self._averaged():
            self.average[name].lerp_(weight, (AVERAGED + 1) / (AVERAGED + step))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the averaged weights, where there are any."""
        weights = [(p, p.detach().clone(), self.average[name]) for name, p in self._averaged()]
        try:
            for weight, _, average in weights:
                weight.detach().copy_(average)
            yield
        finally:
            for weight, before, _ in weights:
                weight.detach().copy_(before)

    def _averaged(self) -> Iterable[tuple[str, nn.Parameter]]:
        return self.model.named_parameters() if self.average else ()

    def _synchronised(self, last: bool) -> Any:
        """Gradients are averaged over the ranks by the last part of a step alone."""
        no_sync = getattr(self._wrapped, "no_sync", None)
        return contextlib.nullcontext() if last or no_sync is None else no_sync()

    @torch.no_grad()
    def validate(self, streams: Streams, limit: int, part: slice = slice(None)) -> float:
        """The loss of the streams in ``part``, of at most about ``limit`` predictions of all, from a zero state."""
        self.model.eval()
        state, total, count = self.model.layers.initial_state(len(range(streams.N)[part])), 0.0, 0
        for k in range(len(streams)):
            inputs, targets, resets, predictions = streams.chunk(k, part).to(self.device)
            with self._autocast():
                outputs, state = self.model(inputs, state, resets)
            total += float(self._loss(outputs, targets))
            count += predictions
            if count >= limit:
                break
        return total / max(count, 1)

    def _autocast(self) -> Any:
        lower = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower)
