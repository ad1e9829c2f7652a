"""The gates are soft: what both of them do in a language model of real text.

A model of the characters of the Python language reference, which comes with Python. A gate value below 0.1 or above 0.9
counts as saturated (Karpathy et al. 2015, arXiv:1506.02078, section 4.2).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Picture, Words, share
from penstock.lab.training import fit
from penstock.model_folder import LanguageConfig, StackConfig
from penstock.nn import LanguageModel
from penstock.text import CharVocabulary, reference

E, H, L, N = 48, 96, 100, 32
LOW, HIGH = 0.1, 0.9
RESET, UPDATE = Words("reset gate r", "重置门 r"), Words("update gate z", "更新门 z")


class SoftGates(NamedTuple):
    """What one model does with text that it never saw."""

    bits: float
    """Per character."""
    reset: Tensor
    """r, (L, N, H)."""
    update: Tensor


def trained(seed: int, quick: bool) -> SoftGates:
    """Trains a language model and reads on with it."""
    text = reference.text()
    vocabulary = CharVocabulary(text)
    ids = torch.from_numpy(vocabulary.encode(text))
    train, held_out = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LanguageModel(LanguageConfig(len(vocabulary), StackConfig(E, H)), vocabulary)

    def loss(generator: torch.Generator) -> Tensor:
        at = torch.randint(len(train) - L, (N,), generator=generator)
        chunk = train[at + torch.arange(L + 1)[:, None]]
        return cross_entropy(model(chunk[:-1])[0].flatten(0, 1), chunk[1:].flatten())

    fit(model, loss, what="a language model", steps=120 if quick else 800, rate=0.01, seed=seed)
    read = held_out[: len(held_out) // N * N].view(N, -1).T
    with torch.no_grad():
        nats = cross_entropy(model(read[:-1])[0].flatten(0, 1), read[1:].flatten())
        gates = model.layers[0](model.embedding(read), return_gates=True)[2]
    return SoftGates(float(nats) / math.log(2), gates.reset[0], gates.update[0])


def run(effort: Effort) -> list[Claim]:
    """Most values of both gates lie between their ends."""
    found = [trained(seed, effort.quick) for seed in range(effort.seeds)]
    bits = Words("bits per character of held-out text", "留出文本的每字符比特数")
    figures = {bits: Measured(tuple(one.bits for one in found), ".2f")}
    soft = True
    for name, values in (
        (RESET, [one.reset for one in found]),
        (UPDATE, [one.update for one in found]),
    ):
        low = share(float((gate < LOW).float().mean()) for gate in values)
        high = share(float((gate > HIGH).float().mean()) for gate in values)
        figures |= {
            Words(f"{name.en} below {LOW}", f"{name.zh} 低于 {LOW}"): low,
            Words(f"{name.en} above {HIGH}", f"{name.zh} 高于 {HIGH}"): high,
        }
        soft = soft and all(a + b <= 0.5 for a, b in zip(low.values, high.values, strict=True))
    return [
        Claim(
            "soft",
            Words("The gates are soft", "门是软的"),
            Words(
                "The gates are no switches: their values lie between 0 and 1.",
                "门不是开关：它们的取值介于 0 和 1 之间。",
            ),
            Words(
                "A language model of the characters of the Python language reference, and what its gates do on text "
                "that it never saw.",
                "在 Python 语言参考手册上训练的字符语言模型，以及它的门在未见过的文本上的取值。",
            ),
            figures,
            Words(
                f"at most half of the values of either gate below {LOW} or above {HIGH}, with every seed",
                f"每个种子：每个门最多一半的取值低于 {LOW} 或高于 {HIGH}",
            ),
            soft,
            pictures=[_picture(found[0])],
        )
    ]


def _picture(one: SoftGates) -> Picture:
    drawing = draw.Drawing(xlabel=Words("gate", "门的取值"), ylabel=Words("share of all values", "占所有取值的份额"))
    edges = torch.linspace(0, 1, 41)
    for name, gate, color in ((RESET, one.reset, draw.COLORS[0]), (UPDATE, one.update, draw.COLORS[1])):
        counts = torch.histc(gate.flatten(), 40, 0, 1)
        shares = (counts / counts.sum()).tolist()
        drawing.axes.stairs(shares, edges.tolist(), color=color, lw=1.8, label=drawing.say(name))
    for end in (LOW, HIGH):
        drawing.axes.axvline(end, color="black", lw=0.8, ls=":")
    return drawing.picture(
        Words(
            "Both gates over held-out text; beyond the dotted lines a value counts as saturated",
            "留出文本上的两个门；虚线以外的取值视为饱和",
        )
    )
