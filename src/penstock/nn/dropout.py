"""Dropout whose mask costs an eighth of the usual random numbers on a CPU, where they are the larger part of it."""

import torch
from torch import Tensor
from torch.nn import functional


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """``torch.nn.functional.dropout``; on a CPU, ``p`` is rounded to a multiple of 1/256.

    Every random 64-bit number decides over eight values, a byte each. Torch draws them one after the other: for a
    language model's training step that took as long as half of its forward pass.
    """
    dropped = round(p * 256)  # of the 256 values of a byte
    if not training or dropped == 0 or x.device.type != "cpu":
        return functional.dropout(x, p, training)
    random = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(1 << 63), None)
    kept = random.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
    return x * (kept.to(x.dtype) * (256 / (256 - dropped)))
