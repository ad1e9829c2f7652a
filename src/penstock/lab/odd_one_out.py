"""One mouse among many cats: does the update gate write what is rare and matters?

A hundred items go by, each of them seen through noise. All are cats but one, which is one of eight other animals and
comes somewhere in the first half. At the end the model has to say which one it was.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Picture, Words, number, share
from penstock.lab.training import Reader, fit, one_hot
from penstock.look.attention import attention

ITEMS, KINDS, NOISE = 100, 8, 0.2
H, N = 8, 32


class Items(NamedTuple):
    """A batch: x (L, N, kinds), and where (N,) which kind (N,) of animal is no cat."""

    x: Tensor
    at: Tensor
    kind: Tensor


def items(generator: torch.Generator, N: int) -> Items:
    """Draws a batch."""
    at = torch.randint(5, ITEMS // 2, (N,), generator=generator)
    kind = torch.randint(1, KINDS + 1, (N,), generator=generator)
    animals = torch.zeros(ITEMS, N, dtype=torch.int64)
    animals[at, torch.arange(N)] = kind
    x = one_hot(animals, KINDS + 1)
    return Items(x + NOISE * torch.randn(x.shape, generator=generator), at, kind)


class OddOneOut(NamedTuple):
    """What one model does."""

    accuracy: float
    odd: float
    """Mean write strength 1 − z at the odd item."""
    repeats: float
    attention: float
    """The odd item's weight in the final state, mean over units."""
    picture: Picture


@cache
def trained(gates: str, seed: int, quick: bool) -> OddOneOut:
    """Trains a model and looks at it on items that it never saw."""
    model = Reader(KINDS + 1, H, KINDS + 1, gates=gates, longest=ITEMS, seed=seed)

    def loss(generator: torch.Generator) -> Tensor:
        batch = items(generator, N)
        return cross_entropy(model(batch.x)[-1], batch.kind)

    fit(model, loss, what=gates, steps=1000 if quick else 2000, rate=0.03, seed=seed)
    x, at, kind = items(torch.Generator().manual_seed(1_000_000 + seed), 500)
    with torch.no_grad():
        accuracy = (model(x)[-1].argmax(-1) == kind).float().mean()
        z = model.gru(x, return_gates=True)[2].update[0]
    each = torch.arange(len(at))
    write = (1 - z).mean(-1)  # (L, N)
    odd = write[at, each]
    repeats = (write.sum(0) - odd) / (ITEMS - 1)
    weights = attention(z)[-1]  # of the final state, (L + 1, N); row 0 is the initial state
    seen = float(weights[at + 1, each].mean())
    drawn = _picture(write[:, 0], weights[1:, 0], int(at[0]))
    return OddOneOut(float(accuracy), float(odd.mean()), float(repeats.mean()), seen, drawn)


def run(effort: Effort) -> list[Claim]:
    """The update gate writes the odd item, and the final state still holds it."""
    found = [trained("GRU", seed, effort.quick) for seed in range(effort.seeds)]
    ratio = number(one.odd / one.repeats for one in found)
    attended = share(one.attention for one in found)
    accuracy = share(one.accuracy for one in found)
    return [
        Claim(
            "mouse",
            Words("One mouse among many cats", "一群猫中的一只鼠"),
            Words(
                "Not every observation matters equally: a GRU can attend to the one mouse among many cats.",
                "不是每个观察值都同样重要：GRU 能关注一群猫中唯一的那只鼠。",
            ),
            Words(
                "A hundred noisy items go by: cats, and in the first half one of eight other animals. After the last "
                "one the model says which it was.",
                "一百个带噪声的项依次出现：都是猫，只有前半段中的一个是另外八种动物之一。最后一项之后，模型说出它是哪"
                "一种。",
            ),
            {
                Words("write strength 1 − z at the odd item", "那一个不同项处的写入强度 1 − z"): number(
                    one.odd for one in found
                ),
                Words("write strength at the repeats", "重复项处的写入强度"): number(one.repeats for one in found),
                Words("their ratio", "两者之比"): ratio,
                Words(
                    f"attention of the final state on it (equal shares: {1 / ITEMS:.0%})",
                    f"最终状态对它的注意力（平均份额：{1 / ITEMS:.0%}）",
                ): attended,
                Words("accuracy", "准确率"): accuracy,
            },
            Words(
                "ratio ≥ 2, attention ≥ 5 equal shares and accuracy ≥ 95%, with every seed",
                "每个种子：比值 ≥ 2，注意力 ≥ 平均份额的 5 倍，准确率 ≥ 95%",
            ),
            min(ratio.values) >= 2 and min(attended.values) >= 5 / ITEMS and min(accuracy.values) >= 0.95,
            pictures=[found[0].picture],
        )
    ]


def accuracy_without(gates: str, effort: Effort) -> Measured:
    """With gates taken away."""
    return share(trained(gates, seed, effort.quick).accuracy for seed in range(effort.seeds))


def _picture(write: Tensor, weights: Tensor, at: int) -> Picture:
    drawing = draw.Drawing(xlabel=Words("item", "项"), ylabel=Words("mean over units", "各单元平均"))
    for values, color, name in (
        (write, draw.COLORS[0], Words("write strength 1 − z", "写入强度 1 − z")),
        (weights, draw.COLORS[1], Words("attention of the final state", "最终状态的注意力")),
    ):
        drawing.axes.plot(values.numpy(), color=color, label=drawing.say(name))
    odd = drawing.say(Words("the odd item", "那一个不同项"))
    drawing.axes.axvline(at, color="black", lw=0.8, ls=":", label=odd)
    return drawing.picture(
        Words(
            "One sequence: how strongly each item is written, and what the state at its end holds",
            "一个序列：每一项写入的强度，以及结尾处的状态保存了什么",
        )
    )
