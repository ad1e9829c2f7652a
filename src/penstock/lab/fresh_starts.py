"""A till: the running total of one customer's items, until the next customer starts anew. Does the reset gate forget?

Each step shows an amount and whether it is a new customer's first; the model has to say the total since then. What came
before a start is useless, and at the start itself the state must become the new amount and nothing else.

One hidden unit, so that the total has one place to be. With more, training finds ways around a missing reset gate: it
writes a first amount to a unit that never hears the past.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Picture, Words, number, share
from penstock.lab.gates_taken_away import force
from penstock.lab.training import Reader, fit

L, N, H = 60, 32, 1
NEW = 0.1
"""The chance that a step is a new customer's first."""


class Till(NamedTuple):
    """A batch: x (L, N, 2), the totals (L, N) and where a customer starts (L, N)."""

    x: Tensor
    totals: Tensor
    starts: Tensor


def till(generator: torch.Generator, N: int) -> Till:
    """Draws a batch; amounts are uniform in −1 … 1."""
    amounts = 2 * torch.rand(L, N, generator=generator) - 1
    starts = torch.rand(L, N, generator=generator) < NEW
    starts[0] = True
    began = torch.where(starts, torch.arange(L)[:, None], 0).cummax(0).values
    before = amounts.cumsum(0) - amounts
    totals = before + amounts - before.gather(0, began)
    return Till(torch.stack([amounts, starts.float()], -1), totals, starts)


class FreshStarts(NamedTuple):
    """What one model does."""

    unexplained: float
    """Its squared error as a share of the totals' variance."""
    forced: float
    """The same with r forced to 1 after training."""
    at_starts: float
    """Mean r where a customer starts, but the first of a sequence."""
    inside: float
    picture: Picture


@cache
def trained(gates: str, seed: int, quick: bool) -> FreshStarts:
    """Trains a model and looks at its reset gate on customers that it never saw."""
    model = Reader(2, H, 1, gates=gates, longest=10, seed=seed)

    def error(batch: Till) -> Tensor:
        difference: Tensor = model(batch.x)[..., 0] - batch.totals
        return difference.square().mean() / batch.totals.var()

    steps = 800 if quick else 1500
    fit(model, lambda generator: error(till(generator, N)), what=gates, steps=steps, rate=0.02, seed=seed)
    batch = till(torch.Generator().manual_seed(1_000_000 + seed), 500)
    with torch.no_grad():
        unexplained = float(error(batch))
        r = model.gru(batch.x, return_gates=True)[2].reset[0].mean(-1)  # (L, N)
        force(model.gru, reset=True)
        forced = float(error(batch))
    at_starts, inside = r[1:][batch.starts[1:]], r[~batch.starts]
    return FreshStarts(
        unexplained, forced, float(at_starts.mean()), float(inside.mean()), _picture(r[:, 0], batch.starts[:, 0])
    )


def run(effort: Effort) -> list[Claim]:
    """The reset gate hides the past at the starts, and without it the past stays in the way."""
    seeds = range(effort.seeds)
    found = [trained("GRU", seed, effort.quick) for seed in seeds]
    without = [trained("without reset gate", seed, effort.quick) for seed in seeds]
    at_starts, inside = number(one.at_starts for one in found), number(one.inside for one in found)
    ratio = [one.inside / one.at_starts for one in found]
    costs = [other.unexplained / one.unexplained for one, other in zip(found, without, strict=True)]
    return [
        Claim(
            "forgotten",
            Words("The reset gate hides what is over", "重置门挡住已经过去的"),
            Words(
                "Some of the past is of no use: where a new part starts, the reset gate hides it.",
                "有些过去的信息毫无用处：在新的一段开始时，重置门把它挡在外面。",
            ),
            Words(
                "A till: each step shows an amount and whether a new customer starts; the model says the customer's "
                "total. One hidden unit, so that the total has one place to be.",
                "收银台：每一步给出一个金额，以及是否有新顾客开始；模型说出该顾客的累计总额。只有一个隐藏单元，总额只"
                "有一处可放。",
            ),
            {
                Words("r where a customer starts", "顾客开始处的 r"): at_starts,
                Words("r inside", "段内的 r"): inside,
                Words("squared error / variance, GRU", "平方误差 / 方差，GRU"): number(
                    one.unexplained for one in found
                ),
                Words("with r forced to 1 after training", "训练后将 r 强制为 1"): number(one.forced for one in found),
                Words("trained without reset gate", "训练时就没有重置门"): number(one.unexplained for one in without),
            },
            Words(
                "r at the starts ≤ half of r inside, and without the reset gate at least twice the error, with every "
                "seed, forced after training as well as trained without",
                "每个种子：各段开始处的 r ≤ 段内的一半；没有重置门时误差至少加倍，无论是训练后强制还是训练时就没有",
            ),
            min(ratio) >= 2 and min(costs) >= 2 and all(one.forced >= 2 * one.unexplained for one in found),
            pictures=[found[0].picture],
        )
    ]


def explained_without(gates: str, effort: Effort) -> Measured:
    """The share of the totals' variance that is explained, with gates taken away."""
    return share(1 - trained(gates, seed, effort.quick).unexplained for seed in range(effort.seeds))


def _picture(r: Tensor, starts: Tensor) -> Picture:
    drawing = draw.Drawing(xlabel=Words("step", "步"), ylabel=Words("reset gate r", "重置门 r"), ylim=(0, 1))
    drawing.axes.plot(r.numpy(), color=draw.COLORS[0], marker=".")
    name = drawing.say(Words("a customer starts", "顾客开始"))
    for k, step in enumerate(starts.nonzero()[:, 0].tolist()):
        drawing.axes.axvline(step, color="black", lw=0.8, ls=":", label=None if k else name)
    return drawing.picture(
        Words("One sequence of customers: r hides the past where each starts", "一串顾客：每位开始时，r 挡住过去"),
        loc="upper right",
    )
