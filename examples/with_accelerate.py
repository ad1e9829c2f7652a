"""Penstock's training step under Hugging Face Accelerate: python examples/with_accelerate.py FILE [STEPS].

Accelerate launches the processes and averages their gradients; streams, state, clipping and AdamW are Penstock's.
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from penstock import LanguageModel
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.tasks.language.streams import TextStreams, nats
from penstock.text import CharVocabulary, Tokens
from penstock.train.step import Stepper


def main(path: str, steps: int = 100) -> None:
    """Trains a small model on a text file, on as many processes as Accelerate was launched with."""
    accelerator = Accelerator(cpu=True)
    text = Path(path).read_text(encoding="utf-8")
    vocabulary = CharVocabulary(text)
    ids = vocabulary.encode(text)
    streams = TextStreams(Tokens(ids, torch.zeros(1).long().numpy(), len(text)), 0, len(ids), N=8, L=32)
    mine = slice(accelerator.process_index, streams.N, accelerator.num_processes)

    torch.manual_seed(0)
    model = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(32, 64)), vocabulary)
    stepper = Stepper(
        model,
        nats,
        learning_rate=0.02,
        weight_decay=0.01,
        clip=1.0,
        wrapped=accelerator.prepare_model(model),
        ranks=accelerator.num_processes,
    )
    state = model.layers.initial_state(len(range(streams.N)[mine]))
    for k in range(steps):
        at = k % len(streams)
        step = stepper.step(streams.chunk(at, mine), state)
        state = step.state if at + 1 < len(streams) else torch.zeros_like(step.state)
        if k % 20 == 0 or k + 1 == steps:
            loss = accelerator.reduce(torch.tensor(step.loss), reduction="sum")
            accelerator.print(f"step {k + 1}: {float(loss):.4f} nats a token")
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
