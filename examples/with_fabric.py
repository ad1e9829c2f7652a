"""Penstock's training step under Lightning Fabric: python examples/with_fabric.py FILE [STEPS].

Fabric launches the processes and averages their gradients; streams, state, clipping and AdamW are Penstock's.
"""

import os
import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric

from penstock import LanguageModel
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.tasks.language.streams import TextStreams, nats
from penstock.text import CharVocabulary, Tokens
from penstock.train.step import Stepper


def main(path: str, steps: int = 100) -> None:
    """Trains a small model on a text file, on as many processes as Fabric was launched with."""
    fabric = Fabric(accelerator="cpu", devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    fabric.launch()
    text = Path(path).read_text(encoding="utf-8")
    vocabulary = CharVocabulary(text)
    ids = vocabulary.encode(text)
    streams = TextStreams(Tokens(ids, torch.zeros(1).long().numpy(), len(text)), 0, len(ids), N=8, L=32)
    mine = slice(fabric.global_rank, streams.N, fabric.world_size)

    torch.manual_seed(0)
    model = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(32, 64)), vocabulary)
    stepper = Stepper(
        model,
        nats,
        learning_rate=0.02,
        weight_decay=0.01,
        clip=1.0,
        wrapped=fabric.setup_module(model),
        ranks=fabric.world_size,
    )
    state = model.layers.initial_state(len(range(streams.N)[mine]))
    for k in range(steps):
        at = k % len(streams)
        step = stepper.step(streams.chunk(at, mine), state)
        state = step.state if at + 1 < len(streams) else torch.zeros_like(step.state)
        if k % 20 == 0 or k + 1 == steps:
            loss = fabric.all_reduce(torch.tensor(step.loss), reduce_op="sum")
            fabric.print(f"step {k + 1}: {float(loss):.4f} nats a token")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
