"""Memory over gaps of time: does a state that fades know what a gap has made stale, and keep what does not age?

A value that drifts about zero is seen at irregular times, among rows that miss it; and the first row shows a bit. In a
row that misses the value the model says what it is by now, and the bit. What can be known of the value is the last one
seen, times exp(−time since / τ): it drifts as an Ornstein–Uhlenbeck process. The bit can be known for ever.
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from penstock.lab import draw
from penstock.lab.claim import Claim, Effort, Measured, Table, Words, share
from penstock.lab.training import Reader, fit
from penstock.nn.decay import Decay

TAU, LONGEST = 10.0, 30.0
"""Steps after which a value is down to 1/e; and the longest gap that training knows."""
GAPS = (1, 3, 10, 30, 100, 300)
H, N, L = 32, 64, 16
KINDS = {
    "fading": Words("fading state", "衰减的状态"),
    "feature": Words("gap as a feature", "间隔作为特征"),
    "blind": Words("no word of gaps", "不知道间隔"),
}


class Observations(NamedTuple):
    """What is read, and what can be known at each row."""

    x: Tensor
    """(L, N, 3) the value, 0 where it is missing; whether it is there; the bit, −1 or 1, in the first row."""
    gaps: Tensor
    """(L, N) steps since the row before; 1 in the first."""
    known: Tensor
    """(L, N) the best answer about the value, before it is seen."""
    bit: Tensor
    """(N,) 0 or 1."""


class TimeGaps(NamedTuple):
    """What one model does at the end of a gap, by the gap's steps."""

    wrong: tuple[float, ...]
    """Root mean square of its distance from what can be known of the value, of spread 1."""
    kept: tuple[float, ...]
    """The share of right answers about the bit."""


class Faded(torch.nn.Module):
    """A reader that knows gaps by a fading state, by a feature or not at all."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        self.kind = kind
        self.reader = Reader(3 + (kind == "feature"), H, 2, gates="GRU", longest=L, seed=seed)
        self.decay = Decay(1, H)

    def forward(self, rows: Observations) -> Tensor:
        """(L, N, 2): the value and the bit's log odds after each row."""
        feature = [torch.log1p(rows.gaps)[..., None]] if self.kind == "feature" else []
        x = torch.cat([rows.x, *feature], -1)
        decay = self.decay(rows.gaps - 1)[0] if self.kind == "fading" else None
        output: Tensor = self.reader.output(self.reader.gru(x, decay=decay)[0])
        return output


def draw_rows(generator: torch.Generator, N: int, last: float | None = None) -> Observations:
    """Draws sequences; with ``last`` the gap before the last row is that, and its value is missing after one seen."""
    gaps = torch.exp(torch.rand(L, N, generator=generator) * math.log(LONGEST))
    missing = torch.rand(L, N, generator=generator) < 0.5
    gaps[0], missing[0] = 1, False
    if last is not None:
        gaps[-1], missing[-2], missing[-1] = last, False, True
    noise = torch.randn(L, N, generator=generator)
    left = torch.exp(-gaps / TAU)
    value, known, seen = [noise[0]], [torch.zeros(N)], noise[0]
    for t in range(1, L):
        known.append(seen * left[t])
        value.append(value[-1] * left[t] + noise[t] * (1 - left[t] ** 2).sqrt())
        seen = torch.where(missing[t], known[t], value[t])
    x = torch.stack([torch.where(missing, 0.0, torch.stack(value)), (~missing).float(), torch.zeros(L, N)], -1)
    bit = torch.randint(0, 2, (N,), generator=generator).float()
    x[0, :, 2] = 2 * bit - 1
    return Observations(x, gaps, torch.stack(known), bit)


@cache
def trained(kind: str, seed: int, quick: bool) -> TimeGaps:
    """Trains a model on gaps up to ``LONGEST`` and tests it at the end of one of each length."""
    model = Faded(kind, seed)

    def loss(generator: torch.Generator) -> Tensor:
        drawn = draw_rows(generator, N)
        answers = model(drawn)
        asked = drawn.x[..., 1] == 0
        bits = drawn.bit.expand(L, -1)[asked]
        return mse_loss(answers[..., 0][asked], drawn.known[asked]) + binary_cross_entropy_with_logits(
            answers[..., 1][asked], bits
        )

    fit(model, loss, what=KINDS[kind].en, steps=150 if quick else 600, rate=0.01, seed=seed)
    wrong, kept = [], []
    for gap in GAPS:
        drawn = draw_rows(torch.Generator().manual_seed(1_000_000 + seed), 1000, float(gap))
        with torch.no_grad():
            answer = model(drawn)[-1]
        wrong.append(float(mse_loss(answer[:, 0], drawn.known[-1]).sqrt()))
        kept.append(float(((answer[:, 1] > 0) == (drawn.bit > 0)).float().mean()))
    return TimeGaps(tuple(wrong), tuple(kept))


def run(effort: Effort) -> list[Claim]:
    """A fading state is right after every gap; what the same model does without, stands beside it."""
    found = {kind: [trained(kind, seed, effort.quick) for seed in range(effort.seeds)] for kind in KINDS}
    wrong = {
        kind: [Measured(tuple(one.wrong[k] for one in some), ".2g") for k in range(len(GAPS))]
        for kind, some in found.items()
    }
    kept = {kind: [share(one.kept[k] for one in some) for k in range(len(GAPS))] for kind, some in found.items()}
    columns = [Words(f"{gap} step{'s' * (gap > 1)}", f"{gap} 步") for gap in GAPS]
    by_gap = Words(
        "Distance from what can be known of the value, by the gap's length", "与可知的值之间的误差，按间隔长度"
    )
    errors = {KINDS[kind]: row for kind, row in wrong.items()}
    far = GAPS[-1]
    faded, blind = wrong["fading"], wrong["blind"]
    return [
        Claim(
            "gaps",
            Words("A state that fades over gaps", "随间隔衰减的状态"),
            Words(
                "Where rows come at irregular times, a state that fades at each unit's own rate knows what a gap has "
                "made stale, and keeps what does not age.",
                "当数据的到来时间不规则时，按各单元自己的速率衰减的状态知道间隔之后哪些已经过时，同时保留不会过时的内容。",
            ),
            Words(
                "A value drifts about zero, with spread 1, and is forgotten to 1/e in ten steps; half of the rows miss "
                f"it, and gaps between rows are 1 to {LONGEST:.0f} steps. The first row shows a bit. Where the value "
                "is missing the model tells what can be known of it by now, and the bit. Tested after gaps up to "
                f"{far / LONGEST:.0f} times as long. The state fades by γ = exp(−max(0, w δ + b)), as in GRU-D; beside "
                "it the same GRU with log(1 + δ) as a feature, and with no word of gaps.",
                "一个围绕零漂移的值（标准差为 1），每十步衰减到 1/e；一半的行缺失该值，行与行的间隔为 "
                f"1 至 {LONGEST:.0f} 步。第一行给出一个比特。在缺失处，模型要说出此刻可知的值以及那个比特。"
                f"测试时的间隔最长达训练时的 {far / LONGEST:.0f} 倍。状态按 γ = exp(−max(0, w δ + b)) 衰减（GRU-D）；"
                "对照：同样的 GRU，以 log(1 + δ) 作为特征，或完全不知道间隔。",
            ),
            {
                Words("largest error of the fading state", "衰减状态的最大误差"): max(faded, key=_mean),
                Words("bit kept by the fading state, least", "衰减状态保留比特的最低准确率"): min(
                    kept["fading"], key=_mean
                ),
                Words(f"error after {far} steps, gap as a feature", f"间隔作为特征时 {far} 步后的误差"): wrong[
                    "feature"
                ][-1],
                Words(f"error after {far} steps, no word of gaps", f"不知道间隔时 {far} 步后的误差"): blind[-1],
            },
            Words(
                "error ≤ 0.1 and bit right ≥ 99% after every gap, with every seed; without any word of gaps the error "
                "is more than twice that",
                "每个间隔、每个种子：误差 ≤ 0.1，比特准确率 ≥ 99%；不知道间隔时误差超过两倍",
            ),
            max(max(one.values) for one in faded) <= 0.1
            and min(min(one.values) for one in kept["fading"]) >= 0.99
            and max(map(_mean, blind)) > 0.2,
            [
                Table(by_gap, columns, errors),
                Table(Words("The bit: accuracy", "比特：准确率"), columns, {KINDS[k]: row for k, row in kept.items()}),
            ],
            [
                draw.curves(
                    by_gap,
                    GAPS,
                    errors,
                    xlabel=Words("gap, steps", "间隔（步）"),
                    ylabel=Words("error", "误差"),
                    xscale="log",
                )
            ],
        )
    ]


def _mean(figure: Measured) -> float:
    return figure.mean
