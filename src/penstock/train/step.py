"""One step of optimisation: forward, backward, clip, AdamW."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from penstock.errors import PenstockError
from penstock.nn.language_model import LanguageModel
from penstock.train.streams import IGNORED, Streams


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
    """

    def __init__(self, model: LanguageModel, *, learning_rate: float, weight_decay: float, clip: float) -> None:
        self.model, self.learning_rate, self._clip = model, learning_rate, clip
        self.device = model.output.weight.device
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": weight_decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)

    def initial_state(self, N: int) -> Tensor:
        """Zeros (num_layers, N, H)."""
        config = self.model.config
        return torch.zeros(config.num_layers, N, config.hidden_size, device=self.device)

    def step(self, tokens: Tensor, targets: Tensor, resets: Tensor | None, state: Tensor, rate: float = 1.0) -> Step:
        """Learns from one chunk, at ``rate`` × the learning rate.

        Raises:
            NotFinite: nothing was changed.
        """
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            logits, state = self.model(tokens, state, resets)
        loss = _nats(logits, targets) / (targets != IGNORED).sum().clamp(min=1)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip))
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NotFinite(f"loss {value}, gradient norm {norm}")
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * rate
        self.optimizer.step()
        return Step(value, norm, state.detach())

    @torch.no_grad()
    def validate(self, streams: Streams, limit: int) -> float:
        """Nats a token over at most about ``limit`` tokens of ``streams``, from a zero state."""
        self.model.eval()
        state, nats, count = self.initial_state(streams.N), 0.0, 0
        for k in range(len(streams)):
            tokens, targets, resets = streams[k].to(self.device)
            with self._autocast():
                logits, state = self.model(tokens, state, resets)
            nats += float(_nats(logits, targets))
            count += int((targets != IGNORED).sum())
            if count >= limit:
                break
        return nats / max(count, 1)

    def _autocast(self) -> Any:
        lower = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower)


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Of all targets together, in float32."""
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")
