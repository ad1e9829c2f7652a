"""One step of optimisation: forward, backward, clip, AdamW."""

import contextlib
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from penstock.errors import PenstockError
from penstock.nn.language_model import LanguageModel
from penstock.train.streams import IGNORED, Chunk, Streams


class NotFinite(PenstockError):
    """The loss or its gradient is infinite or no number."""

    status = 1


class Step(NamedTuple):
    """What one step of optimisation measured."""

    loss: float  # nats a token
    gradient_norm: float  # before clipping
    state: Tensor  # (num_layers, N, H), detached


class Stepper:
    """A model and its AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); decay on matrices alone.

    On CUDA devices with bfloat16 the products run in it under autocast; the state stays float32.

    Args:
        model: what learns.
        learning_rate: at its height.
        weight_decay: of AdamW.
        clip: the norm that gradients are clipped to.
        accumulate: parts that the streams are cut into, one after the other, for less memory; the same optimisation.
        wrapped: what to call in the place of ``model``: that with hooks around it which average the gradients over
            ``ranks`` processes, by DistributedDataParallel, Lightning Fabric, Accelerate.
        ranks: how many processes that is.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        learning_rate: float,
        weight_decay: float,
        clip: float,
        accumulate: int = 1,
        wrapped: nn.Module | None = None,
        ranks: int = 1,
    ) -> None:
        self.model, self.learning_rate, self._clip = model, learning_rate, clip
        self._wrapped, self._ranks, self._accumulate = model if wrapped is None else wrapped, ranks, accumulate
        self.device = model.output.weight.device
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": weight_decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)

    def initial_state(self, N: int) -> Tensor:
        """Zeros (num_layers, N, H)."""
        return self.model.layers.initial_state(N)

    def step(self, chunk: Chunk, state: Tensor, rate: float = 1.0, predictions: int | None = None) -> Step:
        """Learns from one chunk, at ``rate`` × the learning rate.

        Args:
            chunk: of this process's streams.
            state: of them, (num_layers, N, H).
            rate: 0 … 1.
            predictions: in the chunks of all processes; None where this is the only one.

        Returns:
            The loss is this process's share: that of all is the sum.

        Raises:
            NotFinite: nothing was changed.
        """
        tokens, targets, resets = chunk
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        count = (targets != IGNORED).sum() if predictions is None else torch.tensor(predictions)
        total, states = torch.zeros((), device=self.device), []
        parts = torch.arange(tokens.shape[1]).tensor_split(min(self._accumulate, max(tokens.shape[1], 1)))
        for k, part in enumerate(parts):
            of_part = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0)
            with self._synchronised(k == len(parts) - 1):
                with self._autocast():
                    starts = None if resets is None else resets[:, of_part]
                    logits, new = self._wrapped(tokens[:, of_part], state[:, of_part], starts)
                loss = _nats(logits, targets[:, of_part]) / count.clamp(min=1)
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

    def _synchronised(self, last: bool) -> Any:
        """Gradients are averaged over the ranks by the last part of a step alone."""
        no_sync = getattr(self._wrapped, "no_sync", None)
        return contextlib.nullcontext() if last or no_sync is None else no_sync()

    @torch.no_grad()
    def validate(self, streams: Streams, limit: int, part: slice = slice(None)) -> float:
        """Nats of the streams in ``part``, a token of at most about ``limit`` of all ``streams``, from a zero state."""
        self.model.eval()
        state, nats, count = self.initial_state(len(range(streams.N)[part])), 0.0, 0
        for k in range(len(streams)):
            tokens, targets, resets = streams.chunk(k, part).to(self.device)
            with self._autocast():
                logits, state = self.model(tokens, state, resets)
            nats += float(_nats(logits, targets))
            count += streams.predictions(k)
            if count >= limit:
                break
        return nats / max(count, 1)

    def _autocast(self) -> Any:
        lower = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower)


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Of all targets together, in float32."""
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")
